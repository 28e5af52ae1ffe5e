// What the kernel prints when it kills for memory: who asked, what memory looks like, which processes there are, who goes.

import { gfp_zone } from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import { stat_lines } from './memcg_stat.ts'
import { cgroup_path } from './memcg_tree.ts'
import { get_current_or_none, get_mm_counter, get_mm_rss } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { type OomConstraint, type OomControl, oom_tasks } from './oom_select.ts'
import { __show_mem, SHOW_MEM_FILTER_NODES } from './show_mem.ts'
import { global_node_page_state } from './show_mem_state.ts'
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS } from './vm_flags.ts'
import { COMM_LEN } from './vm_tables.ts'

/** Name of a task. @kernel include/linux/sched.h:struct task_struct comm */
export function task_comm(sys: Sys, task: number): string {
  if (task === 0) return `swapper/${sys.machine.this_cpu[0]}`
  const bytes = sys.task.comm.subarray(task * COMM_LEN, (task + 1) * COMM_LEN)
  const end = bytes.indexOf(0)
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? COMM_LEN : end))
}

/** Nodes as ranges, `0-1,3`. @kernel lib/bitmap-str.c:bitmap_print_to_pagebuf */
export function nodelist(nodes: ArrayLike<number>): string {
  const parts: string[] = []
  for (let node = 0; node < nodes.length; node++) {
    if (!nodes[node]) continue
    const first = node
    while (node + 1 < nodes.length && nodes[node + 1]) node++
    parts.push(first === node ? String(node) : `${first}-${node}`)
  }
  return parts.join(',')
}

/** Who runs where. @kernel lib/dump_stack.c:dump_stack_print_info @differs without taint, build and call trace */
export function dump_stack(sys: Sys): void {
  const task = get_current_or_none(sys)
  const pid = task === 0 ? 0 : sys.task.pid[task]
  const uid = sys.kernel.report_text.uid_in_stack ? 'UID: 0 ' : ''
  sys.printk?.(
    `CPU: ${sys.machine.this_cpu[0]} ${uid}PID: ${pid} Comm: ${task_comm(sys, task)} Not tainted ${sys.kernel.release}`,
  )
}

/** All of a report but its last line. @kernel mm/oom_kill.c:dump_header */
export function dump_header(sys: Sys, oc: OomControl, victim: number, constraint: OomConstraint): void {
  const task = get_current_or_none(sys)
  const adj = task === 0 ? 0 : sys.task.oom_score_adj[task]!
  sys.printk?.(
    `${task_comm(sys, task)} invoked oom-killer: gfp_mask=0x${(oc.gfp_mask >>> 0).toString(16)}(${format_gfp(sys.kernel.gfp, oc.gfp_mask)}), order=${oc.order}, oom_score_adj=${adj}`,
  )
  if (!sys.kernel.config.COMPACTION && oc.order > 0) sys.printk?.('COMPACTION is disabled!!!')
  dump_stack(sys)
  if (oc.memcg !== null) print_oom_meminfo(sys, oc.memcg)
  else {
    const nodes = constraint === 'MEMORY_POLICY' ? oc.nodemask : oc.mems_allowed
    __show_mem(sys, SHOW_MEM_FILTER_NODES, nodes, gfp_zone(sys, oc.gfp_mask))
    if (should_dump_unreclaim_slab(sys)) dump_unreclaimable_slab(sys)
  }
  if (sys.sysctl.oom_dump_tasks[0] !== 0) dump_tasks(sys, oc)
  if (victim > 0) dump_oom_summary(sys, oc, victim, constraint)
}

/** @kernel mm/memcontrol.c:mem_cgroup_print_oom_meminfo */
function print_oom_meminfo(sys: Sys, memcg: NonNullable<OomControl['memcg']>): void {
  for (const { name, usage, limit, failcnt } of memcg.counters)
    sys.printk?.(`${name}: usage ${usage}kB, limit ${limit}kB, failcnt ${failcnt}`)
  sys.printk?.(`Memory cgroup stats for ${memcg.path}:`)
  const own =
    memcg.row === undefined ? memcg.stats.map(([name, value]) => `${name} ${value}`) : stat_lines(sys, memcg.stats)
  for (const line of own) sys.printk?.(line)
}

/** Whether slab that cannot be reclaimed holds more than all lists of pages. @kernel mm/oom_kill.c:should_dump_unreclaim_slab */
function should_dump_unreclaim_slab(sys: Sys): boolean {
  const lists = [
    'nr_active_anon',
    'nr_inactive_anon',
    'nr_active_file',
    'nr_inactive_file',
    'nr_isolated_anon',
    'nr_isolated_file',
    'nr_unevictable',
  ] as const
  const on_lists = lists.reduce((sum, item) => sum + global_node_page_state(sys, item), 0)
  return global_node_page_state(sys, 'nr_slab_unreclaimable') > on_lists
}

