// Commands of programs and of what a process may lock or where its memory may lie: exec, mlockall, limits, memory policies, pages
// moved between nodes. Law: as in commands.ts, what is wrong throws before anything is changed; what the kernel refuses comes back
// as its negated errno.
import { do_execve, new_program } from '../mm/exec.ts'
import { switch_to } from '../mm/fork.ts'
import { do_set_mempolicy, nodemask_of, POLICY_MODES } from '../mm/mempolicy.ts'
import { do_migrate_pages } from '../mm/migrate_nodes.ts'
import { do_mlockall, do_munlockall } from '../mm/mlock.ts'
import { get_current } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import * as F from '../mm/vm_flags.ts'
import { has_processes } from '../mm/vm_init.ts'
import { inodeNamed, ready, taskOf } from './process_commands.ts'

interface OfProcess {
  /** The process; default: the one that runs. */
  readonly pid?: number
}

/** Limits by their names in `ulimit` and prlimit. */
export const LIMITS = {
  data: F.RLIMIT_DATA,
  stack: F.RLIMIT_STACK,
  memlock: F.RLIMIT_MEMLOCK,
  as: F.RLIMIT_AS,
} as const
export type LimitName = keyof typeof LIMITS

/** Commands of programs. The names are the kernel's calls, or what a user does. */
export type ProgramCommand =
  | {
      readonly op: 'create_program'
      readonly name: string
      /** Pages of code, constants, data in the file, and data that begins as zeros. */
      readonly text: number
      readonly rodata: number
      readonly data: number
      readonly bss: number
      readonly memory?: boolean
    }
  | (OfProcess & { readonly op: 'exec'; readonly path: string; readonly argv?: readonly string[] })
  | (OfProcess & { readonly op: 'mlockall'; readonly flags: number })
  | (OfProcess & { readonly op: 'munlockall' })
  | (OfProcess & { readonly op: 'prlimit'; readonly limit: LimitName; readonly bytes: number })
  | (OfProcess & { readonly op: 'set_mempolicy'; readonly mode: string; readonly nodes: readonly number[] })
  | (OfProcess & { readonly op: 'migrate_pages'; readonly from: readonly number[]; readonly to: readonly number[] })

export type ProgramCommandName = ProgramCommand['op']

export interface ProgramResult {
  readonly error?: number
  /** Pages that could not be moved. */
  readonly count?: number
}

type Handlers = {
  readonly [Name in ProgramCommandName]: (sys: Sys, command: ProgramCommand & { op: Name }) => ProgramResult
}

export const PROGRAM_HANDLERS: Handlers = {
  create_program: (sys, command) => createProgram(sys, command),
  exec: (sys, { pid, path, argv }) => {
    ready(sys)
    const task = taskOf(sys, pid)
    return { error: as(sys, task, () => do_execve(sys, task, inodeNamed(sys, path), argv ?? [path])) }
  },
  mlockall: (sys, { pid, flags }) => ({ error: inMm(sys, pid, mm => do_mlockall(sys, mm, flags)) }),
  munlockall: (sys, { pid }) => ({ error: inMm(sys, pid, mm => do_munlockall(sys, mm)) }),
  prlimit: (sys, { pid, limit, bytes }) => {
    sys.task.rlim[8 * taskOf(sys, pid) + LIMITS[limit]] = bytes
    return {}
  },
  set_mempolicy: (sys, { pid, mode, nodes }) => {
    const task = taskOf(sys, pid)
    return { error: as(sys, task, () => do_set_mempolicy(sys, POLICY_MODES.indexOf(mode), nodemask_of(nodes))) }
  },
  migrate_pages: (sys, { pid, from, to }) => ({ count: inMm(sys, pid, mm => do_migrate_pages(sys, mm, from, to)) }),
}

/** Fields that a command must have. */
export const PROGRAM_REQUIRED: { readonly [Name in ProgramCommandName]: readonly string[] } = {
  create_program: ['name', 'text', 'rodata', 'data', 'bss'],
  exec: ['path'],
  mlockall: ['flags'],
  munlockall: [],
  prlimit: ['limit', 'bytes'],
  set_mempolicy: ['mode', 'nodes'],
  migrate_pages: ['from', 'to'],
}

/** Pages of a program's part at most. */
const MOST_PAGES = 2 ** 18

/** Looks at a command's own fields. @throws RangeError with what is wrong */
export function checkProgramCommand(sys: Sys, command: { readonly op: string }): void {
  if (!Object.hasOwn(PROGRAM_HANDLERS, command.op)) return
  if (!has_processes(sys)) throw new RangeError('this machine has no room for processes: boot it with nr_tasks')
  const fields = command as unknown as Readonly<Record<string, unknown>>
  for (const name of ['text', 'rodata', 'data', 'bss', 'flags', 'pid']) {
    const value = fields[name]
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MOST_PAGES)
      throw new RangeError(`${name} ${String(value)} is not a whole number of at most ${MOST_PAGES}`)
  }
  if (command.op === 'create_program' && fields.text === 0)
    throw new RangeError('a program has a page of code at least')
  if (fields.pid !== undefined) taskOf(sys, fields.pid as number)
  if (fields.limit !== undefined && !Object.hasOwn(LIMITS, fields.limit as string))
    throw new RangeError(`no limit "${String(fields.limit)}": there are ${Object.keys(LIMITS).join(', ')}`)
  const { bytes } = fields
  if (bytes !== undefined && command.op === 'prlimit' && !(typeof bytes === 'number' && bytes >= 0))
    throw new RangeError(`${String(bytes)} bytes are no limit`)
  if (fields.mode !== undefined && command.op === 'set_mempolicy' && !POLICY_MODES.includes(fields.mode as string))
    throw new RangeError(`no policy "${String(fields.mode)}": there are ${POLICY_MODES.join(', ')}`)
  for (const name of ['nodes', 'from', 'to'])
    if (fields[name] !== undefined && Object.hasOwn(PROGRAM_HANDLERS, command.op)) checkNodes(sys, fields[name])
}

function checkNodes(sys: Sys, nodes: unknown): void {
  if (!Array.isArray(nodes)) throw new RangeError(`${String(nodes)} is no list of nodes`)
  for (const node of nodes)
    if (!Number.isInteger(node) || node < 0 || node >= sys.nr_nodes) throw new RangeError(`no node ${String(node)}`)
}

function createProgram(sys: Sys, command: ProgramCommand & { op: 'create_program' }): ProgramResult {
  const { name, text, rodata, data, bss, memory = false } = command
  if (inodeNamed(sys, name) !== 0) return { error: -F.EEXIST }
  ready(sys)
  const kind = memory ? F.INODE_SHMEM : F.INODE_REGULAR
  const base = sys.kernel.BITS_PER_LONG === 64 ? 0x400 : 0x8048
  new_program(sys, kind, name, { base, headers: 1, text, rodata, data, bss, data_pgoff: 1 + text + rodata })
  return {}
}

/** Runs with a process as the running one. */
function as(sys: Sys, task: number, run: () => number): number {
  const before = get_current(sys)
  switch_to(sys, task)
  try {
    return run()
  } finally {
    switch_to(sys, before)
  }
}

function inMm(sys: Sys, pid: number | undefined, run: (mm: number) => number): number {
  const task = taskOf(sys, pid)
  return as(sys, task, () => run(sys.task.mm[task]!))
}
