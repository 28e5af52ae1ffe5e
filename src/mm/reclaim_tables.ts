// Tables of reclaim: the LRU vectors of nodes, the CPUs' batches, what kswapd and direct reclaim are doing, the clock
// and the I/O under way, swap areas with their slots. A machine whose shape asks for no processes has no rows here.
import { f64, i32, u8, u16, u32 } from '../image/table.ts'

/** Lists of a node. @kernel include/linux/mmzone.h:enum lru_list */
export const LRU_INACTIVE_ANON = 0
export const LRU_ACTIVE_ANON = 1
export const LRU_INACTIVE_FILE = 2
export const LRU_ACTIVE_FILE = 3
export const LRU_UNEVICTABLE = 4
export const NR_LRU_LISTS = 5

/** Generations of the multi-generational LRU. @kernel include/linux/mmzone.h:MAX_NR_GENS */
export const MAX_NR_GENS = 4
export const MIN_NR_GENS = 2
/** @kernel include/linux/mmzone.h:MAX_NR_TIERS */
export const MAX_NR_TIERS = 4

/** Pages of a batch at most; a kernel may use fewer. @kernel include/linux/pagevec.h:PAGEVEC_SIZE */
export const MAX_BATCH = 31
/** Batches of a CPU. @kernel mm/swap.c:struct cpu_fbatches */
export const BATCH_ADD = 0
export const BATCH_ROTATE = 1
export const BATCH_DEACTIVATE_FILE = 2
export const BATCH_DEACTIVATE = 3
export const BATCH_LAZYFREE = 4
export const BATCH_ACTIVATE = 5
/** Pages to lock in memory or to unlock; a batch apart from the others. @kernel mm/mlock.c:struct mlock_fbatch */
export const BATCH_MLOCK = 6
export const NR_BATCHES = 7

/** One row a node. @kernel include/linux/mmzone.h:struct lruvec */
export const LRUVEC = {
  anon_cost: f64('what reclaim of anonymous pages has cost lately, pages'),
  file_cost: f64('the same of files'),
  nonresident_age: f64('pages that left the inactive lists, evicted or activated'),
  refaults: f64('workingset_activate_anon and _file when reclaim ended last', 2),
  congested: u8('1 = all dirty pages met are under writeback'),
} as const

/** One row a zone of a node: pages of its lists, exact. @kernel include/linux/memcontrol.h:lruvec_size */
export const LRU_ZONE_SIZE = {
  size: i32('pages by LRU_*', NR_LRU_LISTS),
} as const

/** CPU × batch. @kernel include/linux/pagevec.h:struct folio_batch */
export const LRU_BATCH = {
  nr: i32('pages that wait'),
  pfn: i32('frames; each holds a reference', MAX_BATCH),
  tag: u8('in the batch of mlock: 0 = unlock, 1 = lock, 2 = lock, and it is on no list yet', MAX_BATCH),
} as const

/** One row a node, where the kernel has the multi-generational LRU. @kernel include/linux/mmzone.h:struct lru_gen_struct */
export const LRU_GEN = {
  enabled: i32('bits LRU_GEN_*: 1 = in use, 2 = page tables are walked, 4 = their upper levels tell, too'),
  max_seq: f64('youngest generation'),
  min_seq: f64('oldest generation of anonymous pages and of files', 2),
  birth: f64('ticks when a generation began, by its slot', MAX_NR_GENS),
  avg_refaulted: f64('moving average of refaults, by type and tier', 2 * MAX_NR_TIERS),
  avg_total: f64('moving average of evictions and protections, by type and tier', 2 * MAX_NR_TIERS),
  protected: f64('pages kept by their tier since the oldest generation began', 2 * MAX_NR_TIERS),
  evicted: f64('pages evicted since then', 2 * MAX_NR_TIERS),
  refaulted: f64('of them come back', 2 * MAX_NR_TIERS),
  filter: u32('Bloom filters of page tables worth a walk, two in turn', 2048),
} as const

/** One row a zone of a node. */
export const LRU_GEN_SIZE = {
  nr_pages: i32('pages by slot of the generation and type', 2 * MAX_NR_GENS),
} as const

/** One row a node: what its kswapd does. @kernel include/linux/mmzone.h:struct pglist_data */
export const KSWAPD = {
  state: u8('KSWAPD_*'),
  order: i32('largest order asked for since it began'),
  highest_zoneidx: i32('highest zone type asked for + 1; 0 = nobody asked'),
  failures: i32('runs in a row that freed nothing'),
  writeback: u8('1 = all of the tail is under writeback'),
  dirty: u8('1 = all of the tail is dirty'),
  alloc_order: i32('order of the run'),
  reclaim_order: i32('order that the run came down to'),
  zoneidx: i32('highest zone type of the run'),
  until: f64('microseconds: end of its short sleep'),
  boost: f64('pages of boost that are still to be reclaimed'),
  boosted: u8('1 = the run began with a boost'),
  raise_priority: u8('1 = the step scanned too little'),
  step_reclaimed: f64('sc.nr_reclaimed when the step began'),
  vruntime: f64('microseconds of the CPU that it had, less its credit for sleeping'),
  kcompactd_order: i32('order that kcompactd is asked for; 0 = none'),
  kcompactd_zoneidx: i32('highest zone type that it is asked for'),
} as const

