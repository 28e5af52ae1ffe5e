// SLAB's array caches: stacks of objects in front of the slabs. Each CPU has one, the CPUs of a node may share one, and
// with several nodes a node keeps objects of each other node in an alien one until they go home together.
// Law: the last entry goes out first; the entries of all array caches of a cache lie in one run of `slab_entry`.
import { BUG_ON } from '../base/bug.ts'
import type { Sys } from './mmzone.ts'
import type { KmemCache } from './slab_allocator.ts'
import { arrays_of_cache } from './slab_slab_tables.ts'

/** An array cache: a row of `sys.slab_array`. */
export type ArrayCache = number

/** What the batch of an array says that nobody moves by batches. @kernel mm/slab.c:setup_kmem_cache_node */
const BATCH_UNUSED = 0xbaadf00d
/** Objects that an alien array keeps. @kernel mm/slab.c:alloc_alien_cache */
const ALIEN_LIMIT = 12

const first_array = (sys: Sys, cache: KmemCache): ArrayCache => cache * arrays_of_cache(sys.nr_cpus, sys.nr_nodes)

/** The running CPU's array. @kernel mm/slab.c:cpu_cache_get */
export function cpu_cache_get(sys: Sys, cache: KmemCache): ArrayCache {
  return first_array(sys, cache) + sys.machine.this_cpu[0]!
}

/** A CPU's array. @ours */
export function cpu_cache_of(sys: Sys, cache: KmemCache, cpu: number): ArrayCache {
  return first_array(sys, cache) + cpu
}

/** The array that the CPUs of a node share; its limit is 0 where there is none. @ours n->shared */
export function shared_array(sys: Sys, cache: KmemCache, node: number): ArrayCache {
  return first_array(sys, cache) + sys.nr_cpus + node
}

/** The array in which `node` keeps objects of node `owner`; -1 on machines with one node. @ours n->alien[owner] */
export function alien_array(sys: Sys, cache: KmemCache, node: number, owner: number): ArrayCache {
  const { nr_nodes, nr_cpus } = sys
  return nr_nodes > 1 ? first_array(sys, cache) + nr_cpus + nr_nodes + node * nr_nodes + owner : -1
}

/** Makes the array caches of a cache, empty; a RangeError where there is no room for their entries.
 * @kernel mm/slab.c:alloc_kmem_cache_cpus, setup_kmem_cache_node */
export function alloc_arrays(sys: Sys, cache: KmemCache): void {
  const limits = array_limits(sys, cache)
  const total = limits.reduce((sum, limit) => sum + limit, 0)
  const { batchcount, entries, nr_entries } = sys.slab_cache
  let at = room_for(sys, total)
  entries[cache] = at
  nr_entries[cache] = total
  const first = first_array(sys, cache)
  limits.forEach((limit, index) => {
    const array = first + index
    sys.slab_array.avail[array] = 0
    sys.slab_array.touched[array] = 0
    sys.slab_array.limit[array] = limit
    sys.slab_array.batchcount[array] = limit === 0 ? 0 : index < sys.nr_cpus ? batchcount[cache]! : BATCH_UNUSED
    sys.slab_array.entries[array] = at
    at += limit
  })
}

/** Limits of all arrays of a cache, in the order of their rows. */
function array_limits(sys: Sys, cache: KmemCache): readonly number[] {
  const { limit, batchcount, shared } = sys.slab_cache
  const { nr_cpus, nr_nodes } = sys
  const limits: number[] = new Array<number>(nr_cpus).fill(limit[cache]!)
  for (let node = 0; node < nr_nodes; node++) limits.push(has_memory(sys, node) * shared[cache]! * batchcount[cache]!)
  if (nr_nodes === 1) return limits
  for (let node = 0; node < nr_nodes; node++)
    for (let owner = 0; owner < nr_nodes; owner++) {
      const both = has_memory(sys, node) * has_memory(sys, owner)
      limits.push(node === owner ? 0 : both * Math.min(limit[cache]!, ALIEN_LIMIT))
    }
  return limits
}

