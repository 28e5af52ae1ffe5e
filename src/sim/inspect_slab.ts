// The caches of a machine as /proc/slabinfo shows them, the newest first, as the kernel lists them.
import { cache_rows, kmem_cache_name } from '../mm/kmem_cache_rows.ts'
import type { Sys } from '../mm/mmzone.ts'
import { slab_allocator } from '../mm/slab_allocators.ts'
import type { SlabinfoCache, SlabinfoFacts } from '../report/proc/slabinfo.ts'
import { hasCaches } from './mm_core_init.ts'

/** The file's facts; no cache where there are none yet. @kernel mm/slab_common.c:cache_show
 * @differs kernels with CONFIG_DEBUG_SLAB add statistics, which are not counted here */
export function slabinfoOf(sys: Sys): SlabinfoFacts {
  const rows = hasCaches(sys) ? cache_rows(sys) : []
  return { caches: rows.map(row => cacheOf(sys, row)).reverse(), statistics: false, strays: [] }
}

function cacheOf(sys: Sys, row: number): SlabinfoCache {
  const info = slab_allocator(sys).slabinfo(sys, row)
  return {
    name: kmem_cache_name(sys, row),
    activeObjects: info.active_objs,
    objects: info.num_objs,
    objectSize: sys.kmem_cache.size[row]!,
    objectsPerSlab: info.objects_per_slab,
    pagesPerSlab: 2 ** info.cache_order,
    limit: info.limit,
    batchcount: info.batchcount,
    shared: info.shared,
    activeSlabs: info.active_slabs,
    slabs: info.num_slabs,
    sharedAvailable: info.shared_avail,
  }
}
