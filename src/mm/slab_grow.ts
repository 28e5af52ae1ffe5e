// How a slab of SLAB comes to be, and goes: pages, colour, the list of its free objects, constructors.
// Law: whatever fails on the way (no pages, no memory for the list, a constructor that throws) leaves nothing behind.

import {
  __GFP_ATOMIC,
  __GFP_FS,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_IO,
  __GFP_MEMALLOC,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __GFP_ZERO,
} from './gfp.ts'
import {
  kasan_init_slab_obj,
  kasan_poison_object_data,
  kasan_poison_slab,
  kasan_unpoison_object_data,
} from './kasan_slab.ts'
import { warn } from './kernel_taint.ts'
import { constructor_of } from './kernel_text.ts'
import type { Sys } from './mmzone.ts'
import { __alloc_pages, __free_pages } from './page_alloc/alloc_pages.ts'
import { account_slab, page_to_nid } from './slab_account.ts'
import type { KmemCache } from './slab_allocator.ts'
import { cache_init_objs_debug, slab_destroy_debugcheck } from './slab_debug.ts'
import {
  drop_desc,
  index_to_obj,
  need_desc,
  OBJFREELIST_SLAB,
  OFF_SLAB,
  type Slab,
  set_free_obj,
  slab_address,
  slab_pfn,
  take_desc,
} from './slab_desc.ts'
import { SLAB_RECLAIM_ACCOUNT } from './slab_flags.ts'
import { get_node } from './slab_node.ts'
import { slab_out_of_memory } from './slab_report.ts'

/** Bits of a request that say where its pages may be. @kernel mm/internal.h:GFP_CONSTRAINT_MASK */
const GFP_CONSTRAINT_MASK = __GFP_HARDWALL | __GFP_THISNODE
/** Bits of a request that its pages are asked with. @kernel mm/internal.h:GFP_RECLAIM_MASK */
const GFP_RECLAIM_MASK =
  __GFP_RECLAIM |
  __GFP_HIGH |
  __GFP_IO |
  __GFP_FS |
  __GFP_NOWARN |
  __GFP_RETRY_MAYFAIL |
  __GFP_NOFAIL |
  __GFP_NORETRY |
  __GFP_MEMALLOC |
  __GFP_NOMEMALLOC |
  __GFP_ATOMIC

/** Memory for lists of free objects that lie in no slab of their own: kmalloc's. */
export interface ListMemory {
  /** 0 where there is none. */
  alloc(sys: Sys, size: number, gfp: number, node: number): number
  free(sys: Sys, address: number): void
}

/** Pages of a new slab: its first frame, or -1. @kernel mm/slab.c:kmem_getpages */
function kmem_getpages(sys: Sys, cache: KmemCache, gfp: number, node: number): number {
  const { allocflags, gfporder } = sys.slab_cache
  const flags = gfp | allocflags[cache]!
  const pfn = __alloc_pages(sys, flags, gfporder[cache]!, node)
  if (pfn < 0) slab_out_of_memory(sys, cache, flags, node)
  else account_slab(sys, pfn, 2 ** gfporder[cache]!, is_reclaimable(sys, cache))
  return pfn
}

const is_reclaimable = (sys: Sys, cache: KmemCache): boolean =>
  (sys.kmem_cache.flags[cache]! & SLAB_RECLAIM_ACCOUNT) !== 0

/** @kernel mm/slab.c:kmem_freepages
 * @differs slabs of caches with SLAB_TYPESAFE_BY_RCU go at once, as if all readers were done */
function kmem_freepages(sys: Sys, cache: KmemCache, slab: Slab): void {
  const order = sys.slab_cache.gfporder[cache]!
  const pfn = drop_desc(sys, slab)
  account_slab(sys, pfn, -(2 ** order), is_reclaimable(sys, cache))
  __free_pages(sys, pfn, order)
}

