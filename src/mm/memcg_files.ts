// Files of a control group: what is read from them and what may be written.

import { GFP_KERNEL } from './gfp.ts'
import { drain_all_stock, memcg_memory_event } from './memcg_charge.ts'
import { mem_cgroup_out_of_memory } from './memcg_oom.ts'
import { try_to_free_mem_cgroup_pages } from './memcg_reclaim.ts'
import { memcg_stats } from './memcg_stat.ts'
import { MEMCG_OOM, NR_MEMCG_EVENTS } from './memcg_tables.ts'
import { cgroup_name, children, mem_cgroup_css_alloc, mem_cgroup_css_free, mem_cgroup_tasks } from './memcg_tree.ts'
import type { Sys } from './mmzone.ts'
import { kstrtoint } from './oom_adj.ts'
import { fatal_signal_pending } from './task_reserves.ts'
import { EAGAIN, EBUSY, EEXIST, EINVAL, ESRCH, TASK_RUNNING } from './vm_flags.ts'

const EVENTS = ['low', 'high', 'max', 'oom', 'oom_kill', 'oom_group_kill'] as const

const bytes = (sys: Sys, pages: number): string => (pages === Infinity ? 'max\n' : `${pages * sys.page_bytes}\n`)

/** An event of a group and of those below it. */
function events_of(sys: Sys, memcg: number, event: number): number {
  let total = sys.memcg.events[NR_MEMCG_EVENTS * memcg + event]!
  for (const child of children(sys, memcg)) total += events_of(sys, child, event)
  return total
}

const own_tasks = (sys: Sys, memcg: number): number[] =>
  mem_cgroup_tasks(sys, memcg).filter(task => sys.task.memcg[task] === memcg)

type File = readonly [read: ((sys: Sys, memcg: number) => string) | null, write: Writer | null]
type Writer = (sys: Sys, memcg: number, text: string) => number

const counter = (column: 'usage' | 'watermark' | 'swap_usage'): File => [
  (sys, memcg) => bytes(sys, sys.memcg[column][memcg]!),
  null,
]

function limit(column: 'max' | 'high' | 'swap_max', written?: (sys: Sys, memcg: number) => void): File {
  const write: Writer = (sys, memcg, text) => {
    const pages = page_counter_memparse(sys, text)
    if (Number.isNaN(pages)) return -EINVAL
    sys.memcg[column][memcg] = pages
    written?.(sys, memcg)
    return 0
  }
  return [(sys, memcg) => bytes(sys, sys.memcg[column][memcg]!), write]
}

/** Files by name; the root has those that its folder has in a kernel. @kernel mm/memcontrol.c:memory_files */
const FILES: Readonly<Record<string, File>> = {
  'cgroup.procs': [
    (sys, memcg) =>
      own_tasks(sys, memcg)
        .map(task => `${sys.task.pid[task]}\n`)
        .join(''),
    cgroup_procs_write,
  ],
  'memory.current': counter('usage'),
  'memory.peak': counter('watermark'),
  'memory.max': limit('max', memory_max_written),
  'memory.high': limit('high', memory_high_written),
  'memory.swap.current': counter('swap_usage'),
  'memory.swap.max': limit('swap_max'),
  'memory.oom.group': [(sys, memcg) => `${sys.memcg.oom_group[memcg]}\n`, oom_group_write],
  'memory.events': [
    (sys, memcg) => EVENTS.map((name, event) => `${name} ${events_of(sys, memcg, event)}\n`).join(''),
    null,
  ],
  'memory.events.local': [
    (sys, memcg) =>
      EVENTS.map((name, event) => `${name} ${sys.memcg.events[NR_MEMCG_EVENTS * memcg + event]}\n`).join(''),
    null,
  ],
  'memory.stat': [
    (sys, memcg) =>
      memcg_stats(sys, memcg)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(''),
    null,
  ],
  'memory.reclaim': [null, memory_reclaim],
}
const OF_ROOT: readonly string[] = ['cgroup.procs', 'memory.reclaim']

/** Names of a group's files. @ours */
export function cgroup_files(memcg: number): readonly string[] {
  return memcg === 0 ? OF_ROOT : Object.keys(FILES)
}

const file_of = (memcg: number, name: string): File | null => (cgroup_files(memcg).includes(name) ? FILES[name]! : null)

/** Text of a file; null = there is none, or it can only be written. @kernel kernel/cgroup/cgroup.c:cgroup_seqfile_show */
export function cgroup_read(sys: Sys, memcg: number, name: string): string | null {
  return file_of(memcg, name)?.[0]?.(sys, memcg) ?? null
}

