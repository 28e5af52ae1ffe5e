// The three ready kinds of memory pools (objects of a cache, kmalloc, pages), resized, and used in a handler that must not
// wait: there a pool gives what it has in reserve, and then NULL.
import type { Cache, Mempool, MempoolElement, ModuleKernel } from 'mmtwin'

let cache: Cache | null = null

export function init(k: ModuleKernel): number {
  cache = k.kmem_cache_create('request', 256, 0, k.SLAB_HWCACHE_ALIGN, null)
  if (cache === null) return -k.ENOMEM
  const pools: readonly (readonly [string, Mempool])[] = [
    ['slab', k.mempool_create_slab_pool(4, cache)!],
    ['kmalloc', k.mempool_create_kmalloc_pool(2, 512)!],
    ['page', k.mempool_create_page_pool(2, 0)!],
  ]
  for (const [name, pool] of pools) {
    const resized = k.mempool_resize(pool, 6)
    k.irq_enter()
    const taken: MempoolElement[] = []
    for (let at = 0; at < 8; at++) {
      const element = k.mempool_alloc(pool, k.GFP_ATOMIC)
      if (element !== null) taken.push(element)
    }
    k.irq_exit()
    k.pr_info(`${name} pool: resize gave ${resized}, ${taken.length} elements in an interrupt`)
    for (const element of taken) k.mempool_free(element, pool)
    k.mempool_destroy(pool)
  }
  return 0
}

export function exit(k: ModuleKernel): void {
  k.kmem_cache_destroy(cache)
}
