// Numbers about SLUB's caches: what /proc/slabinfo shows, and free objects of a node.
import { list_entries } from '../image/list.ts'
import type { Sys } from './mmzone.ts'
import type { SlabInfo } from './slab_allocator.ts'
import { partial_list } from './slub_lists.ts'
import { slab_inuse, slab_objects } from './slub_slab.ts'

/** Free objects of a node's partial slabs; `node` is a row of `sys.slub_node`. @kernel mm/slub.c:count_partial */
export function node_free_objects(sys: Sys, node: number): number {
  const slabs = list_entries(sys.link.link, partial_list(sys, node))
  return slabs.reduce((sum, slab) => sum + slab_objects(sys, slab) - slab_inuse(sys, slab), 0)
}

/** A cache as /proc/slabinfo shows it: free objects that CPUs own count as active. @kernel mm/slub.c:get_slabinfo */
export function get_slabinfo(sys: Sys, cache: number): SlabInfo {
  let [num_slabs, num_objs, free] = [0, 0, 0]
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = cache * sys.nr_nodes + nid
    num_slabs += sys.slub_node.nr_slabs[node]!
    num_objs += sys.slub_node.total_objects[node]!
    free += node_free_objects(sys, node)
  }
  const oo = sys.slub_cache.oo[cache]!
  return {
    active_objs: num_objs - free,
    num_objs,
    active_slabs: num_slabs,
    num_slabs,
    shared_avail: 0,
    limit: 0,
    batchcount: 0,
    shared: 0,
    objects_per_slab: oo & 0xffff,
    cache_order: oo >>> 16,
  }
}
