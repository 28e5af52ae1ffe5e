// The OOM killer: which process goes when memory is out. The one whose death frees most, as far as its owner did not say
// otherwise. Law: a process with oom_score_adj -1000, a kernel thread, the first process of the machine, and one that is
// dying already are never chosen; of equals the one that was made last is.
import { __GFP_THISNODE } from './gfp.ts'
import { get_mm_counter, get_mm_rss } from './mm_counter.ts'
import { populated_zone, type Sys } from './mmzone.ts'
import { MM_SWAPENTS, MMF_OOM_SKIP, PF_KTHREAD, PF_TIF_MEMDIE, TASK_RUNNING } from './vm_flags.ts'

/** @kernel include/uapi/linux/oom.h:OOM_SCORE_ADJ_MIN */
export const OOM_SCORE_ADJ_MIN = -1000
export const OOM_SCORE_ADJ_MAX = 1000
/** A task that must not be chosen. @kernel include/linux/limits.h:LONG_MIN */
export const LONG_MIN: number = Number.NEGATIVE_INFINITY

/** What limits the request that failed. @kernel include/linux/oom.h:enum oom_constraint */
export type OomConstraint = 'NONE' | 'CPUSET' | 'MEMORY_POLICY' | 'MEMCG'

/** A request that could not be served. @kernel include/linux/oom.h:struct oom_control */
export interface OomControl {
  readonly gfp_mask: number
  /** -1 = somebody asked for the kill by SysRq. */
  readonly order: number
  /** Nodes that a memory policy allows, a byte each; null = all. */
  readonly nodemask: Uint8Array | null
  /** Nodes that the task's cpuset allows; null = all with memory. */
  readonly mems_allowed: Uint8Array | null
  /** The control group at its limit; null = the machine is out of memory. */
  readonly memcg: OomMemcg | null
  /** Names that the report prints; default `/`. */
  readonly cpuset?: string
  readonly task_memcg?: string
}

/** A control group that is at its limit. */
export interface OomMemcg {
  readonly path: string
  /** Row of the group; undefined = only its report is known. */
  readonly row?: number
  /** Pages that its tasks may have, swap included. */
  readonly max: number
  /** Its tasks, of groups below it, too. */
  readonly tasks: readonly number[]
  /** memory.oom.group of the group that a victim belongs to: who goes with it; null = it alone. */
  readonly group: { readonly path: string; readonly tasks: readonly number[] } | null
  /** What it counts, as its report shows it. */
  readonly counters: readonly OomCounter[]
  readonly stats: readonly (readonly [name: string, value: number])[]
}

/** One limit of a control group, in kB. @kernel include/linux/page_counter.h:struct page_counter */
export interface OomCounter {
  /** memory, swap, memory+swap, kmem. */
  readonly name: string
  readonly usage: number
  readonly limit: number
  readonly failcnt: number
}

/** What limits a request, and how many pages the choice is measured with. @kernel mm/oom_kill.c:constrained_alloc */
export function constrained_alloc(sys: Sys, oc: OomControl): { constraint: OomConstraint; totalpages: number } {
  if (oc.memcg !== null) return { constraint: 'MEMCG', totalpages: Math.max(1, oc.memcg.max) }
  const swap = sys.seams.swap?.total_swap_pages(sys) ?? 0
  const totalpages = swap + totalram_pages(sys)
  if (!sys.kernel.config.NUMA || (oc.gfp_mask & __GFP_THISNODE) !== 0) return { constraint: 'NONE', totalpages }
  // A policy without any node with memory would never have asked.
  if (oc.nodemask !== null && !all_memory(sys, oc.nodemask))
    return { constraint: 'MEMORY_POLICY', totalpages: swap + present_pages(sys, oc.nodemask) }
  if (oc.mems_allowed !== null && !all_memory(sys, oc.mems_allowed))
    return { constraint: 'CPUSET', totalpages: swap + present_pages(sys, oc.mems_allowed) }
  return { constraint: 'NONE', totalpages }
}

