// Per-CPU page lists. Small blocks (and huge ones) are taken and given back here without touching the zone; a list is
// filled and emptied in batches. Law: pcp.count = pages on its lists; the head is handed out first, and what goes back
// to the buddy lists is taken from the tail.
import { ALLOC_CMA } from '../gfp.ts'
import { pcp_spin_lock, pcp_spin_unlock, zone_lock, zone_unlock } from '../locks.ts'
import { PAGE_PCP } from '../mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  PAGE_ALLOC_COSTLY_ORDER,
  type Sys,
} from '../mmzone.ts'
import { __mod_zone_page_state, zone_page_state } from '../vmstat.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES } from '../vmstat_item.ts'
import { __free_one_page, __rmqueue_smallest } from './buddy.ts'
import { __rmqueue_cma_fallback } from './fallback.ts'

/** Lists of the small orders; those of huge pages come after them. @kernel include/linux/mmzone.h:NR_LOWORDER_PCP_LISTS */
const NR_LOWORDER_PCP_LISTS: number = MIGRATE_PCPTYPES * (PAGE_ALLOC_COSTLY_ORDER + 1)

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const TYPES: number = MIGRATE_PCPTYPES
const COSTLY_ORDER: number = PAGE_ALLOC_COSTLY_ORDER
const WAITING: number = PAGE_PCP

/** Which list blocks of an order and migrate type are on. @kernel mm/page_alloc.c:order_to_pindex */
export function order_to_pindex(sys: Sys, migratetype: number, order: number): number {
  if (order <= COSTLY_ORDER) return TYPES * order + migratetype
  const own_list = sys.kernel.nr_pcp_thp > 1 && migratetype === MIGRATE_MOVABLE
  return NR_LOWORDER_PCP_LISTS + (own_list ? 1 : 0)
}

/** Order of the blocks on a list. @kernel mm/page_alloc.c:pindex_to_order */
export function pindex_to_order(sys: Sys, pindex: number): number {
  return pindex >= NR_LOWORDER_PCP_LISTS ? sys.pcp_huge_order : (pindex / TYPES) | 0
}

/** Row of the per-CPU lists of a zone on the running CPU. @ours */
export function this_pcp(sys: Sys, zone: number): number {
  return zone * sys.nr_cpus + sys.machine.this_cpu[0]!
}

/**
 * Takes a block from a zone's buddy lists, falling back to other migrate types; -1 = none. zone->lock is held.
 * @kernel mm/page_alloc.c:__rmqueue
 */
export function __rmqueue(sys: Sys, zone: number, order: number, migratetype: number, alloc_flags: number): number {
  const cma = sys.MIGRATE_CMA >= 0 && (alloc_flags & ALLOC_CMA) !== 0
  // Use CMA areas evenly: once they hold more than half of what is free, movable requests go there first.
  if (cma && zone_page_state(sys, zone, NR_FREE_CMA_PAGES) > zone_page_state(sys, zone, NR_FREE_PAGES) / 2) {
    const balanced = __rmqueue_cma_fallback(sys, zone, order)
    if (balanced !== -1) return balanced
  }
  const pfn = __rmqueue_smallest(sys, zone, order, migratetype)
  if (pfn !== -1) return pfn
  const contiguous = cma ? __rmqueue_cma_fallback(sys, zone, order) : -1
  return contiguous !== -1 ? contiguous : sys.kernel.rmqueue_fallback(sys, zone, order, migratetype, alloc_flags)
}

