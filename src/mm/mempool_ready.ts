// Ready pools: over the page allocator, over kmalloc, over a cache. Allocators of objects are handed in.
import { type Gfp, NIL } from '../base/units.ts'
import { kasan_frames, kasan_objects } from './kasan_mempool.ts'
import { type Mempool, type MempoolFunctions, mempool_create } from './mempool.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_pages } from './page_alloc/alloc_pages.ts'

/** Elements that are blocks of 2^pool_data frames. @kernel mm/mempool.c:mempool_alloc_pages */
export const mempool_pages: MempoolFunctions = {
  name: 'mempool_alloc_pages',
  nil: NIL,
  alloc: (sys, gfp, order) => alloc_pages(sys, gfp, order),
  free: (sys, pfn, order) => __free_pages(sys, pfn, order),
  kasan: kasan_frames,
}

/** A pool of blocks of 2^order frames. @kernel include/linux/mempool.h:mempool_create_page_pool */
export function mempool_create_page_pool(sys: Sys, min_nr: number, order: number): Mempool {
  return mempool_create(sys, min_nr, mempool_pages, order)
}

/** What a pool over kmalloc needs of it. */
export interface KmallocFunctions {
  kmalloc(sys: Sys, size: number, gfp: Gfp): number
  kfree(sys: Sys, address: number): void
}

/** Elements that are `pool_data` bytes of kmalloc. @kernel mm/mempool.c:mempool_kmalloc */
export function mempool_kmalloc_functions({ kmalloc, kfree }: KmallocFunctions): MempoolFunctions {
  return {
    name: 'mempool_kmalloc',
    nil: 0,
    alloc: (sys, gfp, size) => kmalloc(sys, size, gfp),
    free: (sys, address) => kfree(sys, address),
    kasan: kasan_objects,
  }
}

/** A pool of `size` bytes each. @kernel include/linux/mempool.h:mempool_create_kmalloc_pool */
export function mempool_create_kmalloc_pool(
  sys: Sys,
  min_nr: number,
  size: number,
  functions: KmallocFunctions,
): Mempool {
  return mempool_create(sys, min_nr, mempool_kmalloc_functions(functions), size)
}

/** What a pool over a cache needs of the allocator of objects; a cache is a number. */
export interface SlabFunctions {
  kmem_cache_alloc(sys: Sys, cache: number, gfp: Gfp): number
  kmem_cache_free(sys: Sys, cache: number, address: number): void
}

/** Elements that are objects of the cache `pool_data`. @kernel mm/mempool.c:mempool_alloc_slab */
export function mempool_slab_functions({ kmem_cache_alloc, kmem_cache_free }: SlabFunctions): MempoolFunctions {
  return {
    name: 'mempool_alloc_slab',
    nil: 0,
    alloc: (sys, gfp, cache) => kmem_cache_alloc(sys, cache, gfp),
    free: (sys, address, cache) => kmem_cache_free(sys, cache, address),
    kasan: kasan_objects,
  }
}

/** A pool of objects of a cache. @kernel include/linux/mempool.h:mempool_create_slab_pool */
export function mempool_create_slab_pool(sys: Sys, min_nr: number, cache: number, functions: SlabFunctions): Mempool {
  return mempool_create(sys, min_nr, mempool_slab_functions(functions), cache)
}
