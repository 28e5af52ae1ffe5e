// The machine's tables: nodes, zones, free areas, per-CPU lists, pageblocks, counters; and `Sys`, the one parameter
// that every function of the kernel room takes first.
// One arena for the whole machine: the global pfn is the index, a zone is an offset of its list heads and counters.
// A zone's row is node * nr_zones + zone type; a per-CPU list's row is zone * nr_cpus + cpu.
import type { Image } from '../image/image.ts'
import type { Views } from '../image/table.ts'
import type { Probes } from '../trace/probes.ts'
import { KASAN_TABLES } from './kasan_tables.ts'
import type { Kernel } from './kernel.ts'
import { KERNEL_STACK_TABLES } from './kernel_stack_tables.ts'
import { KMEMLEAK_TABLES } from './kmemleak_tables.ts'
import { MEMCG_TABLES } from './memcg_tables.ts'
import { MEMPOLICY } from './mempolicy_table.ts'
import { MEMPOOL, MEMPOOL_ELEMENT } from './mempool_tables.ts'
import { LINK, PAGE } from './mm_types.ts'
import { PKMAP_TABLES } from './page_address_map.ts'
import type { FastPath } from './page_alloc/fast_path.ts'
import type { PageWalk } from './page_walk.ts'
import { PERCPU_TABLES } from './percpu_tables.ts'
import { PGTABLE_STATE } from './pgtable_types.ts'
import { PHYSMEM, PHYSMEM_SLOT, PHYSMEM_STATE } from './physmem_table.ts'
import type { Reclaim } from './reclaim.ts'
import { RECLAIM_TABLES } from './reclaim_tables.ts'
import { SEGMENT } from './segment_types.ts'
import type { Shrinker } from './shrinker.ts'
import { SLAB_SLAB_TABLES } from './slab_slab_tables.ts'
import { SLAB_TABLES } from './slab_tables.ts'
import { SLOB_TABLES } from './slob_tables.ts'
import type { SlubFastPath } from './slub_fast.ts'
import { SLUB_TABLES } from './slub_tables.ts'
import type { SwapStore } from './swap_bytes.ts'
import {
  BLOCK,
  BLOCK_ZONE_SPLIT,
  CPU,
  DISTANCE,
  FREE_AREA,
  FREE_MASK,
  MACHINE,
  NODE,
  NODE_STAT,
  NUMA_STAT,
  PAGEBLOCK,
  PCP,
  SYSCTL,
  VM_EVENT,
  ZONE,
  ZONE_STAT,
  ZONE_STAT_DIFF,
  ZONELIST,
} from './tables.ts'
import type { VmSeams } from './vm_seams.ts'
import { VM_TABLES } from './vm_tables.ts'
import { VMALLOC_TABLES } from './vmalloc_types.ts'
import { ZSMALLOC_TABLES } from './zsmalloc_tables.ts'

export { get_pageblock_migratetype, set_pageblock_migratetype } from './pageblock.ts'
export type { Shape } from './shape.ts'
export * from './tables.ts'

/** Tables of the image, in the order in which they lie in it: small and hot ones first, those as long as memory last. */
export const TABLES = {
  machine: MACHINE,
  sysctl: SYSCTL,
  node: NODE,
  distance: DISTANCE,
  cpu: CPU,
  zone: ZONE,
  zone_stat: ZONE_STAT,
  zone_stat_diff: ZONE_STAT_DIFF,
  node_stat: NODE_STAT,
  numa_stat: NUMA_STAT,
  vm_event: VM_EVENT,
  free_area: FREE_AREA,
  free_mask: FREE_MASK,
  pcp: PCP,
  zonelist: ZONELIST,
  mempolicy: MEMPOLICY,
  mempool: MEMPOOL,
  mempool_element: MEMPOOL_ELEMENT,
  ...SLAB_TABLES,
  ...SLUB_TABLES,
  ...SLAB_SLAB_TABLES,
  ...SLOB_TABLES,
  ...VMALLOC_TABLES,
  ...PKMAP_TABLES,
  ...KERNEL_STACK_TABLES,
  ...KASAN_TABLES,
  ...RECLAIM_TABLES,
  ...ZSMALLOC_TABLES,
  ...KMEMLEAK_TABLES,
  ...PERCPU_TABLES,
  ...VM_TABLES,
  memcg: MEMCG_TABLES.memcg,
  memcg_stock: MEMCG_TABLES.memcg_stock,
  swap_memcg: MEMCG_TABLES.swap_memcg,
  segment: SEGMENT,
  pgtable_state: PGTABLE_STATE,
  physmem_state: PHYSMEM_STATE,
  physmem_slot: PHYSMEM_SLOT,
  block: BLOCK,
  pageblock: PAGEBLOCK,
  page: PAGE,
  page_memcg: MEMCG_TABLES.page_memcg,
  link: LINK,
  physmem: PHYSMEM,
} as const

/** The columns of all tables. */
export type TableViews = { readonly [Name in keyof typeof TABLES]: Views<(typeof TABLES)[Name]> }

