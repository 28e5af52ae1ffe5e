// The caches of a machine as /proc/slabinfo shows them, the newest first, as the kernel lists them, and the files of
// /sys/kernel/slab, which SLUB alone has.
import { cache_rows, kmem_cache_name } from '../mm/kmem_cache_rows.ts'
import type { Sys } from '../mm/mmzone.ts'
import { slab_allocator } from '../mm/slab_allocators.ts'
import { slab_attr_show, slab_attributes, slab_folders } from '../mm/slub_sysfs.ts'
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

/** The folder of SLUB's files. */
export const SLAB_FOLDER = '/sys/kernel/slab'

/** The files below /sys/kernel/slab, links included; none where there are no caches, or another allocator. */
export function slabFiles(sys: Sys): Map<string, () => string> {
  const files = new Map<string, () => string>()
  if (sys.kernel.slab !== 'SLUB' || !hasCaches(sys)) return files
  const { caches, links } = slab_folders(sys)
  const names = slab_attributes(sys)
  const add = (folder: string, row: number): void => {
    for (const name of names)
      files.set(`${SLAB_FOLDER}/${folder}/${name}`, () => {
        const text = slab_attr_show(sys, row, name)!
        return text === '' ? '' : `${text}\n`
      })
  }
  for (const [folder, row] of caches) add(folder, row)
  for (const [folder, target] of links) add(folder, caches.get(target)!)
  return files
}

/** Where a folder of /sys/kernel/slab leads to; null where it is a cache's own, or none. */
export function slabLink(sys: Sys, folder: string): string | null {
  return sys.kernel.slab === 'SLUB' && hasCaches(sys) ? (slab_folders(sys).links.get(folder) ?? null) : null
}

/** The cache of a folder of /sys/kernel/slab, through a link or not; -1 = there is none. */
export function slabFolderCache(sys: Sys, folder: string): number {
  if (sys.kernel.slab !== 'SLUB' || !hasCaches(sys)) return -1
  const { caches, links } = slab_folders(sys)
  return caches.get(links.get(folder) ?? folder) ?? -1
}
