// A slab of SLUB: what its first frame's columns say (see slub_tables.ts), how it is made from pages and given back.
// Law: a slab has page.flags PG.slab on its first frame, its cache in page.mapping, and all its objects lie behind
// `red_left_pad` bytes, `size` bytes from one to the next.
import { next_random, seed_random } from '../base/rng.ts'
import {
  __GFP_ATOMIC,
  __GFP_DIRECT_RECLAIM,
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
} from './gfp.ts'
import {
  kasan_init_slab_obj,
  kasan_poison_object_data,
  kasan_poison_slab,
  kasan_unpoison_object_data,
} from './kasan_slab.ts'
import { constructor_of } from './kernel_text.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { __free_pages, alloc_pages_node } from './page_alloc/alloc_pages.ts'
import { frame_bytes_for_write, memset } from './physmem.ts'
import { SLAB_CONSISTENCY_CHECKS, SLAB_DEBUG_FLAGS, SLAB_POISON, SLAB_RECLAIM_ACCOUNT } from './slab_flags.ts'
import { check_free_slab, POISON_INUSE, setup_object_debug } from './slub_debug.ts'
import { set_freepointer } from './slub_pointer.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'

/** Bits of a request that its slab's pages are asked with. @kernel mm/internal.h:GFP_RECLAIM_MASK */
const NEW_SLAB_MASK =
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
  __GFP_ATOMIC |
  __GFP_HARDWALL |
  __GFP_THISNODE

/** Bit of page.private: the slab belongs to a CPU. */
export const SLAB_FROZEN: number = 1 << 31
const OBJECTS_SHIFT = 16
const INUSE_MASK = 0xffff
const OBJECTS_MASK = 0x7fff

/** Objects of a slab that are handed out, or lie on a CPU's lockless list. @ours */
export function slab_inuse(sys: Sys, slab: number): number {
  return sys.page.private[slab]! & INUSE_MASK
}

/** Objects of a slab. @ours */
export function slab_objects(sys: Sys, slab: number): number {
  return (sys.page.private[slab]! >>> OBJECTS_SHIFT) & OBJECTS_MASK
}

/** Sets inuse, objects and frozen at once. @ours */
export function set_slab_counters(sys: Sys, slab: number, inuse: number, objects: number, frozen: boolean): void {
  sys.page.private[slab] = inuse | (objects << OBJECTS_SHIFT) | (frozen ? SLAB_FROZEN : 0)
}

/** Changes inuse alone. @ours */
export function set_slab_inuse(sys: Sys, slab: number, inuse: number): void {
  sys.page.private[slab] = (sys.page.private[slab]! & ~INUSE_MASK) | inuse
}

/** Physical address of a slab. @kernel mm/slab.h:slab_address */
export function slab_address(sys: Sys, slab: number): number {
  return slab * sys.page_bytes
}

/** First free object of a slab: 0 = none, BAD_POINTER = it lies outside the slab. @ours */
export function slab_freelist(sys: Sys, slab: number): number {
  const offset = sys.page.index[slab]!
  return offset > 0 ? slab_address(sys, slab) + offset - 1 : offset
}

/** @ours */
export function set_slab_freelist(sys: Sys, slab: number, object: number): void {
  const offset = object - slab_address(sys, slab)
  const inside = object > 0 && offset >= 0 && offset < slab_bytes(sys, slab)
  sys.page.index[slab] = object === 0 ? 0 : inside ? offset + 1 : -1
}

/** Order of a slab's pages. @kernel mm/slab.h:slab_order */
export function slab_order(sys: Sys, slab: number): number {
  return (sys.page.state[slab]! & 0x1f) - 1
}

/** @kernel mm/slab.h:slab_size */
export function slab_bytes(sys: Sys, slab: number): number {
  return sys.page_bytes * (1 << slab_order(sys, slab))
}

/** Row of `sys.slub_node` of a slab. @kernel mm/slub.c:get_node */
export function slab_node(sys: Sys, cache: number, slab: number): number {
  return cache * sys.nr_nodes + sys.zone_to_nid[page_zone(sys, slab)]!
}

