// SLAB as one of the three allocators of objects: what kmem_cache.ts calls. A cache has an array of objects per CPU, one
// per node that its CPUs share, and slabs per node that are full, partial or free; see slab_alloc.ts for their life.
// Law: see slab_check.ts. The geometry of caches is slab_geometry.ts, the reaper slab_drain.ts.
import { ENOMEM } from './mempool.ts'
import type { Sys } from './mmzone.ts'
import { free_object, slab_alloc_node, slab_free } from './slab_alloc.ts'
import { type KmemCache, NUMA_NO_NODE, type SlabAllocator, type SlabInfo } from './slab_allocator.ts'
import { alloc_arrays, free_arrays, shared_array } from './slab_array_cache.ts'
import type { AnyGeometry } from './slab_caches.ts'
import { slab_check } from './slab_check.ts'
import { index_to_obj, obj_to_index, slab_cache_of, virt_to_slab } from './slab_desc.ts'
import { __kmem_cache_shrink, REAPTIMEOUT_NODE } from './slab_drain.ts'
import type { SlabGeometry } from './slab_geometry.ts'
import { get_node } from './slab_node.ts'
import { SLAB_CACHE } from './slab_slab_tables.ts'

/** The device is busy. */
const EBUSY = 16

export const slab_allocator: SlabAllocator = {
  init: init_reap_nodes,
  create: __kmem_cache_create,
  alias: () => {},
  shutdown: (sys, cache) => (__kmem_cache_shrink(sys, cache) === 0 ? 0 : -EBUSY),
  release: __kmem_cache_release,
  alloc: slab_alloc_node,
  free: slab_free,
  ___cache_free: free_object,
  alloc_bulk: kmem_cache_alloc_bulk,
  free_bulk: kmem_cache_free_bulk,
  shrink: __kmem_cache_shrink,
  cache_of: (sys, object) => slab_cache_of(sys, virt_to_slab(sys, object)),
  nearest_obj,
  ksize: (sys, object) => sys.kmem_cache.object_size[slab_cache_of(sys, virt_to_slab(sys, object))] ?? 0,
  kmalloc: null,
  slabinfo: get_slabinfo,
  check: slab_check,
}

/** Each CPU's reaper begins with the node after its own. @kernel mm/slab.c:init_reap_node */
function init_reap_nodes(sys: Sys): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    sys.slab_cpu.slab_reap_node[cpu] = (sys.cpu.numa_mem[cpu]! + 1) % sys.nr_nodes
}

/** @kernel mm/slab.c:__kmem_cache_create */
function __kmem_cache_create(sys: Sys, cache: KmemCache, geometry: AnyGeometry): number {
  const columns = sys.slab_cache
  const numbers = geometry as unknown as Readonly<Record<string, number>>
  if ((geometry as SlabGeometry).num === undefined) return -ENOMEM
  for (const name of Object.keys(SLAB_CACHE) as (keyof typeof SLAB_CACHE)[]) columns[name][cache] = numbers[name] ?? 0
  alloc_arrays(sys, cache)
  for (let nid = 0; nid < sys.nr_nodes; nid++) init_cache_node(sys, cache, nid)
  return 0
}

/** @kernel mm/slab.c:init_cache_node @differs the first visit of the reaper does not depend on the cache's address */
function init_cache_node(sys: Sys, cache: KmemCache, nid: number): void {
  const node = get_node(sys, cache, nid)
  const { num, batchcount } = sys.slab_cache
  for (const column of Object.values(sys.slab_node)) column[node] = 0
  sys.slab_node.free_limit[node] = (1 + sys.node.nr_cpus[nid]!) * batchcount[cache]! + num[cache]!
  sys.slab_node.next_reap[node] = sys.machine.jiffies[0]! + REAPTIMEOUT_NODE + (cache % REAPTIMEOUT_NODE)
}

/** @kernel mm/slab.c:__kmem_cache_release */
function __kmem_cache_release(sys: Sys, cache: KmemCache): void {
  free_arrays(sys, cache)
  for (const column of Object.values(sys.slab_cache)) column[cache] = 0
  for (const column of Object.values(sys.slab_node)) column.fill(0, cache * sys.nr_nodes, (cache + 1) * sys.nr_nodes)
}

/** @kernel mm/slab.c:kmem_cache_alloc_bulk */
function kmem_cache_alloc_bulk(sys: Sys, cache: KmemCache, gfp: number, count: number, objects: Float64Array): number {
  for (let at = 0; at < count; at++) {
    const object = slab_alloc_node(sys, cache, gfp, NUMA_NO_NODE)
    if (object === 0) {
      kmem_cache_free_bulk(sys, cache, at, objects)
      return 0
    }
    objects[at] = object
  }
  return count
}

/** @kernel mm/slab.c:kmem_cache_free_bulk */
function kmem_cache_free_bulk(sys: Sys, cache: KmemCache, count: number, objects: Float64Array): void {
  for (let at = 0; at < count; at++) slab_free(sys, cache, objects[at]!)
}

/** @kernel include/linux/slab_def.h:nearest_obj */
function nearest_obj(sys: Sys, address: number): number {
  const slab = virt_to_slab(sys, address)
  if (slab < 0) return 0
  const cache = slab_cache_of(sys, slab)
  const index = obj_to_index(sys, cache, slab, address)
  if (index < 0 || index >= sys.slab_cache.num[cache]!) return 0
  return index_to_obj(sys, cache, slab, index) + sys.slab_cache.obj_offset[cache]!
}

/** @kernel mm/slab.c:get_slabinfo */
function get_slabinfo(sys: Sys, cache: KmemCache): SlabInfo {
  const { num, gfporder, limit, batchcount, shared } = sys.slab_cache
  const { total_slabs, free_slabs, free_objects } = sys.slab_node
  let [total, free, objects, shared_avail] = [0, 0, 0, 0]
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = get_node(sys, cache, nid)
    total += total_slabs[node]!
    free += free_slabs[node]!
    objects += free_objects[node]!
    shared_avail += sys.slab_array.avail[shared_array(sys, cache, nid)]!
  }
  return {
    active_objs: total * num[cache]! - objects,
    num_objs: total * num[cache]!,
    active_slabs: total - free,
    num_slabs: total,
    shared_avail,
    limit: limit[cache]!,
    batchcount: batchcount[cache]!,
    shared: shared[cache]!,
    objects_per_slab: num[cache]!,
    cache_order: gfporder[cache]!,
  }
}
