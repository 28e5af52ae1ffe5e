// What the running task may take of the memory below the min watermarks: who frees memory needs some to do so, and who was
// chosen to die must not be kept from dying by the shortage that it shall end.
import { ALLOC_NO_WATERMARKS, ALLOC_OOM } from './gfp.ts'
import { get_current_or_none } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { PF_MEMALLOC, PF_TIF_MEMDIE, SIGKILL } from './vm_flags.ts'

/** Whether a task was chosen to die for memory. @kernel include/linux/oom.h:tsk_is_oom_victim */
export function tsk_is_oom_victim(sys: Sys, task: number): boolean {
  return task !== 0 && (sys.task.flags[task]! & PF_TIF_MEMDIE) !== 0
}

/** Whether the running task frees memory: a kswapd, who reclaims or compacts directly, who says so of itself.
 * @kernel include/linux/sched.h:PF_MEMALLOC */
export function is_memalloc(sys: Sys): boolean {
  const { reclaiming, running } = sys.reclaim_clock
  if (reclaiming.length === 0) return false
  if (reclaiming[0]! > 0 || running[0]! > 0) return true
  const task = get_current_or_none(sys)
  return task !== 0 && (sys.task.flags[task]! & PF_MEMALLOC) !== 0
}

/** ALLOC_* that the running task brings along, 0 = none. An interrupt does not run for its task.
 * @kernel mm/page_alloc.c:__gfp_pfmemalloc_flags */
export function task_reserve_flags(sys: Sys): number {
  const { hardirq, softirq } = sys.stack_cpu
  const cpu = sys.machine.this_cpu[0]!
  if ((hardirq[cpu] ?? 0) > 0) return 0
  if (is_memalloc(sys)) return ALLOC_NO_WATERMARKS
  if ((softirq[cpu] ?? 0) > 0) return 0
  return tsk_is_oom_victim(sys, get_current_or_none(sys)) ? ALLOC_OOM : 0
}

/** Whether a signal that cannot be caught waits for the running task. @kernel include/linux/sched/signal.h:fatal_signal_pending */
export function fatal_signal_pending(sys: Sys): boolean {
  const task = get_current_or_none(sys)
  return task !== 0 && sys.task.signal[task] === SIGKILL
}