/** Writes a file: 0, or a negated errno. @kernel kernel/cgroup/cgroup.c:cgroup_file_write */
export function cgroup_write(sys: Sys, memcg: number, name: string, text: string): number {
  const file = file_of(memcg, name)
  if (file === null) return -2
  return file[1] === null ? -EINVAL : file[1](sys, memcg, text)
}

/** `max`, or bytes with K, M, G or T: pages; NaN for others. @kernel mm/page_counter.c:page_counter_memparse */
export function page_counter_memparse(sys: Sys, text: string): number {
  const word = text.trim()
  if (word === 'max') return Infinity
  const match = /^(\d+|0x[0-9a-f]+)([KMGT]?)$/i.exec(word)
  if (!match) return Number.NaN
  const shift = 10 * (1 + 'KMGT'.indexOf(match[2]!.toUpperCase() || '-'))
  return Math.floor((Number(match[1]) * 2 ** shift) / sys.page_bytes)
}

/** A limit below what is used: reclaim until it holds, then kill. @kernel mm/memcontrol.c:memory_max_write */
function memory_max_written(sys: Sys, memcg: number): void {
  const { usage, max } = sys.memcg
  let drained = false
  // Who writes may be the one that is killed.
  for (let tries = 16; usage[memcg]! > max[memcg]! && !fatal_signal_pending(sys); ) {
    if (!drained) {
      drain_all_stock(sys, memcg)
      drained = true
    } else if (tries > 0) {
      if (try_to_free_mem_cgroup_pages(sys, memcg, usage[memcg]! - max[memcg]!, true) === 0) tries--
    } else {
      memcg_memory_event(sys, memcg, MEMCG_OOM)
      if (!mem_cgroup_out_of_memory(sys, memcg, GFP_KERNEL, 0) || mem_cgroup_tasks(sys, memcg).length === 0) return
    }
  }
}

/** @kernel mm/memcontrol.c:memory_high_write */
function memory_high_written(sys: Sys, memcg: number): void {
  const { usage, high } = sys.memcg
  let drained = false
  for (let tries = 16; usage[memcg]! > high[memcg]! && tries > 0; ) {
    if (!drained) drain_all_stock(sys, memcg)
    else if (try_to_free_mem_cgroup_pages(sys, memcg, usage[memcg]! - high[memcg]!, true) === 0) tries--
    drained = true
  }
}

/** @kernel mm/memcontrol.c:memory_oom_group_write */
function oom_group_write(sys: Sys, memcg: number, text: string): number {
  const value = kstrtoint(text)
  if (value !== 0 && value !== 1) return -EINVAL
  sys.memcg.oom_group[memcg] = value
  return 0
}

/** Reclaims so many bytes now; EAGAIN where there were fewer. @kernel mm/memcontrol.c:memory_reclaim */
function memory_reclaim(sys: Sys, memcg: number, text: string): number {
  const pages = page_counter_memparse(sys, text)
  if (!Number.isFinite(pages) || memcg === 0) return -EINVAL
  let freed = 0
  for (let tries = 16; freed < pages; ) {
    const got = try_to_free_mem_cgroup_pages(sys, memcg, Math.min(pages - freed, 64), true)
    freed += got
    if (got === 0 && --tries === 0) return -EAGAIN
  }
  return 0
}

/** A process moves; what it was charged for stays where it is. @kernel kernel/cgroup/cgroup.c:cgroup_procs_write */
function cgroup_procs_write(sys: Sys, memcg: number, text: string): number {
  const pid = kstrtoint(text)
  if (Number.isNaN(pid) || pid < 0) return -EINVAL
  const task = sys.task.pid.indexOf(pid, 1)
  if (pid === 0 || task < 0 || sys.task.state[task] !== TASK_RUNNING) return -ESRCH
  for (let other = 1; other < sys.task.tgid.length; other++)
    if (sys.task.state[other] !== 0 && sys.task.tgid[other] === sys.task.tgid[task]) sys.task.memcg[other] = memcg
  return 0
}

/** 0, or a negated errno. @kernel kernel/cgroup/cgroup.c:cgroup_mkdir */
export function cgroup_mkdir(sys: Sys, parent: number, name: string): number {
  if (children(sys, parent).some(child => cgroup_name(sys, child) === name)) return -EEXIST
  return mem_cgroup_css_alloc(sys, parent, name) < 0 ? -EAGAIN : 0
}

/** Only an empty group goes. @kernel kernel/cgroup/cgroup.c:cgroup_rmdir */
export function cgroup_rmdir(sys: Sys, memcg: number): number {
  if (memcg === 0 || children(sys, memcg).length > 0 || mem_cgroup_tasks(sys, memcg).length > 0) return -EBUSY
  drain_all_stock(sys, memcg)
  mem_cgroup_css_free(sys, memcg)
  return 0
}