/** @kernel mm/slab_common.c:dump_unreclaimable_slab */
function dump_unreclaimable_slab(sys: Sys): void {
  // SLOB knows no caches.
  if (sys.kernel.slab === 'SLOB') return
  sys.printk?.('Unreclaimable slab info:')
  sys.printk?.('Name                      Used          Total')
  for (const { name, used, total } of sys.seams.slab_info?.unreclaimable(sys) ?? [])
    sys.printk?.(`${name.padEnd(17)} ${kib(used).padStart(10)}KB ${kib(total).padStart(10)}KB`)
}

const kib = (bytes: number): string => String(Math.floor(bytes / 1024))

const TABLE_6_1 = '[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name'
const TABLE_6_12 =
  '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name'

/** A table of all processes that might be chosen, and of those that must not. @kernel mm/oom_kill.c:dump_tasks */
export function dump_tasks(sys: Sys, oc: OomControl): void {
  sys.printk?.('Tasks state (memory values in pages):')
  sys.printk?.(sys.kernel.report_text.rss_columns ? TABLE_6_12 : TABLE_6_1)
  for (const task of oom_tasks(sys, oc)) sys.printk?.(task_row(sys, task))
}

/** @kernel mm/oom_kill.c:dump_task */
function task_row(sys: Sys, task: number): string {
  const mm = sys.task.mm[task]!
  const right = (value: number, width: number): string => String(value).padStart(width)
  const part = (member: number, width: number): string => right(get_mm_counter(sys, mm, member), width)
  const parts = sys.kernel.report_text.rss_columns
    ? ` ${part(MM_ANONPAGES, 8)} ${part(MM_FILEPAGES, 8)} ${part(MM_SHMEMPAGES, 9)}`
    : ''
  const { pid, tgid, oom_score_adj } = sys.task
  const memory = `${right(sys.mm.total_vm[mm]!, 8)} ${right(get_mm_rss(sys, mm), 8)}${parts} ${right(sys.mm.pgtables_bytes[mm]!, 8)} ${part(MM_SWAPENTS, 8)}`
  return `[${right(pid[task]!, 7)}] ${right(0, 5)} ${right(tgid[task]!, 5)} ${memory}         ${right(oom_score_adj[task]!, 5)} ${task_comm(sys, task)}`
}

/** @kernel mm/oom_kill.c:dump_oom_summary */
function dump_oom_summary(sys: Sys, oc: OomControl, victim: number, constraint: OomConstraint): void {
  const policy = constraint === 'MEMORY_POLICY' ? oc.nodemask : null
  const where = oc.memcg === null ? 'global_oom' : `oom_memcg=${oc.memcg.path}`
  sys.printk?.(
    `oom-kill:constraint=CONSTRAINT_${constraint},nodemask=${policy === null ? '(null)' : nodelist(policy)},${cpuset_words(sys, oc)},${where},task_memcg=${oc.task_memcg ?? task_memcg(sys, victim)},task=${task_comm(sys, victim)},pid=${sys.task.pid[victim]},uid=0`,
  )
}

const task_memcg = (sys: Sys, task: number): string => cgroup_path(sys, sys.task.memcg[task]!)

/** @kernel kernel/cgroup/cpuset.c:cpuset_print_current_mems_allowed */
export function cpuset_words(sys: Sys, { cpuset, mems_allowed }: Pick<OomControl, 'cpuset' | 'mems_allowed'>): string {
  const memory = Array.from({ length: sys.nr_nodes }, (_, node) => (sys.node.present_pages[node]! > 0 ? 1 : 0))
  return `cpuset=${cpuset ?? '/'},mems_allowed=${nodelist(mems_allowed ?? memory)}`
}

/** The last line: who was killed. @kernel mm/oom_kill.c:__oom_kill_process */
export function kill_line(sys: Sys, victim: number, message: string): string {
  const mm = sys.task.mm[victim]!
  const k = (pages: number): string => `${pages * 2 ** (sys.kernel.PAGE_SHIFT - 10)}kB`
  const part = (member: number): string => k(get_mm_counter(sys, mm, member))
  const tables = Math.floor(sys.mm.pgtables_bytes[mm]! / 1024)
  return `${message}: Killed process ${sys.task.pid[victim]} (${task_comm(sys, victim)}) total-vm:${k(sys.mm.total_vm[mm]!)}, anon-rss:${part(MM_ANONPAGES)}, file-rss:${part(MM_FILEPAGES)}, shmem-rss:${part(MM_SHMEMPAGES)}, UID:0 pgtables:${tables}kB oom_score_adj:${sys.task.oom_score_adj[victim]}`
}
