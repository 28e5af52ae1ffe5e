// What a control group has, as its files and its report tell: counted from the frames when somebody asks.
import { folio_lru_list } from './lruvec.ts'
import { is_member, mem_cgroup_is_descendant } from './memcg_tree.ts'
import { PAGE_STATE_ORDER, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import type { OomCounter } from './oom_select.ts'
import { folio_test_swapcache } from './page_io.ts'
import { INODE_SHMEM } from './vm_flags.ts'

/** A limit that is none, as it is printed: pages. @kernel include/linux/page_counter.h:PAGE_COUNTER_MAX */
export function PAGE_COUNTER_MAX(sys: Sys): number {
  return sys.kernel.BITS_PER_LONG === 64 ? 2 ** (63 - sys.kernel.PAGE_SHIFT) - 1 : 2 ** 31 - 1
}

/** The counters of a report, kB. @kernel mm/memcontrol.c:mem_cgroup_print_oom_meminfo */
export function memcg_counters(sys: Sys, memcg: number): OomCounter[] {
  const kb = sys.page_bytes / 1024
  // 2^63 bytes less one page are more than a double holds: the kernel prints them as whole kB.
  const k = (pages: number): number => Math.min(pages, PAGE_COUNTER_MAX(sys)) * kb
  const { usage, max, failcnt, swap_usage, swap_max, swap_failcnt } = sys.memcg
  return [
    { name: 'memory', usage: k(usage[memcg]!), limit: k(max[memcg]!), failcnt: failcnt[memcg]! },
    { name: 'swap', usage: k(swap_usage[memcg]!), limit: k(swap_max[memcg]!), failcnt: swap_failcnt[memcg]! },
  ]
}

const LRU_NAMES = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable']

/** Pages of the frames that are charged to a group or below, by the names of memory.stat. */
function frame_stats(sys: Sys, memcg: number): Map<string, number> {
  const stats = new Map<string, number>()
  const add = (name: string, pages: number): void => void stats.set(name, (stats.get(name) ?? 0) + pages)
  const { flags, mapping, _mapcount, state } = sys.page
  const { id } = sys.page_memcg
  for (let pfn = 0; pfn < id.length; pfn++) {
    if (id[pfn] === 0 || !is_member(sys, pfn, memcg)) continue
    const bits = flags[pfn]!
    if ((bits & PG.table) !== 0) continue
    const pages = 2 ** ((state[pfn]! & PAGE_STATE_ORDER) - 1)
    const mapped = _mapcount[pfn]! > 0 || pages > 1
    if (mapping[pfn]! < 0 && mapped) add('anon', pages)
    if (mapping[pfn]! < 0 && pages > 1) add('anon_thp', pages)
    if (mapping[pfn]! > 0) {
      add('file', pages)
      if (sys.inode.kind[mapping[pfn]!] === INODE_SHMEM) add('shmem', pages)
      if (mapped) add('file_mapped', pages)
      if ((bits & PG.dirty) !== 0) add('file_dirty', pages)
      if ((bits & PG.writeback) !== 0) add('file_writeback', pages)
    }
    if (folio_test_swapcache(sys, pfn)) add('swapcached', pages)
    if ((bits & PG.lru) !== 0) add(LRU_NAMES[folio_lru_list(sys, pfn)]!, pages)
  }
  return stats
}

/** What groups at and below one counted. */
function sum(sys: Sys, memcg: number, column: Float64Array): number {
  let total = 0
  for (let group = 1; group < sys.memcg.used.length; group++)
    if (sys.memcg.used[group] === 1 && mem_cgroup_is_descendant(sys, group, memcg)) total += column[group]!
  return total
}

/** Items of memory.stat, in the kernel's order; memory in bytes. What the twin does not count is 0.
 * @kernel mm/memcontrol.c:memory_stat_format */
export function memcg_stats(sys: Sys, memcg: number): [name: string, value: number][] {
  const frames = frame_stats(sys, memcg)
  const events: Readonly<Record<string, number>> = {
    pgfault: sum(sys, memcg, sys.memcg.pgfault),
    pgmajfault: sum(sys, memcg, sys.memcg.pgmajfault),
    pgscan: sys.memcg.pgscan[memcg]!,
    pgscan_direct: sys.memcg.pgscan[memcg]!,
    pgsteal: sys.memcg.pgsteal[memcg]!,
    pgsteal_direct: sys.memcg.pgsteal[memcg]!,
  }
  const tables = memcg === 0 ? 0 : sys.memcg.kmem[memcg]!
  frames.set('kernel', tables)
  frames.set('pagetables', tables)
  return sys.kernel.report_text.memcg_stats.map(name => [
    name,
    events[name] ?? (frames.get(name) ?? 0) * sys.page_bytes,
  ])
}

/** Bytes that the console gives one message, and each line's time stamp. @kernel kernel/printk/printk.c:CONSOLE_LOG_MAX */
const CONSOLE_LOG_MAX = 1024
const PREFIX = 15

/** The lines of the items; a kernel that prints them as one message loses those that do not fit. @ours */
export function stat_lines(sys: Sys, stats: readonly (readonly [string, number])[]): string[] {
  const lines = stats.map(([name, value]) => `${name} ${value}`)
  if (!sys.kernel.report_text.memcg_stats_in_one_message) return lines
  let bytes = 0
  const end = lines.findIndex(line => (bytes += PREFIX + line.length + 1) > CONSOLE_LOG_MAX)
  return end < 0 ? lines : lines.slice(0, end)
}
