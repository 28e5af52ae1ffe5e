// Pages that somebody names are reclaimed at once: whether they were used lately does not count.
// Law: each page is freed or waits for its list again, and its reference with it.
import { GFP_KERNEL } from './gfp.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { node_of_page } from './page_io.ts'
import { folio_isolate_lru, folio_putback_lru } from './swap.ts'
import { scan_control_init } from './vmscan.ts'
import { direct_row } from './vmscan_direct.ts'
import { new_stat, shrink_folio_list } from './vmscan_pages.ts'

/** Writes out and frees pages that are on LRU lists; returns how many were freed. @kernel mm/vmscan.c:reclaim_pages */
export function reclaim_pages(sys: Sys, pfns: readonly number[]): number {
  const { flags } = sys.page
  const isolated = new Int32Array(pfns.filter(pfn => folio_isolate_lru(sys, pfn)))
  for (const pfn of isolated) flags[pfn] = flags[pfn]! & ~PG.active
  let freed = 0
  for (let first = 0, last = 0; first < isolated.length; first = last) {
    const node = node_of_page(sys, isolated[first]!)
    while (last < isolated.length && node_of_page(sys, isolated[last]!) === node) last++
    freed += reclaim_folio_list(sys, isolated.subarray(first, last))
  }
  return freed
}

/** One node's pages. @kernel mm/vmscan.c:reclaim_folio_list */
function reclaim_folio_list(sys: Sys, list: Int32Array): number {
  const sc = direct_row(sys)
  scan_control_init(sys, sc, GFP_KERNEL, 0, sys.nr_zone_types - 1)
  // What is allocated meanwhile must not reclaim itself.
  sys.reclaim_clock.reclaiming[0]! += 1
  const left = shrink_folio_list(sys, list, list.length, sc, new_stat(), false, true)
  sys.reclaim_clock.reclaiming[0]! -= 1
  for (let at = 0; at < left; at++) folio_putback_lru(sys, list[at]!)
  return sys.scan_control.vec_reclaimed[sc]!
}
