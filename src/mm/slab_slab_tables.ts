// SLAB's own tables: a row a cache, a row a cache and node, the array caches with their entries, and the slabs.
// Law: a slab is a row of `slab_desc`, and its first frame names it: page.private = row + 1, page.mapping = cache + 1;
// the frame is on exactly one of its node's lists (`link`): partial, full or free, in this order of heads.
// Law: an object is in exactly one place: with its user (its bit of `taken`), in one array cache, or free in its slab.
import { f64, i32, u8, u32 } from '../image/table.ts'

/** One row a cache. @kernel include/linux/slab_def.h:struct kmem_cache */
export const SLAB_CACHE = {
  num: i32('objects of a slab'),
  gfporder: i32('pages of a slab, as an order'),
  colour: i32('different offsets of the first object'),
  colour_off: i32('bytes between them'),
  freelist_size: i32('bytes of the list of free objects, one each'),
  limit: i32('objects that a CPU keeps'),
  batchcount: i32('objects that move at once'),
  shared: i32('batches that the CPUs of a node share'),
  allocflags: i32('GFP bits that slabs are allocated with'),
  obj_offset: i32('bytes before an object, for its left red zone'),
  entries: i32('first row of the entries of its array caches, which lie in one run'),
  nr_entries: i32('rows of that run'),
} as const

/** Row: cache × array caches of a cache, which are: a CPU's, by CPU; a node's shared one, by node; with several nodes
 * a node's alien ones, by node × node that the objects belong to. @kernel mm/slab.c:struct array_cache */
export const SLAB_ARRAY = {
  avail: i32('objects in it'),
  limit: i32('objects that it has room for; 0 = it does not exist'),
  batchcount: u32('objects that move at once; 0xbaadf00d where nobody asks'),
  touched: u8('1 = used since the reaper looked'),
  entries: i32('first row of its entries'),
} as const

/** Entries of all array caches: the last of an array is handed out first. */
export const SLAB_ENTRY = {
  entry: f64('object with its red zone, physical address; 0 = none'),
} as const

/** Row: cache × node. @kernel mm/slab.h:struct kmem_cache_node */
export const SLAB_NODE = {
  total_slabs: i32('slabs on the three lists'),
  free_slabs: i32('slabs on the list of free ones'),
  free_objects: i32('objects that are free in these slabs'),
  free_limit: i32('free objects above which free slabs go back to the page allocator'),
  colour_next: i32('colour of the newest slab'),
  free_touched: u8('1 = somebody looked for a free slab since the reaper did'),
  next_reap: f64('jiffies before which the reaper leaves the node alone'),
  list_lock: f64('times list_lock was taken'),
} as const

/** Words of a set of objects of one slab. */
export const SLAB_OBJECT_WORDS = 8

/** One row a slab. @kernel mm/slab.h:struct slab */
export const SLAB_DESC = {
  pfn: i32('first frame + 1; of an unused row the next of the chain, row + 1; 0 = none'),
  active: i32('objects that are not free in the slab'),
  s_mem: f64('first object, physical address'),
  freelist: f64('list of free objects, physical address; 0 = the slab is full and the list lay in an object'),
  taken: u32('set of objects with their user; the kernel has none, it shows a wrong free', SLAB_OBJECT_WORDS),
  out: u32('set of objects that are not free here; the kernel has none, it shows a damaged list', SLAB_OBJECT_WORDS),
} as const

/** One row. */
export const SLAB_DESC_STATE = {
  used: i32('rows of slab_desc that were ever used'),
  unused: i32('first row + 1 of the chain of unused ones; 0 = none'),
} as const

/** One row a CPU. */
export const SLAB_CPU = {
  slab_reap_node: i32('node whose alien objects the reaper gives back next'),
  next_reap: f64('jiffies at which the reaper comes to the CPU; 0 = its timer was not started yet'),
} as const

export const SLAB_SLAB_TABLES = {
  slab_cache: SLAB_CACHE,
  slab_array: SLAB_ARRAY,
  slab_entry: SLAB_ENTRY,
  slab_node: SLAB_NODE,
  slab_desc: SLAB_DESC,
  slab_desc_state: SLAB_DESC_STATE,
  slab_cpu: SLAB_CPU,
} as const

/** Entries that a CPU's array has at most, a node's shared one, and an alien one. */
const [CPU_ENTRIES, SHARED_ENTRIES, ALIEN_ENTRIES] = [120, 480, 12]

/** Array caches that a cache can have. @ours */
export const arrays_of_cache = (nr_cpus: number, nr_nodes: number): number =>
  nr_cpus + nr_nodes + (nr_nodes > 1 ? nr_nodes * nr_nodes : 0)

/** Rows of SLAB's tables; `caches` is 0 in kernels with another allocator. @ours */
export function slab_slab_rows(
  caches: number,
  nr_cpus: number,
  nr_nodes: number,
  slabs: number,
): { [Name in keyof typeof SLAB_SLAB_TABLES]: number } {
  const shared = nr_cpus > 1 ? nr_nodes * SHARED_ENTRIES : 0
  const alien = nr_nodes > 1 ? nr_nodes * nr_nodes * ALIEN_ENTRIES : 0
  const some = Math.min(caches, 1)
  return {
    slab_cache: caches,
    slab_array: caches * arrays_of_cache(nr_cpus, nr_nodes),
    slab_entry: caches * (nr_cpus * CPU_ENTRIES + shared + alien),
    slab_node: caches * nr_nodes,
    slab_desc: some * slabs,
    slab_desc_state: some,
    slab_cpu: some * nr_cpus,
  }
}
