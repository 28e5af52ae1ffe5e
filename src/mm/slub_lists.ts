// SLUB's lists of slabs on a node: partial ones, from whose head slabs are taken, and with user tracking full ones, too.
// Law: a slab with free objects that no CPU owns is on its node's partial list; nr_partial is the list's length.
import { INIT_LIST_HEAD, list_add, list_add_tail, list_del } from '../image/list.ts'
import { __GFP_THISNODE, gfp_zone } from './gfp.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { first_zones_zonelist, node_zonelist } from './page_alloc/alloc_pages.ts'
import { SLAB_STORE_USER } from './slab_flags.ts'
import { NR_SLAB_LISTS } from './slab_tables.ts'
import { put_cpu_partial } from './slub_cpu.ts'
import { alloc_debug_processing } from './slub_debug.ts'
import { get_freepointer } from './slub_pointer.ts'
import {
  dec_slabs_node,
  free_slab,
  inc_slabs_node,
  kmem_cache_debug,
  kmem_cache_has_cpu_partial,
  set_slab_counters,
  set_slab_freelist,
  set_slab_inuse,
  slab_freelist,
  slab_inuse,
  slab_node,
  slab_objects,
} from './slub_slab.ts'

/** Bit of page.flags: the slab is on its node's partial list. @kernel mm/slub.c:slab_test_node_partial (6.8) */
const ON_PARTIAL: number = PG.workingset

/** Whether a slab is on its node's partial list. @ours */
export function on_partial_list(sys: Sys, slab: number): boolean {
  return (sys.page.flags[slab]! & ON_PARTIAL) !== 0
}

/** Slabs with so many free objects are sorted when a cache is shrunk. @kernel mm/slub.c:SHRINK_PROMOTE_MAX */
const SHRINK_PROMOTE_MAX = 32

/** Row of `link` that is the head of a node's partial slabs; `node` is a row of `sys.slub_node`. @ours */
export function partial_list(sys: Sys, node: number): number {
  return sys.slab_list_base + node * NR_SLAB_LISTS
}

/** Row of `link` that is the head of a node's full slabs. @ours */
export function full_list(sys: Sys, node: number): number {
  return sys.slab_list_base + node * NR_SLAB_LISTS + 1
}

/** Puts a slab on its node's partial list. @kernel mm/slub.c:add_partial */
export function add_partial(sys: Sys, node: number, slab: number, to_tail: boolean): void {
  sys.slub_node.nr_partial[node]! += 1
  sys.page.flags[slab]! |= ON_PARTIAL
  if (to_tail) list_add_tail(sys.link.link, slab, partial_list(sys, node))
  else list_add(sys.link.link, slab, partial_list(sys, node))
}

/** @kernel mm/slub.c:remove_partial */
export function remove_partial(sys: Sys, node: number, slab: number): void {
  list_del(sys.link.link, slab)
  sys.slub_node.nr_partial[node]! -= 1
  sys.page.flags[slab]! &= ~ON_PARTIAL
}

/** Full slabs are listed only where somebody may ask who owns their objects. @kernel mm/slub.c:add_full */
export function add_full(sys: Sys, cache: number, node: number, slab: number): void {
  if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) !== 0) list_add(sys.link.link, slab, full_list(sys, node))
}

/** @kernel mm/slub.c:remove_full */
export function remove_full(sys: Sys, cache: number, slab: number): void {
  if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) !== 0) list_del(sys.link.link, slab)
}

/** What was taken from a node: a first object, and the slab that it belongs to. Rows of one buffer, read at once. */
export interface PartialSlab {
  slab: number
  object: number
}

/** Takes partial slabs from a node: the first for its objects (all of them, in a list that begins at `object`), and
 * further ones for the CPU's own list. Caches that are debugged give one object and leave the slab where it is.
 * False = there was none. @kernel mm/slub.c:get_partial_node */
function get_partial_node(sys: Sys, cache: number, node: number, orig_size: number, taken: PartialSlab): boolean {
  if (sys.slub_node.nr_partial[node] === 0) return false
  const { link } = sys.link
  const head = partial_list(sys, node)
  const debug = kmem_cache_debug(sys, cache)
  const further = kmem_cache_has_cpu_partial(sys, cache)
  let partial_slabs = 0
  taken.object = 0
  for (let slab = link[2 * head]!, next = 0; slab !== head; slab = next) {
    next = link[2 * slab]!
    if (debug) {
      taken.object = alloc_single_from_partial(sys, cache, node, slab, orig_size)
      if (taken.object === 0) continue
      taken.slab = slab
      break
    }
    if (taken.object === 0) {
      taken.slab = slab
      taken.object = acquire_slab(sys, node, slab, true)
    } else {
      acquire_slab(sys, node, slab, false)
      put_cpu_partial(sys, cache, slab, false)
      partial_slabs++
    }
    if (!further || partial_slabs > sys.slub_cache.cpu_partial_slabs[cache]! >> 1) break
  }
  return taken.object !== 0
}

