// Taking exactly this block out of the buddy lists and putting exactly that one on or off a per-CPU list: what a
// replay needs beside the allocator's own functions, which choose. Law: the tables stay consistent after every call.
import { PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED, PG } from '../../mm/mm_types.ts'
import { get_pageblock_migratetype, MIGRATE_MOVABLE, MIGRATE_PCPTYPES, type Sys } from '../../mm/mmzone.ts'
import { __free_one_page, add_to_free_list, del_page_from_free_list } from '../../mm/page_alloc/buddy.ts'
import { order_to_pindex } from '../../mm/page_alloc/pcp.ts'
import { __mod_zone_freepage_state } from '../../mm/vmstat.ts'

/** First frame of the free block that holds `pfn`, -1 where that is not free. */
export function free_block_of(sys: Sys, pfn: number): number {
  const { state } = sys.page
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const head = pfn & (-1 << order)
    const head_order = state[head]! - 1
    if (head_order >= order && head_order < sys.NR_PAGE_ORDERS) return head
  }
  return -1
}

/**
 * Takes frames [pfn, pfn + 2^order) out of the free block that holds them; what is left of it goes to the lists of
 * `migratetype`, the largest part first. False where they are not all in one free block.
 */
export function take_block(sys: Sys, pfn: number, zone: number, order: number, migratetype: number): boolean {
  const head = free_block_of(sys, pfn)
  if (head < 0) return false
  let current = sys.page.state[head]! - 1
  if (current < order) return false
  del_page_from_free_list(sys, head, zone, current)
  let start = head
  while (current > order) {
    current--
    const half = start + (1 << current)
    if (pfn >= half) {
      add_to_free_list(sys, start, zone, current, migratetype)
      start = half
    } else add_to_free_list(sys, half, zone, current, migratetype)
  }
  __mod_zone_freepage_state(sys, zone, -(1 << order), migratetype)
  return true
}

/** Takes a block off the per-CPU list that it is on; `pcp` is that list's row. */
export function pcp_list_del(sys: Sys, pfn: number, pcp: number): void {
  const { link } = sys.link
  const order = (sys.page.state[pfn]! & ~PAGE_PCP) - 1
  const next = link[2 * pfn]!
  const prev = link[2 * pfn + 1]!
  link[2 * next + 1] = prev
  link[2 * prev] = next
  sys.page.state[pfn] = 0
  sys.pcp.count[pcp]! -= 1 << order
}

/** Puts a block on a per-CPU list, at its head or its tail. */
export function pcp_list_add(
  sys: Sys,
  pfn: number,
  pcp: number,
  order: number,
  migratetype: number,
  at_tail: boolean,
): void {
  const { link } = sys.link
  const type = migratetype < MIGRATE_PCPTYPES ? migratetype : MIGRATE_MOVABLE
  const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, type, order)
  const before = at_tail ? link[2 * head + 1]! : head
  const after = link[2 * before]!
  link[2 * pfn] = after
  link[2 * pfn + 1] = before
  link[2 * after + 1] = pfn
  link[2 * before] = pfn
  sys.page.state[pfn] = PAGE_PCP | (order + 1)
  sys.page.index[pfn] = migratetype
  sys.pcp.count[pcp]! += 1 << order
}

/**
 * Gives `pages` pages of a per-CPU list back to its zone, list after list from the first, each from its tail, as
 * drain_pages does. Returns the pages given.
 */
export function drain_tail(sys: Sys, pcp: number, zone: number, pages: number): number {
  const { link } = sys.link
  let given = 0
  for (let list = 0; list < sys.nr_pcp_lists && given < pages; list++) {
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + list
    while (given < pages && link[2 * head] !== head) {
      const pfn = link[2 * head + 1]!
      const order = (sys.page.state[pfn]! & ~PAGE_PCP) - 1
      const type = sys.kernel.freelist_hygiene ? get_pageblock_migratetype(sys, zone, pfn) : sys.page.index[pfn]!
      pcp_list_del(sys, pfn, pcp)
      __free_one_page(sys, pfn, zone, order, type, 0)
      given += 1 << order
    }
  }
  return given
}

/** An allocated block becomes allocated single frames, as split_page() makes them. */
export function splitUsed(sys: Sys, head: number): void {
  const { state, _refcount, flags } = sys.page
  const size = 1 << ((state[head]! & PAGE_STATE_ORDER) - 1)
  const lru = flags[head]! & PG.lru
  for (let frame = head; frame < head + size; frame++) {
    state[frame] = PAGE_USED | 1
    _refcount[frame] = 1
    flags[frame] = (flags[frame]! & ~(PG.head | PG.tail)) | lru
  }
}
