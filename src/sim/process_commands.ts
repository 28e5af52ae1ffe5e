// Commands of processes: made, forked, ended; memory mapped, changed, touched. Pages are virtual page numbers. Every one of
// them runs in the process that `pid` names, or in the one that runs now. Law: as in commands.ts, what is wrong throws
// before anything is changed; what the kernel refuses comes back as its negated errno.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import { access } from '../mm/access.ts'
import { brk } from '../mm/brk.ts'
import { fput, new_inode, open_inode } from '../mm/files.ts'
import { do_exit, fork, mm_alloc, release_task, switch_to, task_alloc } from '../mm/fork.ts'
import { set_max_huge_pages } from '../mm/hugetlb.ts'
import { khugepaged_step } from '../mm/khugepaged.ts'
import { do_madvise, MADV, type MadviseName } from '../mm/madvise.ts'
import { do_mlock, do_munlock } from '../mm/mlock.ts'
import { get_current } from '../mm/mm_counter.ts'
import { do_mmap, do_munmap } from '../mm/mmap.ts'
import type { Sys } from '../mm/mmzone.ts'
import { do_mprotect } from '../mm/mprotect.ts'
import { do_mremap } from '../mm/mremap.ts'
import { swapper_pg_dir } from '../mm/pgtable_map.ts'
import { cond_resched, spend } from '../mm/reclaim_clock.ts'
import { THP_ALWAYS, THP_MADVISE, THP_NEVER } from '../mm/thp_settings.ts'
import * as F from '../mm/vm_flags.ts'
import { has_processes, vm_init } from '../mm/vm_init.ts'

interface OfProcess {
  /** The process; default: the one that runs. */
  readonly pid?: number
}

interface Range extends OfProcess {
  readonly page: number
  readonly pages: number
}

/** Commands of processes. The names are the kernel's calls, or what a user does. */
export type ProcessCommand =
  | { readonly op: 'spawn'; readonly comm: string }
  | (OfProcess & { readonly op: 'fork' | 'exit' })
  | (OfProcess & { readonly op: 'run_process' })
  | (OfProcess & {
      readonly op: 'mmap'
      readonly pages: number
      readonly prot: number
      readonly flags: number
      readonly page?: number
      /** Name of a file that `create_file` made. */
      readonly file?: string
      readonly pgoff?: number
    })
  | (Range & { readonly op: 'munmap' | 'munlock' })
  | (Range & { readonly op: 'mlock'; readonly onfault?: boolean })
  | (Range & { readonly op: 'mprotect'; readonly prot: number })
  | (Range & { readonly op: 'madvise'; readonly advice: MadviseName })
  | (OfProcess & {
      readonly op: 'mremap'
      readonly page: number
      readonly old: number
      readonly pages: number
      readonly flags: number
      readonly to?: number
    })
  | (OfProcess & { readonly op: 'brk'; readonly bytes: number })
  | (Range & { readonly op: 'touch'; readonly access: 'read' | 'write' | 'exec' })
  | { readonly op: 'create_file'; readonly name: string; readonly pages: number; readonly memory?: boolean }
  | { readonly op: 'thp'; readonly mode: 'always' | 'madvise' | 'never' }
  | { readonly op: 'khugepaged'; readonly pages: number }
  | { readonly op: 'nr_hugepages'; readonly count: number }

export type ProcessCommandName = ProcessCommand['op']

/** What came back. */
export interface ProcessResult {
  /** Number of a process that was made. */
  readonly pid?: number
  /** First page of a mapping; or a negated errno in `error`. */
  readonly page?: number
  readonly error?: number
  /** Signal that the process got; 0 = none. */
  readonly signal?: number
  /** Faults of an access. */
  readonly minor?: number
  readonly major?: number
  readonly bytes?: number
  readonly count?: number
}

type Handlers = {
  readonly [Name in ProcessCommandName]: (sys: Sys, command: ProcessCommand & { op: Name }) => ProcessResult
}