/** Fills a per-CPU list to its tail; returns the blocks got. @kernel mm/page_alloc.c:rmqueue_bulk */
function rmqueue_bulk(
  sys: Sys,
  zone: number,
  order: number,
  count: number,
  head: number,
  migratetype: number,
  alloc_flags: number,
): number {
  const { link } = sys.link
  const { state, index } = sys.page
  zone_lock(sys, zone)
  let got = 0
  for (; got < count; got++) {
    const pfn = __rmqueue(sys, zone, order, migratetype, alloc_flags)
    if (pfn === -1) break
    const prev = link[2 * head + 1]!
    link[2 * pfn] = head
    link[2 * pfn + 1] = prev
    link[2 * prev] = pfn
    link[2 * head + 1] = pfn
    state[pfn] = WAITING | (order + 1)
    if (index[pfn] === sys.MIGRATE_CMA) __mod_zone_page_state(sys, zone, NR_FREE_CMA_PAGES, -(1 << order))
  }
  // The counter of free pages moves once for the whole batch.
  __mod_zone_page_state(sys, zone, NR_FREE_PAGES, -(got << order))
  zone_unlock(sys)
  return got
}

/**
 * Takes a block from the running CPU's list, filling it first when it is empty; -1 = the zone has none.
 * @kernel mm/page_alloc.c:rmqueue_pcplist
 */
export function rmqueue_pcplist(
  sys: Sys,
  zone: number,
  order: number,
  migratetype: number,
  alloc_flags: number,
): number {
  const pcp = this_pcp(sys, zone)
  const { link } = sys.link
  const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, migratetype, order)
  const count = sys.pcp.count
  pcp_spin_lock(sys, pcp)
  sys.kernel.pcp.on_alloc(sys, pcp)
  if (link[2 * head] === head) refill(sys, pcp, zone, order, head, migratetype, alloc_flags)
  const pfn = link[2 * head]!
  if (pfn !== head) {
    const next = link[2 * pfn]!
    link[2 * head] = next
    link[2 * next + 1] = head
    count[pcp] = count[pcp]! - (1 << order)
  }
  pcp_spin_unlock(sys)
  return pfn === head ? -1 : pfn
}

/** Fills an empty list with as many blocks as the kernel's rules say. */
function refill(
  sys: Sys,
  pcp: number,
  zone: number,
  order: number,
  head: number,
  migratetype: number,
  alloc_flags: number,
): void {
  const blocks = sys.kernel.pcp.nr_pcp_alloc(sys, pcp, zone, order)
  const got = rmqueue_bulk(sys, zone, order, blocks, head, migratetype, alloc_flags)
  sys.pcp.count[pcp] = sys.pcp.count[pcp]! + (got << order)
}

/**
 * Puts a freed block on the running CPU's list and gives some back when there are too many.
 * @kernel mm/page_alloc.c:free_unref_page
 */
export function free_unref_page(sys: Sys, pfn: number, zone: number, order: number): void {
  const block_type = get_pageblock_migratetype(sys, zone, pfn)
  sys.page.index[pfn] = block_type
  // HIGHATOMIC and CMA pages wait on the MOVABLE list; isolated ones never do.
  if (block_type === sys.MIGRATE_ISOLATE) free_one_page(sys, pfn, zone, order, block_type, 0)
  else {
    const list_type = block_type >= TYPES ? MIGRATE_MOVABLE : block_type
    free_unref_page_commit(sys, pfn, zone, order, list_type)
  }
}

/** @kernel mm/page_alloc.c:free_unref_page_commit */
function free_unref_page_commit(sys: Sys, pfn: number, zone: number, order: number, list_type: number): void {
  const pcp = this_pcp(sys, zone)
  const pindex = order_to_pindex(sys, list_type, order)
  pcp_spin_lock(sys, pcp)
  const { link } = sys.link
  const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex
  const next = link[2 * head]!
  link[2 * pfn] = next
  link[2 * pfn + 1] = head
  link[2 * next + 1] = pfn
  link[2 * head] = pfn
  sys.page.state[pfn] = WAITING | (order + 1)
  sys.pcp.count[pcp] = sys.pcp.count[pcp]! + (1 << order)
  const surplus = sys.kernel.pcp.nr_pcp_free(sys, pcp, zone, order)
  if (surplus > 0) give_back(sys, zone, surplus, pcp, pindex)
  pcp_spin_unlock(sys)
}

