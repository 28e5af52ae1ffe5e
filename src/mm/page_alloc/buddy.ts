// The buddy allocator. Free blocks of 2^order frames hang in the list of their zone, order and migrate type; two buddies
// differ in one bit of their pfn. Law: no block is free together with its buddy, unless their pageblocks must not merge.
// page.state[pfn] = order + 1 marks the head of a free block and answers "free, and of this order" in one compare;
// free_mask.orders has a bit for each list that is not empty. Blocks of the highest order that were never handed out
// since boot are on no list: they are the tail of the MOVABLE list, in the order of their addresses (BLOCK_LAZY).
import { PAGE_FREE } from '../mm_types.ts'
import {
  BLOCK_LAZY,
  BLOCK_TOUCHED,
  BLOCK_ZONE_SPLIT,
  free_list_head,
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  page_zone,
  type Sys,
  set_pageblock_migratetype,
} from '../mmzone.ts'
import { __mod_zone_freepage_state } from '../vmstat.ts'

/** __free_one_page: put the block at its list's tail. @kernel mm/page_alloc.c:FPI_TO_TAIL */
export const FPI_TO_TAIL = 2

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const FREE: number = PAGE_FREE
const LAZY: number = BLOCK_LAZY
const SPLIT: number = BLOCK_ZONE_SPLIT
const MOVABLE: number = MIGRATE_MOVABLE
const TYPES: number = MIGRATE_PCPTYPES
const TO_TAIL: number = FPI_TO_TAIL

/** Whether blocks of this type may merge with those of another. @kernel mm/page_alloc.c:migratetype_is_mergeable */
export function migratetype_is_mergeable(migratetype: number): boolean {
  return migratetype < TYPES
}

/** Order of the free block that starts at `pfn`; -1 where none starts. @kernel mm/internal.h:buddy_order */
export function buddy_order(sys: Sys, pfn: number): number {
  const state = sys.page.state[pfn]!
  if (state > FREE && state <= sys.NR_PAGE_ORDERS) return state - 1
  const lazy = sys.block.state[pfn >>> sys.block_shift] === LAZY && (pfn & ((1 << sys.block_shift) - 1)) === 0
  return lazy ? sys.block_shift : -1
}

/** Puts a block at the head of a free list. @kernel mm/page_alloc.c:add_to_free_list */
export function add_to_free_list(sys: Sys, pfn: number, zone: number, order: number, migratetype: number): void {
  const { link } = sys.link
  const head = free_list_head(sys, zone, order, migratetype)
  const next = link[2 * head]!
  link[2 * pfn] = next
  link[2 * pfn + 1] = head
  link[2 * next + 1] = pfn
  link[2 * head] = pfn
  account_added(sys, pfn, zone, order, migratetype)
}

/** Puts a block at the tail of a free list. @kernel mm/page_alloc.c:add_to_free_list_tail */
export function add_to_free_list_tail(sys: Sys, pfn: number, zone: number, order: number, migratetype: number): void {
  if (order === sys.block_shift && migratetype === MOVABLE) settle_lazy_blocks(sys, zone)
  const { link } = sys.link
  const head = free_list_head(sys, zone, order, migratetype)
  const prev = link[2 * head + 1]!
  link[2 * pfn] = head
  link[2 * pfn + 1] = prev
  link[2 * prev] = pfn
  link[2 * head + 1] = pfn
  account_added(sys, pfn, zone, order, migratetype)
}

function account_added(sys: Sys, pfn: number, zone: number, order: number, migratetype: number): void {
  const area = zone * sys.NR_PAGE_ORDERS + order
  const mask = zone * sys.MIGRATE_TYPES + migratetype
  sys.page.state[pfn] = order + 1
  sys.free_area.nr_free[area] = sys.free_area.nr_free[area]! + 1
  sys.free_mask.orders[mask] = sys.free_mask.orders[mask]! | (1 << order)
}

/** Takes a block off whatever free list it is on. @kernel mm/page_alloc.c:del_page_from_free_list */
export function del_page_from_free_list(sys: Sys, pfn: number, zone: number, order: number): void {
  const { link } = sys.link
  const next = link[2 * pfn]!
  const prev = link[2 * pfn + 1]!
  link[2 * next + 1] = prev
  link[2 * prev] = next
  sys.page.state[pfn] = 0
  const area = zone * sys.NR_PAGE_ORDERS + order
  sys.free_area.nr_free[area] = sys.free_area.nr_free[area]! - 1
  if (next === prev) list_became_empty(sys, next, zone, order)
}

