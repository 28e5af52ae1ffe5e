// Tables that all allocators of objects share: the caches, which cache serves which size of kmalloc, and what boot said.
// An allocator's own columns lie in its own tables (slub_tables.ts, slab_slab_tables.ts, slob_tables.ts), a row a cache.
// Law: a cache is a row; rows of caches that are gone are zeros and are used again. `seq` tells who was created first.
import { f64, i32, u8, u32 } from '../image/table.ts'
import type { Kernel } from './kernel.ts'

/** Bytes of a cache's name with the NUL that ends it. */
export const KMEM_CACHE_NAME_BYTES = 64
/** Bytes of the part of the command line that caches depend on. */
export const SLAB_CMDLINE_BYTES = 512
/** Kinds × indexes of kmalloc's caches. */
export const KMALLOC_TYPES = 4
export const KMALLOC_INDEXES = 32

/** One row. */
export const SLAB_STATE = {
  slab_state: i32('0 = there are no caches yet, 1 = only those of boot, 2 = all of kmalloc are there'),
  created: f64('caches ever created'),
  cmdline: u8('words of the command line that caches depend on, ASCII', SLAB_CMDLINE_BYTES),
  cache_line_size: i32('bytes'),
  totalram_pages: f64('pages of memory when caches began; 0 = many'),
  nr_cpu_ids: i32('CPUs that the machine can have, which the order of slabs depends on'),
  taint: u32('bits TAINT_*: what went wrong in this machine so far'),
  caller: u32('who calls now, a name of kernel_text.ts: records of who allocated and freed keep it; 0 = nobody says'),
  slab_errors: i32('errors that checks of slabs found, as the unit tests count them'),
  boot_cache: i32('row + 1 of the cache of caches; 0 = none'),
  node_cache: i32("row + 1 of the cache of caches' nodes; 0 = none"),
} as const

/** One row a cache. @kernel include/linux/slab.h:struct kmem_cache */
export const KMEM_CACHE = {
  used: u8('1 = the cache exists'),
  name: u8('ASCII, ends in NUL', KMEM_CACHE_NAME_BYTES),
  object_size: i32('bytes that a user asked for, the most of all its users'),
  size: i32('bytes from one object to the next'),
  align: i32('bytes'),
  flags: u32('bits SLAB_*'),
  refcount: i32('users; -1 = one of the allocator itself, which nobody joins'),
  ctor: u32('which function makes an object, see kernel_text.ts; 0 = none'),
  usersize: i32('bytes of an object that user space may see'),
  seq: f64('the how manieth cache of this machine it is'),
} as const

/** One row a name under which a user knows a cache that others had made. Links of /sys/kernel/slab, which SLUB alone has. */
export const KMEM_ALIAS = {
  cache: i32('row + 1 of the cache; 0 = the row is unused'),
  name: u8('ASCII, ends in NUL', KMEM_CACHE_NAME_BYTES),
} as const

/** Type of kmalloc (KMALLOC_NORMAL …) × index. @kernel mm/slab_common.c:kmalloc_caches */
export const KMALLOC_CACHE = {
  cache: i32('row + 1 of the cache; 0 = none'),
} as const

/** Caches that a machine has room for where its shape does not say. */
export const NR_KMEM_CACHES = 256

/** Lists of slabs that a cache has on a node: SLUB 2 (partial, full), SLAB 3 (partial, full, free). SLOB's three lists
 * are those of row 0 on node 0. */
export const NR_SLAB_LISTS = 3

/** The shared tables, by name. */
export const SLAB_TABLES = {
  slab_state: SLAB_STATE,
  kmem_cache: KMEM_CACHE,
  kmem_alias: KMEM_ALIAS,
  kmalloc_cache: KMALLOC_CACHE,
} as const

/** Rows of the shared tables. @ours */
export function slab_rows(kernel: Kernel, caches: number): { [Name in keyof typeof SLAB_TABLES]: number } {
  const aliases = kernel.slab === 'SLUB' ? caches : 0
  return { slab_state: 1, kmem_cache: caches, kmem_alias: aliases, kmalloc_cache: KMALLOC_TYPES * KMALLOC_INDEXES }
}

/** Rows of `link` that are heads of lists of slabs. @ours */
export function slab_list_heads(kernel: Kernel, caches: number, nr_nodes: number): number {
  return kernel.slab === 'SLOB' ? NR_SLAB_LISTS : caches * nr_nodes * NR_SLAB_LISTS
}
