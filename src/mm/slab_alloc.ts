// SLAB: from an object in front of the slabs to a new slab, and back.
//   alloc   the CPU's array; when it is empty the shared one, then the node's slabs, then a new slab (in batches)
//   free    the CPU's array; when it is full a batch of its oldest objects goes to the shared one, or to the slabs
// An object in here begins with its red zone and -1 is none; users know it by its first usable byte, and 0 is none.
// Law: what is handed out is marked as taken, so that a free of anything else is seen, told, and changes nothing.
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  __GFP_THISNODE,
  __GFP_ZERO,
  gfp_zone,
} from './gfp.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { kasan_slab_alloc, kasan_slab_free } from './kasan_slab.ts'
import { kmalloc_index } from './kmalloc_caches.ts'
import type { Sys } from './mmzone.ts'
import { node_zonelist } from './page_alloc/alloc_pages.ts'
import { memset } from './physmem.ts'
import { type KmemCache, NO_CACHE, NUMA_NO_NODE } from './slab_allocator.ts'
import {
  type ArrayCache,
  alien_array,
  cpu_cache_get,
  drop_oldest,
  flush_objects,
  pop_object,
  push_object,
  shared_array,
  transfer_objects,
} from './slab_array_cache.ts'
import { cache_alloc_debugcheck_after, cache_free_debugcheck, POISON_FREE, poison_obj } from './slab_debug.ts'
import {
  mark_returned,
  mark_taken,
  obj_to_index,
  type Slab,
  slab_cache_of,
  slab_get_obj,
  virt_to_slab,
} from './slab_desc.ts'
import { cache_grow_begin, constructor_call, type ListMemory, slab_destroy, slab_nid } from './slab_grow.ts'
import {
  type CacheNode,
  drop_surplus,
  enter_slab,
  fixup_slab_list,
  free_block,
  get_first_slab,
  get_node,
  list_lock,
  return_object,
  take_object,
} from './slab_node.ts'
import { may_free } from './slab_report.ts'

/** Objects that a refill takes at most after nobody used the CPU's array for a while.
 * @kernel mm/slab.c:BATCHREFILL_LIMIT */
const BATCHREFILL_LIMIT = 16
const NONE = -1

/** An object of a cache, 0 where there is no memory. @kernel mm/slab.c:slab_alloc_node */
export function slab_alloc_node(sys: Sys, cache: KmemCache, gfp: number, nodeid: number): number {
  const flags = gfp & sys.machine.gfp_allowed_mask[0]!
  const object = __do_cache_alloc(sys, cache, flags, nodeid)
  if (object === NONE) return 0
  if (sys.kernel.config.DEBUG_SLAB) cache_alloc_debugcheck_after(sys, cache, object, constructor_call(sys, cache))
  const slab = virt_to_slab(sys, object)
  mark_taken(sys, slab, obj_to_index(sys, cache, slab, object))
  const user = object + sys.slab_cache.obj_offset[cache]!
  kasan_slab_alloc(sys, cache, user, flags)
  if ((flags & __GFP_ZERO) !== 0) memset(sys, user, 0, sys.kmem_cache.object_size[cache]!)
  return user
}

const this_node = (sys: Sys): number => sys.cpu.numa_mem[sys.machine.this_cpu[0]!]!

/** The node that is asked for, or any. @kernel mm/slab.c:__do_cache_alloc */
function __do_cache_alloc(sys: Sys, cache: KmemCache, flags: number, nodeid: number): number {
  const here = this_node(sys)
  const local = nodeid === NUMA_NO_NODE || nodeid === here
  if (!sys.kernel.config.NUMA) return ____cache_alloc(sys, cache, flags)
  if (!local && sys.node.online[nodeid] !== 1) return fallback_alloc(sys, cache, flags)
  const object = local ? ____cache_alloc(sys, cache, flags) : NONE
  return object === NONE ? ____cache_alloc_node(sys, cache, flags, local ? here : nodeid) : object
}

/** @kernel mm/slab.c:____cache_alloc */
function ____cache_alloc(sys: Sys, cache: KmemCache, flags: number): number {
  const array = cpu_cache_get(sys, cache)
  if (sys.slab_array.avail[array] === 0) return cache_alloc_refill(sys, cache, flags)
  sys.slab_array.touched[array] = 1
  return pop_object(sys, array)
}

