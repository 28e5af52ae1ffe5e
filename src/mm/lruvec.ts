// A node's LRU vector: which list a page belongs on, how many pages each list has, what reclaim of a kind has cost.
// Laws: a page with PG.lru is on exactly one list; lru_zone_size counts it, and so do the node's and the zone's
// counters; a page whose flags name a generation is on one of that generation's lists.
import { list_add, list_add_tail, list_del } from '../image/list.ts'
import { lru_gen_add_folio, lru_gen_del_folio, lru_gen_enabled } from './lru_gen.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  NR_LRU_LISTS,
} from './reclaim_tables.ts'
import { __mod_zone_page_state } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, zone_item } from './vmstat_item.ts'

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const ITEMS: number = NODE_STAT_ITEMS.length
const NODE_LRU: number = node_item('nr_inactive_anon')
const ZONE_LRU: number = zone_item('nr_zone_inactive_anon')
const LISTS: number = NR_LRU_LISTS
const [SWAPBACKED, ACTIVE, UNEVICTABLE]: readonly [number, number, number] = [PG.swapbacked, PG.active, PG.unevictable]

/** Head of a node's list. @kernel include/linux/mmzone.h:lruvec->lists */
export function lru_head(sys: Sys, node: number, lru: number): number {
  return sys.lru_list_base + node * (LISTS + 8 * sys.nr_zone_types) + lru
}

/** 1 = the page counts among files, 0 = among what goes to swap. @kernel include/linux/mm_inline.h:folio_is_file_lru */
export function folio_is_file_lru(sys: Sys, pfn: number): number {
  return (sys.page.flags[pfn]! & SWAPBACKED) === 0 ? 1 : 0
}

/** The list that a page's flags name. @kernel include/linux/mm_inline.h:folio_lru_list */
export function folio_lru_list(sys: Sys, pfn: number): number {
  const flags = sys.page.flags[pfn]!
  if ((flags & UNEVICTABLE) !== 0) return LRU_UNEVICTABLE
  return ((flags & SWAPBACKED) === 0 ? 2 : 0) + ((flags & ACTIVE) === 0 ? 0 : 1)
}

/** Pages more or fewer on a list. @kernel include/linux/mm_inline.h:update_lru_size */
export function update_lru_size(sys: Sys, zone: number, lru: number, delta: number): void {
  const { size } = sys.lru_zone_size
  const at = LISTS * zone + lru
  size[at] = size[at]! + delta
  const node = sys.zone_to_nid[zone]! * ITEMS + NODE_LRU + lru
  sys.node_stat.vm_stat[node] = sys.node_stat.vm_stat[node]! + delta
  __mod_zone_page_state(sys, zone, ZONE_LRU + lru, delta)
}

/** Puts a page at the head of the list that its flags name. @kernel include/linux/mm_inline.h:lruvec_add_folio */
export function lruvec_add_folio(sys: Sys, pfn: number): void {
  if (lru_gen_enabled(sys) && lru_gen_add_folio(sys, pfn, false)) return
  const zone = page_zone(sys, pfn)
  const lru = folio_lru_list(sys, pfn)
  update_lru_size(sys, zone, lru, 1)
  if (lru !== LRU_UNEVICTABLE) list_add(sys.link.link, pfn, lru_head(sys, sys.zone_to_nid[zone]!, lru))
}

/** Puts a page where it is reclaimed next. @kernel include/linux/mm_inline.h:lruvec_add_folio_tail */
export function lruvec_add_folio_tail(sys: Sys, pfn: number): void {
  if (lru_gen_enabled(sys) && lru_gen_add_folio(sys, pfn, true)) return
  const zone = page_zone(sys, pfn)
  const lru = folio_lru_list(sys, pfn)
  update_lru_size(sys, zone, lru, 1)
  list_add_tail(sys.link.link, pfn, lru_head(sys, sys.zone_to_nid[zone]!, lru))
}

/** Takes a page off its list. @kernel include/linux/mm_inline.h:lruvec_del_folio */
export function lruvec_del_folio(sys: Sys, pfn: number): void {
  if (lru_gen_enabled(sys) && lru_gen_del_folio(sys, pfn, false)) return
  const lru = folio_lru_list(sys, pfn)
  if (lru !== LRU_UNEVICTABLE) list_del(sys.link.link, pfn)
  update_lru_size(sys, page_zone(sys, pfn), lru, -1)
}

/** Pages of a list in zones up to a type. @kernel mm/vmscan.c:lruvec_lru_size */
export function lruvec_lru_size(sys: Sys, node: number, lru: number, zone_idx: number): number {
  const { size } = sys.lru_zone_size
  const first = node * sys.nr_zone_types
  let pages = 0
  for (let type = 0; type <= zone_idx && type < sys.nr_zone_types; type++) pages += size[LISTS * (first + type) + lru]!
  return pages
}

/** Pages of a node's list. @ours */
export function lruvec_size(sys: Sys, node: number, lru: number): number {
  return sys.node_stat.vm_stat[node * ITEMS + NODE_LRU + lru]!
}

/** Notes what reclaim of a kind has cost, as a moving average. @kernel mm/swap.c:lru_note_cost */
export function lru_note_cost(sys: Sys, node: number, file: number, nr_io: number, nr_rotated: number): void {
  const { anon_cost, file_cost } = sys.lruvec
  const cost = sys.kernel.reclaim.cost(nr_io, nr_rotated)
  if (file === 1) file_cost[node] = file_cost[node]! + cost
  else anon_cost[node] = anon_cost[node]! + cost
  let size = lruvec_size(sys, node, LRU_INACTIVE_ANON) + lruvec_size(sys, node, LRU_ACTIVE_ANON)
  size += lruvec_size(sys, node, LRU_INACTIVE_FILE) + lruvec_size(sys, node, LRU_ACTIVE_FILE)
  if (file_cost[node]! + anon_cost[node]! <= size / 4) return
  file_cost[node] = Math.floor(file_cost[node]! / 2)
  anon_cost[node] = Math.floor(anon_cost[node]! / 2)
}

/** Whether there are too few inactive pages of a kind for the active ones. @kernel mm/vmscan.c:inactive_is_low */
export function inactive_is_low(sys: Sys, node: number, inactive_lru: number): boolean {
  const inactive = lruvec_size(sys, node, inactive_lru)
  const active = lruvec_size(sys, node, inactive_lru + 1)
  const gb = Math.floor((inactive + active) / 2 ** (30 - sys.page_shift))
  const ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1
  return inactive * ratio < active
}
