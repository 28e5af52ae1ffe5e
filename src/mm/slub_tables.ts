// SLUB's own columns: a row a cache, a row a cache and CPU, a row a cache and node.
// A slab is its first frame, and what SLUB knows of it lies in that frame's columns:
//   mapping   row of the cache + 1
//   index     first free object: its offset from the slab's start + 1; 0 = none, -1 = not an address in the slab
//   private   inuse | objects << 16 | frozen << 31
//   link      on a node's list: next and prev; on a CPU's list: 2i = next frame or -1, 2i + 1 = slabs from here on
// Law: what lies in the bytes of free objects (the rest of the free list) lies in no column.
import { i32, u32 } from '../image/table.ts'
import type { Kernel } from './kernel.ts'

/** fast_offset: more than any page has. */
export const NO_FAST_PATH: number = 1 << 30

/** One row a cache. @kernel include/linux/slub_def.h:struct kmem_cache */
export const SLUB_CACHE = {
  inuse: i32('bytes up to the records'),
  offset: i32('bytes from the start of an object to its free pointer'),
  red_left_pad: i32('bytes before an object'),
  oo: i32('a slab as it should be: order << 16 | objects'),
  min: i32('a slab when memory is short: order << 16 | objects'),
  min_partial: i32('partial slabs that a node keeps even if they are empty'),
  allocflags: i32('GFP bits that slabs are allocated with'),
  cpu_partial: i32('objects that a CPU keeps in partial slabs'),
  cpu_partial_slabs: i32('slabs that a CPU keeps'),
  random: u32('what free pointers are mixed with, low and high word; 0 = they are plain', 2),
  fast_offset: i32(
    'offset where free pointers are plain words of 64 bits and nobody checks objects; else NO_FAST_PATH',
  ),
  errors: i32('errors that checks of the cache found'),
  random_seq: u32('seed of the order of free objects in new slabs; 0 = that of their addresses'),
} as const

/** Row: cache × CPU. @kernel include/linux/slub_def.h:struct kmem_cache_cpu */
export const SLUB_CPU = {
  freelist: i32('first free object of the lockless list: its offset from the start of `slab` + 1; 0 = none'),
  slab: i32('frame + 1 of the slab that objects come from; 0 = none'),
  partial: i32('frame + 1 of the first partial slab; 0 = none'),
} as const

/** Row: cache × node. @kernel mm/slab.h:struct kmem_cache_node */
export const SLUB_NODE = {
  nr_partial: i32('slabs on the partial list'),
  nr_slabs: i32('slabs of the cache on the node; only kernels with SLUB_DEBUG count'),
  total_objects: i32('objects of these'),
} as const

/** Row: a word of 32 bits for each 256 bytes of physmem. */
export const SLUB_OBJECT = {
  live: u32(
    'bit n = an object that was handed out begins 8 n bytes behind; so wrong frees can be told from right ones',
  ),
} as const

export const SLUB_TABLES = {
  slub_cache: SLUB_CACHE,
  slub_cpu: SLUB_CPU,
  slub_node: SLUB_NODE,
  slub_object: SLUB_OBJECT,
} as const

/** Rows of SLUB's tables; none in kernels with another allocator. `slots` are those of physmem. @ours */
export function slub_rows(
  kernel: Kernel,
  caches: number,
  nr_cpus: number,
  nr_nodes: number,
  slots: number,
): { [Name in keyof typeof SLUB_TABLES]: number } {
  const rows = kernel.slab === 'SLUB' ? caches : 0
  const words = kernel.slab === 'SLUB' ? slots * 2 ** (kernel.PAGE_SHIFT - 8) : 0
  return { slub_cache: rows, slub_cpu: rows * nr_cpus, slub_node: rows * nr_nodes, slub_object: words }
}