/** Fills the CPU's empty array, and takes an object. @kernel mm/slab.c:cache_alloc_refill */
function cache_alloc_refill(sys: Sys, cache: KmemCache, flags: number): number {
  const { avail, batchcount, touched } = sys.slab_array
  const array = cpu_cache_get(sys, cache)
  const nid = this_node(sys)
  const node = get_node(sys, cache, nid)
  const batch = touched[array] === 0 ? Math.min(batchcount[array]!, BATCHREFILL_LIMIT) : batchcount[array]!
  const poison: number[] = []
  if (sys.slab_node.free_objects[node]! > 0 || avail[shared_array(sys, cache, nid)]! > 0)
    refill_from_node(sys, cache, array, nid, batch, poison)
  if (avail[array] === 0) {
    const slab = cache_grow_begin(sys, cache, gfp_exact_node(sys, flags), nid, list_memory)
    // Memory for the slab's list may have come from this very cache.
    if (avail[array] === 0 && slab >= 0) alloc_block(sys, cache, array, slab, batch)
    cache_grow_end(sys, cache, slab, poison)
  }
  poison_objects(sys, cache, poison)
  if (avail[array] === 0) return NONE
  touched[array] = 1
  return pop_object(sys, array)
}

/** Takes a batch from the shared array, or from the node's slabs. */
function refill_from_node(
  sys: Sys,
  cache: KmemCache,
  array: ArrayCache,
  nid: number,
  batch: number,
  poison: number[],
): void {
  const shared = shared_array(sys, cache, nid)
  const node = get_node(sys, cache, nid)
  const { avail, touched } = sys.slab_array
  list_lock(sys, node)
  if (transfer_objects(sys, array, shared, batch) > 0) {
    touched[shared] = 1
    return
  }
  for (let left = batch; left > 0; ) {
    const slab = get_first_slab(sys, node)
    if (slab < 0) break
    left = alloc_block(sys, cache, array, slab, left)
    fixup_slab_list(sys, cache, node, slab, poison)
  }
  sys.slab_node.free_objects[node]! -= avail[array]!
}

/** Moves up to `count` objects of a slab into an array; how many are left to move. @kernel mm/slab.c:alloc_block */
function alloc_block(sys: Sys, cache: KmemCache, array: ArrayCache, slab: Slab, count: number): number {
  const num = sys.slab_cache.num[cache]!
  const { active } = sys.slab_desc
  let left = count
  for (; left > 0 && active[slab]! < num; left--) push_object(sys, array, slab_get_obj(sys, cache, slab))
  return left
}

/** @kernel mm/slab.c:cache_grow_end */
function cache_grow_end(sys: Sys, cache: KmemCache, slab: Slab, poison: number[]): void {
  if (slab >= 0) enter_slab(sys, cache, get_node(sys, cache, slab_nid(sys, slab)), slab, poison)
}

/** Objects that held lists of free ones look free again. @kernel mm/slab.c:fixup_objfreelist_debug */
function poison_objects(sys: Sys, cache: KmemCache, objects: readonly number[]): void {
  for (const object of objects) poison_obj(sys, cache, object, POISON_FREE)
}

/** The mask for a try on one node alone, which must be quick and quiet. @kernel mm/slab.c:gfp_exact_node */
function gfp_exact_node(sys: Sys, flags: number): number {
  if (!sys.kernel.config.NUMA) return flags
  return (flags | __GFP_THISNODE | __GFP_NOWARN) & ~(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM | __GFP_NOFAIL)
}

/** An object of one node's slabs. @kernel mm/slab.c:____cache_alloc_node */
function ____cache_alloc_node(sys: Sys, cache: KmemCache, flags: number, nodeid: number): number {
  const poison: number[] = []
  let object = take_object(sys, cache, get_node(sys, cache, nodeid), poison)
  if (object === NONE) {
    const slab = cache_grow_begin(sys, cache, gfp_exact_node(sys, flags), nodeid, list_memory)
    if (slab >= 0) object = slab_get_obj(sys, cache, slab)
    cache_grow_end(sys, cache, slab, poison)
  }
  poison_objects(sys, cache, poison)
  return object === NONE ? fallback_alloc(sys, cache, flags) : object
}

/** An object of any node that the mask allows, the nearest first. @kernel mm/slab.c:fallback_alloc */
function fallback_alloc(sys: Sys, cache: KmemCache, flags: number): number {
  if ((flags & __GFP_THISNODE) !== 0) return NONE
  const { zones } = sys.zonelist
  const highest = gfp_zone(sys, flags)
  for (let at = node_zonelist(sys, this_node(sys), flags); zones[at] !== -1; at++) {
    const zone = zones[at]!
    const nid = sys.zone_to_nid[zone]!
    if (sys.zone_idx[zone]! > highest || sys.slab_node.free_objects[get_node(sys, cache, nid)] === 0) continue
    const object = ____cache_alloc_node(sys, cache, gfp_exact_node(sys, flags), nid)
    if (object !== NONE) return object
  }
  const slab = cache_grow_begin(sys, cache, flags, this_node(sys), list_memory)
  if (slab < 0) return NONE
  cache_grow_end(sys, cache, slab, [])
  return ____cache_alloc_node(sys, cache, gfp_exact_node(sys, flags), slab_nid(sys, slab))
}