/** `head` is the free list that just lost its last block; lazy blocks may still stand behind it. */
function list_became_empty(sys: Sys, head: number, zone: number, order: number): void {
  const migratetype = (head - sys.free_list_base) % sys.MIGRATE_TYPES
  if (order === sys.block_shift && migratetype === MOVABLE && sys.zone.lazy_count[zone] !== 0) return
  sys.free_mask.orders[zone * sys.MIGRATE_TYPES + migratetype]! &= ~(1 << order)
}

/** Moves a free block to the tail of another type's list. @kernel mm/page_alloc.c:move_to_free_list */
export function move_to_free_list(sys: Sys, pfn: number, zone: number, order: number, migratetype: number): void {
  del_page_from_free_list(sys, pfn, zone, order)
  add_to_free_list_tail(sys, pfn, zone, order, migratetype)
}

/** First block of a list, which must not be empty. @kernel mm/page_alloc.c:get_page_from_free_area */
export function get_page_from_free_area(sys: Sys, zone: number, order: number, migratetype: number): number {
  const head = free_list_head(sys, zone, order, migratetype)
  const first = sys.link.link[2 * head]!
  return first === head ? list_lazy_block(sys, zone) : first
}

/** Whether a list has no block. @kernel include/linux/mmzone.h:free_area_empty */
export function free_area_empty(sys: Sys, zone: number, order: number, migratetype: number): boolean {
  return (sys.free_mask.orders[zone * sys.MIGRATE_TYPES + migratetype]! & (1 << order)) === 0
}

/** Makes the zone's first lazy block an ordinary member of its list; the list is empty before. */
function list_lazy_block(sys: Sys, zone: number): number {
  const block = sys.zone.lazy_block[zone]!
  const pfn = block << sys.block_shift
  sys.block.state[block] = BLOCK_TOUCHED
  sys.zone.lazy_count[zone]! -= 1
  if (sys.zone.lazy_count[zone] !== 0) {
    const step = sys.zone.lazy_step[zone]!
    let next = block + step
    while (sys.block.state[next] !== LAZY || sys.block.zone[next] !== zone) next += step
    sys.zone.lazy_block[zone] = next
  }
  const { link } = sys.link
  const head = free_list_head(sys, zone, sys.block_shift, MOVABLE)
  const prev = link[2 * head + 1]!
  link[2 * pfn] = head
  link[2 * pfn + 1] = prev
  link[2 * prev] = pfn
  link[2 * head + 1] = pfn
  sys.page.state[pfn] = sys.block_shift + 1
  return pfn
}

/** Lists every lazy block of a zone, so that something can stand behind them. @ours */
export function settle_lazy_blocks(sys: Sys, zone: number): void {
  while (sys.zone.lazy_count[zone] !== 0) list_lazy_block(sys, zone)
}

/** Makes the lazy block that holds `pfn` an ordinary one; those before it in the list as well. @ours */
export function touch_block_of(sys: Sys, pfn: number): void {
  const block = pfn >>> sys.block_shift
  if (sys.block.state[block] === LAZY) {
    const zone = sys.block.zone[block]!
    while (sys.block.state[block] === LAZY) list_lazy_block(sys, zone)
  }
}

/**
 * Takes the first block of the smallest order that has one and gives the rest back; -1 = no block of this type.
 * @kernel mm/page_alloc.c:__rmqueue_smallest
 */
export function __rmqueue_smallest(sys: Sys, zone: number, order: number, migratetype: number): number {
  const at = zone * sys.MIGRATE_TYPES + migratetype
  const orders = sys.free_mask.orders[at]! & (-1 << order)
  if (orders === 0) return -1
  const current_order = 31 - Math.clz32(orders & -orders)
  const pfn = get_page_from_free_area(sys, zone, current_order, migratetype)
  del_page_from_free_list(sys, pfn, zone, current_order)
  if (current_order !== order) expand(sys, zone, pfn, order, current_order, migratetype)
  sys.page.index[pfn] = migratetype
  sys.trace.mm_page_alloc_zone_locked?.(
    pfn,
    order,
    migratetype,
    migratetype < TYPES && pcp_allowed_order(sys, order) ? 1 : 0,
  )
  return pfn
}

