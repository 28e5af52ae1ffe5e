// SLAB gives back what it keeps: all of a cache's (shrink), or, every two seconds on each CPU, a part of what nobody
// used since (the reaper). Law: the reaper spares an array or a node that was used since it last came by.
import { HZ, round_jiffies } from './jiffies.ts'
import type { Sys } from './mmzone.ts'
import { drain_alien_array, slabs_destroy } from './slab_alloc.ts'
import type { KmemCache } from './slab_allocator.ts'
import { type ArrayCache, alien_array, cpu_cache_of, drop_oldest, shared_array } from './slab_array_cache.ts'
import type { Slab } from './slab_desc.ts'
import { type CacheNode, free_block, get_node, list_lock, take_last_free } from './slab_node.ts'

/** Ticks between two visits of the reaper to a CPU, and to a node. */
export const REAPTIMEOUT_AC: number = 2 * HZ
export const REAPTIMEOUT_NODE: number = 4 * HZ

/** Gives all objects that CPUs, nodes and the shared arrays keep back to their slabs. @kernel mm/slab.c:drain_cpu_caches */
export function drain_cpu_caches(sys: Sys, cache: KmemCache): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) do_drain(sys, cache, cpu)
  for (let node = 0; node < sys.nr_nodes; node++) drain_alien_cache(sys, cache, node)
  for (let nid = 0; nid < sys.nr_nodes; nid++) drain_array_locked(sys, cache, shared_array(sys, cache, nid), nid, true)
}

/** @kernel mm/slab.c:do_drain */
function do_drain(sys: Sys, cache: KmemCache, cpu: number): void {
  drain_array_locked(sys, cache, cpu_cache_of(sys, cache, cpu), sys.cpu.numa_mem[cpu]!, true)
}

/** @kernel mm/slab.c:drain_alien_cache */
function drain_alien_cache(sys: Sys, cache: KmemCache, node: number): void {
  for (let owner = 0; owner < sys.nr_nodes; owner++) {
    const alien = alien_array(sys, cache, node, owner)
    if (alien >= 0) drain_alien_array(sys, cache, alien, owner)
  }
}

/** Gives a part of an array, or all of it, back to the slabs of its node. @kernel mm/slab.c:drain_array_locked */
function drain_array_locked(sys: Sys, cache: KmemCache, array: ArrayCache, nid: number, all: boolean): void {
  const { avail, limit, entries } = sys.slab_array
  const kept = avail[array]!
  if (kept === 0) return
  const part = Math.floor((limit[array]! + 4) / 5)
  const tofree = all ? kept : part > kept ? (kept + 1) >> 1 : part
  const doomed: Slab[] = []
  const node = get_node(sys, cache, nid)
  list_lock(sys, node)
  free_block(sys, cache, node, entries[array]!, tofree, doomed)
  drop_oldest(sys, array, tofree)
  slabs_destroy(sys, cache, doomed)
}

/** A fifth of an array, unless it was used since the last time. @kernel mm/slab.c:drain_array */
function drain_array(sys: Sys, cache: KmemCache, array: ArrayCache, nid: number): void {
  const { avail, touched } = sys.slab_array
  if (avail[array] === 0) return
  if (touched[array] !== 0) touched[array] = 0
  else drain_array_locked(sys, cache, array, nid, false)
}

/** Gives up to `tofree` free slabs of a node back; how many. @kernel mm/slab.c:drain_freelist */
function drain_freelist(sys: Sys, cache: KmemCache, node: CacheNode, tofree: number): number {
  let freed = 0
  for (; freed < tofree; freed++) {
    list_lock(sys, node)
    const slab = take_last_free(sys, cache, node)
    if (slab < 0) break
    slabs_destroy(sys, cache, [slab])
  }
  return freed
}

/** Gives everything back that no user has; 0 = the cache has no slab any more. @kernel mm/slab.c:__kmem_cache_shrink */
export function __kmem_cache_shrink(sys: Sys, cache: KmemCache): number {
  drain_cpu_caches(sys, cache)
  let left = 0
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = get_node(sys, cache, nid)
    drain_freelist(sys, cache, node, Number.POSITIVE_INFINITY)
    if (sys.slab_node.total_slabs[node] !== 0) left = 1
  }
  return left
}