/** Gives `count` pages of a CPU's lists back, beginning with the list `pindex`; pcp->lock is held. @ours */
export function give_back(sys: Sys, zone: number, count: number, pcp: number, pindex: number): void {
  free_pcppages_bulk(sys, zone, count, pcp, pindex)
  sys.kernel.pcp.after_free?.(sys, zone)
}

/**
 * Gives pages of a CPU's lists back to the zone: one list after the other, beginning with `pindex`, each from its tail
 * until it is empty or `count` pages are given. @kernel mm/page_alloc.c:free_pcppages_bulk
 */
function free_pcppages_bulk(sys: Sys, zone: number, count: number, pcp: number, pindex: number): void {
  const { link } = sys.link
  const lists = sys.nr_pcp_lists
  const first_head = sys.pcp_list_base + pcp * lists
  let left = Math.min(count, sys.pcp.count[pcp]!)
  let list = pindex
  zone_lock(sys, zone)
  while (left > 0) {
    const head = first_head + list
    const order = pindex_to_order(sys, list)
    while (left > 0 && link[2 * head] !== head) {
      const pfn = link[2 * head + 1]!
      free_pcp_tail(sys, pfn, head, zone, order)
      sys.pcp.count[pcp] = sys.pcp.count[pcp]! - (1 << order)
      left -= 1 << order
    }
    list = list + 1 === lists ? 0 : list + 1
  }
  zone_unlock(sys)
}

function free_pcp_tail(sys: Sys, pfn: number, head: number, zone: number, order: number): void {
  const { link } = sys.link
  const prev = link[2 * pfn + 1]!
  link[2 * prev] = head
  link[2 * head + 1] = prev
  const by_block = sys.kernel.freelist_hygiene || sys.zone.nr_isolate_pageblock[zone] !== 0
  const migratetype = by_block ? get_pageblock_migratetype(sys, zone, pfn) : sys.page.index[pfn]!
  sys.page.state[pfn] = 0
  __free_one_page(sys, pfn, zone, order, migratetype, 0)
  sys.trace.mm_page_pcpu_drain?.(pfn, order, migratetype)
}

/** Frees a block straight to its zone. @kernel mm/page_alloc.c:free_one_page */
export function free_one_page(
  sys: Sys,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  zone_lock(sys, zone)
  sys.page.state[pfn] = 0
  __free_one_page(sys, pfn, zone, order, migratetype, fpi_flags)
  zone_unlock(sys)
}

/** Gives all pages of one CPU's lists of a zone back. @kernel mm/page_alloc.c:drain_pages_zone */
export function drain_pages_zone(sys: Sys, cpu: number, zone: number): void {
  const pcp = zone * sys.nr_cpus + cpu
  if (sys.pcp.count[pcp] === 0) return
  pcp_spin_lock(sys, pcp)
  free_pcppages_bulk(sys, zone, sys.pcp.count[pcp]!, pcp, 0)
  pcp_spin_unlock(sys)
}

/** Gives back the lists of the running CPU, of one zone or (-1) of all. @kernel mm/page_alloc.c:drain_local_pages */
export function drain_local_pages(sys: Sys, zone = -1): void {
  drain_pages(sys, sys.machine.this_cpu[0]!, zone)
}

/** Gives back the lists of every CPU, of one zone or (-1) of all. @kernel mm/page_alloc.c:drain_all_pages */
export function drain_all_pages(sys: Sys, zone = -1): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) drain_pages(sys, cpu, zone)
}

/** @kernel mm/page_alloc.c:drain_pages */
function drain_pages(sys: Sys, cpu: number, zone: number): void {
  if (zone !== -1) drain_pages_zone(sys, cpu, zone)
  else for (let each = 0; each < sys.nr_zones; each++) drain_pages_zone(sys, cpu, each)
}