/** Whether blocks of this order go through the per-CPU lists. @kernel mm/page_alloc.c:pcp_allowed_order */
export function pcp_allowed_order(sys: Sys, order: number): boolean {
  return order <= 3 || order === sys.pcp_huge_order
}

/**
 * Frees the upper halves of a block of order `high` until `low` is left. No list between the two has a block, or that
 * one would have been taken: plain stores suffice. @kernel mm/page_alloc.c:expand
 */
function expand(sys: Sys, zone: number, pfn: number, low: number, high: number, migratetype: number): void {
  const { link } = sys.link
  const { state } = sys.page
  const { nr_free } = sys.free_area
  const area = zone * sys.NR_PAGE_ORDERS
  const stride = sys.MIGRATE_TYPES
  let head = sys.free_list_base + (area + high - 1) * stride + migratetype
  for (let order = high - 1; order >= low; order--, head -= stride) {
    const half = pfn + (1 << order)
    link[2 * half] = head
    link[2 * half + 1] = head
    link[2 * head] = half
    link[2 * head + 1] = half
    state[half] = order + 1
    nr_free[area + order] = nr_free[area + order]! + 1
  }
  const mask = zone * stride + migratetype
  sys.free_mask.orders[mask] = sys.free_mask.orders[mask]! | ((1 << high) - (1 << low))
}

/** Like `expand`, where the lists between may hold other blocks. @ours */
export function expand_among(
  sys: Sys,
  zone: number,
  pfn: number,
  low: number,
  high: number,
  migratetype: number,
): void {
  for (let order = high - 1; order >= low; order--) add_to_free_list(sys, pfn + (1 << order), zone, order, migratetype)
}

/**
 * Frees a block: merges it with its buddy as often as that is free, then puts it on a list. zone->lock is held.
 * @kernel mm/page_alloc.c:__free_one_page
 */
export function __free_one_page(
  sys: Sys,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  fpi_flags: number,
): void {
  const { state } = sys.page
  const max_order = sys.block_shift
  const split = sys.block.zone[pfn >>> max_order] === SPLIT
  if (migratetype !== sys.MIGRATE_ISOLATE) __mod_zone_freepage_state(sys, zone, 1 << order, migratetype)
  let buddy = pfn ^ (1 << order)
  while (order < max_order && state[buddy] === order + 1) {
    if (split && page_zone(sys, buddy) !== zone) break
    if (order >= sys.pageblock_order && !pageblocks_merge(sys, zone, buddy, migratetype)) break
    del_page_from_free_list(sys, buddy, zone, order)
    // A merged block is of one type, so that its parts land on the right lists when it is split again.
    if (order >= sys.pageblock_order && sys.kernel.freelist_hygiene)
      set_pageblock_migratetype(sys, zone, buddy, migratetype)
    pfn &= buddy
    order++
    buddy = pfn ^ (1 << order)
  }
  if ((fpi_flags & TO_TAIL) !== 0 || buddy_merge_likely(sys, zone, pfn & buddy, order, split))
    add_to_free_list_tail(sys, pfn, zone, order, migratetype)
  else add_to_free_list(sys, pfn, zone, order, migratetype)
}

function pageblocks_merge(sys: Sys, zone: number, buddy: number, migratetype: number): boolean {
  const other = get_pageblock_migratetype(sys, zone, buddy)
  return other === migratetype || (migratetype_is_mergeable(other) && migratetype_is_mergeable(migratetype))
}

/**
 * Whether the block one order up could merge soon: then this one waits at the tail. `pair` is the pfn of both buddies
 * together. @kernel mm/page_alloc.c:buddy_merge_likely
 */
function buddy_merge_likely(sys: Sys, zone: number, pair: number, order: number, split: boolean): boolean {
  if (order >= sys.block_shift - 1) return false
  const higher_buddy = pair ^ (1 << (order + 1))
  return sys.page.state[higher_buddy] === order + 2 && !(split && page_zone(sys, higher_buddy) !== zone)
}
