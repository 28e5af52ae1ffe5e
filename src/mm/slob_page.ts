// A page of SLOB: units of two bytes, free or part of an object. A free block tells its length and where the next one
// is in its own bytes: two signed numbers of 16 bits, units and the next block's unit; of a single unit just the latter,
// negative. The last block's next lies at the end of the page. Law: blocks rise, and no two of them touch.
import { list_add, list_del } from '../image/list.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { SLOB_UNIT } from './slob_geometry.ts'
import { SLOB_WORDS } from './slob_tables.ts'

/** Units of a page. @kernel mm/slob.c:SLOB_UNITS */
export const page_units = (sys: Sys): number => (1 << sys.kernel.PAGE_SHIFT) / SLOB_UNIT
/** Units that `size` bytes take. @kernel mm/slob.c:SLOB_UNITS */
export const SLOB_UNITS = (size: number): number => Math.ceil(size / SLOB_UNIT)

const SLAB_PAGE: number = PG.slab
const ON_LIST: number = PG.private
const UNIT: number = SLOB_UNIT

/** First byte of a page of objects in physmem. */
const base_of = (sys: Sys, pfn: number): number => (sys.page.data[pfn]! - 1) * (1 << sys.kernel.PAGE_SHIFT)

function read_s16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16
}

function write_s16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff
  bytes[at + 1] = (value >> 8) & 0xff
}

/** Writes a free block's length and successor. @kernel mm/slob.c:set_slob */
function set_slob(sys: Sys, base: number, unit: number, units: number, next: number): void {
  const { bytes } = sys.physmem
  const at = base + unit * UNIT
  if (units > 1) {
    write_s16(bytes, at, units)
    write_s16(bytes, at + UNIT, next)
  } else write_s16(bytes, at, -next)
}

/** @kernel mm/slob.c:slob_units */
function slob_units(sys: Sys, base: number, unit: number): number {
  const units = read_s16(sys.physmem.bytes, base + unit * UNIT)
  return units > 0 ? Math.min(units, page_units(sys) - unit) : 1
}

/** Unit of the block that follows; that of the page's end behind the last one. @kernel mm/slob.c:slob_next
 * @differs bytes that lead backwards or out of the page, which a user overwrote, end the list */
function slob_next(sys: Sys, base: number, unit: number): number {
  const { bytes } = sys.physmem
  const units = read_s16(bytes, base + unit * UNIT)
  const next = units < 0 ? -units : read_s16(bytes, base + unit * UNIT + UNIT)
  return next > unit && next <= page_units(sys) ? next : page_units(sys)
}

/** First free unit of a page that has one. @ours sp->freelist */
const first_block = (sys: Sys, pfn: number): number => (sys.page.index[pfn]! - 1) / UNIT

function set_first_block(sys: Sys, pfn: number, unit: number): void {
  sys.page.index[pfn] = unit === page_units(sys) ? 0 : unit * UNIT + 1
}

/** @kernel mm/slob.c:slob_page_free */
export const slob_page_free = (sys: Sys, pfn: number): boolean => (sys.page.flags[pfn]! & ON_LIST) !== 0
/** @ours PageSlab */
export const is_slob_page = (sys: Sys, pfn: number): boolean => (sys.page.flags[pfn]! & SLAB_PAGE) !== 0

/** @kernel mm/slob.c:set_slob_page_free */
function set_slob_page_free(sys: Sys, pfn: number, head: number): void {
  list_add(sys.link.link, pfn, head)
  sys.page.flags[pfn]! |= ON_LIST
}

/** @kernel mm/slob.c:clear_slob_page_free */
export function clear_slob_page_free(sys: Sys, pfn: number): void {
  list_del(sys.link.link, pfn)
  sys.page.flags[pfn]! &= ~ON_LIST
}

/** Makes a page one of objects, all of it free, and puts it on a list. Its bytes have a slot. @kernel mm/slob.c:slob_alloc */
export function init_slob_page(sys: Sys, pfn: number, head: number): void {
  const units = page_units(sys)
  const words = SLOB_WORDS * (1 << (sys.kernel.PAGE_SHIFT - 12))
  const row = (sys.page.data[pfn]! - 1) * words
  sys.slob_object.start.fill(0, row, row + words)
  sys.slob_object.end.fill(0, row, row + words)
  sys.page.flags[pfn]! |= SLAB_PAGE
  sys.page.private[pfn] = units
  set_first_block(sys, pfn, 0)
  set_slob(sys, base_of(sys, pfn), 0, units, units)
  set_slob_page_free(sys, pfn, head)
}

/** Takes the first free block of a page where `units` units fit so that the address `align_offset` behind is a multiple
 * of `align` (0 = any will do): its first unit, or -1. A page without free units leaves its list.
 * @kernel mm/slob.c:slob_page_alloc */
export function slob_page_alloc(sys: Sys, pfn: number, units: number, align: number, align_offset: number): number {
  const base = base_of(sys, pfn)
  const end = page_units(sys)
  const address = pfn * (1 << sys.kernel.PAGE_SHIFT)
  for (let prev = -1, cur = first_block(sys, pfn); cur < end; prev = cur, cur = slob_next(sys, base, cur)) {
    const avail = slob_units(sys, base, cur)
    const delta = align === 0 ? 0 : padding(address + cur * UNIT + align_offset, align) / UNIT
    if (avail < units + delta) continue
    take_units(sys, pfn, base, prev, cur, delta, units)
    return cur + delta
  }
  return -1
}

/** Bytes from an address to the next multiple of `align`. */
const padding = (address: number, align: number): number => Math.ceil(address / align) * align - address

