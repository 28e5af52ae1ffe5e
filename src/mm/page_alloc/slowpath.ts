// The slow path of the allocator where it may wait: compaction, direct reclaim, retries while there is hope, and the OOM
// killer. What is tried how often follows from the request's order and its modifiers.
import { try_to_compact_pages } from '../compaction.ts'
import { should_compact_retry } from '../compaction_retry.ts'
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HARDWALL,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __gfp_pfmemalloc_flags,
  ALLOC_CPUSET,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_OOM,
  ALLOC_WMARK_HIGH,
  gfp_to_alloc_flags_cma,
} from '../gfp.ts'
import { MAX_RECLAIM_RETRIES, wakeup_kswapd } from '../kswapd.ts'
import { get_current_or_none } from '../mm_counter.ts'
import { MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, type Sys, WMARK_MIN } from '../mmzone.ts'
import { cond_resched, wait_until } from '../reclaim_clock.ts'
import { fatal_signal_pending, is_memalloc, tsk_is_oom_victim } from '../task_reserves.ts'
import { try_to_free_pages } from '../vmscan_direct.ts'
import { zone_reclaimable_pages } from '../vmscan_reclaimable.ts'
import { zone_page_state_snapshot } from '../vmstat.ts'
import { NR_FREE_PAGES } from '../vmstat_item.ts'
import { first_zones_zonelist, get_page_from_freelist } from './alloc_pages.ts'
import { unreserve_highatomic_pageblock } from './fallback.ts'
import { drain_all_pages } from './pcp.ts'
import { __zone_watermark_ok, wmark_pages } from './watermark.ts'

/** How hard compaction tries; smaller is harder. @kernel include/linux/compaction.h:enum compact_priority */
export const COMPACT_PRIO_SYNC_FULL = 0
export const COMPACT_PRIO_SYNC_LIGHT = 1
export const COMPACT_PRIO_ASYNC = 2

/** One request on its slow path. @kernel mm/internal.h:struct alloc_context */
interface Request {
  readonly gfp: number
  readonly order: number
  alloc_flags: number
  readonly zonelist: number
  readonly highest_zoneidx: number
  readonly migratetype: number
  nodemask: Uint8Array | null
  compact_priority: number
  compact_retries: number
  no_progress_loops: number
}

function from_freelist(sys: Sys, request: Request, gfp = request.gfp, flags = request.alloc_flags): number {
  const { order, zonelist, highest_zoneidx, migratetype, nodemask } = request
  const preferred = first_zones_zonelist(sys, zonelist, highest_zoneidx, nodemask)
  return get_page_from_freelist(sys, gfp, order, flags, preferred, highest_zoneidx, migratetype, nodemask)
}

/** Wakes the kswapd of each node of a zonelist. @kernel mm/page_alloc.c:wake_all_kswapds */
export function wake_all_kswapds(
  sys: Sys,
  order: number,
  gfp: number,
  zonelist: number,
  highest_zoneidx: number,
  nodemask: Uint8Array | null,
): void {
  const { zones } = sys.zonelist
  let last = -1
  for (let at = zonelist; zones[at] !== -1; at++) {
    const zone = zones[at]!
    const node = sys.zone_to_nid[zone]!
    if (sys.zone_idx[zone]! > highest_zoneidx || (nodemask !== null && nodemask[node] === 0)) continue
    if (sys.zone.managed_pages[zone] === 0 || node === last) continue
    wakeup_kswapd(sys, zone, gfp, order, highest_zoneidx)
    last = node
  }
}

/** What is tried after the min watermark has failed, too; a pfn, or -1. @kernel mm/page_alloc.c:__alloc_pages_slowpath */
export function alloc_pages_reclaim(
  sys: Sys,
  gfp: number,
  order: number,
  alloc_flags: number,
  zonelist: number,
  highest_zoneidx: number,
  migratetype: number,
  nodemask: Uint8Array | null,
): number {
  // Who reclaims does not begin again: it has had the reserves already.
  if (is_memalloc(sys)) return -1
  const request: Request = {
    gfp,
    order,
    alloc_flags,
    zonelist,
    highest_zoneidx,
    migratetype,
    nodemask,
    compact_priority: COMPACT_PRIO_SYNC_LIGHT,
    compact_retries: 0,
    no_progress_loops: 0,
  }
  const first = compact_first(sys, request)
  if (first !== TRY_ON) return first
  for (;;) {
    const pfn = try_once(sys, request)
    if (pfn !== TRY_ON) {
      if (pfn !== -1 || (gfp & __GFP_NOFAIL) === 0) return pfn
      // It must not fail: wait, and go on, with a little more of the reserves.
      const last = from_freelist(sys, request, gfp, ALLOC_MIN_RESERVE)
      if (last !== -1 || !sys.seams.oom) return last
      wait_until(sys, sys.reclaim_clock.now[0]! + JIFFY)
    }
  }
}