/** The slab that an address lies in; -1 = it lies in none. @kernel mm/slab.h:virt_to_slab */
export function virt_to_slab(sys: Sys, address: number): number {
  const pfn = Math.floor(address * sys.frames_per_byte)
  if (!(pfn >= 0 && pfn < sys.nr_frames)) return -1
  const head = (sys.page.flags[pfn]! & PG.tail) !== 0 ? sys.page.index[pfn]! : pfn
  return (sys.page.flags[head]! & PG.slab) !== 0 ? head : -1
}

/** Whether objects of a cache are looked at when they come and go. @kernel mm/slab.h:kmem_cache_debug */
export function kmem_cache_debug(sys: Sys, cache: number): boolean {
  return (sys.kmem_cache.flags[cache]! & SLAB_DEBUG_FLAGS) !== 0
}

/** @kernel mm/slub.c:kmem_cache_has_cpu_partial */
export function kmem_cache_has_cpu_partial(sys: Sys, cache: number): boolean {
  return sys.kernel.config.SLUB_CPU_PARTIAL && !kmem_cache_debug(sys, cache)
}

/** Pages for a slab of `oo` (order << 16 | objects); -1 where there are none. */
function alloc_slab_page(sys: Sys, gfp: number, node: number, oo: number): number {
  return alloc_pages_node(sys, node, gfp, oo >>> OBJECTS_SHIFT)
}

/** A new slab with all objects free: of the order that suits, else of the smallest that holds one; -1 = no memory.
 * @kernel mm/slub.c:allocate_slab */
export function new_slab(sys: Sys, cache: number, gfp: number, node: number): number {
  const { oo, min, allocflags } = sys.slub_cache
  const flags = (gfp & NEW_SLAB_MASK) | allocflags[cache]!
  let order_objects = oo[cache]!
  let first = (flags | __GFP_NOWARN | __GFP_NORETRY) & ~__GFP_NOFAIL
  if ((first & __GFP_DIRECT_RECLAIM) !== 0 && oo[cache]! >>> 16 > min[cache]! >>> 16)
    first = (first | __GFP_NOMEMALLOC) & ~__GFP_RECLAIM
  let slab = alloc_slab_page(sys, first, node, order_objects)
  if (slab < 0) {
    order_objects = min[cache]!
    slab = alloc_slab_page(sys, flags, node, order_objects)
    if (slab < 0) return -1
  }
  make_room(sys, slab)
  sys.page.flags[slab]! |= PG.slab
  sys.page.mapping[slab] = cache + 1
  set_slab_counters(sys, slab, 0, order_objects & 0xffff, false)
  account_slab(sys, cache, slab, 1)
  kasan_poison_slab(sys, slab, slab_order(sys, slab))
  if ((sys.kmem_cache.flags[cache]! & SLAB_POISON) !== 0)
    memset(sys, slab_address(sys, slab), POISON_INUSE, slab_bytes(sys, slab))
  link_objects(sys, cache, slab)
  return slab
}

/** Gives all frames of a slab bytes; without room for them the pages go back before the machine says so. */
function make_room(sys: Sys, slab: number): void {
  const pages = 1 << slab_order(sys, slab)
  try {
    for (let pfn = slab; pfn < slab + pages; pfn++) frame_bytes_for_write(sys, pfn)
  } catch (error) {
    __free_pages(sys, slab, slab_order(sys, slab))
    throw error
  }
}

/** Makes the free list of a new slab: by rising address, or in the cache's random order. */
function link_objects(sys: Sys, cache: number, slab: number): void {
  const objects = slab_objects(sys, slab)
  const order = shuffled_order(sys, cache, objects)
  const size = sys.kmem_cache.size[cache]!
  const start = slab_address(sys, slab) + sys.slub_cache.red_left_pad[cache]!
  const at = (index: number): number => start + (order === null ? index : order[index]!) * size
  for (let index = 0; index < objects; index++) setup_object(sys, cache, at(index))
  for (let index = 0; index < objects; index++)
    set_freepointer(sys, cache, at(index), index + 1 < objects ? at(index + 1) : 0)
  set_slab_freelist(sys, slab, at(0))
}

/** @kernel mm/slub.c:setup_object */
function setup_object(sys: Sys, cache: number, object: number): void {
  setup_object_debug(sys, cache, object)
  kasan_init_slab_obj(sys, cache, object)
  const ctor = sys.kmem_cache.ctor[cache]!
  if (ctor === 0) return
  kasan_unpoison_object_data(sys, cache, object)
  constructor_of(ctor).construct(sys, object)
  kasan_poison_object_data(sys, cache, object)
}

