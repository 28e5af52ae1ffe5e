// The page allocator's tables: nodes, zones, free areas, per-CPU lists, pageblocks, counters. Each column is declared
// here once, with its unit, its sentinel and its law; mmzone.ts lays them into the image.
// A zone's row is node * nr_zone_types + zone type, a per-CPU list's row is zone * nr_cpus + cpu.
import { f64, i32, u8, u16, u32 } from '../image/table.ts'

/** Scalars of the machine: one row. */
export const MACHINE = {
  nr_frames: i32('frames, rounded up to whole blocks of the highest order'),
  max_pfn: i32('first frame after the last memory'),
  this_cpu: i32('the CPU that runs now'),
  seed: u32('state of chance'),
  jiffies: f64('ticks since boot'),
  gfp_allowed_mask: i32('GFP bits that may be used now (early boot has fewer)'),
  in_atomic: i32('nesting of contexts that must not sleep'),
  irqs_disabled: i32('nesting of disabled interrupts'),
  movable_zone: i32('zone type that ZONE_MOVABLE is made of'),
  nr_online_nodes: i32('nodes with memory or CPUs'),
  page_group_by_mobility_disabled: i32('1 = too little memory for pageblocks of a type'),
  numa_stats: i32('1 = count numa_hit and its kin (vm.numa_stat)'),
  warn_alloc_again: f64('tick from which a failed allocation is reported again'),
  next_command: f64('number of commands done since boot'),
} as const

/** vm.* settings, one row. @kernel mm/page_alloc.c, kernel/sysctl.c */
export const SYSCTL = {
  min_free_kbytes: i32('kB'),
  user_min_free_kbytes: i32('kB that a user wrote, -1 = none'),
  watermark_scale_factor: i32('tenth of a permille of managed pages between watermarks'),
  watermark_boost_factor: i32('ten-thousandths of the high watermark; 0 = no boost'),
  percpu_pagelist_high_fraction: i32('1/n of a zone for per-CPU lists; 0 = by watermark'),
  lowmem_reserve_ratio: i32('a ratio per zone type; 0 = no reserve', 8),
  khugepaged_min_free: i32('1 = huge pages raise min_free_kbytes'),
  zone_reclaim_mode: i32('bits of node_reclaim_mode'),
  swappiness: i32('0 … 200'),
  panic_on_oom: i32('1 = panic when memory is out and nothing limits the request, 2 = always'),
  oom_kill_allocating_task: i32('1 = who asks is killed'),
  oom_dump_tasks: i32('1 = reports have a table of processes'),
} as const

/** One row a node. @kernel include/linux/mmzone.h:struct pglist_data */
export const NODE = {
  online: u8('1 = the node is there'),
  start_pfn: i32('first frame'),
  spanned_pages: i32('frames from start to end, holes included'),
  present_pages: i32('frames that are memory'),
  nr_cpus: i32('CPUs of the node'),
} as const

/** node × node. */
export const DISTANCE = {
  distance: i32('10 = the node itself'),
} as const

/** One row a CPU. */
export const CPU = {
  node: i32('the node it belongs to'),
  numa_mem: i32('the nearest node with memory'),
  held: i32('bits of the lock classes that it holds, see locks.ts'),
} as const

/** One row a zone of a node. @kernel include/linux/mmzone.h:struct zone */
export const ZONE = {
  zone_start_pfn: i32('first frame'),
  spanned_pages: i32('frames from start to end, holes included'),
  present_pages: i32('frames that are memory'),
  managed_pages: i32('frames that the page allocator got'),
  cma_pages: i32('frames in CMA areas'),
  watermark: i32('min, low, high, promo; pages, without boost', 4),
  watermark_boost: i32('pages added to each watermark for a while after a fallback'),
  nr_reserved_highatomic: i32('pages in HIGHATOMIC pageblocks'),
  nr_isolate_pageblock: i32('pageblocks under isolation'),
  lowmem_reserve: i32('pages kept from requests that could use a higher zone, by their zone type', 8),
  flags: i32('bits ZONE_*'),
  percpu_drift_mark: i32('free pages below which per-CPU counters must be summed'),
  pageset_high_min: i32('per-CPU list: pages (6.1: high)'),
  pageset_high_max: i32('per-CPU list: pages'),
  pageset_batch: i32('per-CPU list: blocks moved at once'),
  pageblock_offset: i32('row of a pageblock = pageblock_offset + (pfn >>> pageblock_order)'),
  lazy_block: i32('next block of the highest order that was never handed out; the tail of its list'),
  lazy_count: i32('how many such blocks there are'),
  lazy_step: i32('1 = lazy blocks follow upwards, -1 = downwards (high memory), as boot listed them'),
  lazy_touched: i32('blocks ever taken off the lazy tail'),
  lock_acquired: f64('times zone->lock was taken'),
} as const