/** A tick of 250 Hz, in microseconds. */
const JIFFY = 4000

/** Neither a frame nor a failure: once more. */
const TRY_ON = -2

/** Large blocks are looked for by compaction before anything is reclaimed. */
function compact_first(sys: Sys, request: Request): number {
  const costly = request.order > PAGE_ALLOC_COSTLY_ORDER
  if (!costly && (request.order === 0 || request.migratetype === MIGRATE_MOVABLE)) return TRY_ON
  const tried = compact(sys, request, COMPACT_PRIO_ASYNC)
  if (tried.pfn !== -1) return tried.pfn
  if (costly && (request.gfp & __GFP_NORETRY) !== 0) {
    if (tried.skipped || tried.deferred) return -1
    request.compact_priority = COMPACT_PRIO_ASYNC
  }
  return TRY_ON
}

function compact(sys: Sys, request: Request, priority: number): ReturnType<typeof try_to_compact_pages> {
  const { gfp, order, alloc_flags, zonelist, highest_zoneidx, migratetype, nodemask } = request
  return try_to_compact_pages(
    sys,
    gfp,
    order,
    alloc_flags,
    zonelist,
    highest_zoneidx,
    migratetype,
    nodemask,
    priority,
    () => from_freelist(sys, request),
  )
}

/** One turn of the slow path. */
function try_once(sys: Sys, request: Request): number {
  const { gfp, order } = request
  if ((request.alloc_flags & ALLOC_KSWAPD) !== 0)
    wake_all_kswapds(sys, order, gfp, request.zonelist, request.highest_zoneidx, request.nodemask)
  take_reserves(sys, request)
  let pfn = from_freelist(sys, request)
  if (pfn !== -1) return pfn
  const freed = direct_reclaim(sys, request)
  if (freed.pfn !== -1) return freed.pfn
  const compacted = order === 0 ? null : compact(sys, request, request.compact_priority)
  if (compacted !== null && compacted.pfn !== -1) return compacted.pfn
  if ((gfp & __GFP_NORETRY) !== 0) return -1
  if (order > PAGE_ALLOC_COSTLY_ORDER && (gfp & __GFP_RETRY_MAYFAIL) === 0) return -1
  if (should_reclaim_retry(sys, request, freed.progress > 0)) return TRY_ON
  if (freed.progress > 0 && compacted !== null && should_compact_retry(sys, request, compacted)) return TRY_ON
  pfn = alloc_pages_may_oom(sys, request)
  if (pfn !== TRY_ON) return pfn
  if (has_had_reserves(sys, request)) return -1
  request.no_progress_loops = 0
  return TRY_ON
}

/** The task may have been chosen to die since the request began: then it may use reserves, on any node.
 * @kernel mm/page_alloc.c:__alloc_pages_slowpath */
function take_reserves(sys: Sys, request: Request): void {
  const flags = __gfp_pfmemalloc_flags(sys, request.gfp)
  if (flags === 0) return
  request.alloc_flags = gfp_to_alloc_flags_cma(sys, request.gfp, flags) | (request.alloc_flags & ALLOC_KSWAPD)
  request.nodemask = null
}

/** A victim that found nothing with its reserves, or may not use them, would ask for ever: it must fail, and die. */
function has_had_reserves(sys: Sys, request: Request): boolean {
  if (!tsk_is_oom_victim(sys, get_current_or_none(sys))) return false
  return (request.alloc_flags & ALLOC_OOM) !== 0 || (request.gfp & __GFP_NOMEMALLOC) !== 0
}

