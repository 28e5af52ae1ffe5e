// Pages on their way to a device. Law: PG.writeback is set from the request to its completion, and holds a reference.
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import { folio_rotate_reclaimable } from './swap.ts'
import { __mod_zone_page_state } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, zone_item } from './vmstat_item.ts'

const ITEMS: number = NODE_STAT_ITEMS.length
const NR_WRITEBACK: number = node_item('nr_writeback')
const NR_WRITTEN: number = node_item('nr_written')
const WRITE_PENDING: number = zone_item('nr_zone_write_pending')

/** The request begins. @kernel mm/page-writeback.c:__folio_start_writeback */
export function set_page_writeback(sys: Sys, pfn: number): void {
  const { flags, _refcount } = sys.page
  const zone = page_zone(sys, pfn)
  flags[pfn] = flags[pfn]! | PG.writeback
  _refcount[pfn] = _refcount[pfn]! + 1
  sys.node_stat.vm_stat[sys.zone_to_nid[zone]! * ITEMS + NR_WRITEBACK]! += 1
  __mod_zone_page_state(sys, zone, WRITE_PENDING, 1)
}

/** The request is done: a page that shall go is reclaimed next. @kernel mm/filemap.c:folio_end_writeback */
export function end_page_writeback(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & PG.reclaim) !== 0) {
    flags[pfn] = flags[pfn]! & ~PG.reclaim
    folio_rotate_reclaimable(sys, pfn)
  }
  const zone = page_zone(sys, pfn)
  const row = sys.zone_to_nid[zone]! * ITEMS
  flags[pfn] = flags[pfn]! & ~PG.writeback
  sys.node_stat.vm_stat[row + NR_WRITEBACK]! -= 1
  sys.node_stat.vm_stat[row + NR_WRITTEN]! += 1
  __mod_zone_page_state(sys, zone, WRITE_PENDING, -1)
  put_page(sys, pfn)
}

/** Takes the dirty mark of a page that is about to be written; false = it was clean.
 * @kernel mm/page-writeback.c:folio_clear_dirty_for_io */
export function folio_clear_dirty_for_io(sys: Sys, pfn: number): boolean {
  const { flags } = sys.page
  if ((flags[pfn]! & PG.dirty) === 0) return false
  flags[pfn] = flags[pfn]! & ~PG.dirty
  return true
}
