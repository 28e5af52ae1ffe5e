// SLUB behind the interface of all allocators: caches come and go, objects in bulk, shrinking.
import { next_random, seed_random } from '../base/rng.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { might_alloc } from './might_alloc.ts'
import type { Sys } from './mmzone.ts'
import { NO_CACHE, type SlabAllocator } from './slab_allocator.ts'
import type { AnyGeometry } from './slab_caches.ts'
import { ALIGN, word_size } from './slab_common.ts'
import { SLAB_DEBUG_FLAGS, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER, SLAB_TYPESAFE_BY_RCU } from './slab_flags.ts'
import { ___cache_free, slab_alloc_node, slab_free, slab_free_list } from './slub.ts'
import { slub_check } from './slub_check.ts'
import { flush_all } from './slub_cpu.ts'
import type { SlubGeometry } from './slub_geometry.ts'
import { get_slabinfo } from './slub_info.ts'
import { shrink_node } from './slub_lists.ts'
import { slab_address, slab_objects, virt_to_slab } from './slub_slab.ts'
import { NO_FAST_PATH } from './slub_tables.ts'
import { shutdown_slabs } from './slub_validate.ts'

const EBUSY = 16

/** A random number other than 0, of the machine's chance. */
function random(sys: Sys): number {
  sys.machine.seed[0] = next_random(sys.machine.seed[0]! || seed_random(0))
  return sys.machine.seed[0]!
}

/** @kernel mm/slub.c:kmem_cache_open */
function create(sys: Sys, cache: number, geometry: AnyGeometry): number {
  const given = geometry as SlubGeometry
  const { slub_cache } = sys
  slub_cache.inuse[cache] = given.inuse
  slub_cache.offset[cache] = given.offset
  slub_cache.red_left_pad[cache] = given.red_left_pad
  slub_cache.oo[cache] = (given.order << 16) | given.objects
  slub_cache.min[cache] = (given.min_order << 16) | given.min_objects
  slub_cache.min_partial[cache] = given.min_partial
  slub_cache.allocflags[cache] = given.allocflags
  slub_cache.cpu_partial[cache] = given.cpu_partial
  slub_cache.cpu_partial_slabs[cache] = given.cpu_partial_slabs
  slub_cache.errors[cache] = 0
  const { SLAB_FREELIST_HARDENED: hardened, SLAB_FREELIST_RANDOM: shuffled } = sys.kernel.config
  slub_cache.random[2 * cache] = hardened ? random(sys) : 0
  slub_cache.random[2 * cache + 1] = hardened && word_size(sys.kernel) === 8 ? random(sys) : 0
  const slow = kasan_enabled(sys) || hardened || word_size(sys.kernel) === 4 || (given.flags & SLAB_DEBUG_FLAGS) !== 0
  slub_cache.fast_offset[cache] = slow ? NO_FAST_PATH : given.offset
  slub_cache.random_seq[cache] = shuffled ? random(sys) : 0
  return 0
}

/** @kernel mm/slub.c:__kmem_cache_release */
function release(sys: Sys, cache: number): void {
  const { slub_cache, slub_cpu, nr_cpus } = sys
  for (const column of Object.values(slub_cache)) {
    const width = column.length / sys.kmem_cache.used.length
    column.fill(0, cache * width, (cache + 1) * width)
  }
  for (const column of Object.values(slub_cpu)) column.fill(0, cache * nr_cpus, (cache + 1) * nr_cpus)
}

/** @kernel mm/slab.h:cache_from_obj */
function cache_of(sys: Sys, object: number): number {
  const slab = virt_to_slab(sys, object)
  return slab < 0 ? NO_CACHE : sys.page.mapping[slab]! - 1
}