/** zone × counters, in the order of `ZONE_STAT_ITEMS`. */
export const ZONE_STAT = {
  vm_stat: i32('global counter, pages'),
} as const

/** (zone × cpu) × counters: what the CPU has not folded into vm_stat yet. */
export const ZONE_STAT_DIFF = {
  vm_stat_diff: i32('pages'),
} as const

/** zone × order. @kernel include/linux/mmzone.h:struct free_area */
export const FREE_AREA = {
  nr_free: i32('free blocks of this order, of all migrate types'),
} as const

/** zone × migrate type. */
export const FREE_MASK = {
  orders: i32('bit n = the list of order n is not empty'),
} as const

/** zone × cpu. @kernel include/linux/mmzone.h:struct per_cpu_pages */
export const PCP = {
  count: i32('pages on all lists'),
  high: i32('pages at which some go back'),
  high_min: i32('pages, lower bound of high (6.12)'),
  high_max: i32('pages, upper bound of high (6.12)'),
  batch: i32('blocks moved at once'),
  free_factor: i32('log2 by which batches of frees are scaled (6.1)'),
  alloc_factor: i32('log2 by which batches of refills are scaled (6.12)'),
  free_count: i32('pages freed in a row (6.12)'),
  flags: i32('bits PCPF_* (6.12)'),
  expire: i32('ticks until a remote list is drained'),
  stat_threshold: i32('a counter is folded when it is farther from 0 than this'),
  lock_acquired: f64('times pcp->lock was taken'),
} as const

/** One row a pageblock; see ZONE.pageblock_offset. */
export const PAGEBLOCK = {
  migratetype: u8('migrate type of the block'),
  skip: u8('1 = compaction skips it'),
} as const

/** One row a block of the highest order. */
export const BLOCK = {
  state: u8('BLOCK_*'),
  zone: u16('row of the zone that owns its frames; BLOCK_ZONE_SPLIT = several zones meet in it'),
} as const

/** Node and kind × entries: rows of zones in the order in which they are tried, -1 ends. */
export const ZONELIST = {
  zones: i32('rows of zones'),
} as const

/** vmstat's events, in the order of `VM_EVENTS`. */
export const VM_EVENT = {
  count: f64('times, or pages'),
} as const

/** node × counters, in the order of `NODE_STAT_ITEMS`. */
export const NODE_STAT = {
  vm_stat: f64('pages, or as the item says'),
} as const

/** zone × NUMA counters, in the order of `NUMA_STAT_ITEMS`. */
export const NUMA_STAT = {
  count: f64('pages'),
} as const

/** BLOCK.state: no memory here. */
export const BLOCK_HOLE = 0
/** BLOCK.state: one free block that was never handed out; on no list, its frames' columns are untouched. */
export const BLOCK_LAZY = 1
/** BLOCK.state: all of it was reserved at boot; its frames' columns are untouched. */
export const BLOCK_RESERVED = 2
/** BLOCK.state: the columns of its frames say what they are. */
export const BLOCK_TOUCHED = 3
/** BLOCK.zone: frames of several zones lie in it. */
export const BLOCK_ZONE_SPLIT = 0xffff

/** ZONE.flags. @kernel include/linux/mmzone.h:enum zone_flags */
export const ZONE_BOOSTED_WATERMARK = 1
export const ZONE_RECLAIM_ACTIVE = 2
export const ZONE_BELOW_HIGH = 4

export const MIGRATE_UNMOVABLE = 0
export const MIGRATE_MOVABLE = 1
export const MIGRATE_RECLAIMABLE = 2
export const MIGRATE_PCPTYPES = 3
export const MIGRATE_HIGHATOMIC = 3
/** MIGRATE_CMA where the kernel has it; ISOLATE, where it has that, is the last type. */
export const MIGRATE_CMA = 4

export const WMARK_MIN = 0
export const WMARK_LOW = 1
export const WMARK_HIGH = 2
export const WMARK_PROMO = 3

/** Orders above this are costly: retried less, and kept off the per-CPU lists unless huge. */
export const PAGE_ALLOC_COSTLY_ORDER = 3
