// The thread that a policy of a user runs in: it loads the file, runs it over the accesses at every memory size, and tells the
// misses, so that who waits can give up.
import { register } from 'node:module'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import { plugInKind } from '../sim/policy/plug_in.ts'
import { type PolicyMisses, simulate } from '../sim/policy/simulate.ts'

export interface PolicyJob {
  /** The policy's file. */
  readonly path: string
  readonly name: string
  readonly accesses: Int32Array
  readonly pages: number
  readonly frames: readonly number[]
}

export type PolicyMessage =
  | { readonly type: 'misses'; readonly misses: PolicyMisses }
  | { readonly type: 'refused'; readonly message: string }

const job = workerData as PolicyJob
const tell = (message: PolicyMessage): void => parentPort!.postMessage(message)
try {
  register(new URL(`./module_hooks${import.meta.url.slice(-3)}`, import.meta.url))
  const kind = plugInKind(job.name, await import(pathToFileURL(job.path).href))
  tell({ type: 'misses', misses: simulate(job, [kind], job.frames)[0]! })
} catch (error) {
  tell({ type: 'refused', message: error instanceof Error ? error.message : String(error) })
}
