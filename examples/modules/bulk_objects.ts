// Objects in bulk: a constructor makes them ready when their slab is made, kmem_cache_alloc_bulk hands out all or none, and
// what comes back keeps what the constructor left, so that nobody has to make it ready again.
import type { Cache, ModuleKernel, Pointer } from 'mmtwin'

const OBJECTS = 40
const READY = 0x5eed

let cache: Cache | null = null
let constructed = 0

export function init(k: ModuleKernel): number {
  constructed = 0
  const ctor = (object: Pointer): void => {
    k.writel(READY, object.plus(8))
    constructed++
  }
  cache = k.kmem_cache_create('connection', 120, 8, 0, ctor)
  if (cache === null) return -k.ENOMEM
  const objects = k.kmem_cache_alloc_bulk(cache, k.GFP_KERNEL, OBJECTS)
  const ready = objects.filter(object => k.readl(object.plus(8)) === READY).length
  k.pr_info(`${objects.length} objects at once, ${ready} ready; the constructor ran ${constructed} times`)
  k.kmem_cache_free_bulk(cache, objects)
  const before = constructed
  const again = k.kmem_cache_alloc_bulk(cache, k.GFP_KERNEL, OBJECTS)
  k.pr_info(`once more: ${again.length} objects, the constructor ran ${constructed - before} times`)
  k.kmem_cache_free_bulk(cache, again)
  k.pr_info(`shrunk: ${k.kmem_cache_shrink(cache) === 0 ? 'no slab is left' : 'slabs are left'}`)
  return 0
}

export function exit(k: ModuleKernel): void {
  k.kmem_cache_destroy(cache)
}
