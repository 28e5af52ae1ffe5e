// Fallback: what happens when no block of the wanted migrate type is left. The largest block of another type is taken,
// and where that is worth it the whole pageblock changes its type, so that mixing stays in few pageblocks.
// HIGHATOMIC pageblocks are set aside here and given back.

import { ALLOC_KSWAPD, ALLOC_NOFRAGMENT } from '../gfp.ts'
import { zone_lock, zone_unlock } from '../locks.ts'
import { PAGE_FREE, PG } from '../mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  type Sys,
  set_pageblock_migratetype,
  WMARK_HIGH,
  ZONE_BOOSTED_WATERMARK,
} from '../mmzone.ts'
import {
  __rmqueue_smallest,
  buddy_order,
  free_area_empty,
  get_page_from_free_area,
  migratetype_is_mergeable,
  move_to_free_list,
  touch_block_of,
} from './buddy.ts'

/** The types to fall back to, two for each type, best first. @kernel mm/page_alloc.c:fallbacks */
const FALLBACKS: Int8Array = new Int8Array(6)
FALLBACKS.set([MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE], 2 * MIGRATE_UNMOVABLE)
FALLBACKS.set([MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE], 2 * MIGRATE_MOVABLE)
FALLBACKS.set([MIGRATE_UNMOVABLE, MIGRATE_MOVABLE], 2 * MIGRATE_RECLAIMABLE)

/**
 * Whether a request may take over the pageblock of a free block: small movable requests leave it alone, since their
 * pages can be moved away later. @kernel mm/page_alloc.c:can_steal_fallback
 */
export function can_steal_fallback(sys: Sys, order: number, start_mt: number): boolean {
  if (order >= sys.pageblock_order >> 1) return true
  if (start_mt !== MIGRATE_MOVABLE) return true
  return sys.machine.page_group_by_mobility_disabled[0] !== 0
}

/** First type to fall back to that has blocks of this order; -1 = none. @kernel mm/page_alloc.c:find_suitable_fallback */
export function find_suitable_fallback(sys: Sys, zone: number, order: number, migratetype: number): number {
  for (let i = 0; i < 2; i++) {
    const fallback_mt = FALLBACKS[2 * migratetype + i]!
    if (!free_area_empty(sys, zone, order, fallback_mt)) return fallback_mt
  }
  return -1
}

/** Chosen free block of another type: what `choose_fallback` found; read at once. */
const choice: { order: number; migratetype: number; can_steal: boolean } = {
  order: -1,
  migratetype: -1,
  can_steal: false,
}

/**
 * Looks for the free block to take from another type: the largest, since it leaves the most room for what comes next;
 * but a small movable request that may not take a pageblock over breaks the smallest that fits. Returns its order,
 * type and whether its pageblock may be taken over, or null. @kernel mm/page_alloc.c:__rmqueue_fallback
 */
export function choose_fallback(
  sys: Sys,
  zone: number,
  order: number,
  start_mt: number,
  alloc_flags: number,
): Readonly<typeof choice> | null {
  const nofragment = order < sys.pageblock_order && (alloc_flags & ALLOC_NOFRAGMENT) !== 0
  const min_order = nofragment ? sys.pageblock_order : order
  let current_order = sys.block_shift
  while (current_order >= min_order && find_suitable_fallback(sys, zone, current_order, start_mt) === -1)
    current_order--
  if (current_order < min_order) return null
  if (!can_steal_fallback(sys, current_order, start_mt) && current_order > order) {
    current_order = order
    while (find_suitable_fallback(sys, zone, current_order, start_mt) === -1) current_order++
  }
  choice.order = current_order
  choice.migratetype = find_suitable_fallback(sys, zone, current_order, start_mt)
  choice.can_steal = can_steal_fallback(sys, current_order, start_mt)
  return choice
}

/** Whether a pageblock may change its type: at least half of it is free, or in use by pages alike. @ours */
export function pageblock_is_worth(
  sys: Sys,
  zone: number,
  pfn: number,
  free_pages: number,
  old_type: number,
  start_type: number,
): boolean {
  const movable = count_movable(sys, zone, pfn)
  let alike = 0
  if (start_type === MIGRATE_MOVABLE) alike = movable
  else if (old_type === MIGRATE_MOVABLE) alike = sys.pageblock_nr_pages - (free_pages + movable)
  const enough = 1 << (sys.pageblock_order - 1)
  return free_pages + alike >= enough || sys.machine.page_group_by_mobility_disabled[0] !== 0
}

/** Boosts the watermarks and leaves a note for the request to wake kswapd. @ours */
export function boost_after_fallback(sys: Sys, zone: number, alloc_flags: number): void {
  if (boost_watermark(sys, zone) && (alloc_flags & ALLOC_KSWAPD) !== 0) sys.zone.flags[zone]! |= ZONE_BOOSTED_WATERMARK
}

/** @ours */
export function trace_extfrag(
  sys: Sys,
  zone: number,
  pfn: number,
  order: number,
  fallback_order: number,
  start_mt: number,
  fallback_mt: number,
): void {
  const change_ownership = get_pageblock_migratetype(sys, zone, pfn) === start_mt ? 1 : 0
  sys.trace.mm_page_alloc_extfrag?.(pfn, order, fallback_order, start_mt, fallback_mt, change_ownership)
}

/** First frame of the pageblock, or `pfn` itself where the zone starts inside it; -1 = the zone ends inside it. */
function pageblock_start(sys: Sys, zone: number, pfn: number): number {
  const start = pfn & -sys.pageblock_nr_pages
  const zone_start = sys.zone.zone_start_pfn[zone]!
  if (start + sys.pageblock_nr_pages > zone_start + sys.zone.spanned_pages[zone]!) return -1
  return start < zone_start ? pfn : start
}

