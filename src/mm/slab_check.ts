// The laws of SLAB's tables, checked from scratch: each object is in exactly one place (with its user, in an array cache,
// free in its slab); lists, counts and descriptors agree; no slab is on a list that it does not belong to.
import { list_entries, list_fault } from '../image/list.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import { PAGE_USED, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import type { KmemCache } from './slab_allocator.ts'
import { alien_array, cpu_cache_of, shared_array } from './slab_array_cache.ts'
import {
  get_free_obj,
  index_to_obj,
  is_out,
  is_taken,
  obj_to_index,
  type Slab,
  slab_cache_of,
  slab_pfn,
  virt_to_slab,
} from './slab_desc.ts'
import { slab_nid } from './slab_grow.ts'
import { get_node, SLABS_FREE, SLABS_FULL, SLABS_PARTIAL, slab_list_head } from './slab_node.ts'

/** Where an object is: numbers above are those of array caches. */
const [NOWHERE, FREE, TAKEN, IN_ARRAY] = [0, 1, 2, 3]

/** All broken laws of SLAB in a machine; none in machines with another allocator. @ours */
export function slab_check(sys: Sys): string[] {
  const broken: string[] = []
  if (sys.kernel.slab !== 'SLAB') return broken
  const slabs = new Set<Slab>()
  for (let cache = 0; cache < sys.kmem_cache.used.length; cache++)
    if (sys.kmem_cache.used[cache] === 1) cache_check(sys, cache, slabs, broken)
  desc_check(sys, slabs, broken)
  return broken
}

function cache_check(sys: Sys, cache: KmemCache, slabs: Set<Slab>, broken: string[]): void {
  const places = new Map<Slab, Uint8Array>()
  for (let nid = 0; nid < sys.nr_nodes; nid++) node_check(sys, cache, nid, places, broken)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) array_check(sys, cache, cpu_cache_of(sys, cache, cpu), -1, places, broken)
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    array_check(sys, cache, shared_array(sys, cache, nid), nid, places, broken)
    for (let owner = 0; owner < sys.nr_nodes && sys.nr_nodes > 1; owner++)
      array_check(sys, cache, alien_array(sys, cache, nid, owner), owner, places, broken)
  }
  const name = kmem_cache_name(sys, cache)
  for (const [slab, where] of places) {
    slabs.add(slab)
    const lost = where.indexOf(NOWHERE)
    if (lost >= 0) broken.push(`slab ${name} pfn ${slab_pfn(sys, slab)}: object ${lost} is nowhere`)
  }
}

/** A node's lists hold slabs of this cache and node as full as the list says; its counts are true. */
function node_check(sys: Sys, cache: KmemCache, nid: number, places: Map<Slab, Uint8Array>, broken: string[]): void {
  const node = get_node(sys, cache, nid)
  const at = `slab ${kmem_cache_name(sys, cache)} node ${nid}`
  const num = sys.slab_cache.num[cache]!
  let [total, free, free_objects] = [0, 0, 0]
  for (const list of [SLABS_PARTIAL, SLABS_FULL, SLABS_FREE]) {
    const head = slab_list_head(sys, node, list)
    const fault = list_fault(sys.link.link, head)
    if (fault !== -1) {
      broken.push(`${at} list ${list}: what follows ${fault} does not point back to it`)
      continue
    }
    for (const pfn of list_entries(sys.link.link, head)) {
      const slab = sys.page.private[pfn]! - 1
      if (!is_slab_of(sys, cache, nid, pfn, slab)) {
        broken.push(`${at} list ${list}: frame ${pfn} is no slab of it`)
        continue
      }
      const active = sys.slab_desc.active[slab]!
      const belongs = active === 0 ? SLABS_FREE : active === num ? SLABS_FULL : SLABS_PARTIAL
      if (belongs !== list) broken.push(`${at} list ${list}: pfn ${pfn} has ${active} of ${num} active objects`)
      if (places.has(slab)) broken.push(`${at} list ${list}: pfn ${pfn} is on two lists`)
      places.set(slab, objects_of(sys, cache, slab, broken))
      total++
      free_objects += num - active
      if (list === SLABS_FREE) free++
    }
  }
  const counted = [sys.slab_node.total_slabs[node], sys.slab_node.free_slabs[node], sys.slab_node.free_objects[node]]
  if (counted.join() !== [total, free, free_objects].join())
    broken.push(`${at}: total, free slabs, free objects are ${[total, free, free_objects]}, counted ${counted}`)
}

