// SLOB: objects of all sizes and caches side by side in the same pages, first fit. Pages with free units lie on three
// lists, by the size of objects that they are meant for; a search begins where the last one found something.
// What is a page or more comes from the page allocator. kmalloc keeps the size in front of the object.
// Law: a page is on a list while it has free units; a page that is free altogether goes back.
import { list_add_tail, list_del } from '../image/list.ts'
import { __GFP_COMP, __GFP_ZERO } from './gfp.ts'
import { constructor_of } from './kernel_text.ts'
import { ARCH_KMALLOC_MINALIGN, KMALLOC_MAX_SIZE } from './kmalloc_caches.ts'
import { PAGE_STATE_ORDER, PAGE_USED, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_pages_node } from './page_alloc/alloc_pages.ts'
import { frame_bytes_for_write, memset, read_u32, write_u32 } from './physmem.ts'
import { account_slab, page_to_nid } from './slab_account.ts'
import { type DirectKmalloc, type KmemCache, NO_CACHE, NUMA_NO_NODE, type SlabAllocator } from './slab_allocator.ts'
import { size_order } from './slab_common.ts'
import { slob_check } from './slob_check.ts'
import { SLOB_UNIT } from './slob_geometry.ts'
import {
  clear_slob_page_free,
  free_of_full_page,
  free_of_partial_page,
  init_slob_page,
  is_slob_page,
  object_start,
  object_units,
  page_units,
  SLOB_UNITS,
  slob_page_alloc,
  slob_page_free,
} from './slob_page.ts'
import { bad_slob_free } from './slob_report.ts'

/** Bytes from which on objects are medium, and large. @kernel mm/slob.c:SLOB_BREAK1 */
const [SLOB_BREAK1, SLOB_BREAK2] = [256, 1024]
/** Bytes in front of an object of kmalloc, which hold its size. */
const MINALIGN: number = ARCH_KMALLOC_MINALIGN

const direct: DirectKmalloc = { kmalloc: __do_kmalloc_node, kfree }

export const slob_allocator: SlabAllocator = {
  init: () => {},
  create: () => 0,
  alias: () => {},
  // Objects that are still in use are not noticed.
  shutdown: () => 0,
  release: () => {},
  alloc: slob_alloc_node,
  free: kmem_cache_free,
  ___cache_free: kmem_cache_free,
  alloc_bulk: kmem_cache_alloc_bulk,
  free_bulk: (sys, cache, count, objects) => {
    for (let at = 0; at < count; at++) kmem_cache_free(sys, cache, objects[at]!)
  },
  shrink: () => 0,
  cache_of: () => NO_CACHE,
  nearest_obj,
  ksize,
  kmalloc: direct,
  slabinfo: () => NO_SLABINFO,
  check: slob_check,
}

/** Nobody counts under SLOB. @kernel mm/slab_common.c:cache_show */
const NO_SLABINFO: ReturnType<SlabAllocator['slabinfo']> = {
  active_objs: 0,
  num_objs: 0,
  active_slabs: 0,
  num_slabs: 0,
  shared_avail: 0,
  limit: 0,
  batchcount: 0,
  shared: 0,
  objects_per_slab: 0,
  cache_order: 0,
}

/** Head of the list for objects of a size. */
function list_for(sys: Sys, size: number): number {
  return sys.slab_list_base + (size < SLOB_BREAK1 ? 0 : size < SLOB_BREAK2 ? 1 : 2)
}

const page_size = (sys: Sys): number => 1 << sys.kernel.PAGE_SHIFT

/** 2^order pages; their address, or 0. @kernel mm/slob.c:slob_new_pages */
function slob_new_pages(sys: Sys, gfp: number, order: number, node: number): number {
  const pfn = alloc_pages_node(sys, node, gfp, order)
  if (pfn < 0) return 0
  account_slab(sys, pfn, 2 ** order, false)
  const address = pfn * page_size(sys)
  if ((gfp & __GFP_ZERO) !== 0) memset(sys, address, 0, 2 ** order * page_size(sys))
  return address
}

/** @kernel mm/slob.c:slob_free_pages */
function slob_free_pages(sys: Sys, pfn: number, order: number): void {
  account_slab(sys, pfn, -(2 ** order), false)
  __free_pages(sys, pfn, order)
}

/** `size` bytes of a page, so that the address `align_offset` behind is aligned; 0 where there is no memory.
 * @kernel mm/slob.c:slob_alloc */
