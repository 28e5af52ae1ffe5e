// Whether compaction of a zone can help, and whether it was tried in vain lately: then requests are put off, each failure
// twice as many, up to 64.
import type { DeferProbe } from '../trace/probes.ts'
import { ALLOC_CMA, ALLOC_WMARK_MASK } from './gfp.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys, WMARK_LOW, WMARK_MIN } from './mmzone.ts'
import { __zone_watermark_ok, wmark_pages, zone_watermark_ok } from './page_alloc/watermark.ts'
import { zone_page_state } from './vmstat.ts'
import { NR_FREE_PAGES } from './vmstat_item.ts'

/** What compaction of a zone came to. @kernel include/linux/compaction.h:enum compact_result */
export const COMPACT_NOT_SUITABLE_ZONE = 0
export const COMPACT_SKIPPED = 1
export const COMPACT_DEFERRED = 2
export const COMPACT_NO_SUITABLE_PAGE = 3
export const COMPACT_CONTINUE = 4
export const COMPACT_COMPLETE = 5
export const COMPACT_PARTIAL_SKIPPED = 6
export const COMPACT_CONTENDED = 7
export const COMPACT_SUCCESS = 8

/** @kernel mm/compaction.c:COMPACT_MAX_DEFER_SHIFT */
const MAX_DEFER_SHIFT = 6
/** vm.extfrag_threshold. @kernel mm/compaction.c:sysctl_extfrag_threshold */
const EXTFRAG_THRESHOLD = 500

/** Free pages that moving pages around needs. @kernel include/linux/compaction.h:compact_gap */
export const compact_gap = (order: number): number => 2 << order

/** How far a failure is due to fragmentation (1000) or to a lack of memory (0); -1000 = a block is there.
 * @kernel mm/vmstat.c:fragmentation_index */
function fragmentation_index(sys: Sys, zone: number, order: number): number {
  let [pages, blocks, suitable] = [0, 0, 0]
  for (let each = 0; each < sys.NR_PAGE_ORDERS; each++) {
    const count = sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + each]!
    blocks += count
    pages += count * 2 ** each
    if (each >= order) suitable += count * 2 ** (each - order)
  }
  if (blocks === 0) return 0
  if (suitable > 0) return -1000
  return 1000 - Math.floor((1000 + Math.floor((pages * 1000) / 2 ** order)) / blocks)
}

/** Whether a zone has enough free for compaction, or a block already; order -1 = all of the zone is asked for.
 * @kernel mm/compaction.c:compaction_suitable */
export function compaction_suitable(
  sys: Sys,
  zone: number,
  order: number,
  alloc_flags: number,
  highest_zoneidx: number,
): number {
  const suitable = order < 0 ? COMPACT_CONTINUE : __compaction_suitable(sys, zone, order, alloc_flags, highest_zoneidx)
  sys.trace.mm_compaction_suitable?.(sys.zone_to_nid[zone]!, sys.zone_idx[zone]!, order, suitable)
  return suitable === COMPACT_NOT_SUITABLE_ZONE ? COMPACT_SKIPPED : suitable
}

/** @kernel mm/compaction.c:__compaction_suitable */
function __compaction_suitable(
  sys: Sys,
  zone: number,
  order: number,
  alloc_flags: number,
  highest_zoneidx: number,
): number {
  const free = zone_page_state(sys, zone, NR_FREE_PAGES)
  const own = wmark_pages(sys, zone, alloc_flags & ALLOC_WMARK_MASK)
  if (zone_watermark_ok(sys, zone, order, own, highest_zoneidx, alloc_flags)) return COMPACT_SUCCESS
  const costly = order > PAGE_ALLOC_COSTLY_ORDER
  const mark = wmark_pages(sys, zone, costly ? WMARK_LOW : WMARK_MIN) + compact_gap(order)
  if (!__zone_watermark_ok(sys, zone, 0, mark, highest_zoneidx, ALLOC_CMA, free)) return COMPACT_SKIPPED
  if (costly) {
    const index = fragmentation_index(sys, zone, order)
    if (index >= 0 && index <= EXTFRAG_THRESHOLD) return COMPACT_NOT_SUITABLE_ZONE
  }
  return COMPACT_CONTINUE
}

/** Whether reclaim may stop, since compaction can go on with what is free. @kernel mm/vmscan.c:compaction_ready */
export function compaction_ready(sys: Sys, zone: number, order: number, reclaim_idx: number): boolean {
  const suitable = compaction_suitable(sys, zone, order, 0, reclaim_idx)
  if (suitable === COMPACT_SUCCESS) return true
  if (suitable === COMPACT_SKIPPED) return false
  const mark = wmark_pages(sys, zone, 2) + compact_gap(order)
  return zone_watermark_ok(sys, zone, 0, mark, reclaim_idx, 0)
}

/** Whether a request is put off. @kernel mm/compaction.c:compaction_deferred */
export function compaction_deferred(sys: Sys, zone: number, order: number): boolean {
  const { considered, defer_shift, order_failed } = sys.zone_compact
  if (order < order_failed[zone]!) return false
  const limit = 1 << defer_shift[zone]!
  considered[zone]! += 1
  if (considered[zone]! < limit) {
    trace_defer(sys, sys.trace.mm_compaction_deferred, zone, order)
    return true
  }
  considered[zone] = limit
  return false
}

/** It failed. @kernel mm/compaction.c:defer_compaction */
export function defer_compaction(sys: Sys, zone: number, order: number): void {
  const { considered, defer_shift, order_failed } = sys.zone_compact
  considered[zone] = 0
  defer_shift[zone] = Math.min(MAX_DEFER_SHIFT, defer_shift[zone]! + 1)
  if (order < order_failed[zone]!) order_failed[zone] = order
  trace_defer(sys, sys.trace.mm_compaction_defer_compaction, zone, order)
}

/** It did not. @kernel mm/compaction.c:compaction_defer_reset */
export function compaction_defer_reset(sys: Sys, zone: number, order: number, alloc_success: boolean): void {
  const { considered, defer_shift, order_failed } = sys.zone_compact
  if (alloc_success) considered[zone] = defer_shift[zone] = 0
  if (order >= order_failed[zone]!) order_failed[zone] = order + 1
  trace_defer(sys, sys.trace.mm_compaction_defer_reset, zone, order)
}

function trace_defer(sys: Sys, probe: DeferProbe | undefined, zone: number, order: number): void {
  const { considered, defer_shift, order_failed } = sys.zone_compact
  probe?.(
    sys.zone_to_nid[zone]!,
    sys.zone_idx[zone]!,
    order,
    order_failed[zone]!,
    considered[zone]!,
    1 << defer_shift[zone]!,
  )
}
