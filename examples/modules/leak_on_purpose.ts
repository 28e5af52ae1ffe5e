// A module that forgets: pages, an object, an area of vmalloc and a cache. The report at its end names each of them.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  k.alloc_pages(k.GFP_KERNEL, 2)
  k.kzalloc(100, k.GFP_KERNEL)
  k.vmalloc(3 * k.PAGE_SIZE)
  const cache = k.kmem_cache_create('forgotten', 48, 0, 0, null)
  if (cache !== null) k.kmem_cache_alloc(cache, k.GFP_KERNEL)
  k.pr_info('goodbye, and thanks for all the pages')
  return 0
}

export function exit(k: ModuleKernel): void {
  k.pr_info('nothing to tidy up, surely')
}
