// A control group at its limit where reclaim does not help: one of its own processes goes, or all of them together.
import { drain_all_stock, mem_cgroup_margin, memcg_memory_event } from './memcg_charge.ts'
import { memcg_counters, memcg_stats } from './memcg_stat.ts'
import { MEMCG_OOM, MEMCG_OOM_GROUP_KILL, MEMCG_OOM_KILL } from './memcg_tables.ts'
import { cgroup_path, has_memcgs, mem_cgroup_is_descendant, mem_cgroup_tasks } from './memcg_tree.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys } from './mmzone.ts'
import { out_of_memory } from './oom_kill.ts'
import type { OomMemcg } from './oom_select.ts'
import { wait_until } from './reclaim_clock.ts'
import { fatal_signal_pending } from './task_reserves.ts'

/** A tick of 250 Hz, in microseconds. */
const JIFFY = 4000

/** True = the charge may be tried again. @kernel mm/memcontrol.c:mem_cgroup_oom */
export function mem_cgroup_oom(sys: Sys, memcg: number, gfp: number, order: number): boolean {
  if (order > PAGE_ALLOC_COSTLY_ORDER) return false
  memcg_memory_event(sys, memcg, MEMCG_OOM)
  return mem_cgroup_out_of_memory(sys, memcg, gfp, order)
}

/** @kernel mm/memcontrol.c:mem_cgroup_out_of_memory */
export function mem_cgroup_out_of_memory(sys: Sys, memcg: number, gfp: number, order: number): boolean {
  if (mem_cgroup_margin(sys, memcg) >= 1 << order || fatal_signal_pending(sys)) return true
  const oc = { gfp_mask: gfp, order, nodemask: null, mems_allowed: null, memcg: group_at_limit(sys, memcg) }
  const killed = out_of_memory(sys, oc)
  // The victim has the CPU meanwhile; where it does not end, time passes until its memory is taken.
  if (killed && !fatal_signal_pending(sys)) wait_until(sys, sys.reclaim_clock.now[0]! + JIFFY)
  // What a dead process left in stocks is free, too.
  drain_all_stock(sys, memcg)
  return killed
}

/** What the report tells of a group. */
function group_at_limit(sys: Sys, memcg: number): OomMemcg {
  return {
    path: cgroup_path(sys, memcg),
    row: memcg,
    max: mem_cgroup_get_max(sys, memcg),
    tasks: mem_cgroup_tasks(sys, memcg),
    group: null,
    counters: memcg_counters(sys, memcg),
    stats: memcg_stats(sys, memcg),
  }
}

/** Pages that a group's processes may have, swap included. @kernel mm/memcontrol.c:mem_cgroup_get_max */
function mem_cgroup_get_max(sys: Sys, memcg: number): number {
  const { max, swap_max } = sys.memcg
  if (sys.sysctl.swappiness[0] === 0) return max[memcg]!
  return max[memcg]! + Math.min(swap_max[memcg]!, sys.swap_state.total_swap_pages[0]!)
}

/** The highest group, up to the one at its limit, whose processes go together with a victim; null = it goes alone.
 * @kernel mm/memcontrol.c:mem_cgroup_get_oom_group */
export function mem_cgroup_get_oom_group(sys: Sys, victim: number, domain: number): OomMemcg['group'] {
  if (!has_memcgs(sys)) return null
  const own = sys.task.memcg[victim]!
  if (!mem_cgroup_is_descendant(sys, own, domain)) return null
  let found = 0
  for (let group = own; group !== 0; group = sys.memcg.parent[group]!) {
    if (sys.memcg.oom_group[group] === 1) found = group
    if (group === domain) break
  }
  if (found === 0) return null
  memcg_memory_event(sys, found, MEMCG_OOM_GROUP_KILL)
  return { path: cgroup_path(sys, found), tasks: mem_cgroup_tasks(sys, found) }
}

/** A process of a group was killed. @kernel include/linux/memcontrol.h:memcg_memory_event_mm */
export function count_oom_kill(sys: Sys, task: number): void {
  if (has_memcgs(sys) && sys.task.memcg[task] !== 0) memcg_memory_event(sys, sys.task.memcg[task]!, MEMCG_OOM_KILL)
}
