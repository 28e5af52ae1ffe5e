// Watermarks: may a zone give a block away, or would that eat into what others need? A request sees fewer free pages
// than there are (what is reserved for atomic requests or contiguous areas does not count for it) and a lower mark if
// it must not wait. For higher orders one block that fits must be there, too.
import {
  __GFP_ATOMIC,
  __GFP_HIGH,
  ALLOC_CMA,
  ALLOC_HIGHATOMIC,
  ALLOC_MIN_RESERVE,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_MASK,
} from '../gfp.ts'
import { MIGRATE_HIGHATOMIC, MIGRATE_PCPTYPES, type Sys, WMARK_HIGH, WMARK_MIN } from '../mmzone.ts'
import { zone_page_state, zone_page_state_snapshot } from '../vmstat.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../vmstat_item.ts'

/** Requests that may use part of what is below the min watermark. @kernel mm/internal.h:ALLOC_RESERVES */
const ALLOC_RESERVES: number = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_OOM

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const CMA: number = ALLOC_CMA
const RESERVES: number = ALLOC_RESERVES
const TYPES: number = MIGRATE_PCPTYPES
const ITEMS: number = NR_VM_ZONE_STAT_ITEMS
const FREE: number = NR_FREE_PAGES

/** A watermark with its boost, in pages. @kernel include/linux/mmzone.h:wmark_pages */
export function wmark_pages(sys: Sys, zone: number, mark: number): number {
  return sys.zone.watermark[4 * zone + mark]! + sys.zone.watermark_boost[zone]!
}

/** The high watermark with its boost, in pages. @kernel include/linux/mmzone.h:high_wmark_pages */
export function high_wmark_pages(sys: Sys, zone: number): number {
  return wmark_pages(sys, zone, WMARK_HIGH)
}

/** Free pages that this request must not count. @kernel mm/page_alloc.c:__zone_watermark_unusable_free */
function unusable_free(sys: Sys, zone: number, order: number, alloc_flags: number): number {
  let unusable = (1 << order) - 1
  if ((alloc_flags & RESERVES) === 0) unusable += sys.zone.nr_reserved_highatomic[zone]!
  if ((alloc_flags & CMA) === 0 && sys.MIGRATE_CMA >= 0) unusable += zone_page_state(sys, zone, NR_FREE_CMA_PAGES)
  return unusable
}

/** What `mark` comes to for a request that may dip into reserves. */
function lowered_mark(mark: number, alloc_flags: number): number {
  let min = mark
  if ((alloc_flags & ALLOC_MIN_RESERVE) !== 0) {
    min -= Math.trunc(min / 2)
    if ((alloc_flags & ALLOC_NON_BLOCK) !== 0) min -= Math.trunc(min / 4)
  }
  if ((alloc_flags & ALLOC_OOM) !== 0) min -= Math.trunc(min / 2)
  return min
}

/** Orders with a block that this request could take, as bits. */
function usable_orders(sys: Sys, zone: number, alloc_flags: number): number {
  const { orders } = sys.free_mask
  const base = zone * sys.MIGRATE_TYPES
  let usable = 0
  for (let migratetype = 0; migratetype < TYPES; migratetype++) usable |= orders[base + migratetype]!
  if ((alloc_flags & CMA) !== 0 && sys.MIGRATE_CMA >= 0) usable |= orders[base + sys.MIGRATE_CMA]!
  if ((alloc_flags & (ALLOC_HIGHATOMIC | ALLOC_OOM)) !== 0) usable |= orders[base + MIGRATE_HIGHATOMIC]!
  return usable
}

/**
 * Whether a zone with `free_pages` would stay above `mark` (pages) and has a block of the order.
 * @kernel mm/page_alloc.c:__zone_watermark_ok
 */
