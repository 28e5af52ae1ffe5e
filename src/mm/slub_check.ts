// The laws of SLUB's tables, checked from scratch. Each broken one is a sentence with its numbers.
// In caches that errors were found in, counts may be wrong, as in the kernel, until a check mends them.
import { list_entries, list_fault } from '../image/list.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { is_live } from './slub.ts'
import { cpu_freelist, next_partial, partial_slabs } from './slub_cpu.ts'
import { full_list, partial_list } from './slub_lists.ts'
import { get_freepointer } from './slub_pointer.ts'
import { slab_inuse, slab_node, slab_objects } from './slub_slab.ts'
import { all_objects, free_objects } from './slub_validate.ts'

/** All broken laws. @ours */
export function slub_check(sys: Sys): string[] {
  const broken: string[] = []
  const places = new Map<number, string>()
  const { used } = sys.kmem_cache
  for (let cache = 0; cache < used.length; cache++) {
    if (used[cache] === 1) check_cache(sys, cache, places, broken)
    else if (sys.slub_cache.oo[cache] !== 0) broken.push(`row ${cache} of slub_cache is in use, but there is no cache`)
  }
  const slabs = new Int32Array(sys.slub_node.nr_slabs.length)
  const objects = new Int32Array(slabs.length)
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    if ((sys.page.flags[pfn]! & PG.slab) === 0) continue
    const cache = sys.page.mapping[pfn]! - 1
    if (used[cache] !== 1) {
      broken.push(`slab ${pfn}: its cache ${cache} does not exist`)
      continue
    }
    const node = slab_node(sys, cache, pfn)
    slabs[node]! += 1
    objects[node]! += slab_objects(sys, pfn)
    check_slab_laws(sys, cache, pfn, places.get(pfn), broken)
  }
  check_counts(sys, slabs, objects, broken)
  return broken
}

function check_cache(sys: Sys, cache: number, places: Map<number, string>, broken: string[]): void {
  const name = kmem_cache_name(sys, cache)
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = cache * sys.nr_nodes + nid
    const partial = slabs_of(sys, partial_list(sys, node), name, broken)
    for (const slab of partial) place(sys, cache, slab, 'partial', places, broken)
    for (const slab of slabs_of(sys, full_list(sys, node), name, broken))
      place(sys, cache, slab, 'full', places, broken)
    if (partial.length !== sys.slub_node.nr_partial[node])
      broken.push(`${name}: nr_partial ${sys.slub_node.nr_partial[node]}, ${partial.length} slabs are listed`)
  }
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) check_cpu(sys, cache, cpu, places, broken)
}

function slabs_of(sys: Sys, head: number, name: string, broken: string[]): number[] {
  const fault = list_fault(sys.link.link, head)
  if (fault === -1) return list_entries(sys.link.link, head)
  broken.push(`${name}: what follows ${fault} in list ${head} does not point back to it`)
  return []
}

/** A slab is in one place only, is one of this cache, and is frozen where a CPU owns it. */
function place(sys: Sys, cache: number, slab: number, where: string, at: Map<number, string>, broken: string[]): void {
  if (at.has(slab)) broken.push(`slab ${slab}: ${at.get(slab)} and ${where}`)
  at.set(slab, where)
  if ((sys.page.flags[slab]! & PG.slab) === 0 || sys.page.mapping[slab] !== cache + 1)
    broken.push(`slab ${slab}: listed as ${where} of cache ${cache}, but is none of its slabs`)
  const frozen = sys.page.private[slab]! < 0
  if (frozen !== where.startsWith('cpu')) broken.push(`slab ${slab}: ${where}, frozen ${frozen}`)
}

function check_cpu(sys: Sys, cache: number, cpu: number, places: Map<number, string>, broken: string[]): void {
  const c = cache * sys.nr_cpus + cpu
  const { freelist, slab, partial } = sys.slub_cpu
  if (slab[c] === 0 && freelist[c] !== 0) broken.push(`cpu ${cpu} cache ${cache}: free objects, but no slab`)
  if (slab[c] !== 0) place(sys, cache, slab[c]! - 1, `cpu ${cpu}`, places, broken)
  let slabs = partial[c] === 0 ? 0 : partial_slabs(sys, partial[c]! - 1)
  for (let at = partial[c]! - 1; at >= 0 && slabs > 0; at = next_partial(sys, at), slabs--) {
    place(sys, cache, at, `cpu ${cpu} partial`, places, broken)
    if (partial_slabs(sys, at) !== slabs)
      broken.push(`slab ${at}: says ${partial_slabs(sys, at)} partial slabs of cpu ${cpu}, there are ${slabs}`)
  }
  if (slabs !== 0) broken.push(`cpu ${cpu} cache ${cache}: ${slabs} partial slabs are missing`)
}

/** nr_slabs and total_objects are those of the frames that say they belong to the cache. */
function check_counts(sys: Sys, slabs: Int32Array, objects: Int32Array, broken: string[]): void {
  const { nr_slabs, total_objects } = sys.slub_node
  for (let node = 0; node < slabs.length; node++) {
    if (nr_slabs[node] === slabs[node] && total_objects[node] === objects[node]) continue
    const name = kmem_cache_name(sys, Math.floor(node / sys.nr_nodes))
    const counted = `${nr_slabs[node]} slabs and ${total_objects[node]} objects`
    broken.push(`${name} node ${node % sys.nr_nodes}: counts ${counted}, has ${slabs[node]} and ${objects[node]}`)
  }
}

/** Free objects are those that inuse leaves, and nobody has them; a slab on no list and no CPU is full. */
function check_slab_laws(sys: Sys, cache: number, slab: number, where: string | undefined, broken: string[]): void {
  if (sys.slub_cache.errors[cache] !== 0) return
  const [inuse, objects] = [slab_inuse(sys, slab), slab_objects(sys, slab)]
  const free = free_objects(sys, cache, slab)
  if (free.size !== objects - inuse) broken.push(`slab ${slab}: ${free.size} free, inuse ${inuse} of ${objects}`)
  if (where === undefined && free.size > 0) broken.push(`slab ${slab}: ${free.size} objects free, but on no list`)
  for (const object of lockless_objects(sys, cache, slab)) free.add(object)
  for (const object of all_objects(sys, cache, slab))
    if (is_live(sys, object) === free.has(object))
      broken.push(`slab ${slab}: object ${object} is ${free.has(object) ? 'free and handed out' : 'nowhere'}`)
}

/** Objects of a slab on the lockless list of the CPU that owns it. */
function lockless_objects(sys: Sys, cache: number, slab: number): Set<number> {
  const objects = new Set<number>()
  for (let c = cache * sys.nr_cpus; c < (cache + 1) * sys.nr_cpus; c++) {
    if (sys.slub_cpu.slab[c] !== slab + 1) continue
    const first = cpu_freelist(sys, c)
    for (let at = first; at > 0 && !objects.has(at); at = get_freepointer(sys, cache, at)) objects.add(at)
  }
  return objects
}
