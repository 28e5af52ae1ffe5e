// Pages of objects in the node's counters, by whether they can be reclaimed.
import { page_zone, type Sys } from './mmzone.ts'
import { NODE_STAT_ITEMS } from './vmstat_item.ts'

const RECLAIMABLE = NODE_STAT_ITEMS.indexOf('nr_slab_reclaimable')
const UNRECLAIMABLE = NODE_STAT_ITEMS.indexOf('nr_slab_unreclaimable')

/** Counts `pages` more pages (fewer, where negative) of objects on the node of a frame.
 * @kernel mm/slab.h:account_slab, unaccount_slab @differs one counter for all CPUs, in pages */
export function account_slab(sys: Sys, pfn: number, pages: number, reclaimable: boolean): void {
  const item = reclaimable ? RECLAIMABLE : UNRECLAIMABLE
  sys.node_stat.vm_stat[page_to_nid(sys, pfn) * NODE_STAT_ITEMS.length + item]! += pages
}

/** Node of a frame. @kernel include/linux/mm.h:page_to_nid */
export function page_to_nid(sys: Sys, pfn: number): number {
  return sys.zone_to_nid[page_zone(sys, pfn)]!
}
