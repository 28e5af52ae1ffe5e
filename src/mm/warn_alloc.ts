// The report of a request that failed without a kill: who asked for what, and what memory looks like.
// Law: at most one in ten seconds, since such requests come in swarms; __GFP_NOWARN says nothing.
import { __GFP_DIRECT_RECLAIM, __GFP_NOMEMALLOC, __GFP_NOWARN, gfp_zone } from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import { HZ } from './jiffies.ts'
import { get_current_or_none } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { cpuset_words, dump_stack, nodelist, task_comm } from './oom_report.ts'
import type { OomControl } from './oom_select.ts'
import { __show_mem, SHOW_MEM_FILTER_NODES } from './show_mem.ts'
import { is_memalloc, tsk_is_oom_victim } from './task_reserves.ts'
import { PF_EXITING } from './vm_flags.ts'

/** Nodes that a request may use: by a policy, and by its cpuset. @ours */
export type AllowedNodes = Pick<OomControl, 'nodemask' | 'cpuset' | 'mems_allowed'>

const ALL: AllowedNodes = { nodemask: null, mems_allowed: null }

/** A request for pages that failed. @kernel mm/page_alloc.c:warn_alloc */
export function warn_alloc(sys: Sys, gfp: number, order: number, allowed: AllowedNodes = ALL): void {
  if ((gfp & __GFP_NOWARN) !== 0 || !warn_alloc_ratelimit(sys)) return
  report_failure(sys, gfp, `page allocation failure: order:${order}`, allowed)
}

/** The report itself, whatever failed. @kernel mm/page_alloc.c:warn_alloc */
export function report_failure(sys: Sys, gfp: number, what: string, allowed: AllowedNodes): void {
  const { nodemask } = allowed
  const mask = `0x${(gfp >>> 0).toString(16)}(${format_gfp(sys.kernel.gfp, gfp)})`
  const nodes = nodemask === null ? '(null)' : nodelist(nodemask)
  sys.printk?.(
    `${task_comm(sys, get_current_or_none(sys))}: ${what}, mode:${mask}, nodemask=${nodes},${cpuset_words(sys, allowed)}`,
  )
  dump_stack(sys)
  warn_alloc_show_mem(sys, gfp, allowed)
}

/** Who cannot wait, or may use reserves, gets the memory of all nodes. @kernel mm/page_alloc.c:warn_alloc_show_mem */
function warn_alloc_show_mem(sys: Sys, gfp: number, { nodemask, mems_allowed }: AllowedNodes): void {
  const waits = sys.machine.in_atomic[0] === 0 && (gfp & __GFP_DIRECT_RECLAIM) !== 0
  const reserves = (gfp & __GFP_NOMEMALLOC) === 0 && may_use_reserves(sys)
  __show_mem(sys, waits && !reserves ? SHOW_MEM_FILTER_NODES : 0, nodemask ?? mems_allowed, gfp_zone(sys, gfp))
}

function may_use_reserves(sys: Sys): boolean {
  const task = get_current_or_none(sys)
  if (task !== 0 && (sys.task.flags[task]! & PF_EXITING) !== 0) return true
  return is_memalloc(sys) || tsk_is_oom_victim(sys, task)
}

/** Ticks between two reports. */
const INTERVAL = 10 * HZ

/** Whether a report may be printed now. @kernel lib/ratelimit.c:___ratelimit */
function warn_alloc_ratelimit(sys: Sys): boolean {
  const { warn_alloc_again, jiffies } = sys.machine
  const now = jiffies[0]!
  if (now < warn_alloc_again[0]!) return false
  warn_alloc_again[0] = now + INTERVAL
  return true
}