function slob_alloc(sys: Sys, size: number, gfp: number, align: number, node: number, align_offset: number): number {
  const units = SLOB_UNITS(size)
  const head = list_for(sys, size)
  let address = search_list(sys, head, units, align, node, align_offset)
  if (address < 0) address = grow(sys, head, units, gfp, align, node, align_offset)
  if (address > 0 && (gfp & __GFP_ZERO) !== 0) memset(sys, address, 0, size)
  return Math.max(address, 0)
}

/** The first page of a list with room; the next search begins with it. -1 = none has. */
function search_list(sys: Sys, head: number, units: number, align: number, node: number, align_offset: number): number {
  const { link } = sys.link
  const free_units = sys.page.private
  for (let pfn = link[2 * head]!; pfn !== head; pfn = link[2 * pfn]!) {
    if (node !== NUMA_NO_NODE && page_to_nid(sys, pfn) !== node) continue
    if (free_units[pfn]! < units) continue
    const unit = slob_page_alloc(sys, pfn, units, align, align_offset)
    if (unit < 0) continue
    if (slob_page_free(sys, pfn) && link[2 * head] !== pfn) list_rotate_to_front(link, pfn, head)
    return pfn * page_size(sys) + unit * SLOB_UNIT
  }
  return -1
}

/** Turns a ring so that `entry` is the first behind the head. @kernel include/linux/list.h:list_rotate_to_front */
function list_rotate_to_front(link: Int32Array, entry: number, head: number): void {
  list_del(link, head)
  list_add_tail(link, head, entry)
}

/** A block of a new page; -1 = no memory. @kernel mm/slob.c:slob_alloc
 * @differs an alignment that no page can satisfy is refused: the kernel stops with a BUG */
function grow(
  sys: Sys,
  head: number,
  units: number,
  gfp: number,
  align: number,
  node: number,
  align_offset: number,
): number {
  const address = slob_new_pages(sys, gfp & ~__GFP_ZERO, 0, node)
  if (address === 0) return -1
  const pfn = address * sys.frames_per_byte
  try {
    frame_bytes_for_write(sys, pfn)
  } catch (error) {
    slob_free_pages(sys, pfn, 0)
    throw error
  }
  init_slob_page(sys, pfn, head)
  const unit = slob_page_alloc(sys, pfn, units, align, align_offset)
  if (unit >= 0) return address + unit * SLOB_UNIT
  clear_slob_page_free(sys, pfn)
  give_page_back(sys, pfn)
  return -1
}

/** @kernel mm/slob.c:slob_free */
function give_page_back(sys: Sys, pfn: number): void {
  sys.page.flags[pfn]! &= ~PG.slab
  sys.page.private[pfn] = 0
  sys.page.index[pfn] = 0
  slob_free_pages(sys, pfn, 0)
}

/** Gives `size` bytes back that were had at an address; nothing happens where no object of so many begins.
 * @kernel mm/slob.c:slob_free */
function slob_free(sys: Sys, address: number, size: number): void {
  const pfn = Math.floor(address * sys.frames_per_byte)
  const unit = (address - pfn * page_size(sys)) / SLOB_UNIT
  const units = SLOB_UNITS(size)
  if (!is_page_of_objects(sys, pfn) || unit % 1 !== 0 || object_units(sys, pfn, unit) !== units) {
    bad_slob_free(sys, address, size)
    return
  }
  if (sys.page.private[pfn]! + units === page_units(sys)) {
    if (slob_page_free(sys, pfn)) clear_slob_page_free(sys, pfn)
    give_page_back(sys, pfn)
  } else if (slob_page_free(sys, pfn)) free_of_partial_page(sys, pfn, unit, units)
  else free_of_full_page(sys, pfn, unit, units, list_for(sys, size))
}

function is_page_of_objects(sys: Sys, pfn: number): boolean {
  return pfn >= 0 && pfn < sys.nr_frames && is_slob_page(sys, pfn)
}

