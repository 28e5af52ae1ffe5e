// The thread that a kernel module runs in: it loads the file, boots the machine, runs the module and tells what comes of it,
// message by message, so that who waits can give up.

import { register } from 'node:module'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import type { MachineDescription } from '../sim/machine_description.ts'
import type { KernelModule } from '../sim/module/kernel_api.ts'
import { type ModuleReport, runModule } from '../sim/module/run_module.ts'
import { loadMachine, type MachineChoices, withSwitches } from './machine_file.ts'

export interface ModuleJob {
  /** The module's file. */
  readonly path: string
  /** Folder or description of the machine. */
  readonly machine?: string
  readonly choices: MachineChoices
  readonly limit?: number
}

export type ModuleMessage =
  | { readonly type: 'booted'; readonly buffer: ArrayBufferLike; readonly choices: MachineChoices }
  | { readonly type: 'line'; readonly line: string }
  | { readonly type: 'report'; readonly report: ModuleReport }
  | { readonly type: 'refused'; readonly message: string }

/** What a module has unless somebody says otherwise. */
const MEMORY = '64M'
/** A gigabyte in frames of 4 KiB: room that is reserved, and used as far as frames are written. */
const FRAMES_WITH_BYTES = 2 ** 18

type Loaded = KernelModule & { readonly machine?: MachineDescription }

const tell = (message: ModuleMessage): void => parentPort!.postMessage(message)

async function loadModule(path: string): Promise<Loaded> {
  const ending = import.meta.url.slice(-3)
  register(new URL(`./module_hooks${ending}`, import.meta.url))
  return (await import(pathToFileURL(path).href)) as Loaded
}

/** The machine that the user names, else the one that the module asks for, else a small one. */
function choicesOf({ machine, choices }: ModuleJob, module: Loaded): MachineChoices {
  if (machine !== undefined) return choices
  const own = { memory: MEMORY, ...(module.machine as MachineChoices) }
  return { ...own, ...choices, ...withSwitches(own, choices) }
}

const job = workerData as ModuleJob
try {
  const module = await loadModule(job.path)
  const choices = choicesOf(job, module)
  const machine = loadMachine(job.machine, choices, { framesWithBytes: FRAMES_WITH_BYTES })
  tell({ type: 'booted', buffer: machine.sys.image.buffer, choices })
  const name = basename(job.path).replace(/\.\w+$/, '')
  const onLine = (line: string): void => tell({ type: 'line', line })
  const report = runModule(machine, module, {
    name,
    onLine,
    ...(job.limit === undefined ? {} : { limit: job.limit }),
  })
  tell({ type: 'report', report })
} catch (error) {
  tell({ type: 'refused', message: error instanceof Error ? error.message : String(error) })
}