export function __zone_watermark_ok(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
  free_pages: number,
): boolean {
  const free = free_pages - unusable_free(sys, zone, order, alloc_flags)
  const min = (alloc_flags & RESERVES) !== 0 ? lowered_mark(mark, alloc_flags) : mark
  if (free <= min + sys.zone.lowmem_reserve[8 * zone + highest_zoneidx]!) return false
  return order === 0 || usable_orders(sys, zone, alloc_flags) >>> order !== 0
}

/** The numbers that a check compares, in pages: free - unusable > min + reserve, and a block that fits. */
export interface WatermarkTerms {
  readonly free: number
  readonly unusable: number
  readonly min: number
  readonly reserve: number
  /** Always true for single pages. */
  readonly has_block: boolean
}

/** The numbers of `__zone_watermark_ok`, for who wants to know why. @ours */
export function watermark_terms(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
): WatermarkTerms {
  return {
    free: zone_page_state(sys, zone, NR_FREE_PAGES),
    unusable: unusable_free(sys, zone, order, alloc_flags),
    min: lowered_mark(mark, alloc_flags),
    reserve: sys.zone.lowmem_reserve[8 * zone + highest_zoneidx]!,
    has_block: order === 0 || usable_orders(sys, zone, alloc_flags) >>> order !== 0,
  }
}

/** @kernel mm/page_alloc.c:zone_watermark_ok */
export function zone_watermark_ok(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
): boolean {
  const free = zone_page_state(sys, zone, NR_FREE_PAGES)
  return __zone_watermark_ok(sys, zone, order, mark, highest_zoneidx, alloc_flags, free)
}

/**
 * The check with exact counters: where few pages are free, what CPUs have not folded yet matters.
 * @kernel mm/page_alloc.c:zone_watermark_ok_safe
 */
export function zone_watermark_ok_safe(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
): boolean {
  let free = zone_page_state(sys, zone, NR_FREE_PAGES)
  const drift_mark = sys.zone.percpu_drift_mark[zone]!
  if (drift_mark !== 0 && free < drift_mark) free = zone_page_state_snapshot(sys, zone, NR_FREE_PAGES)
  return __zone_watermark_ok(sys, zone, order, mark, highest_zoneidx, 0, free)
}

/**
 * The check of the allocator: a short cut for single pages, and an atomic request of one page at the min watermark may
 * ignore the boost. @kernel mm/page_alloc.c:zone_watermark_fast
 */
export function zone_watermark_fast(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
  gfp: number,
): boolean {
  const free = sys.zone_stat.vm_stat[zone * ITEMS + FREE]!
  if (order === 0) {
    const unusable = unusable_free(sys, zone, 0, alloc_flags)
    // Free pages that do not count are never more than there are.
    const usable = free > unusable ? free - unusable : 0
    if (usable > mark + sys.zone.lowmem_reserve[8 * zone + highest_zoneidx]!) return true
  }
  if (__zone_watermark_ok(sys, zone, order, mark, highest_zoneidx, alloc_flags, free)) return true
  return order === 0 && atomic_may_ignore_boost(sys, zone, highest_zoneidx, alloc_flags, gfp, free)
}

function atomic_may_ignore_boost(
  sys: Sys,
  zone: number,
  highest_zoneidx: number,
  alloc_flags: number,
  gfp: number,
  free: number,
): boolean {
  // Kernels with a bit for atomic requests go by it, later ones by __GFP_HIGH.
  const atomic_bit = sys.kernel.gfp.GFP_ATOMIC & __GFP_ATOMIC || __GFP_HIGH
  const atomic_at_min = (gfp & atomic_bit) !== 0 && (alloc_flags & ALLOC_WMARK_MASK) === WMARK_MIN
  if (!atomic_at_min || sys.zone.watermark_boost[zone] === 0) return false
  const unboosted = sys.zone.watermark[4 * zone + WMARK_MIN]!
  return __zone_watermark_ok(sys, zone, 0, unboosted, highest_zoneidx, alloc_flags, free)
}