/** A machine: views of its image, its kernel's record, and numbers that follow from both and never change. */
export interface Sys extends TableViews {
  readonly image: Image
  readonly kernel: Kernel
  /** Functions of the page allocator's common way, bound to this machine; not state. */
  fast_path: FastPath | null
  /** The same for objects of SLUB. */
  slub_fast_path: SlubFastPath | null
  /** The processor's walk through page tables, bound in the same way. */
  page_walk: PageWalk | null
  /** Who listens to tracepoints; not state. */
  trace: Probes
  /** Where the kernel's messages go, a line each without its level; not state. */
  printk: ((line: string) => void) | null
  /** Byte stores of swap areas that lie in files of the host, and who has objects to give up; not state. */
  swap_stores: SwapStore[]
  shrinkers: Shrinker[]
  /** The reclaim room, where the machine has one. */
  reclaim: Reclaim | null
  /** Whether allocations are noted by kmemleak. */
  readonly debug_kmemleak: boolean
  /** Rooms that virtual memory asks, where the machine has them. */
  seams: VmSeams
  readonly nr_frames: number
  readonly nr_nodes: number
  readonly nr_cpus: number
  /** Zone types of the kernel: a zone's row is node * nr_zone_types + type. */
  readonly nr_zone_types: number
  readonly nr_zones: number
  readonly NR_PAGE_ORDERS: number
  readonly MIGRATE_TYPES: number
  /** Migrate type of isolated pageblocks; -1 in kernels without isolation. */
  readonly MIGRATE_ISOLATE: number
  /** Migrate type of CMA areas; -2, which nothing has, in kernels without CMA. */
  readonly MIGRATE_CMA: number
  /** Zone type by zone row: a table, since a division costs more than all else that an allocation does with it. */
  readonly zone_idx: Uint8Array
  /** Node by zone row. */
  readonly zone_to_nid: Uint16Array
  /** Type of ZONE_NORMAL. */
  readonly ZONE_NORMAL: number
  /** Row of the pgalloc_* event by zone row. */
  readonly pgalloc_events: Int32Array
  readonly pageblock_order: number
  readonly pageblock_nr_pages: number
  readonly nr_pcp_lists: number
  /** Order of the huge pages that go through the per-CPU lists; -1 without transparent huge pages. */
  readonly pcp_huge_order: number
  /** log2 of the frames of a BLOCK row. */
  readonly block_shift: number
  /** First row of `link` that is a free list's head: + (zone * NR_PAGE_ORDERS + order) * MIGRATE_TYPES + migratetype. */
  readonly free_list_base: number
  /** First row of `link` that is a per-CPU list's head: + pcp * nr_pcp_lists + pindex. */
  readonly pcp_list_base: number
  /** First row of `link` that is the head of a list of slabs: + (cache * nr_nodes + node) * NR_SLAB_LISTS + list. */
  readonly slab_list_base: number
  /** First row of `link` that is the head of an LRU list: + node * lru_heads_of_node + list. */
  readonly lru_list_base: number
  /** Entries of one zonelist, its end mark included; a node has two: fallback and this node alone. */
  readonly zonelist_length: number
  /** First address of the direct map, its high and low word, and the high one as a signed number. */
  readonly page_offset_hi: number
  readonly page_offset_word: number
  readonly page_offset_lo: number
  /** log2 of the bytes of a frame, and these. */
  readonly page_shift: number
  readonly page_bytes: number
  /** 2^-PAGE_SHIFT: a physical address times this is its frame. */
  readonly frames_per_byte: number
  /** The bytes of physmem as words. */
  readonly physmem_words: Uint32Array
}

const SPLIT: number = BLOCK_ZONE_SPLIT

/** Row of the zone that owns a frame; -1 for a frame that no zone spans. @kernel include/linux/mm.h:page_zone */
export function page_zone(sys: Sys, pfn: number): number {
  const zone = sys.block.zone[pfn >>> sys.block_shift]!
  return zone === SPLIT ? zone_spanning(sys, pfn) : zone
}

function zone_spanning(sys: Sys, pfn: number): number {
  const { zone_start_pfn, spanned_pages } = sys.zone
  for (let zone = 0; zone < sys.nr_zones; zone++)
    if (pfn >= zone_start_pfn[zone]! && pfn < zone_start_pfn[zone]! + spanned_pages[zone]!) return zone
  return -1
}

/** Row of `free_area` and first row of its list heads. @ours */
export function free_list_head(sys: Sys, zone: number, order: number, migratetype: number): number {
  return sys.free_list_base + (zone * sys.NR_PAGE_ORDERS + order) * sys.MIGRATE_TYPES + migratetype
}

/** Name of a zone as /proc prints it. @ours */
export function zone_name(sys: Sys, zone: number): string {
  return sys.kernel.zones[zone % sys.nr_zone_types]!
}

/** @kernel include/linux/mmzone.h:populated_zone */
export function populated_zone(sys: Sys, zone: number): boolean {
  return sys.zone.present_pages[zone]! > 0
}

/** @kernel include/linux/mmzone.h:managed_zone */
export function managed_zone(sys: Sys, zone: number): boolean {
  return sys.zone.managed_pages[zone]! > 0
}
