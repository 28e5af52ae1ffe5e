// What reclaim could free at most.
import { managed_zone, type Sys } from './mmzone.ts'
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE } from './reclaim_tables.ts'
import { can_reclaim_anon_pages } from './vmscan.ts'
import { zone_page_state_snapshot } from './vmstat.ts'
import { zone_item } from './vmstat_item.ts'

const ZONE_LRU: number = zone_item('nr_zone_inactive_anon')

/** Pages on a zone's lists that can go. @kernel mm/vmscan.c:zone_reclaimable_pages */
export function zone_reclaimable_pages(sys: Sys, zone: number): number {
  let pages = zone_page_state_snapshot(sys, zone, ZONE_LRU + LRU_INACTIVE_FILE)
  pages += zone_page_state_snapshot(sys, zone, ZONE_LRU + LRU_ACTIVE_FILE)
  if (can_reclaim_anon_pages(sys)) {
    pages += zone_page_state_snapshot(sys, zone, ZONE_LRU + LRU_INACTIVE_ANON)
    pages += zone_page_state_snapshot(sys, zone, ZONE_LRU + LRU_ACTIVE_ANON)
  }
  return pages
}

/** Whether any zone of a node has pages that can go. @kernel mm/vmscan.c:skip_throttle_noprogress */
export function has_reclaimable_pages(sys: Sys, node: number): boolean {
  for (let type = 0; type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (managed_zone(sys, zone) && zone_reclaimable_pages(sys, zone) > 0) return true
  }
  return false
}