/** The order in which a slab's objects become free objects: the cache's random sequence, begun at a random place.
 * null = by address. @kernel mm/slub.c:shuffle_freelist */
function shuffled_order(sys: Sys, cache: number, objects: number): Int32Array | null {
  const seed = sys.slub_cache.random_seq[cache]!
  const count = sys.slub_cache.oo[cache]! & 0xffff
  if (seed === 0 || objects < 2) return null
  const sequence = freelist_randomize(seed, count)
  sys.machine.seed[0] = next_random(sys.machine.seed[0]! || seed_random(0))
  let at = sys.machine.seed[0]! % count
  const order = new Int32Array(objects)
  for (let index = 0; index < objects; at = (at + 1) % count)
    if (sequence[at]! < objects) order[index++] = sequence[at]!
  return order
}

/** A permutation of 0 … count - 1. @kernel mm/slab_common.c:freelist_randomize */
function freelist_randomize(seed: number, count: number): Int32Array {
  const list = Int32Array.from({ length: count }, (_, index) => index)
  let state = seed
  for (let index = count - 1; index > 0; index--) {
    state = next_random(state)
    const other = state % (index + 1)
    const kept = list[index]!
    list[index] = list[other]!
    list[other] = kept
  }
  return list
}

const RECLAIMABLE = node_item('nr_slab_reclaimable')
const UNRECLAIMABLE = node_item('nr_slab_unreclaimable')
const NODE_ITEMS = NODE_STAT_ITEMS.length

/** @kernel mm/slab.h:account_slab */
function account_slab(sys: Sys, cache: number, slab: number, sign: 1 | -1): void {
  const node = sys.zone_to_nid[page_zone(sys, slab)]!
  const item = (sys.kmem_cache.flags[cache]! & SLAB_RECLAIM_ACCOUNT) !== 0 ? RECLAIMABLE : UNRECLAIMABLE
  sys.node_stat.vm_stat[node * NODE_ITEMS + item]! += sign * 2 ** slab_order(sys, slab)
}

/** Gives the pages of a slab back that is on no list. @kernel mm/slub.c:__free_slab
 * @differs slabs of caches with SLAB_TYPESAFE_BY_RCU go at once, as if all readers were done */
export function free_slab(sys: Sys, cache: number, slab: number): void {
  if ((sys.kmem_cache.flags[cache]! & SLAB_CONSISTENCY_CHECKS) !== 0) check_free_slab(sys, cache, slab)
  const order = slab_order(sys, slab)
  account_slab(sys, cache, slab, -1)
  forget_objects(sys, slab, order)
  const { flags, mapping, index } = sys.page
  const counters = sys.page.private
  flags[slab]! &= ~(PG.slab | PG.workingset)
  mapping[slab] = 0
  index[slab] = 0
  counters[slab] = 0
  __free_pages(sys, slab, order)
}

function forget_objects(sys: Sys, slab: number, order: number): void {
  const words = 2 ** (sys.kernel.PAGE_SHIFT - 8)
  for (let pfn = slab; pfn < slab + (1 << order); pfn++) {
    const slot = sys.page.data[pfn]! - 1
    if (slot >= 0) sys.slub_object.live.fill(0, slot * words, (slot + 1) * words)
  }
}

/** @kernel mm/slub.c:inc_slabs_node */
export function inc_slabs_node(sys: Sys, cache: number, slab: number): void {
  const node = slab_node(sys, cache, slab)
  sys.slub_node.nr_slabs[node]! += 1
  sys.slub_node.total_objects[node]! += slab_objects(sys, slab)
}

/** @kernel mm/slub.c:dec_slabs_node */
export function dec_slabs_node(sys: Sys, cache: number, slab: number): void {
  const node = slab_node(sys, cache, slab)
  sys.slub_node.nr_slabs[node]! -= 1
  sys.slub_node.total_objects[node]! -= slab_objects(sys, slab)
}

/** Gives back a slab that counts as one of its node's. @kernel mm/slub.c:discard_slab */
export function discard_slab(sys: Sys, cache: number, slab: number): void {
  dec_slabs_node(sys, cache, slab)
  free_slab(sys, cache, slab)
}