/** Reclaims, and tries to get what came free; pages that wait on CPUs' lists are given back before that fails.
 * @kernel mm/page_alloc.c:__alloc_pages_direct_reclaim */
function direct_reclaim(sys: Sys, request: Request): { pfn: number; progress: number } {
  cond_resched(sys)
  const { zonelist, order, gfp, highest_zoneidx, nodemask } = request
  const progress = try_to_free_pages(sys, zonelist, order, gfp, highest_zoneidx, nodemask)
  cond_resched(sys)
  if (progress === 0) return { pfn: -1, progress }
  let pfn = from_freelist(sys, request)
  if (pfn === -1) {
    unreserve_highatomic(sys, request, false)
    drain_all_pages(sys)
    pfn = from_freelist(sys, request)
  }
  return { pfn, progress }
}

/** @kernel mm/page_alloc.c:unreserve_highatomic_pageblock */
function unreserve_highatomic(sys: Sys, request: Request, force: boolean): boolean {
  const { zones } = sys.zonelist
  for (let at = request.zonelist; zones[at] !== -1; at++) {
    if (sys.zone_idx[zones[at]!]! > request.highest_zoneidx) continue
    if (unreserve_highatomic_pageblock(sys, zones[at]!, request.migratetype, force) > 0) return true
  }
  return false
}

/** Whether reclaiming all that can go would satisfy the request. @kernel mm/page_alloc.c:should_reclaim_retry */
function should_reclaim_retry(sys: Sys, request: Request, progress: boolean): boolean {
  const { order, highest_zoneidx, alloc_flags, zonelist, nodemask } = request
  request.no_progress_loops = progress && order <= PAGE_ALLOC_COSTLY_ORDER ? 0 : request.no_progress_loops + 1
  if (request.no_progress_loops > MAX_RECLAIM_RETRIES) return unreserve_highatomic(sys, request, true)
  const { zones } = sys.zonelist
  for (let at = zonelist; zones[at] !== -1; at++) {
    const zone = zones[at]!
    if (sys.zone_idx[zone]! > highest_zoneidx) continue
    if (nodemask !== null && nodemask[sys.zone_to_nid[zone]!] === 0) continue
    const reclaimable = zone_reclaimable_pages(sys, zone)
    const available = reclaimable + zone_page_state_snapshot(sys, zone, NR_FREE_PAGES)
    const mark = wmark_pages(sys, zone, WMARK_MIN)
    const fits = __zone_watermark_ok(sys, zone, order, mark, highest_zoneidx, alloc_flags, available)
    sys.trace.reclaim_retry_zone?.(
      sys.zone_to_nid[zone]!,
      sys.zone_idx[zone]!,
      order,
      reclaimable,
      available,
      mark,
      request.no_progress_loops,
      fits ? 1 : 0,
    )
    if (!fits) continue
    cond_resched(sys)
    return true
  }
  return false
}

/** Nothing helps: somebody must go. @kernel mm/page_alloc.c:__alloc_pages_may_oom @differs the process of swapoff, which a
 * kernel kills first and reports, just fails */
function alloc_pages_may_oom(sys: Sys, request: Request): number {
  const { gfp, order } = request
  const patient = (gfp | __GFP_HARDWALL) & ~__GFP_DIRECT_RECLAIM
  const pfn = from_freelist(sys, request, patient, ALLOC_WMARK_HIGH | ALLOC_CPUSET)
  if (pfn !== -1) return pfn
  if (order > PAGE_ALLOC_COSTLY_ORDER || (gfp & (__GFP_RETRY_MAYFAIL | __GFP_THISNODE)) !== 0) return -1
  if (request.highest_zoneidx < sys.ZONE_NORMAL) return -1
  // Who runs swapoff needs memory for what others own: it gives up before anybody is killed.
  if (sys.swap_state.unuse[0] === 1) return -1
  const killed = sys.seams.oom?.out_of_memory?.(sys, gfp, order, request.zonelist, request.nodemask) ?? false
  if (!killed) return -1
  // The victim has the CPU meanwhile; where it does not end, time passes until its memory is taken.
  if (!fatal_signal_pending(sys)) wait_until(sys, sys.reclaim_clock.now[0]! + JIFFY)
  return TRY_ON
}