/** What a zone's boost was when kswapd began. */
export const KSWAPD_ZONE = {
  boost: i32('pages'),
} as const

/** One row a zone. @kernel include/linux/mmzone.h:struct zone */
export const ZONE_COMPACT = {
  cached_free_pfn: i32("where the free scanner goes on; 0 = at the zone's end"),
  cached_migrate_pfn: i32("where the migration scanner goes on, async and sync; 0 = at the zone's begin", 2),
  considered: i32('requests that were put off since compaction failed'),
  defer_shift: i32('log2 of the requests to put off'),
  order_failed: i32('orders from this one on are put off; 0 (at boot) = all, once one has failed'),
  blockskip_flush: u8('1 = the scanners have met: forget which pageblocks to skip'),
} as const

/** Rows: a node's kswapd, then one for whoever reclaims directly. @kernel mm/vmscan.c:struct scan_control */
export const SCAN_CONTROL = {
  gfp_mask: u32('mask of the request'),
  order: i32('order wanted'),
  priority: i32('1 / 2^priority of a list is scanned'),
  reclaim_idx: i32('highest zone type'),
  nr_to_reclaim: f64('pages'),
  nr_reclaimed: f64('pages'),
  nr_scanned: f64('pages'),
  may_writepage: u8('1 = may write'),
  may_unmap: u8('1 = may take pages that are mapped'),
  may_swap: u8('1 = may take anonymous pages'),
  may_deactivate: u8('bit 0: active anonymous pages, bit 1: active files'),
  force_deactivate: u8('1 = deactivate in any case'),
  skipped_deactivate: u8('1 = active pages were spared'),
  cache_trim_mode: u8('1 = there are enough inactive files'),
  file_is_tiny: u8('1 = hardly any file page is left'),
  compaction_ready: u8('1 = enough is free to compact'),
  anon_cost: f64('as in the LRU vector when the node was begun'),
  file_cost: f64('the same'),
  dirty: f64('pages met: dirty'),
  unqueued_dirty: f64('dirty and not under writeback'),
  congested: f64('under writeback for the second time'),
  writeback: f64('under writeback'),
  immediate: f64('to be reclaimed as soon as they are written'),
  taken: f64('isolated'),
  file_taken: f64('of them of files'),
  nr: f64('pages still to scan, by list', 4),
  targets: f64('pages to scan at the begin, by list', 4),
  lru: i32('list that is next'),
  vec_reclaimed: f64('pages of this node so far'),
  proportional: u8('1 = all of it is scanned, whatever is reclaimed'),
  last_reclaimed: f64('nr_reclaimed when the generations were aged'),
  memcgs_need_aging: u8('1 = age the generations first'),
  initial_priority: i32('where it began'),
  memcg: i32('control group whose pages alone may go; 0 = all'),
} as const

/** One row: time, and what an operation takes of it. Microseconds. */
export const RECLAIM_CLOCK = {
  now: f64('since boot'),
  device_free: f64('when the swap device can begin with the next request'),
  io_head: i32('row of reclaim_io that completes next'),
  io_count: i32('requests under way'),
  vruntime: f64('of the CPU that processes had'),
  reclaiming: i32('nesting of direct reclaim'),
  oom_reap: f64('microseconds: when the OOM reaper wakes; 0 = nobody waits for it'),
  running: i32('who has the CPU: 0 = a process, else node of the kswapd + 1'),
  access: f64('an access of user space'),
  fault: f64('a fault without I/O'),
  scan: f64('a page that reclaim looks at'),
  write: f64('a page that is unmapped and sent to the device'),
  free: f64('a page that is freed'),
  read_latency: f64('a read of one page'),
  write_latency: f64('from sending a page to its completion'),
  transfer: f64('a page more of a request'),
} as const

/** Ring of pages under writeback, in the order in which they complete. */
export const RECLAIM_IO = {
  pfn: i32('frame'),
  done: f64('microseconds'),
} as const

/** Swap areas that there may be. @kernel include/linux/swap.h:MAX_SWAPFILES */
export const NR_SWAP_AREAS = 8
/** Slots that a CPU keeps to hand out, and to give back. @kernel include/linux/swap_slots.h:SWAP_SLOTS_CACHE_SIZE */
export const SWAP_SLOTS_CACHE_SIZE = 64

/** Bytes of an area's path, with the 0 that ends it. */
export const SWAP_NAME_LEN = 256

/** One row an area. @kernel include/linux/swap.h:struct swap_info_struct */
export const SWAP_INFO = {
  flags: u32('bits SWP_*; 0 = not in use'),
  prio: i32('areas of a higher one are filled first'),
  max: i32('slots, the header included'),
  base: i32('first row of swap_map'),
  pages: i32('slots that can hold a page'),
  inuse_pages: i32('of them in use'),
  lowest_bit: i32('no slot below is free'),
  highest_bit: i32('no slot above is free; 0 = none is'),
  cluster_next: i32('where the next search begins'),
  cluster_nr: i32('slots left before another run of free ones is looked for'),
  store: i32('number of its byte store'),
  next: i32('order in which areas of one priority take turns'),
  errors: f64('reads and writes that failed'),
  name: u8('path, ASCII, ends with 0', SWAP_NAME_LEN),
} as const

