// Fallback as kernels from 6.10 on have it: a block is always on the list of its pageblock's type. Either the whole
// pageblock is claimed, or a single block is taken out and the rest of it stays with its own type.
import { get_pageblock_migratetype, MIGRATE_HIGHATOMIC, type Sys, set_pageblock_migratetype } from '../mmzone.ts'
import { __rmqueue_smallest, del_page_from_free_list, expand_among, get_page_from_free_area } from './buddy.ts'
import {
  boost_after_fallback,
  change_pageblock_range,
  choose_fallback,
  count_free,
  move_freepages_block,
  pageblock_is_worth,
  trace_extfrag,
} from './fallback.ts'

/** Takes a block of another type; -1 = none. zone->lock is held. @kernel mm/page_alloc.c:__rmqueue_fallback */
export function rmqueue_fallback_claim(
  sys: Sys,
  zone: number,
  order: number,
  start_mt: number,
  alloc_flags: number,
): number {
  const found = choose_fallback(sys, zone, order, start_mt, alloc_flags)
  if (found === null) return -1
  const { order: found_order, migratetype: fallback_mt, can_steal } = found
  const block = get_page_from_free_area(sys, zone, found_order, fallback_mt)
  const pfn = steal_suitable_fallback(sys, zone, block, found_order, order, start_mt, alloc_flags, can_steal)
  trace_extfrag(sys, zone, pfn, order, found_order, start_mt, fallback_mt)
  return pfn
}

/** @kernel mm/page_alloc.c:steal_suitable_fallback */
function steal_suitable_fallback(
  sys: Sys,
  zone: number,
  pfn: number,
  found_order: number,
  order: number,
  start_type: number,
  alloc_flags: number,
  whole_block: boolean,
): number {
  const block_type = get_pageblock_migratetype(sys, zone, pfn)
  if (block_type === MIGRATE_HIGHATOMIC) return take_single(sys, zone, pfn, found_order, order, block_type)
  if (found_order >= sys.pageblock_order) {
    change_pageblock_range(sys, zone, pfn, found_order, start_type)
    return take_single(sys, zone, pfn, found_order, order, start_type)
  }
  boost_after_fallback(sys, zone, alloc_flags)
  const free_pages = whole_block ? count_free(sys, zone, pfn) : 0
  if (free_pages === 0 || !pageblock_is_worth(sys, zone, pfn, free_pages, block_type, start_type))
    return take_single(sys, zone, pfn, found_order, order, block_type)
  move_freepages_block(sys, zone, pfn, start_type)
  set_pageblock_migratetype(sys, zone, pfn, start_type)
  return __rmqueue_smallest(sys, zone, order, start_type)
}

/** Takes a block off its list and leaves what is too much on the lists of `rest_type`. */
function take_single(sys: Sys, zone: number, pfn: number, high: number, low: number, rest_type: number): number {
  del_page_from_free_list(sys, pfn, zone, high)
  expand_among(sys, zone, pfn, low, high, rest_type)
  sys.page.index[pfn] = rest_type
  return pfn
}
