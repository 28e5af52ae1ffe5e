// A kernel module of a file, run in a thread of its own with somebody who watches: a module that does not end is stopped,
// and its machine, whose memory both threads see, is looked at as it was left.
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { complaintsIn } from '../sim/complaints.ts'
import { Machine } from '../sim/machine.ts'
import { kasanTitles } from '../sim/module/kasan_titles.ts'
import type { ModuleReport } from '../sim/module/run_module.ts'
import { loadMachine, type MachineChoices } from './machine_file.ts'
import type { ModuleJob, ModuleMessage } from './module_worker.ts'
import { explainFileError, UserError } from './user_error.ts'

export interface ModuleFileOptions {
  /** Folder or description of the machine; default: the one that the module exports, else 64 MiB. */
  readonly machine?: string
  readonly choices?: MachineChoices
  /** Seconds that it may take; default 60. */
  readonly timeout?: number
  /** Calls of the kernel that it may make; default one million. */
  readonly limit?: number
  /** Hears each line of the log as it is printed. */
  readonly onLine?: (line: string) => void
}

/** Runs the module of a file. @throws UserError for a file that is no module, or a machine that cannot be */
export async function runModuleFile(path: string, options: ModuleFileOptions = {}): Promise<ModuleReport> {
  try {
    if (!statSync(path).isFile()) throw new UserError(`${path}: not a file`)
  } catch (error) {
    throw explainFileError(path, error)
  }
  const { machine, choices = {}, limit } = options
  const job: ModuleJob = {
    path: resolve(path),
    choices,
    ...(machine === undefined ? {} : { machine }),
    ...(limit === undefined ? {} : { limit }),
  }
  return watched(path, job, options)
}

function watched(path: string, job: ModuleJob, { timeout = 60, onLine }: ModuleFileOptions): Promise<ModuleReport> {
  const ending = import.meta.url.slice(-3)
  // Standard output is for results: what a module writes past the kernel's log goes to standard error.
  const worker = new Worker(new URL(`./module_worker${ending}`, import.meta.url), { workerData: job, stdout: true })
  worker.stdout.pipe(process.stderr, { end: false })
  const log: string[] = []
  let booted: Extract<ModuleMessage, { type: 'booted' }> | null = null
  const cut = (why: string): ModuleReport => cutReport(path, job, booted, log, why)
  return new Promise((answer, refuse) => {
    const settle = (action: () => void): void => {
      clearTimeout(watchdog)
      worker.stdout.unpipe(process.stderr)
      try {
        action()
      } catch (error) {
        refuse(error)
      }
      void worker.terminate()
    }
    const watchdog = setTimeout(() => settle(() => answer(cut(`did not end within ${timeout} s`))), timeout * 1000)
    worker.on('message', (message: ModuleMessage) => {
      if (message.type === 'booted') booted = message
      else if (message.type === 'line') {
        log.push(message.line)
        onLine?.(message.line)
      } else if (message.type === 'report') settle(() => answer(message.report))
      else settle(() => refuse(new UserError(named(path, message.message))))
    })
    worker.on('error', error => settle(() => answer(cut(`ended its thread: ${error.message}`))))
    worker.on('exit', code => settle(() => answer(cut(`ended its thread with code ${code}`))))
  })
}

/** A sentence that names the file. */
const named = (path: string, message: string): string =>
  message.includes(basename(path)) ? message : `${path}: ${message}`

/** The report of a module that was cut off: what it holds went with its thread, the machine is there. */
function cutReport(
  path: string,
  job: ModuleJob,
  booted: Extract<ModuleMessage, { type: 'booted' }> | null,
  log: readonly string[],
  error: string,
): ModuleReport {
  const machine =
    booted === null ? null : Machine.attach(loadMachine(job.machine, booted.choices).sys.kernel, booted.buffer)
  return {
    module: basename(path).replace(/\.\w+$/, ''),
    kernel: machine === null ? 'none: no machine was booted yet' : machine.sys.kernel.name,
    returned: null,
    finished: false,
    error,
    log,
    unheard: 0,
    calls: 0,
    leaks: [],
    caches: [],
    pools: 0,
    kmemleak: null,
    kasanReports: kasanTitles(log),
    complaints: complaintsIn(log),
    faults: machine === null ? [] : machine.check(),
  }
}