/** Gives an object back; a wrong one is told and left alone. @kernel mm/slab.c:__cache_free */
export function slab_free(sys: Sys, cache: KmemCache, user: number): void {
  const slab = virt_to_slab(sys, user)
  if (kasan_enabled(sys) && slab >= 0 && slab_cache_of(sys, slab) === cache && kasan_slab_free(sys, cache, user)) return
  free_object(sys, cache, user)
}

/** Gives an object back that KASAN has let go. @kernel mm/slab.c:___cache_free */
export function free_object(sys: Sys, cache: KmemCache, user: number): void {
  const slab = virt_to_slab(sys, user)
  if (!may_free(sys, cache, slab, user)) return
  const object = user - sys.slab_cache.obj_offset[cache]!
  if (sys.kernel.config.DEBUG_SLAB) cache_free_debugcheck(sys, cache, object)
  mark_returned(sys, slab, obj_to_index(sys, cache, slab, object))
  ___cache_free(sys, cache, slab, object)
}

/** @kernel mm/slab.c:___cache_free */
function ___cache_free(sys: Sys, cache: KmemCache, slab: Slab, object: number): void {
  if (sys.nr_nodes > 1 && cache_free_alien(sys, cache, slab, object)) return
  const array = cpu_cache_get(sys, cache)
  const { avail, limit } = sys.slab_array
  if (avail[array]! >= limit[array]!) cache_flusharray(sys, cache, array)
  push_object(sys, array, object)
}

/** Takes a batch of the oldest objects out of the CPU's full array. @kernel mm/slab.c:cache_flusharray */
function cache_flusharray(sys: Sys, cache: KmemCache, array: ArrayCache): void {
  const { avail, limit, batchcount, entries } = sys.slab_array
  const nid = this_node(sys)
  const node = get_node(sys, cache, nid)
  const shared = shared_array(sys, cache, nid)
  const room = limit[shared]! - avail[shared]!
  list_lock(sys, node)
  if (room > 0) {
    flush_objects(sys, shared, array, Math.min(batchcount[array]!, room))
    return
  }
  const doomed: Slab[] = []
  free_block(sys, cache, node, entries[array]!, batchcount[array]!, doomed)
  drop_oldest(sys, array, batchcount[array]!)
  slabs_destroy(sys, cache, doomed)
}

/** Gives slabs back that are on no list, the last one first. @kernel mm/slab.c:slabs_destroy */
export function slabs_destroy(sys: Sys, cache: KmemCache, doomed: readonly Slab[]): void {
  for (let at = doomed.length - 1; at >= 0; at--) slab_destroy(sys, cache, doomed[at]!, list_memory)
}

/** Keeps an object of another node until there are enough to take home; false for an object of this node.
 * @kernel mm/slab.c:cache_free_alien */
function cache_free_alien(sys: Sys, cache: KmemCache, slab: Slab, object: number): boolean {
  const [here, owner] = [this_node(sys), slab_nid(sys, slab)]
  if (here === owner) return false
  const alien = alien_array(sys, cache, here, owner)
  const { avail, limit } = sys.slab_array
  if (limit[alien]! > 0) {
    if (avail[alien] === limit[alien]) drain_alien_array(sys, cache, alien, owner)
    push_object(sys, alien, object)
    return true
  }
  const node: CacheNode = get_node(sys, cache, owner)
  const doomed: Slab[] = []
  list_lock(sys, node)
  return_object(sys, cache, node, object)
  drop_surplus(sys, cache, node, doomed)
  slabs_destroy(sys, cache, doomed)
  return true
}

/** Takes all objects of an alien array home. @kernel mm/slab.c:__drain_alien_cache */
export function drain_alien_array(sys: Sys, cache: KmemCache, alien: ArrayCache, owner: number): void {
  const { avail, limit, entries } = sys.slab_array
  if (avail[alien] === 0) return
  const node = get_node(sys, cache, owner)
  const shared = shared_array(sys, cache, owner)
  const doomed: Slab[] = []
  list_lock(sys, node)
  if (limit[shared]! > 0) transfer_objects(sys, shared, alien, limit[alien]!)
  free_block(sys, cache, node, entries[alien]!, avail[alien]!, doomed)
  drop_oldest(sys, alien, avail[alien]!)
  slabs_destroy(sys, cache, doomed)
}

/** Memory of kmalloc for lists that lie off their slabs. Its caches have none of these lists themselves. */
const list_memory: ListMemory = {
  alloc: (sys, size, gfp, node) => {
    const cache = sys.kmalloc_cache.cache[kmalloc_index(sys.kernel, size)]! - 1
    return cache === NO_CACHE ? 0 : slab_alloc_node(sys, cache, gfp, node)
  },
  free: (sys, address) => slab_free(sys, slab_cache_of(sys, virt_to_slab(sys, address)), address),
}
