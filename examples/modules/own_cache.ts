// A cache of one's own, with a constructor: it runs when a slab is made, not at each allocation. An object that comes back
// keeps what the constructor wrote, as long as who frees it leaves it in that state.
import type { Cache, ModuleKernel } from 'mmtwin'

const SIZE = 192
const MAGIC = 0x5ca1ab1e

let cache: Cache | null = null

export function init(k: ModuleKernel): number {
  let constructed = 0
  const construct = (object: Parameters<typeof k.readl>[0]): void => {
    constructed++
    k.memset(object, 0, SIZE)
    k.writel(MAGIC, object)
  }
  cache = k.kmem_cache_create('task_card', SIZE, 0, k.SLAB_HWCACHE_ALIGN, construct)
  if (cache === null) return -k.ENOMEM

  const first = k.kmem_cache_alloc(cache, k.GFP_KERNEL)
  const second = k.kmem_cache_alloc(cache, k.GFP_KERNEL)
  if (first === null || second === null) return -k.ENOMEM
  k.pr_info(`two objects of ${cache} at ${first} and ${second}`)
  k.pr_info(`a whole slab was constructed: ${constructed} objects; magic 0x${k.readl(first).toString(16)}`)

  k.kmem_cache_free(cache, first)
  const again = k.kmem_cache_alloc(cache, k.GFP_KERNEL)
  if (again === null) return -k.ENOMEM
  k.pr_info(`the last one freed is the next one given: ${again.equals(first) ? 'yes' : 'no'}`)

  k.kmem_cache_free(cache, again)
  k.kmem_cache_free(cache, second)
  return 0
}

export function exit(k: ModuleKernel): void {
  k.kmem_cache_destroy(cache)
}