/** One row a slot; areas lie one behind the other. */
export const SWAP_MAP = {
  count: u16('users; SWAP_HAS_CACHE = it has a page in the swap cache, SWAP_MAP_BAD = never to be used'),
  folio: i32('frame in the swap cache + 1, or 0; below 0: -1 - what workingset knows of the page that was evicted'),
  data: i32('slot of physmem with its bytes + 1, of areas without a file; 0 = it reads as zeros'),
  zero: u8('1 = only zeros were written: nothing is on the device (6.12)'),
  zpool: u8('pool of compressed memory that keeps it + 1; 0 = none does'),
  zhuge: u8('1 = it does not compress and is kept as it is'),
  zsize: u16('bytes that it has compressed'),
  zspage: i32('zspage of it; -1 = none, it repeats one word'),
  znext: i32('row + 1 of the page that zswap stored before it'),
  zprev: i32('of that which it stored after it'),
} as const

/** One row. */
export const SWAP_STATE = {
  nr_swap_pages: f64('free slots'),
  total_swap_pages: f64('slots'),
  used: i32('rows of swap_map in use'),
  page_cluster: i32('log2 of the pages of a readahead'),
  hits: i32('pages of readahead that were wanted since the last one'),
  prev_offset: i32('where the last readahead without hits was'),
  last_readahead: i32('pages of the last one'),
  nr_rotate_swap: i32('areas on disks that turn'),
  unuse: u8('1 = swapoff brings pages back: when memory is out it goes first'),
  io: f64('pages that were read from byte stores of the host or written to them: the number of the next one'),
} as const

/** CPU: slots that are taken from an area, and slots that go back. @kernel mm/swap_slots.c:struct swap_slots_cache */
export const SWAP_SLOTS = {
  nr: i32('entries to hand out'),
  cur: i32('the next of them'),
  slots: f64('entries', SWAP_SLOTS_CACHE_SIZE),
  n_ret: i32('entries to give back'),
  slots_ret: f64('entries', SWAP_SLOTS_CACHE_SIZE),
} as const

/** The tables by name, for TABLES. @ours */
export const RECLAIM_TABLES = {
  lruvec: LRUVEC,
  lru_zone_size: LRU_ZONE_SIZE,
  lru_batch: LRU_BATCH,
  lru_gen: LRU_GEN,
  lru_gen_size: LRU_GEN_SIZE,
  kswapd: KSWAPD,
  kswapd_zone: KSWAPD_ZONE,
  zone_compact: ZONE_COMPACT,
  scan_control: SCAN_CONTROL,
  reclaim_clock: RECLAIM_CLOCK,
  reclaim_io: RECLAIM_IO,
  swap_info: SWAP_INFO,
  swap_state: SWAP_STATE,
  swap_slots: SWAP_SLOTS,
  swap_map: SWAP_MAP,
} as const

/** Room for reclaim. */
export interface ReclaimShape {
  /** Tasks; a machine without has nothing to reclaim. */
  readonly nr_tasks?: number
  /** Slots of all swap areas together; 0 (the default) = the machine cannot swap. */
  readonly nr_swap_slots?: number
}

/** Requests that can be under way. */
const NR_IO = 8192

/** Rows of the tables. @ours */
export function reclaim_rows(
  shape: ReclaimShape,
  nr_nodes: number,
  nr_zones: number,
  nr_cpus: number,
): Readonly<Record<keyof typeof RECLAIM_TABLES, number>> {
  const on = (shape.nr_tasks ?? 0) > 0 ? 1 : 0
  return {
    lruvec: on * nr_nodes,
    lru_zone_size: on * nr_zones,
    lru_batch: on * nr_cpus * NR_BATCHES,
    lru_gen: on * nr_nodes,
    lru_gen_size: on * nr_zones,
    kswapd: on * nr_nodes,
    kswapd_zone: on * nr_zones,
    zone_compact: on * nr_zones,
    scan_control: on * (nr_nodes + 1),
    reclaim_clock: on,
    reclaim_io: on * NR_IO,
    swap_info: on * NR_SWAP_AREAS,
    swap_state: on,
    swap_slots: on * nr_cpus,
    swap_map: on * (shape.nr_swap_slots ?? 0),
  }
}

/** Heads of lists of a node: the five lists, then generations × types × zones. @ours */
export const lru_heads_of_node = (nr_zone_types: number): number => NR_LRU_LISTS + 2 * MAX_NR_GENS * nr_zone_types

/** Rows of `link` for the lists of all nodes. @ours */
export function lru_list_heads(shape: ReclaimShape, nr_nodes: number, nr_zone_types: number): number {
  return (shape.nr_tasks ?? 0) > 0 ? nr_nodes * lru_heads_of_node(nr_zone_types) : 0
}
