// A slab of SLAB: its pages, its objects, and the list of those that are free. The list holds a byte per object: places
// `active` … num - 1 are the numbers of free objects, the first of them is handed out next. The list lies at the slab's
// end, in memory of kmalloc, or in an object that is free anyway. Law: whoever is active is not in the list.
import { BUG_ON } from '../base/bug.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { read_u8, write_u8 } from './physmem.ts'
import { type KmemCache, NO_CACHE } from './slab_allocator.ts'
import { CFLGS_OBJFREELIST_SLAB, CFLGS_OFF_SLAB } from './slab_geometry.ts'
import { SLAB_OBJECT_WORDS } from './slab_slab_tables.ts'

/** A slab: a row of `sys.slab_desc`. */
export type Slab = number

const WORDS: number = SLAB_OBJECT_WORDS
const SLAB_PAGE: number = PG.slab
const TAIL_PAGE: number = PG.tail

/** @kernel mm/slab.c:OFF_SLAB */
export const OFF_SLAB = (sys: Sys, cache: KmemCache): boolean => (sys.kmem_cache.flags[cache]! & CFLGS_OFF_SLAB) !== 0
/** @kernel mm/slab.c:OBJFREELIST_SLAB */
export const OBJFREELIST_SLAB = (sys: Sys, cache: KmemCache): boolean =>
  (sys.kmem_cache.flags[cache]! & CFLGS_OBJFREELIST_SLAB) !== 0

/** The slab that an address lies in; -1 for what lies in none. @kernel mm/slab.h:virt_to_slab */
export function virt_to_slab(sys: Sys, address: number): Slab {
  const { flags, index, private: row } = sys.page
  let pfn = Math.floor(address * sys.frames_per_byte)
  if (!(pfn >= 0 && pfn < sys.nr_frames)) return -1
  if ((flags[pfn]! & TAIL_PAGE) !== 0) pfn = index[pfn]!
  return (flags[pfn]! & SLAB_PAGE) === 0 ? -1 : row[pfn]! - 1
}

/** First frame of a slab. @ours */
export function slab_pfn(sys: Sys, slab: Slab): number {
  return sys.slab_desc.pfn[slab]! - 1
}

/** The cache of a slab. @ours slab->slab_cache */
export function slab_cache_of(sys: Sys, slab: Slab): KmemCache {
  return slab < 0 ? NO_CACHE : sys.page.mapping[slab_pfn(sys, slab)]! - 1
}

/** Physical address of a slab's first byte. @kernel mm/slab.h:slab_address */
export function slab_address(sys: Sys, slab: Slab): number {
  return slab_pfn(sys, slab) * (1 << sys.kernel.PAGE_SHIFT)
}

/** @kernel mm/slab.c:index_to_obj */
export function index_to_obj(sys: Sys, cache: KmemCache, slab: Slab, index: number): number {
  return sys.slab_desc.s_mem[slab]! + sys.kmem_cache.size[cache]! * index
}

/** Number of the object that an address lies in; below 0 or from num on for an address outside of all objects.
 * @kernel include/linux/slab_def.h:obj_to_index */
export function obj_to_index(sys: Sys, cache: KmemCache, slab: Slab, object: number): number {
  return Math.floor((object - sys.slab_desc.s_mem[slab]!) / sys.kmem_cache.size[cache]!)
}

/** @kernel mm/slab.c:get_free_obj */
export function get_free_obj(sys: Sys, slab: Slab, place: number): number {
  return read_u8(sys, sys.slab_desc.freelist[slab]! + place)
}

/** @kernel mm/slab.c:set_free_obj */
export function set_free_obj(sys: Sys, slab: Slab, place: number, index: number): void {
  write_u8(sys, sys.slab_desc.freelist[slab]! + place, index)
}

/** Takes the next free object of a slab that has one.
 * @kernel mm/slab.c:slab_get_obj @differs a list that a user overwrote is told and made anew: the kernel believes it */
export function slab_get_obj(sys: Sys, cache: KmemCache, slab: Slab): number {
  const { active, out } = sys.slab_desc
  const place = active[slab]!
  let index = get_free_obj(sys, slab, place)
  if (index >= sys.slab_cache.num[cache]! || has_bit(out, slab, index)) {
    repair_freelist(sys, cache, slab)
    index = get_free_obj(sys, slab, place)
  }
  active[slab] = place + 1
  set_bit(out, slab, index)
  return index_to_obj(sys, cache, slab, index)
}

