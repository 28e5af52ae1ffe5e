// A node's slabs of a cache, in SLAB: the lists of partial, full and free slabs and their counts.
// Law: free_objects is the sum of what is free in the slabs of the lists; objects in array caches are not free. Slabs
// that became free lie at the front of their list and go back to the page allocator from its end.

import { BUG_ON } from '../base/bug.ts'
import { list_add, list_add_tail, list_del, list_empty } from '../image/list.ts'
import type { Sys } from './mmzone.ts'
import type { KmemCache } from './slab_allocator.ts'
import { OBJFREELIST_SLAB, type Slab, slab_get_obj, slab_pfn, slab_put_obj, virt_to_slab } from './slab_desc.ts'
import { SLAB_POISON } from './slab_flags.ts'
import { NR_SLAB_LISTS } from './slab_tables.ts'

/** A cache's node: a row of `sys.slab_node`. */
export type CacheNode = number

/** Lists of a node, as offsets of their heads. */
export const SLABS_PARTIAL = 0
export const SLABS_FULL = 1
export const SLABS_FREE = 2

/** @kernel mm/slab.h:get_node */
export function get_node(sys: Sys, cache: KmemCache, node: number): CacheNode {
  return cache * sys.nr_nodes + node
}

/** Row of `link` that is the head of a node's list. @ours */
export function slab_list_head(sys: Sys, node: CacheNode, list: number): number {
  return sys.slab_list_base + node * NR_SLAB_LISTS + list
}

/** Takes a node's lock. @ours spin_lock(&n->list_lock) @differs counted only */
export function list_lock(sys: Sys, node: CacheNode): void {
  sys.slab_node.list_lock[node] = sys.slab_node.list_lock[node]! + 1
}

/** A slab with free objects, which is still on its list; -1 = there is none. @kernel mm/slab.c:get_first_slab */
export function get_first_slab(sys: Sys, node: CacheNode): Slab {
  const { link } = sys.link
  const partial = slab_list_head(sys, node, SLABS_PARTIAL)
  if (!list_empty(link, partial)) return sys.page.private[link[2 * partial]!]! - 1
  const { free_touched, free_slabs } = sys.slab_node
  free_touched[node] = 1
  const free = slab_list_head(sys, node, SLABS_FREE)
  if (list_empty(link, free)) return -1
  free_slabs[node] = free_slabs[node]! - 1
  return sys.page.private[link[2 * free]!]! - 1
}

/** Puts a slab that gave objects on the list where it belongs now. An object of the full slab that held the list of
 * free ones is handed out, too: where it must look free, it is noted in `poison`. @kernel mm/slab.c:fixup_slab_list */
export function fixup_slab_list(sys: Sys, cache: KmemCache, node: CacheNode, slab: Slab, poison: number[]): void {
  const { link } = sys.link
  const pfn = slab_pfn(sys, slab)
  list_del(link, pfn)
  place_slab(sys, cache, node, slab, poison)
}

/** Puts a slab that is on no list, and gave objects, at the front of the partial or the full ones. */
function place_slab(sys: Sys, cache: KmemCache, node: CacheNode, slab: Slab, poison: number[]): void {
  const { link } = sys.link
  const pfn = slab_pfn(sys, slab)
  if (sys.slab_desc.active[slab] !== sys.slab_cache.num[cache]) {
    list_add(link, pfn, slab_list_head(sys, node, SLABS_PARTIAL))
    return
  }
  list_add(link, pfn, slab_list_head(sys, node, SLABS_FULL))
  if (!OBJFREELIST_SLAB(sys, cache)) return
  const { freelist } = sys.slab_desc
  if (sys.kernel.config.DEBUG_SLAB && (sys.kmem_cache.flags[cache]! & SLAB_POISON) !== 0)
    poison.push(freelist[slab]! - sys.slab_cache.obj_offset[cache]!)
  freelist[slab] = 0
}

/** Takes one object of a node's slabs; -1 = none is free. @kernel mm/slab.c:____cache_alloc_node */
export function take_object(sys: Sys, cache: KmemCache, node: CacheNode, poison: number[]): number {
  list_lock(sys, node)
  const slab = get_first_slab(sys, node)
  if (slab < 0) return -1
  const object = slab_get_obj(sys, cache, slab)
  sys.slab_node.free_objects[node]! -= 1
  fixup_slab_list(sys, cache, node, slab, poison)
  return object
}

/** Enters a new slab, of which objects may be taken already. @kernel mm/slab.c:cache_grow_end */
export function enter_slab(sys: Sys, cache: KmemCache, node: CacheNode, slab: Slab, poison: number[]): void {
  const { total_slabs, free_slabs, free_objects } = sys.slab_node
  const active = sys.slab_desc.active[slab]!
  list_lock(sys, node)
  total_slabs[node]! += 1
  if (active === 0) {
    list_add_tail(sys.link.link, slab_pfn(sys, slab), slab_list_head(sys, node, SLABS_FREE))
    free_slabs[node]! += 1
  } else place_slab(sys, cache, node, slab, poison)
  free_objects[node]! += sys.slab_cache.num[cache]! - active
}

/** Gives `count` objects in rows of `slab_entry` back to their slabs, which are on this node. Slabs that the node has too
 * many of are taken off and added to `doomed`: the last one is to go first.
 * @kernel mm/slab.c:free_block */
export function free_block(
  sys: Sys,
  cache: KmemCache,
  node: CacheNode,
  row: number,
  count: number,
  doomed: Slab[],
): void {
  const { entry } = sys.slab_entry
  for (let at = row; at < row + count; at++) return_object(sys, cache, node, entry[at]!)
  drop_surplus(sys, cache, node, doomed)
}

/** Gives one object back to its slab. @kernel mm/slab.c:free_block */
export function return_object(sys: Sys, cache: KmemCache, node: CacheNode, object: number): void {
  const { link } = sys.link
  const { free_slabs, free_objects } = sys.slab_node
  const slab = virt_to_slab(sys, object)
  BUG_ON(slab < 0, 'slab: an array cache holds what lies in no slab', cache, object)
  const pfn = slab_pfn(sys, slab)
  free_objects[node] = free_objects[node]! + 1
  list_del(link, pfn)
  slab_put_obj(sys, cache, slab, object)
  if (sys.slab_desc.active[slab] === 0) {
    list_add(link, pfn, slab_list_head(sys, node, SLABS_FREE))
    free_slabs[node] = free_slabs[node]! + 1
  } else list_add_tail(link, pfn, slab_list_head(sys, node, SLABS_PARTIAL))
}

/** Takes free slabs off while more objects are free than the node may keep. @kernel mm/slab.c:free_block */
export function drop_surplus(sys: Sys, cache: KmemCache, node: CacheNode, doomed: Slab[]): void {
  const { free_objects, free_limit } = sys.slab_node
  while (free_objects[node]! > free_limit[node]!) {
    const slab = take_last_free(sys, cache, node)
    if (slab < 0) return
    doomed.push(slab)
  }
}

/** Takes the last free slab off its list; -1 = there is none. @kernel mm/slab.c:drain_freelist */
export function take_last_free(sys: Sys, cache: KmemCache, node: CacheNode): Slab {
  const { link } = sys.link
  const { free_objects, free_slabs, total_slabs } = sys.slab_node
  const head = slab_list_head(sys, node, SLABS_FREE)
  if (list_empty(link, head)) return -1
  const pfn = link[2 * head + 1]!
  list_del(link, pfn)
  free_objects[node]! -= sys.slab_cache.num[cache]!
  free_slabs[node]! -= 1
  total_slabs[node]! -= 1
  return sys.page.private[pfn]! - 1
}