function is_slab_of(sys: Sys, cache: KmemCache, nid: number, pfn: number, slab: Slab): boolean {
  const { flags, state } = sys.page
  if ((flags[pfn]! & PG.slab) === 0 || slab < 0 || slab >= sys.slab_desc.pfn.length) return false
  if (state[pfn] !== (PAGE_USED | (sys.slab_cache.gfporder[cache]! + 1))) return false
  return slab_pfn(sys, slab) === pfn && slab_cache_of(sys, slab) === cache && slab_nid(sys, slab) === nid
}

/** What the slab knows of its objects: those in its free list, and those that are taken. */
function objects_of(sys: Sys, cache: KmemCache, slab: Slab, broken: string[]): Uint8Array {
  const num = sys.slab_cache.num[cache]!
  const where = new Uint8Array(num)
  const at = `slab ${kmem_cache_name(sys, cache)} pfn ${slab_pfn(sys, slab)}`
  const active = sys.slab_desc.active[slab]!
  if (active < 0 || active > num) {
    broken.push(`${at}: ${active} of ${num} objects are active`)
    return where
  }
  for (let place = active; place < num; place++) {
    const index = get_free_obj(sys, slab, place)
    if (index >= num || where[index] !== NOWHERE) broken.push(`${at}: free list place ${place} says ${index}`)
    else where[index] = FREE
    if (is_out(sys, slab, index)) broken.push(`${at}: object ${index} is in the free list and out`)
  }
  for (let index = 0; index < num; index++) {
    if (!is_taken(sys, slab, index)) continue
    if (where[index] !== NOWHERE) broken.push(`${at}: object ${index} is taken and free`)
    where[index] = TAKEN
  }
  return where
}

/** An array cache holds objects of this cache (and of node `owner`, where it is not -1) that are nowhere else. */
function array_check(
  sys: Sys,
  cache: KmemCache,
  array: number,
  owner: number,
  places: Map<Slab, Uint8Array>,
  broken: string[],
): void {
  const { avail, limit, entries } = sys.slab_array
  const at = `slab ${kmem_cache_name(sys, cache)} array ${array}`
  if (avail[array]! < 0 || avail[array]! > limit[array]!) {
    broken.push(`${at}: ${avail[array]} of ${limit[array]} entries`)
    return
  }
  for (let entry = 0; entry < limit[array]!; entry++) {
    const object = sys.slab_entry.entry[entries[array]! + entry]!
    if (entry >= avail[array]!) {
      if (object !== 0) broken.push(`${at}: entry ${entry} above avail is ${object}`)
      continue
    }
    const slab = virt_to_slab(sys, object)
    const where = places.get(slab)
    const index = where ? obj_to_index(sys, cache, slab, object) : -1
    if (!where || where[index] === undefined || index_to_obj(sys, cache, slab, index) !== object)
      broken.push(`${at}: entry ${entry}, ${object}, is no object of the cache`)
    else if (where[index] !== NOWHERE)
      broken.push(`${at}: object ${index} of pfn ${slab_pfn(sys, slab)} is elsewhere, too`)
    else if (owner >= 0 && slab_nid(sys, slab) !== owner) broken.push(`${at}: entry ${entry} is not of node ${owner}`)
    else where[index] = IN_ARRAY
  }
}

/** Rows of slabs are those on the lists, or in the chain of unused ones. */
function desc_check(sys: Sys, slabs: ReadonlySet<Slab>, broken: string[]): void {
  const unused = new Set<Slab>()
  const { used, unused: first } = sys.slab_desc_state
  for (let row = first[0]! - 1; row >= 0 && !unused.has(row); row = sys.slab_desc.pfn[row]! - 1) unused.add(row)
  for (let row = 0; row < used[0]!; row++)
    if (slabs.has(row) === unused.has(row))
      broken.push(`slab row ${row}: ${slabs.has(row) ? 'on a list and unused' : 'neither on a list nor unused'}`)
}