export const PROCESS_HANDLERS: Handlers = {
  spawn: (sys, { comm }) => spawn(sys, comm),
  fork: (sys, { pid }) => forked(sys, fork(sys, taskOf(sys, pid))),
  exit: (sys, { pid }) => exit(sys, taskOf(sys, pid)),
  run_process: (sys, { pid }) => {
    switch_to(sys, taskOf(sys, pid))
    return {}
  },
  mmap: (sys, command) => mapped(map(sys, command)),
  munmap: (sys, { pid, page, pages }) => failed(inside(sys, pid, mm => do_munmap(sys, mm, page, pages))),
  mlock: (sys, { pid, page, pages, onfault }) =>
    failed(inside(sys, pid, mm => do_mlock(sys, mm, page, pages, onfault ? F.MLOCK_ONFAULT : 0))),
  munlock: (sys, { pid, page, pages }) => failed(inside(sys, pid, mm => do_munlock(sys, mm, page, pages))),
  mprotect: (sys, { pid, page, pages, prot }) =>
    failed(inside(sys, pid, mm => do_mprotect(sys, mm, page, pages, prot))),
  madvise: (sys, { pid, page, pages, advice }) =>
    failed(inside(sys, pid, mm => do_madvise(sys, mm, page, pages, MADV[advice]))),
  mremap: (sys, { pid, page, old, pages, flags, to = 0 }) =>
    mapped(inside(sys, pid, mm => do_mremap(sys, mm, page, old, pages, flags, to))),
  brk: (sys, { pid, bytes }) => ({ bytes: inside(sys, pid, mm => brk(sys, mm, bytes)) }),
  touch: (sys, { pid, page, pages, access: how }) => touch(sys, taskOf(sys, pid), page, pages, KINDS.indexOf(how)),
  create_file: (sys, { name, pages, memory = false }) => createFile(sys, name, pages, memory),
  thp: (sys, { mode }) => {
    ready(sys)
    sys.vm_state.thp_enabled[0] = { always: THP_ALWAYS, madvise: THP_MADVISE, never: THP_NEVER }[mode]
    return {}
  },
  khugepaged: (sys, { pages }) => {
    ready(sys)
    return { count: khugepaged_step(sys, pages) }
  },
  nr_hugepages: (sys, { count }) => {
    ready(sys)
    set_max_huge_pages(sys, count)
    return { count: sys.vm_state.hugetlb_total[0]! }
  },
}

const KINDS = ['read', 'write', 'exec']

/** Fields that a command must have. */
export const PROCESS_REQUIRED: { readonly [Name in ProcessCommandName]: readonly string[] } = {
  spawn: ['comm'],
  fork: [],
  exit: [],
  run_process: ['pid'],
  mmap: ['pages', 'prot', 'flags'],
  munmap: ['page', 'pages'],
  mlock: ['page', 'pages'],
  munlock: ['page', 'pages'],
  mprotect: ['page', 'pages', 'prot'],
  madvise: ['page', 'pages', 'advice'],
  mremap: ['page', 'old', 'pages', 'flags'],
  brk: ['bytes'],
  touch: ['page', 'pages', 'access'],
  create_file: ['name', 'pages'],
  thp: ['mode'],
  khugepaged: ['pages'],
  nr_hugepages: ['count'],
}

/** Looks at a command's own fields. @throws RangeError with what is wrong */
export function checkProcessCommand(sys: Sys, command: { readonly op: string }): void {
  if (!Object.hasOwn(PROCESS_HANDLERS, command.op)) return
  if (!has_processes(sys)) throw new RangeError('this machine has no room for processes: boot it with nr_tasks')
  const fields = command as unknown as Readonly<Record<string, unknown>>
  for (const name of ['page', 'pages', 'old', 'to', 'pgoff', 'bytes', 'prot', 'flags', 'count', 'pid']) {
    const value = fields[name]
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 2 ** 52)
      throw new RangeError(`${name} ${String(value)} is not a whole number of at most 52 bits`)
  }
  if (fields.pid !== undefined) taskOf(sys, fields.pid as number)
  if (fields.advice !== undefined && !Object.hasOwn(MADV, fields.advice as string))
    throw new RangeError(`no advice "${String(fields.advice)}": there are ${Object.keys(MADV).join(', ')}`)
  if (fields.access !== undefined && !KINDS.includes(fields.access as string))
    throw new RangeError(`access "${String(fields.access)}" is not read, write or exec`)
  if (fields.mode !== undefined && !['always', 'madvise', 'never'].includes(fields.mode as string))
    throw new RangeError(`mode "${String(fields.mode)}" is not always, madvise or never`)
  if (fields.file !== undefined && inodeNamed(sys, String(fields.file)) === 0)
    throw new RangeError(`no file ${String(fields.file)}`)
}

/** Row of a process that can run; with `stuckToo` of one that hangs, too. @throws RangeError where there is none */
export function taskOf(sys: Sys, pid: number | undefined, stuckToo = false): number {
  const task = pid === undefined ? get_current(sys) : sys.task.pid.indexOf(pid, 1)
  const hangs = task > 0 && sys.task.stuck[task] === 1
  if (task > 0 && sys.task.state[task] === F.TASK_RUNNING && (!hangs || stuckToo)) return task
  if (hangs) throw new RangeError(`process ${sys.task.pid[task]} hangs: wake it first`)
  throw new RangeError(pid === undefined ? 'no process runs: spawn one' : `no process ${pid}`)
}