/** @kernel mm/slob.c:__do_kmalloc_node */
function __do_kmalloc_node(sys: Sys, size: number, gfp: number, node: number): number {
  const flags = gfp & sys.machine.gfp_allowed_mask[0]!
  if (size >= page_size(sys) - MINALIGN) {
    const order = size > KMALLOC_MAX_SIZE(sys.kernel) ? sys.NR_PAGE_ORDERS : size_order(sys.kernel, size)
    return slob_new_pages(sys, order > 0 ? flags | __GFP_COMP : flags, order, node)
  }
  // Powers of two are aligned to themselves.
  const align = (size & (size - 1)) === 0 ? Math.max(MINALIGN, size) : MINALIGN
  const block = slob_alloc(sys, size + MINALIGN, flags, align, node, MINALIGN)
  if (block === 0) return 0
  write_u32(sys, block, size)
  return block + MINALIGN
}

/** @kernel mm/slob.c:kfree */
function kfree(sys: Sys, object: number): void {
  const pfn = Math.floor(object * sys.frames_per_byte)
  if (!is_page_of_objects(sys, pfn)) free_large(sys, object, -1)
  else if (object % MINALIGN !== 0 || object === pfn * page_size(sys)) bad_slob_free(sys, object, 0)
  else slob_free(sys, object - MINALIGN, read_u32(sys, object - MINALIGN) + MINALIGN)
}

/** Gives pages back that were had as an object: of 2^order, or -1 = however many they are. */
function free_large(sys: Sys, object: number, order: number): void {
  const pfn = object * sys.frames_per_byte
  const known = Number.isInteger(pfn) && pfn >= 0 && pfn < sys.nr_frames && !is_slob_page(sys, pfn)
  const state = known ? sys.page.state[pfn]! : 0
  const has = (state & PAGE_STATE_ORDER) - 1
  if (state < PAGE_USED || (order >= 0 && has !== order))
    bad_slob_free(sys, object, order < 0 ? 0 : 2 ** order * page_size(sys))
  else slob_free_pages(sys, pfn, has)
}

/** Bytes of an object of kmalloc that its user may use. @kernel mm/slob.c:__ksize */
function ksize(sys: Sys, object: number): number {
  const pfn = Math.floor(object * sys.frames_per_byte)
  if (is_page_of_objects(sys, pfn)) return SLOB_UNITS(read_u32(sys, object - MINALIGN)) * SLOB_UNIT
  return page_size(sys) * 2 ** Math.max((sys.page.state[pfn]! & PAGE_STATE_ORDER) - 1, 0)
}

/** An object of a cache, constructed; 0 where there is no memory. @kernel mm/slob.c:slob_alloc_node */
function slob_alloc_node(sys: Sys, cache: KmemCache, gfp: number, node: number): number {
  const flags = gfp & sys.machine.gfp_allowed_mask[0]!
  const { size, align, ctor } = sys.kmem_cache
  const small = size[cache]! < page_size(sys)
  const object = small
    ? slob_alloc(sys, size[cache]!, flags, align[cache]!, node, 0)
    : slob_new_pages(sys, flags, size_order(sys.kernel, size[cache]!), node)
  if (object !== 0 && ctor[cache] !== 0) constructor_of(ctor[cache]!).construct(sys, object)
  return object
}

/** @kernel mm/slob.c:kmem_cache_free @differs objects of caches with SLAB_TYPESAFE_BY_RCU go at once */
function kmem_cache_free(sys: Sys, cache: KmemCache, object: number): void {
  const size = sys.kmem_cache.size[cache]!
  if (size < page_size(sys)) slob_free(sys, object, size)
  else free_large(sys, object, size_order(sys.kernel, size))
}

/** @kernel mm/slob.c:kmem_cache_alloc_bulk */
function kmem_cache_alloc_bulk(sys: Sys, cache: KmemCache, gfp: number, count: number, objects: Float64Array): number {
  for (let at = 0; at < count; at++) {
    objects[at] = slob_alloc_node(sys, cache, gfp, NUMA_NO_NODE)
    if (objects[at] !== 0) continue
    for (let given = 0; given < at; given++) kmem_cache_free(sys, cache, objects[given]!)
    return 0
  }
  return count
}

/** Where the block begins that an address lies in, with the size that kmalloc puts in front. */
function nearest_obj(sys: Sys, address: number): number {
  const pfn = Math.floor(address * sys.frames_per_byte)
  if (!is_page_of_objects(sys, pfn)) return 0
  const unit = object_start(sys, pfn, Math.floor((address - pfn * page_size(sys)) / SLOB_UNIT))
  return unit < 0 ? 0 : pfn * page_size(sys) + unit * SLOB_UNIT
}
