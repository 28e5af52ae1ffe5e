// Fallback as kernels up to 6.9 have it: blocks of another type are moved to the list of the wanted one, whatever the
// type of their pageblock, and the request then looks there again. So a list may hold blocks of foreign pageblocks.
import { get_pageblock_migratetype, MIGRATE_HIGHATOMIC, type Sys, set_pageblock_migratetype } from '../mmzone.ts'
import { __rmqueue_smallest, get_page_from_free_area, move_to_free_list } from './buddy.ts'
import {
  boost_after_fallback,
  change_pageblock_range,
  choose_fallback,
  move_freepages_block,
  pageblock_is_worth,
  trace_extfrag,
} from './fallback.ts'

/** Takes a block of another type; -1 = none. zone->lock is held. @kernel mm/page_alloc.c:__rmqueue_fallback */
export function rmqueue_fallback_move(
  sys: Sys,
  zone: number,
  order: number,
  start_mt: number,
  alloc_flags: number,
): number {
  const found = choose_fallback(sys, zone, order, start_mt, alloc_flags)
  if (found === null) return -1
  const { order: found_order, migratetype: fallback_mt, can_steal } = found
  const pfn = get_page_from_free_area(sys, zone, found_order, fallback_mt)
  steal_suitable_fallback(sys, zone, pfn, found_order, alloc_flags, start_mt, can_steal)
  trace_extfrag(sys, zone, pfn, order, found_order, start_mt, fallback_mt)
  return __rmqueue_smallest(sys, zone, order, start_mt)
}

/** Moves a free block, or its whole pageblock, to `start_type`. @kernel mm/page_alloc.c:steal_suitable_fallback */
function steal_suitable_fallback(
  sys: Sys,
  zone: number,
  pfn: number,
  order: number,
  alloc_flags: number,
  start_type: number,
  whole_block: boolean,
): void {
  const old_type = get_pageblock_migratetype(sys, zone, pfn)
  if (old_type !== MIGRATE_HIGHATOMIC) {
    if (order >= sys.pageblock_order) change_pageblock_range(sys, zone, pfn, order, start_type)
    else {
      boost_after_fallback(sys, zone, alloc_flags)
      if (whole_block && take_over_pageblock(sys, zone, pfn, old_type, start_type)) return
    }
  }
  move_to_free_list(sys, pfn, zone, order, start_type)
}

/** Moves all free blocks of a pageblock, which changes its type when that is worth it; false = nothing could move. */
function take_over_pageblock(sys: Sys, zone: number, pfn: number, old_type: number, start_type: number): boolean {
  const moved = move_freepages_block(sys, zone, pfn, start_type)
  if (moved === 0) return false
  if (pageblock_is_worth(sys, zone, pfn, moved, old_type, start_type))
    set_pageblock_migratetype(sys, zone, pfn, start_type)
  return true
}
