// What a CPU has of a cache under SLUB: the slab that it allocates from, whose free objects are on its lockless list,
// and partial slabs that it froze or that its frees made partial.
// Law: a CPU's slabs are frozen and on no node's list; the objects on its lockless list count as in use in their slab.
import type { Sys } from './mmzone.ts'
import { add_partial } from './slub_lists.ts'
import { get_freepointer, set_freepointer } from './slub_pointer.ts'
import {
  discard_slab,
  set_slab_counters,
  set_slab_freelist,
  slab_address,
  slab_bytes,
  slab_freelist,
  slab_inuse,
  slab_node,
  slab_objects,
} from './slub_slab.ts'

/** The slab behind another on a CPU's partial list; -1 = it is the last. @ours */
export function next_partial(sys: Sys, slab: number): number {
  return sys.link.link[2 * slab]!
}

/** Slabs of a CPU's partial list from this one on. @ours */
export function partial_slabs(sys: Sys, slab: number): number {
  return sys.link.link[2 * slab + 1]!
}

/** First object of a CPU's lockless list, 0 = it is empty; `c` is a row of `sys.slub_cpu`. @ours */
export function cpu_freelist(sys: Sys, c: number): number {
  const { freelist, slab } = sys.slub_cpu
  return freelist[c] === 0 ? 0 : slab_address(sys, slab[c]! - 1) + freelist[c]! - 1
}

/** Sets it; false where the object is not one of the CPU's slab: then the list is empty. @ours */
export function set_cpu_freelist(sys: Sys, c: number, object: number): boolean {
  const slab = sys.slub_cpu.slab[c]! - 1
  const inside = slab >= 0 && lies_in(sys, slab, object)
  sys.slub_cpu.freelist[c] = inside ? object - slab_address(sys, slab) + 1 : 0
  return inside || object === 0
}

/** Puts a frozen slab on the running CPU's partial list. With `drain` a full list goes to the nodes first.
 * @kernel mm/slub.c:put_cpu_partial */
export function put_cpu_partial(sys: Sys, cache: number, slab: number, drain: boolean): void {
  const cpu = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
  const { link } = sys.link
  const { partial } = sys.slub_cpu
  const old = partial[cpu]! - 1
  const full = drain && old >= 0 && partial_slabs(sys, old) >= sys.slub_cache.cpu_partial_slabs[cache]!
  const behind = full ? -1 : old
  link[2 * slab] = behind
  link[2 * slab + 1] = behind < 0 ? 1 : partial_slabs(sys, behind) + 1
  partial[cpu] = slab + 1
  if (full) __unfreeze_partials(sys, cache, old)
}

/** Gives a chain of frozen slabs to their nodes; those that are empty go when a node has enough.
 * @kernel mm/slub.c:__unfreeze_partials */
function __unfreeze_partials(sys: Sys, cache: number, first: number): void {
  const { link } = sys.link
  let discard = -1
  for (let slab = first, next = -1; slab >= 0; slab = next) {
    next = next_partial(sys, slab)
    const node = slab_node(sys, cache, slab)
    const inuse = slab_inuse(sys, slab)
    set_slab_counters(sys, slab, inuse, slab_objects(sys, slab), false)
    if (inuse === 0 && sys.slub_node.nr_partial[node]! >= sys.slub_cache.min_partial[cache]!) {
      link[2 * slab] = discard
      discard = slab
    } else add_partial(sys, node, slab, true)
  }
  for (let slab = discard, next = -1; slab >= 0; slab = next) {
    next = next_partial(sys, slab)
    discard_slab(sys, cache, slab)
  }
}

/** Gives the running CPU's partial slabs of a cache to their nodes. @kernel mm/slub.c:unfreeze_partials */
export function unfreeze_partials(sys: Sys, cache: number): void {
  const { partial } = sys.slub_cpu
  const c = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
  const first = partial[c]! - 1
  partial[c] = 0
  if (first >= 0) __unfreeze_partials(sys, cache, first)
}

const lies_in = (sys: Sys, slab: number, object: number): boolean =>
  object >= slab_address(sys, slab) && object < slab_address(sys, slab) + slab_bytes(sys, slab)

/** Takes a CPU's slab from it: the objects of `freelist`, its lockless list, become free in the slab again.
 * @kernel mm/slub.c:deactivate_slab */
export function deactivate_slab(sys: Sys, cache: number, slab: number, freelist: number): void {
  const node = slab_node(sys, cache, slab)
  const before = slab_freelist(sys, slab)
  let inuse = slab_inuse(sys, slab)
  let last = 0
  // A list that was overwritten ends where it leaves the slab; one that comes back to itself, when all are counted.
  for (let object = freelist; inuse > 0 && lies_in(sys, slab, object); object = get_freepointer(sys, cache, object)) {
    last = object
    inuse--
  }
  if (last !== 0) {
    set_freepointer(sys, cache, last, before)
    set_slab_freelist(sys, slab, freelist)
  }
  set_slab_counters(sys, slab, inuse, slab_objects(sys, slab), false)
  if (inuse === 0 && sys.slub_node.nr_partial[node]! >= sys.slub_cache.min_partial[cache]!)
    discard_slab(sys, cache, slab)
  // Objects that other CPUs freed are cold: the slab shall wait.
  else if (slab_freelist(sys, slab) !== 0) add_partial(sys, node, slab, before !== 0)
}

/** Takes everything of a cache from a CPU. @kernel mm/slub.c:flush_cpu_slab */
export function flush_cpu_slab(sys: Sys, cache: number, cpu: number): void {
  const c = cache * sys.nr_cpus + cpu
  const { freelist, slab, partial } = sys.slub_cpu
  const [own, objects, first] = [slab[c]! - 1, cpu_freelist(sys, c), partial[c]! - 1]
  slab[c] = freelist[c] = 0
  if (own >= 0) deactivate_slab(sys, cache, own, objects)
  partial[c] = 0
  if (first >= 0) __unfreeze_partials(sys, cache, first)
}

/** Takes everything of a cache from all CPUs. @kernel mm/slub.c:flush_all */
export function flush_all(sys: Sys, cache: number): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) flush_cpu_slab(sys, cache, cpu)
}