/** Pages that the allocator got. @kernel include/linux/mm.h:totalram_pages */
export function totalram_pages(sys: Sys): number {
  let sum = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) if (populated_zone(sys, zone)) sum += sys.zone.managed_pages[zone]!
  return sum
}

function all_memory(sys: Sys, nodes: Uint8Array): boolean {
  for (let node = 0; node < sys.nr_nodes; node++) if (sys.node.present_pages[node]! > 0 && !nodes[node]) return false
  return true
}

function present_pages(sys: Sys, nodes: Uint8Array): number {
  let sum = 0
  for (let node = 0; node < sys.nr_nodes; node++) if (nodes[node]) sum += sys.node.present_pages[node]!
  return sum
}

/** Tasks in the order in which the kernel walks them: as they were made. @kernel include/linux/sched/signal.h:for_each_process */
export function oom_tasks(sys: Sys, oc: OomControl): number[] {
  const { state, pid, tgid, mm } = sys.task
  const tasks: number[] = []
  for (let task = 1; task < state.length; task++)
    if (state[task] === TASK_RUNNING && pid[task] === tgid[task] && mm[task] !== 0) tasks.push(task)
  const own = oc.memcg === null ? tasks : tasks.filter(task => oc.memcg!.tasks.includes(task))
  return own.filter(task => !oom_unkillable_task(sys, task)).sort((a, b) => pid[a]! - pid[b]!)
}

/** @kernel mm/oom_kill.c:oom_unkillable_task */
function oom_unkillable_task(sys: Sys, task: number): boolean {
  return sys.task.pid[task] === 1 || (sys.task.flags[task]! & PF_KTHREAD) !== 0
}

/** Pages that a kill would free, moved by oom_score_adj; LONG_MIN = not to be chosen. @kernel mm/oom_kill.c:oom_badness */
export function oom_badness(sys: Sys, task: number, totalpages: number): number {
  const mm = sys.task.mm[task]!
  const adj = sys.task.oom_score_adj[task]!
  if (oom_unkillable_task(sys, task) || mm === 0) return LONG_MIN
  if (adj === OOM_SCORE_ADJ_MIN || (sys.mm.flags[mm]! & MMF_OOM_SKIP) !== 0) return LONG_MIN
  const tables = Math.floor(sys.mm.pgtables_bytes[mm]! / 2 ** sys.kernel.PAGE_SHIFT)
  return get_mm_rss(sys, mm) + get_mm_counter(sys, mm, MM_SWAPENTS) + tables + adj * Math.floor(totalpages / 1000)
}

/** /proc/PID/oom_score. @kernel fs/proc/base.c:proc_oom_score */
export function proc_oom_score(sys: Sys, task: number): number {
  const totalpages = totalram_pages(sys) + (sys.seams.swap?.total_swap_pages(sys) ?? 0)
  const badness = oom_badness(sys, task, totalpages)
  if (badness === LONG_MIN) return 0
  return Math.trunc(((1000 + Math.trunc((badness * 1000) / totalpages)) * 2) / 3)
}

/** A victim that still has its memory: nobody else must die. @ours */
export const OOM_WAIT = -1

/** The task to kill, 0 = there is none, OOM_WAIT = one is dying. @kernel mm/oom_kill.c:select_bad_process */
export function select_bad_process(sys: Sys, oc: OomControl, totalpages: number): number {
  let [chosen, most] = [0, LONG_MIN]
  for (const task of oom_tasks(sys, oc)) {
    if ((sys.task.flags[task]! & PF_TIF_MEMDIE) !== 0 && oc.order !== -1) {
      if ((sys.mm.flags[sys.task.mm[task]!]! & MMF_OOM_SKIP) === 0) return OOM_WAIT
      continue
    }
    const points = oom_badness(sys, task, totalpages)
    if (points === LONG_MIN || points < most) continue
    chosen = task
    most = points
  }
  return chosen
}
