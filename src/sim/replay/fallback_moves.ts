// What mm_page_alloc_extfrag says that a fallback did, done on the followed machine.
import { get_pageblock_migratetype, MIGRATE_HIGHATOMIC, type Sys, set_pageblock_migratetype } from '../../mm/mmzone.ts'
import { buddy_order, move_to_free_list } from '../../mm/page_alloc/buddy.ts'
import { can_steal_fallback, change_pageblock_range, move_freepages_block } from '../../mm/page_alloc/fallback.ts'

/** Up to 6.9: blocks move to the other list first, then one is taken with an event of its own. */
export function moveFallback(
  sys: Sys,
  pfn: number,
  zone: number,
  fallback_order: number,
  migratetype: number,
  change: boolean,
): void {
  if (buddy_order(sys, pfn) !== fallback_order) return
  if (get_pageblock_migratetype(sys, zone, pfn) !== MIGRATE_HIGHATOMIC) {
    if (fallback_order >= sys.pageblock_order) change_pageblock_range(sys, zone, pfn, fallback_order, migratetype)
    else if (can_steal_fallback(sys, fallback_order, migratetype)) {
      move_freepages_block(sys, zone, pfn, migratetype)
      if (change) set_pageblock_migratetype(sys, zone, pfn, migratetype)
      return
    }
  }
  move_to_free_list(sys, pfn, zone, fallback_order, migratetype)
}

/** From 6.10 on: a pageblock changes its type, and with it go its free blocks. */
export function claimPageblock(sys: Sys, pfn: number, zone: number, fallback_order: number, migratetype: number): void {
  if (fallback_order >= sys.pageblock_order)
    change_pageblock_range(sys, zone, pfn & (-1 << fallback_order), fallback_order, migratetype)
  else {
    set_pageblock_migratetype(sys, zone, pfn, migratetype)
    move_freepages_block(sys, zone, pfn, migratetype)
  }
}