/** @kernel include/linux/slub_def.h:nearest_obj */
function nearest_obj(sys: Sys, address: number): number {
  const slab = virt_to_slab(sys, address)
  if (slab < 0) return 0
  const cache = sys.page.mapping[slab]! - 1
  const { size } = sys.kmem_cache
  const index = Math.floor((address - slab_address(sys, slab)) / size[cache]!)
  const last = Math.min(index, slab_objects(sys, slab) - 1)
  return slab_address(sys, slab) + last * size[cache]! + sys.slub_cache.red_left_pad[cache]!
}

/** Bytes that the user of an object may use. @kernel mm/slab.h:slab_ksize */
function ksize(sys: Sys, object: number): number {
  const cache = cache_of(sys, object)
  if (cache === NO_CACHE) return 0
  const { flags, object_size, size } = sys.kmem_cache
  if ((flags[cache]! & (SLAB_RED_ZONE | SLAB_POISON)) !== 0) return object_size[cache]!
  if ((flags[cache]! & (SLAB_TYPESAFE_BY_RCU | SLAB_STORE_USER)) !== 0) return sys.slub_cache.inuse[cache]!
  return size[cache]!
}

/** @kernel mm/slub.c:kmem_cache_alloc_bulk */
function alloc_bulk(sys: Sys, cache: number, gfp: number, count: number, objects: Float64Array): number {
  might_alloc(sys, gfp)
  for (let at = 0; at < count; at++) {
    const object = slab_alloc_node(sys, cache, gfp, -1, sys.kmem_cache.object_size[cache]!)
    if (object === 0) {
      free_bulk(sys, cache, at, objects)
      return 0
    }
    objects[at] = object
  }
  return count
}

/** How far ahead objects of one slab are looked for. @kernel mm/slub.c:build_detached_freelist */
const LOOKAHEAD = 3

/** Gives objects back in lists of one slab each: from the last one on, those of its slab that are found before three
 * others are passed. @kernel mm/slub.c:kmem_cache_free_bulk */
function free_bulk(sys: Sys, cache: number, count: number, objects: Float64Array): void {
  const rest = Array.from(objects.subarray(0, count))
  while (rest.length > 0) {
    const first = rest.pop()!
    const slab = virt_to_slab(sys, first)
    const list = [first]
    let lookahead = LOOKAHEAD
    for (let at = rest.length - 1; at >= 0 && lookahead > 0; at--) {
      if (virt_to_slab(sys, rest[at]!) === slab) {
        list.push(rest[at]!)
        // Whoever was passed takes the place of the one that goes.
        const passed = rest.pop()!
        if (at < rest.length) rest[at] = passed
      } else lookahead--
    }
    slab_free_list(sys, cache, list)
  }
}

/** @kernel mm/slub.c:__kmem_cache_shrink */
function shrink(sys: Sys, cache: number): number {
  flush_all(sys, cache)
  let left = 0
  for (let nid = 0; nid < sys.nr_nodes; nid++) left += shrink_node(sys, cache, cache * sys.nr_nodes + nid)
  return left > 0 ? 1 : 0
}

/** Gives an object back to the cache that it came from; what lies in no slab is reported.
 * @kernel mm/slub.c:kmem_cache_free */
function free(sys: Sys, cache: number, object: number): void {
  slab_free(sys, cache, object)
}

/** SLUB. */
export const slub: SlabAllocator = {
  init: () => {},
  create,
  alias: (sys, cache, size) => {
    const { inuse } = sys.slub_cache
    inuse[cache] = Math.max(inuse[cache]!, ALIGN(size, word_size(sys.kernel)))
  },
  shutdown: (sys, cache) => (shutdown_slabs(sys, cache) ? -EBUSY : 0),
  release,
  alloc: (sys, cache, gfp, node) => slab_alloc_node(sys, cache, gfp, node, sys.kmem_cache.object_size[cache]!),
  free,
  ___cache_free,
  alloc_bulk,
  free_bulk,
  shrink,
  cache_of,
  nearest_obj,
  ksize,
  kmalloc: null,
  slabinfo: get_slabinfo,
  check: slub_check,
}
