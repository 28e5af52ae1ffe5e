// Memory of a node: pages, kmalloc and objects of a cache from the node that is asked for, on a machine with two of them.
import type { Cache, MachineDescription, ModuleKernel, Pointer } from 'mmtwin'

export const machine: MachineDescription = {
  memory: [
    { start: '0', size: '256M', node: 0 },
    { start: '256M', size: '256M', node: 1 },
  ],
  cpus: [0, 1],
}

let cache: Cache | null = null

export function init(k: ModuleKernel): number {
  cache = k.kmem_cache_create('per_node', 1000, 0, 0, null)
  if (cache === null) return -k.ENOMEM
  const nodes = k.num_online_nodes()
  for (let nid = 0; nid < nodes; nid++) {
    const page = k.alloc_pages_node(nid, k.GFP_KERNEL, 1)!
    const buffer = k.kmalloc_node(3000, k.GFP_KERNEL, nid)!
    const object = k.kmem_cache_alloc_node(cache, k.GFP_KERNEL, nid)!
    const where = (address: Pointer): number => k.page_to_nid(k.virt_to_page(address)!)
    k.pr_info(
      `node ${nid}: page of node ${k.page_to_nid(page)}, kmalloc of ${where(buffer)}, object of ${where(object)}`,
    )
    k.__free_pages(page, 1)
    k.kfree(buffer)
    k.kmem_cache_free(cache, object)
  }
  return 0
}

export function exit(k: ModuleKernel): void {
  k.kmem_cache_destroy(cache)
}
