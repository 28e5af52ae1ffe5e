// Generic KASAN for what lies in the reserve of a memory pool: nobody may use it until the pool hands it out.
// Law: the hooks are asked on kernels with KASAN only, and for pools over kmalloc, caches and pages only.
import { kasan_kfree_large, kasan_unpoison_range } from './kasan.ts'
import { kasan_alloc_pages, kasan_free_pages } from './kasan_pages.ts'
import { direct_address, KASAN_PAGE_FREE, kasan_poison } from './kasan_shadow.ts'
import { kasan_slab_free_mempool } from './kasan_slab.ts'
import { __ksize } from './kmalloc.ts'
import type { Sys } from './mmzone.ts'
import { NO_CACHE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'

/** What KASAN does with the elements of a pool. */
export interface MempoolKasan {
  /** An element goes into the reserve; false = it must not, which was reported. @kernel mm/mempool.c:kasan_poison_element */
  poison(sys: Sys, element: number, pool_data: number): boolean
  /** @kernel mm/mempool.c:kasan_unpoison_element */
  unpoison(sys: Sys, element: number, pool_data: number): void
}

/** Elements that are objects of a cache or of kmalloc, by physical address.
 * @differs all bytes that kmalloc gave may be used afterwards; since 6.8 only those that the pool asks for */
export const kasan_objects: MempoolKasan = {
  poison: (sys, object) => {
    const cache = slab_allocator(sys).cache_of(sys, object)
    if (cache !== NO_CACHE) return kasan_slab_free_mempool(sys, cache, object)
    if (kasan_kfree_large(sys, object)) return false
    kasan_poison(sys, direct_address(sys, object), __ksize(sys, object), KASAN_PAGE_FREE)
    return true
  },
  unpoison: (sys, object) => kasan_unpoison_range(sys, object, __ksize(sys, object)),
}

/** Elements that are blocks of 2^pool_data frames. */
export const kasan_frames: MempoolKasan = {
  poison: (sys, pfn, order) => {
    kasan_free_pages(sys, pfn, order)
    return true
  },
  unpoison: (sys, pfn, order) => kasan_alloc_pages(sys, pfn, order),
}
