// The one interface of SLUB, SLAB and SLOB. kmem_cache.ts does what they share (names, merging, users of a cache,
// kmalloc) and calls these for the rest; nobody else does.
// Law: a cache is a row of `sys.kmem_cache`; an object is its physical address in bytes, an exact double, 0 = none.
// No call throws for what a user of the kernel's API can do wrong: it is reported through sys.printk in the kernel's
// words and the machine stays consistent (`check` finds nothing). RangeErrors are for a machine that is too small.
import type { Gfp, Paddr } from '../base/units.ts'
import type { Sys } from './mmzone.ts'
import type { AnyGeometry } from './slab_caches.ts'

/** A cache: a row of `sys.kmem_cache`. */
export type KmemCache = number

/** "No cache": what a failed creation returns. */
export const NO_CACHE = -1
/** Any node, the running CPU's first. @kernel include/linux/numa.h:NUMA_NO_NODE */
export const NUMA_NO_NODE = -1

/** A cache as /proc/slabinfo shows it; numbers of objects and slabs. @kernel mm/slab.h:struct slabinfo */
export interface SlabInfo {
  readonly active_objs: number
  readonly num_objs: number
  readonly active_slabs: number
  readonly num_slabs: number
  readonly shared_avail: number
  readonly limit: number
  readonly batchcount: number
  readonly shared: number
  readonly objects_per_slab: number
  readonly cache_order: number
}

export interface SlabAllocator {
  /** Makes ready what must be there before the first cache is created. @kernel kmem_cache_init */
  init(sys: Sys): void

  /** Fills the allocator's own columns of a new cache; the shared ones are filled already, from `geometry`.
   * 0, or what went wrong: -ENOMEM. @kernel __kmem_cache_create */
  create(sys: Sys, cache: KmemCache, geometry: AnyGeometry): number

  /** The cache joined another user, whose objects have `size` bytes; the shared columns are changed already.
   * @kernel __kmem_cache_alias */
  alias(sys: Sys, cache: KmemCache, size: number): void

  /** Gives back all slabs of a cache that goes; 0, or -EBUSY where objects remain (reported; the cache then stays).
   * @kernel __kmem_cache_shutdown */
  shutdown(sys: Sys, cache: KmemCache): number

  /** Takes what remains of a cache that is shut down. @kernel __kmem_cache_release */
  release(sys: Sys, cache: KmemCache): void

  /** An object, 0 where there is no memory. `node` NUMA_NO_NODE = any. @kernel kmem_cache_alloc_node */
  alloc(sys: Sys, cache: KmemCache, gfp: Gfp, node: number): Paddr

  /** Gives an object back; a wrong one is reported. @kernel kmem_cache_free */
  free(sys: Sys, cache: KmemCache, object: Paddr): void

  /** The same for an object that KASAN has let go. @kernel ___cache_free */
  ___cache_free(sys: Sys, cache: KmemCache, object: Paddr): void

  /** `count` objects into `objects`, all or none; how many. @kernel kmem_cache_alloc_bulk */
  alloc_bulk(sys: Sys, cache: KmemCache, gfp: Gfp, count: number, objects: Float64Array): number

  /** Gives the first `count` of `objects` back. @kernel kmem_cache_free_bulk */
  free_bulk(sys: Sys, cache: KmemCache, count: number, objects: Float64Array): void

  /** Gives empty slabs back; 0 = none is left over. @kernel __kmem_cache_shrink */
  shrink(sys: Sys, cache: KmemCache): number

  /** The cache that an object of a slab belongs to; NO_CACHE for what lies in no slab. @kernel virt_to_cache */
  cache_of(sys: Sys, object: Paddr): KmemCache

  /** Where an object that `address` lies in begins; 0 where it lies in none. @kernel nearest_obj */
  nearest_obj(sys: Sys, address: Paddr): Paddr

  /** Bytes of an object that its user may use. @kernel __ksize */
  ksize(sys: Sys, object: Paddr): number

  /** SLOB serves kmalloc without caches; null where caches serve. */
  readonly kmalloc: DirectKmalloc | null

  /** @kernel get_slabinfo */
  slabinfo(sys: Sys, cache: KmemCache): SlabInfo

  /** The laws of the allocator's tables that do not hold; empty = the machine is consistent. */
  check(sys: Sys): string[]
}

/** kmalloc of an allocator that needs no caches for it: sizes up to a page. */
export interface DirectKmalloc {
  kmalloc(sys: Sys, size: number, gfp: Gfp, node: number): Paddr
  kfree(sys: Sys, object: Paddr): void
}