/** The kernel's address space and what boot decides for processes. */
export function ready(sys: Sys): void {
  if (swapper_pg_dir(sys) < 0) setup_address_space(sys)
  vm_init(sys)
}

/** A process with a stack, and nothing else mapped. */
function spawn(sys: Sys, comm: string): ProcessResult {
  ready(sys)
  const task = task_alloc(sys, comm)
  const mm = mm_alloc(sys, task)
  if (mm === 0) {
    release_task(sys, task)
    return { error: -F.ENOMEM }
  }
  sys.task.mm[task] = mm
  const top = sys.mm.task_size[mm]! - 1
  const flags = F.MAP_PRIVATE | F.MAP_ANONYMOUS | F.MAP_FIXED | F.MAP_GROWSDOWN
  const page = do_mmap(sys, mm, { page: top - 33, pages: 33, prot: F.PROT_READ | F.PROT_WRITE, flags })
  sys.mm.start_stack[mm] = top * sys.page_bytes - 16
  sys.mm.start_brk[mm] = sys.mm.brk[mm] = 0x1000 * sys.page_bytes
  switch_to(sys, task)
  return { pid: sys.task.pid[task]!, page }
}

const forked = (sys: Sys, child: number): ProcessResult =>
  child < 0 ? { error: child } : { pid: sys.task.pid[child]! }

function exit(sys: Sys, task: number): ProcessResult {
  const parent = sys.task.parent[task]!
  do_exit(sys, task, 0)
  const wasCurrent = get_current(sys) === task
  release_task(sys, task)
  if (wasCurrent && parent !== 0 && sys.task.state[parent] === F.TASK_RUNNING) switch_to(sys, parent)
  return {}
}

/** Runs with a process as the running one. */
function inside(sys: Sys, pid: number | undefined, run: (mm: number) => number): number {
  const task = taskOf(sys, pid)
  const before = get_current(sys)
  switch_to(sys, task)
  try {
    return run(sys.task.mm[task]!)
  } finally {
    switch_to(sys, before)
  }
}

const mapped = (page: number): ProcessResult => (page < 0 ? { error: page } : { page })
const failed = (error: number): ProcessResult => ({ error: Math.min(error, 0) })

function map(sys: Sys, command: Extract<ProcessCommand, { op: 'mmap' }>): number {
  const { pid, pages, prot, flags, page = 0, file, pgoff = 0 } = command
  if (file === undefined) return inside(sys, pid, mm => do_mmap(sys, mm, { pages, prot, flags, page, pgoff }))
  const opened = open_inode(sys, inodeNamed(sys, file))
  const at = inside(sys, pid, mm => do_mmap(sys, mm, { pages, prot, flags, page, pgoff, file: opened }))
  fput(sys, opened)
  return at
}

function touch(sys: Sys, task: number, page: number, pages: number, kind: number): ProcessResult {
  const { min_flt, maj_flt } = sys.task
  const before = get_current(sys)
  const [minor, major] = [min_flt[task]!, maj_flt[task]!]
  switch_to(sys, task)
  let signal = 0
  for (let at = page; at < page + pages && signal === 0; at++) signal = touchPage(sys, task, at, kind)
  switch_to(sys, before)
  return { signal, minor: min_flt[task]! - minor, major: maj_flt[task]! - major }
}

/** An access of the running process and the time that it takes; others may run then. 0, or the signal. */
export function touchPage(sys: Sys, task: number, page: number, kind: number): number {
  const { min_flt, maj_flt } = sys.task
  const { access: hit, fault } = sys.reclaim_clock
  const faults = min_flt[task]! + maj_flt[task]!
  const signal = access(sys, page, kind)
  const missed = min_flt[task]! + maj_flt[task]! !== faults
  spend(sys, missed ? fault[0]! : hit[0]!)
  if (missed || (page & 15) === 0) cond_resched(sys)
  return signal
}

function createFile(sys: Sys, name: string, pages: number, memory: boolean): ProcessResult {
  if (inodeNamed(sys, name) !== 0) return { error: -F.EEXIST }
  ready(sys)
  new_inode(sys, memory ? F.INODE_SHMEM : F.INODE_REGULAR, name, pages * sys.page_bytes)
  return {}
}

/** Row of a file by its name; 0 = there is none. */
export function inodeNamed(sys: Sys, name: string): number {
  const width = sys.inode.kind.length === 0 ? 1 : sys.inode.name.length / sys.inode.kind.length
  for (let inode = 1; inode < sys.inode.kind.length; inode++)
    if (sys.inode.kind[inode] !== 0 && textAt(sys.inode.name, inode * width) === name) return inode
  return 0
}

export function textAt(column: Uint8Array, from: number): string {
  let text = ''
  for (let at = from; column[at] !== 0; at++) text += String.fromCharCode(column[at]!)
  return text
}
