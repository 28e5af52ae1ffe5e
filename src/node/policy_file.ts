// A policy of a user's file over a list of accesses, in a thread of its own: what throws, answers nonsense, leaves its thread
// or does not end is one sentence that names the file.
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AccessList, PolicyMisses } from '../sim/policy/simulate.ts'
import type { PolicyJob, PolicyMessage } from './policy_worker.ts'
import { explainFileError, UserError } from './user_error.ts'

/** Whether the name of a policy is that of a file. */
export const isPolicyFile = (name: string): boolean => /\.m?[jt]s$/.test(name)

/** Looks whether the file is there, before long work is done for it. @throws UserError where it is not */
export function checkPolicyFile(path: string): void {
  try {
    if (!statSync(path).isFile()) throw new UserError(`${path}: not a file`)
  } catch (error) {
    throw explainFileError(path, error)
  }
}

/** Misses of a file's policy. @throws UserError for what is wrong with it; `timeout` in seconds */
export function runPolicyFile(
  path: string,
  { accesses, pages }: AccessList,
  frames: readonly number[],
  timeout = 600,
): Promise<PolicyMisses> {
  checkPolicyFile(path)
  const name = basename(path).replace(/\.\w+$/, '')
  const job: PolicyJob = { path: resolve(path), name, accesses, pages, frames }
  const worker = new Worker(new URL(`./policy_worker${import.meta.url.slice(-3)}`, import.meta.url), {
    workerData: job,
    stdout: true,
  })
  // Standard output is for results.
  worker.stdout.pipe(process.stderr, { end: false })
  return new Promise((answer, refuse) => {
    const settle = (action: () => void): void => {
      clearTimeout(watchdog)
      worker.stdout.unpipe(process.stderr)
      action()
      void worker.terminate()
    }
    const fail = (why: string): void => settle(() => refuse(new UserError(named(path, why))))
    const watchdog = setTimeout(() => fail(`did not end within ${timeout} s`), timeout * 1000)
    worker.on('message', (message: PolicyMessage) => {
      if (message.type === 'misses') settle(() => answer(message.misses))
      else fail(message.message)
    })
    worker.on('error', error => fail(`ended its thread: ${error.message}`))
    worker.on('exit', code => fail(`ended its thread with code ${code}`))
  })
}

const named = (path: string, message: string): string =>
  message.includes(basename(path)) ? message : `${path}: ${message}`
