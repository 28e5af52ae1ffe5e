// Generic KASAN for what lies in the reserve of a memory pool: nobody may use it until the pool hands it out.
// Law: the hooks are asked on kernels with KASAN only, and for pools over kmalloc, caches and pages only.
import { kasan_kfree_large, kasan_kmalloc_large, kasan_unpoison_range } from './kasan.ts'
import { kasan_alloc_pages, kasan_free_pages } from './kasan_pages.ts'
import { kasan_caller, kasan_report_invalid_free } from './kasan_report.ts'
import { direct_address, KASAN_PAGE_FREE, kasan_byte_accessible, kasan_poison } from './kasan_shadow.ts'
import { kasan_kmalloc, kasan_slab_free_mempool, kasan_unpoison_object_data } from './kasan_slab.ts'
import { __ksize } from './kmalloc.ts'
import type { Sys } from './mmzone.ts'
import { NO_CACHE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'
import { SLAB_KMALLOC } from './slab_flags.ts'

/** What KASAN does with the elements of a pool. */
export interface MempoolKasan {
  /** An element goes into the reserve; false = it must not, which was reported. @kernel mm/mempool.c:kasan_poison_element */
  poison(sys: Sys, element: number, pool_data: number): boolean
  /** @kernel mm/mempool.c:kasan_unpoison_element */
  unpoison(sys: Sys, element: number, pool_data: number): void
}

/** Elements that are objects of a cache or of kmalloc, by physical address; `size` is what the pool asks kmalloc for. */
export const kasan_objects: MempoolKasan = {
  poison: (sys, object) => {
    const cache = slab_allocator(sys).cache_of(sys, object)
    if (cache !== NO_CACHE) return kasan_slab_free_mempool(sys, cache, object)
    if (kasan_kfree_large(sys, object)) return false
    kasan_poison(sys, direct_address(sys, object), __ksize(sys, object), KASAN_PAGE_FREE)
    return true
  },
  unpoison: (sys, object, size) => {
    if (sys.kernel.kasan.exact_mempools) unpoison_object(sys, object, size)
    else kasan_unpoison_range(sys, object, __ksize(sys, object))
  },
}

/** @kernel mm/kasan/common.c:__kasan_mempool_unpoison_object */
function unpoison_object(sys: Sys, object: number, size: number): void {
  const cache = slab_allocator(sys).cache_of(sys, object)
  if (cache === NO_CACHE) {
    kasan_kmalloc_large(sys, object, size)
    return
  }
  kasan_unpoison_object_data(sys, cache, object)
  if ((sys.kmem_cache.flags[cache]! & SLAB_KMALLOC) !== 0) kasan_kmalloc(sys, cache, object, size)
}

/** Elements that are blocks of 2^pool_data frames. */
export const kasan_frames: MempoolKasan = {
  poison: (sys, pfn, order) => {
    const address = direct_address(sys, pfn * sys.page_bytes)
    if (sys.kernel.kasan.exact_mempools && !kasan_byte_accessible(sys, address)) {
      kasan_report_invalid_free(sys, address, 'double-free', kasan_caller(sys))
      return false
    }
    kasan_free_pages(sys, pfn, order)
    return true
  },
  unpoison: (sys, pfn, order) => kasan_alloc_pages(sys, pfn, order),
}
