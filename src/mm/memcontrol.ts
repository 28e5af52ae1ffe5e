// Memory control groups: each page of a process, a file or a page table is charged to the group of who asked for it and to all
// groups above. A charge that meets a limit reclaims within the group at the limit, and kills there when nothing else helps.
import { __GFP_DIRECT_RECLAIM, __GFP_HIGH, __GFP_NOFAIL, __GFP_NORETRY, __GFP_RETRY_MAYFAIL } from './gfp.ts'
import {
  consume_stock,
  drain_all_stock,
  MEMCG_CHARGE_BATCH,
  mem_cgroup_margin,
  memcg_memory_event,
  page_counter_charge,
  page_counter_try_charge,
  refill_stock,
} from './memcg_charge.ts'
import { mem_cgroup_oom } from './memcg_oom.ts'
import { try_to_free_mem_cgroup_pages } from './memcg_reclaim.ts'
import { MEMCG_HIGH, MEMCG_MAX } from './memcg_tables.ts'
import { mem_cgroup_from_current } from './memcg_tree.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys } from './mmzone.ts'
import { fatal_signal_pending, is_memalloc } from './task_reserves.ts'

/** @kernel mm/internal.h:MAX_RECLAIM_RETRIES */
const MAX_RECLAIM_RETRIES = 16

/** Charges pages to a group; false = they may not be used. @kernel mm/memcontrol.c:try_charge_memcg */
export function try_charge(sys: Sys, memcg: number, gfp: number, pages: number): boolean {
  if (memcg === 0 || consume_stock(sys, memcg, pages)) return true
  const batch = Math.max(MEMCG_CHARGE_BATCH, pages)
  if (page_counter_try_charge(sys, memcg, batch) === 0) {
    if (batch > pages) refill_stock(sys, memcg, batch - pages)
  } else if (!charge_at_limit(sys, memcg, gfp, pages)) {
    if ((gfp & (__GFP_NOFAIL | __GFP_HIGH)) === 0 && !is_memalloc(sys)) return false
    page_counter_charge(sys, memcg, pages)
  }
  reclaim_high(sys, memcg, pages)
  return true
}

/** The group or one above is at its limit: reclaim there, then kill there. */
function charge_at_limit(sys: Sys, memcg: number, gfp: number, pages: number): boolean {
  const order = Math.ceil(Math.log2(pages))
  let retries = MAX_RECLAIM_RETRIES
  let [drained, passed_oom] = [false, false]
  for (;;) {
    const over = page_counter_try_charge(sys, memcg, pages)
    if (over === 0) return true
    if (is_memalloc(sys) || (gfp & __GFP_DIRECT_RECLAIM) === 0) return false
    memcg_memory_event(sys, over, MEMCG_MAX)
    const freed = try_to_free_mem_cgroup_pages(sys, over, pages, true)
    if (mem_cgroup_margin(sys, over) >= pages) continue
    if (!drained) {
      drain_all_stock(sys, over)
      drained = true
      continue
    }
    if ((gfp & __GFP_NORETRY) !== 0) return false
    if (freed > 0 && pages <= 1 << PAGE_ALLOC_COSTLY_ORDER) continue
    if (retries-- > 0) continue
    if ((gfp & __GFP_RETRY_MAYFAIL) !== 0) return false
    // Who is killed here must not ask for ever.
    if (passed_oom && fatal_signal_pending(sys)) return false
    if (!mem_cgroup_oom(sys, over, gfp, order)) return false
    passed_oom = true
    retries = MAX_RECLAIM_RETRIES
  }
}

/** Groups above their high mark reclaim a little. @kernel mm/memcontrol.c:mem_cgroup_handle_over_high
 * @differs at once, not when the task returns to user space; nobody is made to sleep */
function reclaim_high(sys: Sys, memcg: number, pages: number): void {
  const { usage, high, parent } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) {
    if (usage[group]! <= high[group]! || is_memalloc(sys)) continue
    memcg_memory_event(sys, group, MEMCG_HIGH)
    try_to_free_mem_cgroup_pages(sys, group, Math.max(pages, MEMCG_CHARGE_BATCH), true)
  }
}

/** Charges a block to a group; false = it must not be used. @kernel mm/memcontrol.c:__mem_cgroup_charge */
export function mem_cgroup_charge(sys: Sys, pfn: number, order: number, memcg: number, gfp: number): boolean {
  if (!try_charge(sys, memcg, gfp, 2 ** order)) return false
  sys.page_memcg.id[pfn] = memcg
  return true
}

/** Charges a page table. @kernel mm/memcontrol.c:__memcg_kmem_charge_page */
export function memcg_kmem_charge_page(sys: Sys, pfn: number, gfp: number): boolean {
  const memcg = mem_cgroup_from_current(sys)
  if (!mem_cgroup_charge(sys, pfn, 0, memcg, gfp)) return false
  for (let group = memcg; group !== 0; group = sys.memcg.parent[group]!) sys.memcg.kmem[group]! += 1
  return true
}