/** Lists the free objects of a slab by their addresses. */
function repair_freelist(sys: Sys, cache: KmemCache, slab: Slab): void {
  const { active, out } = sys.slab_desc
  sys.slab_state.slab_errors[0]! += 1
  sys.printk?.(`slab: the list of free objects was overwritten in cache '${kmem_cache_name(sys, cache)}'`)
  let place = active[slab]!
  for (let index = 0; index < sys.slab_cache.num[cache]!; index++)
    if (!has_bit(out, slab, index)) set_free_obj(sys, slab, place++, index)
}

/** Sets of a slab's objects. */
function has_bit(set: Uint32Array, slab: Slab, index: number): boolean {
  return ((set[slab * WORDS + (index >> 5)]! >>> (index & 31)) & 1) === 1
}

function set_bit(set: Uint32Array, slab: Slab, index: number): void {
  set[slab * WORDS + (index >> 5)]! |= 1 << (index & 31)
}

function clear_bit(set: Uint32Array, slab: Slab, index: number): void {
  set[slab * WORDS + (index >> 5)]! &= ~(1 << (index & 31))
}

/** Gives an object back to its slab; a list that lay in an object of the full slab now lies in this one.
 * @kernel mm/slab.c:slab_put_obj */
export function slab_put_obj(sys: Sys, cache: KmemCache, slab: Slab, object: number): void {
  const { active, freelist, out } = sys.slab_desc
  const place = active[slab]! - 1
  const index = obj_to_index(sys, cache, slab, object)
  BUG_ON(place < 0, 'slab: an object comes back to a slab that has all of its objects', slab, object)
  active[slab] = place
  if (freelist[slab] === 0) freelist[slab] = object + sys.slab_cache.obj_offset[cache]!
  clear_bit(out, slab, index)
  set_free_obj(sys, slab, place, index)
}

/** Notes that an object went to its user. @ours */
export function mark_taken(sys: Sys, slab: Slab, index: number): void {
  set_bit(sys.slab_desc.taken, slab, index)
}

/** Notes that an object came back from its user. @ours */
export function mark_returned(sys: Sys, slab: Slab, index: number): void {
  clear_bit(sys.slab_desc.taken, slab, index)
}

/** Whether an object is with its user. @ours */
export function is_taken(sys: Sys, slab: Slab, index: number): boolean {
  return has_bit(sys.slab_desc.taken, slab, index)
}

/** Notes that an object is not free in its slab, for machines that are restored. @ours */
export function mark_out(sys: Sys, slab: Slab, index: number): void {
  set_bit(sys.slab_desc.out, slab, index)
}

/** Whether an object is not free in its slab. @ours */
export function is_out(sys: Sys, slab: Slab, index: number): boolean {
  return has_bit(sys.slab_desc.out, slab, index)
}

/** Whether there is a row for one more slab; a RangeError where the machine is too small. @ours */
export function need_desc(sys: Sys): void {
  const { used, unused } = sys.slab_desc_state
  const rows = sys.slab_desc.pfn.length
  if (unused[0] === 0 && used[0] === rows)
    throw new RangeError(`all ${rows} slabs of the machine are in use: raise nr_physmem_slots of the machine`)
}

/** Makes a block of frames a slab; `need_desc` was asked before. @ours */
export function take_desc(sys: Sys, cache: KmemCache, pfn: number): Slab {
  const { used, unused } = sys.slab_desc_state
  const desc = sys.slab_desc
  let slab = unused[0]! - 1
  if (slab >= 0) unused[0] = desc.pfn[slab]!
  else {
    slab = used[0]!
    used[0] = slab + 1
  }
  desc.pfn[slab] = pfn + 1
  desc.active[slab] = 0
  desc.s_mem[slab] = 0
  desc.freelist[slab] = 0
  desc.taken.fill(0, slab * WORDS, (slab + 1) * WORDS)
  desc.out.fill(0, slab * WORDS, (slab + 1) * WORDS)
  sys.page.flags[pfn]! |= PG.slab
  sys.page.mapping[pfn] = cache + 1
  sys.page.private[pfn] = slab + 1
  return slab
}

/** Takes the row back; the frames are plain frames again. @ours */
export function drop_desc(sys: Sys, slab: Slab): number {
  const pfn = slab_pfn(sys, slab)
  const desc = sys.slab_desc
  sys.page.flags[pfn]! &= ~PG.slab
  sys.page.mapping[pfn] = 0
  sys.page.private[pfn] = 0
  desc.active[slab] = 0
  desc.s_mem[slab] = 0
  desc.freelist[slab] = 0
  desc.taken.fill(0, slab * WORDS, (slab + 1) * WORDS)
  desc.out.fill(0, slab * WORDS, (slab + 1) * WORDS)
  desc.pfn[slab] = sys.slab_desc_state.unused[0]!
  sys.slab_desc_state.unused[0] = slab + 1
  return pfn
}
