// Looking at whole caches of SLUB: every slab and object of one that is debugged (`echo 1 > validate`), and what remains
// in one that is destroyed.
import { list_entries } from '../image/list.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { SLAB_STORE_USER } from './slab_flags.ts'
import { flush_all } from './slub_cpu.ts'
import { check_object, check_slab, on_freelist, SLUB_RED_ACTIVE, SLUB_RED_INACTIVE } from './slub_debug.ts'
import { full_list, partial_list, remove_partial } from './slub_lists.ts'
import { get_freepointer } from './slub_pointer.ts'
import { count_error, object_pointer, print_tracking, slab_err } from './slub_report.ts'
import { discard_slab, slab_address, slab_freelist, slab_inuse, slab_objects } from './slub_slab.ts'

/** Objects on a slab's free list. A list that was damaged ends where it leaves the slab or comes back to itself.
 * @kernel mm/slub.c:__fill_map */
export function free_objects(sys: Sys, cache: number, slab: number): Set<number> {
  const free = new Set<number>()
  for (let at = slab_freelist(sys, slab); at > 0 && !free.has(at); at = get_freepointer(sys, cache, at)) free.add(at)
  return free
}

/** All objects of a slab, free or not. @kernel mm/slub.c:for_each_object */
export function all_objects(sys: Sys, cache: number, slab: number): number[] {
  const first = slab_address(sys, slab) + sys.slub_cache.red_left_pad[cache]!
  return Array.from({ length: slab_objects(sys, slab) }, (_, index) => first + index * sys.kmem_cache.size[cache]!)
}

/** @kernel mm/slub.c:validate_slab */
function validate_slab(sys: Sys, cache: number, slab: number): void {
  if (!check_slab(sys, cache, slab) || !on_freelist(sys, cache, slab, 0)) return
  const free = free_objects(sys, cache, slab)
  for (const object of all_objects(sys, cache, slab)) {
    const val = free.has(object) ? SLUB_RED_INACTIVE : SLUB_RED_ACTIVE
    if (!check_object(sys, cache, slab, object, val)) break
  }
}

/** Looks at all slabs of a cache that is debugged; how many they were. @kernel mm/slub.c:validate_slab_cache */
export function validate_slab_cache(sys: Sys, cache: number): number {
  flush_all(sys, cache)
  let count = 0
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = cache * sys.nr_nodes + nid
    const partial = list_entries(sys.link.link, partial_list(sys, node))
    for (const slab of partial) validate_slab(sys, cache, slab)
    const counter = sys.slub_node.nr_partial[node]!
    const name = kmem_cache_name(sys, cache)
    if (partial.length !== counter) {
      count_error(sys, cache)
      sys.printk?.(`SLUB ${name}: ${partial.length} partial slabs counted but counter=${counter}`)
    }
    count += partial.length
    if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) !== 0) count += validate_full(sys, cache, node, partial.length)
  }
  return count
}

function validate_full(sys: Sys, cache: number, node: number, partial: number): number {
  const full = list_entries(sys.link.link, full_list(sys, node))
  for (const slab of full) validate_slab(sys, cache, slab)
  const counter = sys.slub_node.nr_slabs[node]!
  if (partial + full.length !== counter) {
    count_error(sys, cache)
    sys.printk?.(`SLUB: ${kmem_cache_name(sys, cache)} ${partial + full.length} slabs counted but counter=${counter}`)
  }
  return full.length
}

/** Reports the objects of a slab that somebody still has. @kernel mm/slub.c:list_slab_objects */
function list_slab_objects(sys: Sys, cache: number, slab: number): void {
  slab_err(sys, cache, slab, `Objects remaining in ${kmem_cache_name(sys, cache)} on __kmem_cache_shutdown()`)
  const free = free_objects(sys, cache, slab)
  for (const object of all_objects(sys, cache, slab)) {
    if (free.has(object)) continue
    count_error(sys, cache)
    sys.printk?.(`Object ${object_pointer(sys, object)} @offset=${object - slab_address(sys, slab)}`)
    print_tracking(sys, cache, object)
  }
}

/** Gives the slabs of a cache back that nobody uses; true = objects remain. @kernel mm/slub.c:__kmem_cache_shutdown */
export function shutdown_slabs(sys: Sys, cache: number): boolean {
  flush_all(sys, cache)
  let remain = false
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = cache * sys.nr_nodes + nid
    const discard: number[] = []
    for (const slab of list_entries(sys.link.link, partial_list(sys, node))) {
      if (slab_inuse(sys, slab) === 0) {
        remove_partial(sys, node, slab)
        discard.unshift(slab)
      } else if (sys.kernel.config.SLUB_DEBUG) list_slab_objects(sys, cache, slab)
    }
    for (const slab of discard) discard_slab(sys, cache, slab)
    remain ||= sys.slub_node.nr_partial[node] !== 0 || sys.slub_node.nr_slabs[node] !== 0
  }
  return remain
}
