// The swap cache: pages that have a slot. A page is there from the moment it is chosen to go until its slot is given up,
// and from the read of its slot on; so it is never read twice, and goes without a write while it stays clean.
// Laws: swap_map.folio of the slot = frame + 1, the page's private = its entry, PG_swapcache is set, and the cache holds
// a reference; a slot whose page has gone keeps the page's shadow there.
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { PG, PG_readahead, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { alloc_page } from './page_alloc/alloc_pages.ts'
import { folio_test_swapcache, node_of_page, swap_readpage, wait_for_read } from './page_io.ts'
import { put_page } from './page_ref.ts'
import { folio_add_lru, lru_add_drain } from './swap.ts'
import { folio_alloc_swap, put_swap_folio, SWAP_HAS_CACHE, SWP_ZRAM, slot_row, swap_count } from './swapfile_slots.ts'
import { swp_entry } from './swapops.ts'
import { charge_or_free, vma_alloc_folio } from './vm_alloc.ts'
import { count_vm_events } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from './vmstat_item.ts'
import { workingset_refault } from './workingset.ts'

const ITEMS: number = NODE_STAT_ITEMS.length
const NR_FILE_PAGES: number = node_item('nr_file_pages')
const NR_SWAPCACHE: number = node_item('nr_swapcached')
const SWAP_RA: number = vm_event('swap_ra')
const SWAP_RA_HIT: number = vm_event('swap_ra_hit')

function count_cached(sys: Sys, pfn: number, delta: number): void {
  const row = node_of_page(sys, pfn) * ITEMS
  const { vm_stat } = sys.node_stat
  vm_stat[row + NR_FILE_PAGES]! += delta
  vm_stat[row + NR_SWAPCACHE]! += delta
}

/** Ties a page to an entry; returns the shadow that lay there, -1 = none. @kernel mm/swap_state.c:add_to_swap_cache */
export function add_to_swap_cache(sys: Sys, pfn: number, entry: number): number {
  const row = slot_row(sys, entry)
  const old = sys.swap_map.folio[row]!
  sys.swap_map.folio[row] = pfn + 1
  sys.page.private[pfn] = entry
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG_swapcache
  sys.page._refcount[pfn]! += 1
  count_cached(sys, pfn, 1)
  return old < 0 ? -1 - old : -1
}

/** Unties a page that is locked; `shadow` stays in its place, -1 = none. @kernel mm/swap_state.c:__delete_from_swap_cache */
export function __delete_from_swap_cache(sys: Sys, pfn: number, shadow: number): void {
  sys.swap_map.folio[slot_row(sys, sys.page.private[pfn]!)] = shadow < 0 ? 0 : -1 - shadow
  sys.page.flags[pfn] = sys.page.flags[pfn]! & ~PG_swapcache
  sys.page.private[pfn] = 0
  count_cached(sys, pfn, -1)
}

/** Gives an anonymous page a slot; false = there is none. @kernel mm/swap_state.c:add_to_swap */
export function add_to_swap(sys: Sys, pfn: number): boolean {
  const entry = folio_alloc_swap(sys, pfn)
  if (entry === 0) return false
  add_to_swap_cache(sys, pfn, entry)
  // Its entries may be clean while their pages are not written: it must be dirty before it is unmapped.
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.dirty
  return true
}

/** Takes a page out of the swap cache. @kernel mm/swap_state.c:delete_from_swap_cache */
export function delete_from_swap_cache(sys: Sys, pfn: number): void {
  const entry = sys.page.private[pfn]!
  __delete_from_swap_cache(sys, pfn, -1)
  put_swap_folio(sys, entry)
  put_page(sys, pfn)
}

/** Gives a page's slot up where nobody else needs it; the page is then dirty. @kernel mm/swapfile.c:folio_free_swap */
export function folio_free_swap(sys: Sys, pfn: number): boolean {
  const { flags } = sys.page
  if (!folio_test_swapcache(sys, pfn) || (flags[pfn]! & PG.writeback) !== 0) return false
  if (swap_count(sys, sys.page.private[pfn]!) > 0) return false
  delete_from_swap_cache(sys, pfn)
  flags[pfn] = flags[pfn]! | PG.dirty
  return true
}

/** One user less of an entry; a page that only the swap cache holds goes with the last. @kernel mm/swapfile.c:free_swap_and_cache */
export function free_swap_and_cache(sys: Sys, type: number, offset: number): void {
  const entry = swp_entry(type, offset)
  const row = slot_row(sys, entry)
  const { count, folio } = sys.swap_map
  count[row]! -= 1
  if (count[row] === SWAP_HAS_CACHE && folio[row]! > 0) {
    const pfn = folio[row]! - 1
    if ((sys.page.flags[pfn]! & (PG.writeback | PG.locked)) === 0) delete_from_swap_cache(sys, pfn)
  } else if (count[row] === 0) {
    count[row] = SWAP_HAS_CACHE
    put_swap_folio(sys, entry)
  }
}

/** The page of an entry, with a reference more; -1 = it is not cached. @kernel mm/swap_state.c:lookup_swap_cache */
export function lookup_swap_cache(sys: Sys, type: number, offset: number): number {
  const pfn = sys.swap_map.folio[sys.swap_info.base[type]! + offset]! - 1
  if (pfn < 0) return -1
  sys.page._refcount[pfn]! += 1
  if ((sys.page.flags[pfn]! & PG_readahead) !== 0 && (sys.page.flags[pfn]! & PG.writeback) === 0) {
    sys.page.flags[pfn] = sys.page.flags[pfn]! & ~PG_readahead
    count_vm_events(sys, SWAP_RA_HIT, 1)
    if (sys.swap_state.nr_rotate_swap[0] !== 0) sys.swap_state.hits[0]! += 1
    else vma_hit(sys)
  }
  return pfn
}

/** Without turning disks, an area keeps its own window; hits are counted for all. */
function vma_hit(sys: Sys): void {
  sys.swap_state.hits[0]! += 1
}

/** The page of an entry, read or on its way: a frame with a reference more, -1 = no memory or nobody uses the entry.
 * `fresh` in the sign: a page that still must be read is returned as -2 - frame. @kernel mm/swap_state.c:__read_swap_cache_async */
function __read_swap_cache_async(sys: Sys, entry: number, vma: number, page: number): number {
  const row = slot_row(sys, entry)
  const { folio, count } = sys.swap_map
  if (folio[row]! > 0) return hold(sys, folio[row]! - 1)
  if (swap_count(sys, entry) === 0) return -1
  let pfn = vma > 0 ? vma_alloc_folio(sys, GFP_HIGHUSER_MOVABLE, 0, vma, page) : alloc_page(sys, GFP_HIGHUSER_MOVABLE)
  // It belongs to whom it belonged to when it was swapped out.
  if (pfn >= 0 && sys.memcg.used.length !== 0)
    pfn = charge_or_free(sys, pfn, 0, sys.swap_memcg.id[row]!, GFP_HIGHUSER_MOVABLE)
  if (pfn < 0) return -1
  // Reclaim may have run meanwhile, and somebody may have read it or given it up.
  if (folio[row]! > 0 || swap_count(sys, entry) === 0) {
    put_page(sys, pfn)
    return folio[row]! > 0 ? hold(sys, folio[row]! - 1) : -1
  }
  count[row] = count[row]! | SWAP_HAS_CACHE
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.locked | PG.swapbacked
  const shadow = add_to_swap_cache(sys, pfn, entry)
  if (shadow >= 0) workingset_refault(sys, pfn, shadow)
  folio_add_lru(sys, pfn)
  return -2 - pfn
}

function hold(sys: Sys, pfn: number): number {
  sys.page._refcount[pfn]! += 1
  return pfn
}

/** Pages to read around an offset, from how useful the last reads were. @kernel mm/swap_state.c:swapin_nr_pages */
function swapin_nr_pages(sys: Sys, offset: number): number {
  const { page_cluster, hits, prev_offset, last_readahead } = sys.swap_state
  const most = 1 << page_cluster[0]!
  if (most <= 1) return 1
  const had = hits[0]!
  hits[0] = 0
  let pages = had + 2
  if (pages === 2) {
    // No hit since: only what looks like a sequence is read ahead.
    if (offset !== prev_offset[0]! + 1 && offset !== prev_offset[0]! - 1) pages = 1
  } else {
    let rounded = 4
    while (rounded < pages) rounded *= 2
    pages = rounded
  }
  pages = Math.max(Math.min(pages, most), last_readahead[0]! >> 1)
  if (had === 0) prev_offset[0] = offset
  last_readahead[0] = pages
  return pages
}

/** Reads an entry and its neighbours in the area; -1 = no memory. The page is in the swap cache, one reference is the
 * caller's. @kernel mm/swap_state.c:swap_cluster_readahead @differs areas that do not turn use the same window */
export function swapin_readahead(sys: Sys, type: number, offset: number, vma: number, page: number): number {
  // What needs no device is not read ahead.
  const mask = (sys.swap_info.flags[type]! & SWP_ZRAM) !== 0 ? 0 : swapin_nr_pages(sys, offset) - 1
  let read = 0
  if (mask !== 0) {
    const last = Math.min(offset | mask, sys.swap_info.max[type]! - 1)
    for (let at = Math.max(offset & ~mask, 1); at <= last; at++) read += read_one(sys, type, at, offset, vma, page)
    lru_add_drain(sys)
  }
  const wanted = __read_swap_cache_async(sys, swp_entry(type, offset), vma, page)
  if (wanted === -1) return -1
  const pfn = wanted < -1 ? -2 - wanted : wanted
  if (wanted < -1) read += finish_read(sys, pfn)
  if (read > 0) wait_for_read(sys, read)
  return pfn
}

/** One page of the window; 1 = it had to be read. */
function read_one(sys: Sys, type: number, at: number, wanted: number, vma: number, page: number): number {
  const found = __read_swap_cache_async(sys, swp_entry(type, at), vma, page)
  if (found === -1) return 0
  const pfn = found < -1 ? -2 - found : found
  if (found < -1) {
    finish_read(sys, pfn)
    if (at !== wanted) {
      sys.page.flags[pfn] = sys.page.flags[pfn]! | PG_readahead
      count_vm_events(sys, SWAP_RA, 1)
    }
  }
  put_page(sys, pfn)
  return found < -1 ? 1 : 0
}

/** 1 = a device had to be asked. */
function finish_read(sys: Sys, pfn: number): number {
  const { zpool, zero } = sys.swap_map
  const row = slot_row(sys, sys.page.private[pfn]!)
  const at_once = zpool[row] !== 0 || zero[row] === 1
  swap_readpage(sys, pfn)
  sys.page.flags[pfn] = sys.page.flags[pfn]! & ~PG.locked
  return at_once ? 0 : 1
}