/** The reaper on the running CPU: of each cache, newest first, alien objects of one node, a part of what the CPU keeps,
 * and now and then a part of what the node does. It comes again after REAPTIMEOUT_AC ticks. @kernel mm/slab.c:cache_reap */
export function cache_reap(sys: Sys): void {
  const cpu = sys.machine.this_cpu[0]!
  const nid = sys.cpu.numa_mem[cpu]!
  const { used, seq } = sys.kmem_cache
  const caches = Array.from(used.keys()).filter(cache => used[cache] === 1)
  for (const cache of caches.sort((a, b) => seq[b]! - seq[a]!)) {
    reap_alien(sys, cache, nid, cpu)
    drain_array(sys, cache, cpu_cache_of(sys, cache, cpu), nid)
    reap_node(sys, cache, nid)
  }
  next_reap_node(sys, cpu)
}

/** Visits of the reaper within one span of time, over all CPUs. A span that is longer ends with machines where nothing is
 * left to give back: every visit takes a fifth of what it finds unused. */
const MOST_VISITS = 512

/** Time passes until `now`: the reaper comes to each CPU when it is due, in the order of time. @kernel mm/slab.c:cache_reap */
export function run_reapers(sys: Sys, now: number): void {
  const { next_reap } = sys.slab_cpu
  const { jiffies, this_cpu } = sys.machine
  const running = this_cpu[0]!
  start_cpu_timers(sys)
  for (let visits = 0; visits < MOST_VISITS; visits++) {
    const cpu = next_reap.indexOf(next_reap.reduce((least, due) => Math.min(least, due), Number.POSITIVE_INFINITY))
    if (cpu < 0 || next_reap[cpu]! > now) break
    jiffies[0] = next_reap[cpu]!
    this_cpu[0] = cpu
    cache_reap(sys)
    next_reap[cpu] = round_jiffies(sys, jiffies[0]! + REAPTIMEOUT_AC, cpu)
  }
  jiffies[0] = now
  this_cpu[0] = running
  for (let cpu = 0; cpu < next_reap.length; cpu++)
    if (next_reap[cpu]! <= now) next_reap[cpu] = round_jiffies(sys, now + REAPTIMEOUT_AC, cpu)
}

/** The first visit is a second after the timers start. @kernel mm/slab.c:start_cpu_timer */
function start_cpu_timers(sys: Sys): void {
  const { next_reap } = sys.slab_cpu
  for (let cpu = 0; cpu < next_reap.length; cpu++)
    if (next_reap[cpu] === 0) next_reap[cpu] = round_jiffies(sys, sys.machine.jiffies[0]! + HZ, cpu)
}

/** @kernel mm/slab.c:reap_alien */
function reap_alien(sys: Sys, cache: KmemCache, nid: number, cpu: number): void {
  const owner = sys.slab_cpu.slab_reap_node[cpu]!
  const alien = alien_array(sys, cache, nid, owner)
  if (alien >= 0) drain_alien_array(sys, cache, alien, owner)
}

/** At most every REAPTIMEOUT_NODE ticks: a fifth of the shared array, and of the slabs that the limit allows for. */
function reap_node(sys: Sys, cache: KmemCache, nid: number): void {
  const { next_reap, free_touched, free_limit } = sys.slab_node
  const node = get_node(sys, cache, nid)
  const now = sys.machine.jiffies[0]!
  if (next_reap[node]! > now) return
  next_reap[node] = now + REAPTIMEOUT_NODE
  drain_array(sys, cache, shared_array(sys, cache, nid), nid)
  if (free_touched[node] !== 0) free_touched[node] = 0
  else {
    const fifth = 5 * sys.slab_cache.num[cache]!
    drain_freelist(sys, cache, node, Math.floor((free_limit[node]! + fifth - 1) / fifth))
  }
}

/** @kernel mm/slab.c:next_reap_node */
function next_reap_node(sys: Sys, cpu: number): void {
  const { slab_reap_node } = sys.slab_cpu
  for (let step = 1; step <= sys.nr_nodes; step++) {
    const node = (slab_reap_node[cpu]! + step) % sys.nr_nodes
    if (sys.node.online[node] !== 1) continue
    slab_reap_node[cpu] = node
    return
  }
}