/** A new slab with all objects free, on no list yet; -1 = no memory. @kernel mm/slab.c:cache_grow_begin */
export function cache_grow_begin(sys: Sys, cache: KmemCache, gfp: number, nodeid: number, lists: ListMemory): Slab {
  if (sys.kmem_cache.ctor[cache] !== 0 && (gfp & __GFP_ZERO) !== 0)
    warn(sys, 'mm/slab.c cache_grow_begin', 'cachep->ctor && (flags & __GFP_ZERO)')
  const local_flags = gfp & (GFP_CONSTRAINT_MASK | GFP_RECLAIM_MASK)
  need_desc(sys)
  const pfn = kmem_getpages(sys, cache, local_flags, nodeid)
  if (pfn < 0) return -1
  const nid = page_to_nid(sys, pfn)
  const offset = next_colour(sys, cache, nid) * sys.slab_cache.colour_off[cache]!
  const slab = take_desc(sys, cache, pfn)
  try {
    if (alloc_slabmgmt(sys, cache, slab, offset, local_flags & ~GFP_CONSTRAINT_MASK, nid, lists)) {
      kasan_poison_slab(sys, pfn, sys.slab_cache.gfporder[cache]!)
      cache_init_objs(sys, cache, slab)
      return slab
    }
  } catch (error) {
    forget_slab(sys, cache, slab, lists)
    throw error
  }
  kmem_freepages(sys, cache, slab)
  return -1
}

/** The colour of a node's next slab. */
function next_colour(sys: Sys, cache: KmemCache, nid: number): number {
  const { colour_next } = sys.slab_node
  const node = get_node(sys, cache, nid)
  const next = colour_next[node]! + 1
  colour_next[node] = next >= sys.slab_cache.colour[cache]! ? 0 : next
  return colour_next[node]!
}

/** Decides where the objects and their list lie; false where there is no memory for the list.
 * @kernel mm/slab.c:alloc_slabmgmt */
function alloc_slabmgmt(
  sys: Sys,
  cache: KmemCache,
  slab: Slab,
  offset: number,
  gfp: number,
  nid: number,
  lists: ListMemory,
): boolean {
  const { s_mem, freelist } = sys.slab_desc
  const { freelist_size, gfporder, num, obj_offset } = sys.slab_cache
  const start = slab_address(sys, slab)
  s_mem[slab] = start + offset
  if (OBJFREELIST_SLAB(sys, cache)) {
    // The object that is handed out last.
    freelist[slab] = index_to_obj(sys, cache, slab, num[cache]! - 1) + obj_offset[cache]!
  } else if (OFF_SLAB(sys, cache)) {
    freelist[slab] = lists.alloc(sys, freelist_size[cache]!, gfp, nid)
  } else freelist[slab] = start + 2 ** (sys.kernel.PAGE_SHIFT + gfporder[cache]!) - freelist_size[cache]!
  return freelist[slab] !== 0
}

/** Constructs the objects and lists them by their numbers. @kernel mm/slab.c:cache_init_objs */
function cache_init_objs(sys: Sys, cache: KmemCache, slab: Slab): void {
  const num = sys.slab_cache.num[cache]!
  const construct = constructor_call(sys, cache)
  if (sys.kernel.config.DEBUG_SLAB) cache_init_objs_debug(sys, cache, slab, construct)
  else
    for (let index = 0; index < num; index++) init_object(sys, cache, index_to_obj(sys, cache, slab, index), construct)
  for (let index = 0; index < num; index++) set_free_obj(sys, slab, index, index)
}

function init_object(sys: Sys, cache: KmemCache, object: number, construct: ((object: number) => void) | null): void {
  kasan_init_slab_obj(sys, cache, object)
  if (construct === null) return
  kasan_unpoison_object_data(sys, cache, object)
  construct(object)
  kasan_poison_object_data(sys, cache, object)
}

/** The constructor of a cache's objects; null = none. @ours */
export function constructor_call(sys: Sys, cache: KmemCache): ((object: number) => void) | null {
  const number = sys.kmem_cache.ctor[cache]!
  if (number === 0) return null
  const { construct } = constructor_of(number)
  return object => construct(sys, object)
}

/** Gives back a slab that is on no list, with the memory of its list. @kernel mm/slab.c:slab_destroy */
export function slab_destroy(sys: Sys, cache: KmemCache, slab: Slab, lists: ListMemory): void {
  if (sys.kernel.config.DEBUG_SLAB) slab_destroy_debugcheck(sys, cache, slab)
  forget_slab(sys, cache, slab, lists)
}

function forget_slab(sys: Sys, cache: KmemCache, slab: Slab, lists: ListMemory): void {
  const list = OFF_SLAB(sys, cache) ? sys.slab_desc.freelist[slab]! : 0
  kmem_freepages(sys, cache, slab)
  if (list !== 0) lists.free(sys, list)
}

/** Node of a slab. @kernel mm/slab.h:slab_nid */
export function slab_nid(sys: Sys, slab: Slab): number {
  return page_to_nid(sys, slab_pfn(sys, slab))
}