const has_memory = (sys: Sys, node: number): number => (sys.node.online[node] === 1 ? 1 : 0)

/** First row of a run of free rows of `slab_entry`. */
function room_for(sys: Sys, rows: number): number {
  const { entries, nr_entries } = sys.slab_cache
  const taken = Array.from(nr_entries.keys())
    .filter(cache => nr_entries[cache]! > 0)
    .sort((a, b) => entries[a]! - entries[b]!)
  let row = 0
  for (const cache of taken) {
    if (row + rows <= entries[cache]!) return row
    row = entries[cache]! + nr_entries[cache]!
  }
  if (row + rows <= sys.slab_entry.entry.length) return row
  throw new RangeError(
    `no room for ${rows} entries of array caches in ${sys.slab_entry.entry.length}: raise nr_kmem_caches of the machine`,
  )
}

/** Takes the array caches of a cache, which are empty. @kernel mm/slab.c:__kmem_cache_release */
export function free_arrays(sys: Sys, cache: KmemCache): void {
  const { slab_array, slab_cache } = sys
  const first = first_array(sys, cache)
  const rows = arrays_of_cache(sys.nr_cpus, sys.nr_nodes)
  for (const column of Object.values(slab_array)) column.fill(0, first, first + rows)
  sys.slab_entry.entry.fill(0, slab_cache.entries[cache]!, slab_cache.entries[cache]! + slab_cache.nr_entries[cache]!)
  slab_cache.nr_entries[cache] = 0
}

/** Puts an object on top. @kernel mm/slab.c:__free_one */
export function push_object(sys: Sys, array: ArrayCache, object: number): void {
  const { avail, entries, limit } = sys.slab_array
  const top = avail[array]!
  BUG_ON(top >= limit[array]!, 'array cache: no room for an object', array, top)
  sys.slab_entry.entry[entries[array]! + top] = object
  avail[array] = top + 1
}

/** Takes the object on top of an array that has one. @ours */
export function pop_object(sys: Sys, array: ArrayCache): number {
  const { avail, entries } = sys.slab_array
  const { entry } = sys.slab_entry
  const top = avail[array]! - 1
  const row = entries[array]! + top
  const object = entry[row]!
  entry[row] = 0
  avail[array] = top
  return object
}

/** Moves up to `max` objects from the top of one array to the top of another; how many. @kernel mm/slab.c:transfer_objects */
export function transfer_objects(sys: Sys, to: ArrayCache, from: ArrayCache, max: number): number {
  const { avail, limit, entries } = sys.slab_array
  const { entry } = sys.slab_entry
  const nr = Math.min(avail[from]!, max, limit[to]! - avail[to]!)
  if (nr <= 0) return 0
  const start = entries[from]! + avail[from]! - nr
  entry.copyWithin(entries[to]! + avail[to]!, start, start + nr)
  entry.fill(0, start, start + nr)
  avail[from] = avail[from]! - nr
  avail[to] = avail[to]! + nr
  return nr
}

/** Moves the `count` oldest objects of an array to the top of another, which has room. @kernel mm/slab.c:cache_flusharray */
export function flush_objects(sys: Sys, to: ArrayCache, from: ArrayCache, count: number): void {
  const { avail, entries } = sys.slab_array
  const start = entries[from]!
  sys.slab_entry.entry.copyWithin(entries[to]! + avail[to]!, start, start + count)
  avail[to] = avail[to]! + count
  drop_oldest(sys, from, count)
}

/** Forgets the `count` oldest objects of an array; the others move down. @ours */
export function drop_oldest(sys: Sys, array: ArrayCache, count: number): void {
  const { avail, entries } = sys.slab_array
  const { entry } = sys.slab_entry
  const start = entries[array]!
  const end = start + avail[array]!
  entry.copyWithin(start, start + count, end)
  entry.fill(0, end - count, end)
  avail[array] = avail[array]! - count
}