/** Freezes a partial slab for this CPU; with `all` its free objects become the CPU's at once.
 * @kernel mm/slub.c:acquire_slab */
function acquire_slab(sys: Sys, node: number, slab: number, all: boolean): number {
  const freelist = slab_freelist(sys, slab)
  const objects = slab_objects(sys, slab)
  set_slab_counters(sys, slab, all ? objects : slab_inuse(sys, slab), objects, true)
  if (all) set_slab_freelist(sys, slab, 0)
  remove_partial(sys, node, slab)
  return freelist
}

/** One object of a slab that is debugged; 0 = it is damaged, and its slab is not used any more.
 * @kernel mm/slub.c:alloc_single_from_partial */
function alloc_single_from_partial(sys: Sys, cache: number, node: number, slab: number, orig_size: number): number {
  const object = take_first(sys, cache, slab)
  set_slab_inuse(sys, slab, slab_inuse(sys, slab) + 1)
  if (!alloc_debug_processing(sys, cache, slab, object, orig_size)) {
    remove_partial(sys, node, slab)
    INIT_LIST_HEAD(sys.link.link, slab)
    return 0
  }
  if (slab_inuse(sys, slab) === slab_objects(sys, slab)) {
    remove_partial(sys, node, slab)
    add_full(sys, cache, node, slab)
  }
  return object
}

function take_first(sys: Sys, cache: number, slab: number): number {
  const object = slab_freelist(sys, slab)
  set_slab_freelist(sys, slab, object > 0 ? get_freepointer(sys, cache, object) : 0)
  return object
}

/** The first object of a new slab that is debugged; 0 = it was damaged at once.
 * @kernel mm/slub.c:alloc_single_from_new_slab */
export function alloc_single_from_new_slab(sys: Sys, cache: number, slab: number, orig_size: number): number {
  const node = slab_node(sys, cache, slab)
  const object = take_first(sys, cache, slab)
  set_slab_inuse(sys, slab, 1)
  const sound = alloc_debug_processing(sys, cache, slab, object, orig_size)
  if (sound) {
    if (slab_inuse(sys, slab) === slab_objects(sys, slab)) add_full(sys, cache, node, slab)
    else add_partial(sys, node, slab, false)
  } else INIT_LIST_HEAD(sys.link.link, slab)
  inc_slabs_node(sys, cache, slab)
  return sound ? object : 0
}

/** Takes partial slabs from a node, -1 = the running CPU's and then from the others, nearest first, that have more than
 * they should keep. False = there was none. @kernel mm/slub.c:get_partial
 * @differs other nodes are always tried, not 1000 times of 1024 */
export function get_partial(
  sys: Sys,
  cache: number,
  node: number,
  gfp: number,
  orig_size: number,
  taken: PartialSlab,
): boolean {
  const nearest = node === -1 ? sys.cpu.numa_mem[sys.machine.this_cpu[0]!]! : node
  if (get_partial_node(sys, cache, cache * sys.nr_nodes + nearest, orig_size, taken)) return true
  if (node !== -1 || sys.nr_nodes === 1) return false
  const first = node_zonelist(sys, nearest, gfp & ~__GFP_THISNODE)
  const highest = gfp_zone(sys, gfp)
  const from = first_zones_zonelist(sys, first, highest, null)
  if (from < 0) return false
  for (let at = from; sys.zonelist.zones[at] !== -1; at++) {
    const zone = sys.zonelist.zones[at]!
    if (sys.zone_idx[zone]! > highest) continue
    const row = cache * sys.nr_nodes + sys.zone_to_nid[zone]!
    const spare = sys.slub_node.nr_partial[row]! > sys.slub_cache.min_partial[cache]!
    if (spare && get_partial_node(sys, cache, row, orig_size, taken)) return true
  }
  return false
}

/** Gives a node's empty slabs back and sorts those that are nearly full to the front; slabs that it then has.
 * @kernel mm/slub.c:__kmem_cache_do_shrink */
export function shrink_node(sys: Sys, cache: number, node: number): number {
  const { link } = sys.link
  const head = partial_list(sys, node)
  const promote: number[][] = Array.from({ length: SHRINK_PROMOTE_MAX }, () => [])
  const discard: number[] = []
  for (let slab = link[2 * head]!, next = 0; slab !== head; slab = next) {
    next = link[2 * slab]!
    const [inuse, objects] = [slab_inuse(sys, slab), slab_objects(sys, slab)]
    if (inuse === 0) {
      remove_partial(sys, node, slab)
      dec_slabs_node(sys, cache, slab)
      discard.unshift(slab)
    } else if (objects - inuse <= SHRINK_PROMOTE_MAX && objects > inuse) {
      list_del(link, slab)
      promote[objects - inuse - 1]!.unshift(slab)
    }
  }
  for (let free = SHRINK_PROMOTE_MAX - 1; free >= 0; free--)
    for (const slab of promote[free]!.reverse()) list_add(link, slab, head)
  for (const slab of discard) free_slab(sys, cache, slab)
  return sys.slub_node.nr_slabs[node]!
}