/**
 * Moves the free blocks of a pageblock to the lists of `migratetype`; returns the pages moved.
 * @kernel mm/page_alloc.c:move_freepages_block
 */
export function move_freepages_block(sys: Sys, zone: number, pfn: number, migratetype: number): number {
  const start = pageblock_start(sys, zone, pfn)
  if (start === -1) return 0
  touch_block_of(sys, pfn)
  const end = (pfn & -sys.pageblock_nr_pages) + sys.pageblock_nr_pages
  let moved = 0
  for (let at = start; at < end; ) {
    const order = buddy_order(sys, at)
    if (order < 0) {
      at++
      continue
    }
    move_to_free_list(sys, at, zone, order, migratetype)
    at += 1 << order
    moved += 1 << order
  }
  return moved
}

/** Free pages of a pageblock; 0 where it is not wholly in the zone. @ours */
export function count_free(sys: Sys, zone: number, pfn: number): number {
  const start = pageblock_start(sys, zone, pfn)
  if (start === -1) return 0
  const end = (pfn & -sys.pageblock_nr_pages) + sys.pageblock_nr_pages
  let free = 0
  for (let at = start; at < end; ) {
    const order = buddy_order(sys, at)
    if (order >= 0) free += 1 << order
    at += order < 0 ? 1 : 1 << order
  }
  return free
}

/** Pages of a pageblock in use that could be moved: on an LRU list, or of a movable owner. */
function count_movable(sys: Sys, zone: number, pfn: number): number {
  const start = pageblock_start(sys, zone, pfn)
  const end = (pfn & -sys.pageblock_nr_pages) + sys.pageblock_nr_pages
  const { flags, index, state } = sys.page
  let movable = 0
  for (let at = start; at < end; ) {
    const head = state[at]!
    if (head > PAGE_FREE && head <= sys.NR_PAGE_ORDERS) {
      at += 1 << (head - 1)
      continue
    }
    const head_page = (flags[at]! & PG.tail) !== 0 ? index[at]! : at
    if ((flags[head_page]! & (PG.lru | PG.movable)) !== 0) movable++
    at++
  }
  return movable
}

/** @kernel mm/page_alloc.c:change_pageblock_range */
export function change_pageblock_range(sys: Sys, zone: number, pfn: number, order: number, migratetype: number): void {
  for (let at = pfn; at < pfn + (1 << order); at += sys.pageblock_nr_pages)
    set_pageblock_migratetype(sys, zone, at, migratetype)
}

/**
 * Raises a zone's watermarks by a pageblock after a mixing fallback, so that kswapd makes room; false = not done.
 * @kernel mm/page_alloc.c:boost_watermark
 */
function boost_watermark(sys: Sys, zone: number): boolean {
  const factor = sys.sysctl.watermark_boost_factor[0]!
  const nr_pages = sys.pageblock_nr_pages
  if (factor === 0 || nr_pages * 4 > sys.zone.managed_pages[zone]!) return false
  const max_boost = Math.floor((sys.zone.watermark[4 * zone + WMARK_HIGH]! * factor) / 10000)
  if (max_boost === 0) return false
  const boost = sys.zone.watermark_boost[zone]! + nr_pages
  sys.zone.watermark_boost[zone] = Math.min(boost, Math.max(nr_pages, max_boost))
  return true
}

/**
 * Sets the pageblock of a block just allocated aside for atomic requests of high order, up to a limit.
 * @kernel mm/page_alloc.c:reserve_highatomic_pageblock
 */
export function reserve_highatomic_pageblock(sys: Sys, zone: number, pfn: number): void {
  if (sys.zone.nr_reserved_highatomic[zone]! >= sys.kernel.max_highatomic(sys, zone)) return
  zone_lock(sys, zone)
  if (migratetype_is_mergeable(get_pageblock_migratetype(sys, zone, pfn))) {
    sys.zone.nr_reserved_highatomic[zone]! += sys.pageblock_nr_pages
    set_pageblock_migratetype(sys, zone, pfn, MIGRATE_HIGHATOMIC)
    move_freepages_block(sys, zone, pfn, MIGRATE_HIGHATOMIC)
  }
  zone_unlock(sys)
}

/**
 * Gives one HIGHATOMIC pageblock of a zone back to ordinary requests; returns the pages freed of the reserve, 0 = none.
 * @kernel mm/page_alloc.c:unreserve_highatomic_pageblock
 */
export function unreserve_highatomic_pageblock(sys: Sys, zone: number, migratetype: number, force: boolean): number {
  const reserved = sys.zone.nr_reserved_highatomic
  // One block stays until memory is really short.
  if (!force && reserved[zone]! <= sys.pageblock_nr_pages) return 0
  zone_lock(sys, zone)
  let moved = 0
  for (let order = 0; order < sys.NR_PAGE_ORDERS && moved === 0; order++) {
    if (free_area_empty(sys, zone, order, MIGRATE_HIGHATOMIC)) continue
    const pfn = get_page_from_free_area(sys, zone, order, MIGRATE_HIGHATOMIC)
    if (get_pageblock_migratetype(sys, zone, pfn) === MIGRATE_HIGHATOMIC)
      reserved[zone]! -= Math.min(sys.pageblock_nr_pages, reserved[zone]!)
    set_pageblock_migratetype(sys, zone, pfn, migratetype)
    moved = move_freepages_block(sys, zone, pfn, migratetype)
  }
  zone_unlock(sys)
  return moved
}

/** Blocks of CMA areas may serve movable requests. @kernel mm/page_alloc.c:__rmqueue_cma_fallback */
export function __rmqueue_cma_fallback(sys: Sys, zone: number, order: number): number {
  return __rmqueue_smallest(sys, zone, order, sys.MIGRATE_CMA)
}