/** Takes units out of a block, `delta` units behind its begin: what is before and behind them stays free. */
function take_units(
  sys: Sys,
  pfn: number,
  base: number,
  prev: number,
  cur: number,
  delta: number,
  units: number,
): void {
  const avail = slob_units(sys, base, cur) - delta
  const next = slob_next(sys, base, cur)
  const at = cur + delta
  const rest = avail === units ? next : at + units
  if (avail > units) set_slob(sys, base, rest, avail - units, next)
  if (delta > 0) set_slob(sys, base, cur, delta, rest)
  else if (prev >= 0) set_slob(sys, base, prev, slob_units(sys, base, prev), rest)
  else set_first_block(sys, pfn, rest)
  mark_object(sys, pfn, at, units, true)
  sys.page.private[pfn]! -= units
  if (sys.page.private[pfn] === 0) clear_slob_page_free(sys, pfn)
}

/** Makes units of a full page free, and puts the page on a list. @kernel mm/slob.c:slob_free */
export function free_of_full_page(sys: Sys, pfn: number, unit: number, units: number, head: number): void {
  mark_object(sys, pfn, unit, units, false)
  sys.page.private[pfn] = units
  set_first_block(sys, pfn, unit)
  set_slob(sys, base_of(sys, pfn), unit, units, page_units(sys))
  set_slob_page_free(sys, pfn, head)
}

/** Makes units of a page free that has free ones; blocks that touch become one. @kernel mm/slob.c:slob_free */
export function free_of_partial_page(sys: Sys, pfn: number, unit: number, units: number): void {
  const base = base_of(sys, pfn)
  mark_object(sys, pfn, unit, units, false)
  sys.page.private[pfn]! += units
  let prev = -1
  let next = first_block(sys, pfn)
  while (next < unit) {
    prev = next
    next = slob_next(sys, base, next)
  }
  const joins = next < page_units(sys) && unit + units === next
  const length = joins ? units + slob_units(sys, base, next) : units
  const behind = joins ? slob_next(sys, base, next) : next
  if (prev < 0) {
    set_slob(sys, base, unit, length, behind)
    set_first_block(sys, pfn, unit)
    return
  }
  const before = slob_units(sys, base, prev)
  if (prev + before === unit) set_slob(sys, base, prev, before + length, behind)
  else {
    set_slob(sys, base, unit, length, behind)
    set_slob(sys, base, prev, before, unit)
  }
}

/** Notes, or forgets, where an object begins and ends. */
function mark_object(sys: Sys, pfn: number, unit: number, units: number, there: boolean): void {
  const { start, end } = sys.slob_object
  const row = object_row(sys, pfn)
  const last = unit + units - 1
  const [first_bit, last_bit] = [1 << (unit & 31), 1 << (last & 31)]
  if (there) {
    start[row + (unit >> 5)]! |= first_bit
    end[row + (last >> 5)]! |= last_bit
  } else {
    start[row + (unit >> 5)]! &= ~first_bit
    end[row + (last >> 5)]! &= ~last_bit
  }
}

/** First word of a page's sets of objects. */
const object_row = (sys: Sys, pfn: number): number =>
  (sys.page.data[pfn]! - 1) * SLOB_WORDS * (1 << (sys.kernel.PAGE_SHIFT - 12))

/** Units of the object that begins with a unit of a page of objects; 0 where none does. @ours */
export function object_units(sys: Sys, pfn: number, unit: number): number {
  const { start, end } = sys.slob_object
  const row = object_row(sys, pfn)
  if (((start[row + (unit >> 5)]! >>> (unit & 31)) & 1) === 0) return 0
  const words = page_units(sys) >> 5
  let word = unit >> 5
  let bits = end[row + word]! & (-1 << (unit & 31))
  while (bits === 0 && ++word < words) bits = end[row + word]!
  if (bits === 0) return 0
  return 32 * word + (31 - Math.clz32(bits & -bits)) - unit + 1
}

/** First unit of the object that a unit lies in; -1 where it lies in none. @ours */
export function object_start(sys: Sys, pfn: number, unit: number): number {
  const { start } = sys.slob_object
  const row = object_row(sys, pfn)
  for (let at = unit; at >= 0; at--) {
    if (((start[row + (at >> 5)]! >>> (at & 31)) & 1) === 0) continue
    return at + object_units(sys, pfn, at) > unit ? at : -1
  }
  return -1
}

/** Free blocks of a page as pairs of offset in bytes and units. @ours */
export function free_blocks(sys: Sys, pfn: number): [number, number][] {
  const blocks: [number, number][] = []
  const end = page_units(sys)
  if (sys.page.index[pfn] === 0) return blocks
  const base = base_of(sys, pfn)
  for (let unit = first_block(sys, pfn); unit < end; unit = slob_next(sys, base, unit))
    blocks.push([unit * UNIT, slob_units(sys, base, unit)])
  return blocks
}

/** Puts a page into a state, for machines that are restored: free blocks as `free_blocks` gives them, everything between
 * them one object each. @ours */
export function set_free_blocks(sys: Sys, pfn: number, blocks: readonly (readonly [number, number])[]): void {
  const end = page_units(sys)
  const base = base_of(sys, pfn)
  let at = 0
  sys.page.private[pfn] = 0
  for (const [index, [offset, units]] of blocks.entries()) {
    const unit = offset / UNIT
    if (unit > at) mark_object(sys, pfn, at, unit - at, true)
    const next = blocks[index + 1]
    set_slob(sys, base, unit, units, next ? next[0] / UNIT : end)
    if (index === 0) set_first_block(sys, pfn, unit)
    sys.page.private[pfn]! += units
    at = unit + units
  }
  if (at < end) mark_object(sys, pfn, at, end - at, true)
}
