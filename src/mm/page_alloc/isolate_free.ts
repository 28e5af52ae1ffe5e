// Taking a free block out of a zone at a given place, and giving such frames back: for compaction, which says which.
import { zone_lock, zone_unlock } from '../locks.ts'
import { PAGE_USED } from '../mm_types.ts'
import { get_pageblock_migratetype, type Sys, WMARK_MIN } from '../mmzone.ts'
import { __mod_zone_freepage_state } from '../vmstat.ts'
import { __free_pages } from './alloc_pages.ts'
import { del_page_from_free_list } from './buddy.ts'
import { wmark_pages, zone_watermark_ok } from './watermark.ts'

/** Takes a free block as single frames in use, without an event; false = the zone would fall below its low mark.
 * @kernel mm/page_alloc.c:__isolate_free_page */
export function isolate_free_block(sys: Sys, pfn: number, zone: number, order: number): boolean {
  const mark = wmark_pages(sys, zone, WMARK_MIN) + 2 ** order
  if (!zone_watermark_ok(sys, zone, 0, mark, 0, 0)) return false
  const { state, flags, _refcount, index } = sys.page
  zone_lock(sys, zone)
  const migratetype = get_pageblock_migratetype(sys, zone, pfn)
  del_page_from_free_list(sys, pfn, zone, order)
  __mod_zone_freepage_state(sys, zone, -(2 ** order), migratetype)
  zone_unlock(sys)
  for (let frame = pfn; frame < pfn + 2 ** order; frame++) {
    state[frame] = PAGE_USED | 1
    _refcount[frame] = 1
    flags[frame] = 0
    index[frame] = 0
  }
  return true
}

/** Gives single frames back. @kernel mm/compaction.c:release_freepages */
export function release_free_frames(sys: Sys, frames: readonly number[]): void {
  for (const pfn of frames) __free_pages(sys, pfn, 0)
}
