// The end of memblock: all memory that nobody reserved goes to the page allocator, in blocks as large as alignment
// allows, ascending, each at its list's tail. Law: whole free blocks of the highest order are only counted (BLOCK_LAZY)
// and whole reserved ones only marked; frames' columns are written in blocks that hold both, at the edges of ranges.
import { type Memblock, memblock_free_ranges } from './memblock.ts'
import type { FrameRange } from './memory_model.ts'
import { PG } from './mm_types.ts'
import {
  BLOCK_LAZY,
  BLOCK_RESERVED,
  BLOCK_TOUCHED,
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  populated_zone,
  type Sys,
} from './mmzone.ts'
import { add_to_free_list_tail } from './page_alloc/buddy.ts'
import { is_highmem } from './page_alloc/setup.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from './vmstat_item.ts'

/** Frees what is not reserved; sets managed pages and the counters of free pages.
 * @kernel mm/memblock.c:memblock_free_all */
export function memblock_free_all(sys: Sys, mb: Memblock): void {
  const page = 2 ** sys.kernel.PAGE_SHIFT
  const free = memblock_free_ranges(mb)
    .map(({ start, end, node }) => ({ start_pfn: Math.ceil(start / page), end_pfn: Math.floor(end / page), node }))
    .filter(({ start_pfn, end_pfn }) => start_pfn < end_pfn)
  for (let zone = 0; zone < sys.nr_zones; zone++) if (populated_zone(sys, zone)) free_zone(sys, zone, free)
}

/** Frees a zone's part of the ranges. */
function free_zone(sys: Sys, zone: number, free: readonly FrameRange[]): void {
  const start = sys.zone.zone_start_pfn[zone]!
  const end = start + sys.zone.spanned_pages[zone]!
  const node = Math.floor(zone / sys.nr_zone_types)
  let pages = 0
  for (const range of free) {
    if (range.node !== node && range.node >= 0) continue
    const [first, last] = [Math.max(range.start_pfn, start), Math.min(range.end_pfn, end)]
    if (first >= last) continue
    __free_memory_core(sys, zone, first, last)
    pages += last - first
  }
  sys.zone.managed_pages[zone] = pages
  sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = pages
  set_lazy_list(sys, zone)
}

/** @kernel mm/memblock.c:__free_memory_core */
function __free_memory_core(sys: Sys, zone: number, start: number, end: number): void {
  const size = 2 ** sys.block_shift
  const first = Math.ceil(start / size)
  const last = Math.floor(end / size)
  if (first >= last) {
    // Within one block, or over the border of two.
    const border = Math.min(end, first * size)
    free_pieces(sys, zone, start, border)
    free_pieces(sys, zone, border, end)
    return
  }
  free_pieces(sys, zone, start, first * size)
  sys.block.state.fill(BLOCK_LAZY, first, last)
  sys.zone.lazy_count[zone]! += last - first
  free_pieces(sys, zone, last * size, end)
}

/** Frees the frames of one block from `start` on as aligned powers of two. @kernel mm/memblock.c:__free_pages_memory */
function free_pieces(sys: Sys, zone: number, start: number, end: number): void {
  if (start >= end) return
  touch_reserved_block(sys, start >>> sys.block_shift)
  sys.page.flags.fill(0, start, end)
  sys.page._refcount.fill(0, start, end)
  for (let pfn = start; pfn < end; ) {
    let order = pfn === 0 ? sys.block_shift : Math.min(sys.block_shift, 31 - Math.clz32(pfn & -pfn))
    while (pfn + 2 ** order > end) order--
    add_to_free_list_tail(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn))
    pfn += 2 ** order
  }
}

/** From now on the columns of the block's frames say what they are: all reserved. */
function touch_reserved_block(sys: Sys, block: number): void {
  const { state } = sys.block
  if (state[block] !== BLOCK_RESERVED) return
  state[block] = BLOCK_TOUCHED
  const size = 2 ** sys.block_shift
  sys.page.flags.fill(PG.reserved, block * size, (block + 1) * size)
  sys.page._refcount.fill(1, block * size, (block + 1) * size)
}

/** Enters the zone's whole free blocks as the list that they are. High memory was freed page by page, which leaves its
 * blocks in falling order. @kernel arch/x86/mm/highmem_32.c:set_highmem_pages_init */
function set_lazy_list(sys: Sys, zone: number): void {
  const count = sys.zone.lazy_count[zone]!
  if (count === 0) return
  const area = zone * sys.NR_PAGE_ORDERS + sys.block_shift
  sys.free_area.nr_free[area] = sys.free_area.nr_free[area]! + count
  sys.free_mask.orders[zone * sys.MIGRATE_TYPES + MIGRATE_MOVABLE]! |= 1 << sys.block_shift
  const step = is_highmem(sys, zone) ? -1 : 1
  const first = sys.zone.zone_start_pfn[zone]! >>> sys.block_shift
  const last = (sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]! - 1) >>> sys.block_shift
  const { state, zone: owner } = sys.block
  let block = step > 0 ? first : last
  while (state[block] !== BLOCK_LAZY || owner[block] !== zone) block += step
  sys.zone.lazy_block[zone] = block
  sys.zone.lazy_step[zone] = step
}
