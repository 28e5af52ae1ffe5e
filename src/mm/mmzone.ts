// The machine's tables: nodes, zones, free areas, per-CPU lists, pageblocks, counters; and `Sys`, the one parameter
// that every function of the kernel room takes first.
// One arena for the whole machine: the global pfn is the index, a zone is an offset of its list heads and counters.
// A zone's row is node * nr_zones + zone type; a per-CPU list's row is zone * nr_cpus + cpu.
import { attach_image, create_image, type Image, type Plan } from '../image/image.ts'
import { INIT_LIST_HEAD } from '../image/list.ts'
import type { Views } from '../image/table.ts'
import type { Probes } from '../trace/probes.ts'
import { KASAN_TABLES, kasan_rows } from './kasan_tables.ts'
import type { Kernel } from './kernel.ts'
import { KERNEL_STACK_TABLES, kernel_stack_rows } from './kernel_stack_tables.ts'
import { KMEMLEAK_TABLES, kmemleak_rows } from './kmemleak_tables.ts'
import { MEMPOLICY, mempolicy_rows } from './mempolicy_table.ts'
import { MEMPOOL, MEMPOOL_ELEMENT, NR_MEMPOOL_ELEMENTS, NR_MEMPOOLS } from './mempool_tables.ts'
import { LINK, PAGE } from './mm_types.ts'
import { PKMAP_TABLES, pkmap_rows } from './page_address_map.ts'
import type { FastPath } from './page_alloc/fast_path.ts'
import { PGTABLE_STATE } from './pgtable_types.ts'
import { NR_PHYSMEM_SLOTS, PHYSMEM, PHYSMEM_SLOT, PHYSMEM_STATE } from './physmem_table.ts'
import type { Reclaim } from './reclaim.ts'
import { SEGMENT } from './segment_types.ts'
import type { Shape } from './shape.ts'
import { SLAB_SLAB_TABLES, slab_slab_rows } from './slab_slab_tables.ts'
import { NR_KMEM_CACHES, SLAB_TABLES, slab_list_heads, slab_rows } from './slab_tables.ts'
import { SLOB_TABLES, slob_rows } from './slob_tables.ts'
import { SLUB_TABLES, slub_rows } from './slub_tables.ts'
import {
  BLOCK,
  BLOCK_ZONE_SPLIT,
  CPU,
  DISTANCE,
  FREE_AREA,
  FREE_MASK,
  MACHINE,
  MIGRATE_CMA,
  MIGRATE_PCPTYPES,
  NODE,
  NODE_STAT,
  NUMA_STAT,
  PAGE_ALLOC_COSTLY_ORDER,
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
import { VM_TABLES, vm_rows } from './vm_tables.ts'
import { VMALLOC_TABLES, vmalloc_rows } from './vmalloc_types.ts'
import { NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS, NUMA_STAT_ITEMS, pgalloc_events, VM_EVENTS } from './vmstat_item.ts'

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
  ...KMEMLEAK_TABLES,
  ...VM_TABLES,
  segment: SEGMENT,
  pgtable_state: PGTABLE_STATE,
  physmem_state: PHYSMEM_STATE,
  physmem_slot: PHYSMEM_SLOT,
  block: BLOCK,
  pageblock: PAGEBLOCK,
  page: PAGE,
  link: LINK,
  physmem: PHYSMEM,
} as const

type TableViews = { readonly [Name in keyof typeof TABLES]: Views<(typeof TABLES)[Name]> }

/** A machine: views of its image, its kernel's record, and numbers that follow from both and never change. */
export interface Sys extends TableViews {
  readonly image: Image
  readonly kernel: Kernel
  /** Functions of the page allocator's common way, bound to this machine; not state. */
  fast_path: FastPath | null
  /** Who listens to tracepoints; not state. */
  trace: Probes
  /** Where the kernel's messages go, a line each without its level; not state. */
  printk: ((line: string) => void) | null
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

const nr_pcp_lists = (kernel: Kernel): number =>
  MIGRATE_PCPTYPES * (PAGE_ALLOC_COSTLY_ORDER + 1) + (kernel.config.TRANSPARENT_HUGEPAGE ? kernel.nr_pcp_thp : 0)

/** Row of `link` behind the heads of the page allocator's lists. */
function slab_list_base(kernel: Kernel, frames: number, zones: number, pcps: number): number {
  return frames + zones * kernel.NR_PAGE_ORDERS * kernel.migratetypes.length + pcps * nr_pcp_lists(kernel)
}

function plan_rows(kernel: Kernel, shape: Shape): Plan['rows'] {
  const block_shift = kernel.NR_PAGE_ORDERS - 1
  const blocks = Math.ceil(shape.max_pfn / 2 ** block_shift)
  const frames = blocks * 2 ** block_shift
  const zones = shape.nr_nodes * kernel.zones.length
  const types = kernel.migratetypes.length
  const pcps = zones * shape.nr_cpus
  const caches = shape.nr_kmem_caches ?? NR_KMEM_CACHES
  const slots = shape.nr_physmem_slots ?? Math.min(frames, NR_PHYSMEM_SLOTS)
  return {
    machine: 1,
    sysctl: 1,
    node: shape.nr_nodes,
    distance: shape.nr_nodes * shape.nr_nodes,
    cpu: shape.nr_cpus,
    zone: zones,
    zone_stat: zones * NR_VM_ZONE_STAT_ITEMS,
    zone_stat_diff: pcps * NR_VM_ZONE_STAT_ITEMS,
    node_stat: shape.nr_nodes * NODE_STAT_ITEMS.length,
    numa_stat: zones * NUMA_STAT_ITEMS.length,
    vm_event: VM_EVENTS.length,
    free_area: zones * kernel.NR_PAGE_ORDERS,
    free_mask: zones * types,
    pcp: pcps,
    zonelist: shape.nr_nodes * 2 * (zones + 1),
    mempolicy: mempolicy_rows(shape),
    mempool: shape.nr_mempools ?? NR_MEMPOOLS,
    mempool_element: shape.nr_mempool_elements ?? NR_MEMPOOL_ELEMENTS,
    ...slab_rows(caches),
    ...slub_rows(kernel, caches, shape.nr_cpus, shape.nr_nodes, slots),
    ...slab_slab_rows(kernel.slab === 'SLAB' ? caches : 0, shape.nr_cpus, shape.nr_nodes, slots),
    ...slob_rows(kernel.slab === 'SLOB' ? slots : 0, kernel.PAGE_SHIFT),
    segment: shape.nr_cpus,
    ...pkmap_rows(kernel.config.HIGHMEM, shape.nr_cpus),
    ...kernel_stack_rows(shape.nr_cpus),
    ...kasan_rows(kernel, frames, shape.nr_cpus, shape.nr_kasan_shadow_pages),
    ...kmemleak_rows(kernel, shape.nr_kmemleak_objects),
    ...vmalloc_rows(shape.nr_cpus, shape.nr_vmap_areas),
    ...vm_rows(shape, shape.nr_cpus),
    pgtable_state: 1,
    physmem_state: 1,
    physmem_slot: slots,
    physmem: slots * 2 ** kernel.PAGE_SHIFT,
    block: blocks,
    pageblock: shape.nr_pageblocks ?? Math.ceil(frames / 2 ** kernel.pageblock_order),
    page: frames,
    link: slab_list_base(kernel, frames, zones, pcps) + slab_list_heads(kernel, caches, shape.nr_nodes),
  }
}

/** A machine of zeros with empty lists: no node, no zone is there yet (mm_init fills them). @ours */
export function create_sys(kernel: Kernel, shape: Shape, shared = true): Sys {
  const about = { kernel: kernel.name, nr_nodes: shape.nr_nodes, nr_cpus: shape.nr_cpus }
  const sys = sys_of(kernel, create_image(TABLES, { rows: plan_rows(kernel, shape), about }, shared))
  for (let head = sys.free_list_base; head < sys.link.link.length / 2; head++) INIT_LIST_HEAD(sys.link.link, head)
  sys.machine.max_pfn[0] = shape.max_pfn
  sys.machine.nr_frames[0] = sys.nr_frames
  sys.machine.gfp_allowed_mask[0] = 0xfffffff
  return sys
}

/** A machine over a buffer that holds one; `kernel` must be the one that the buffer names. @ours */
export function attach_sys(kernel: Kernel, buffer: ArrayBufferLike): Sys {
  const image = attach_image(TABLES, buffer)
  if (image.plan.about.kernel !== kernel.name)
    throw new RangeError(`image of kernel ${image.plan.about.kernel}, attached with ${kernel.name}`)
  return sys_of(kernel, image)
}

function sys_of(kernel: Kernel, image: Image): Sys {
  const { rows, about } = image.plan
  const zones = rows.zone!
  const types = kernel.migratetypes.length
  const frames = rows.page!
  const events = pgalloc_events(kernel.zones)
  const views = image.tables as unknown as TableViews
  // Table by table: the engine then knows the shape behind each name and does not check it at every access.
  return {
    machine: views.machine,
    sysctl: views.sysctl,
    node: views.node,
    distance: views.distance,
    cpu: views.cpu,
    zone: views.zone,
    zone_stat: views.zone_stat,
    zone_stat_diff: views.zone_stat_diff,
    node_stat: views.node_stat,
    numa_stat: views.numa_stat,
    vm_event: views.vm_event,
    free_area: views.free_area,
    free_mask: views.free_mask,
    pcp: views.pcp,
    zonelist: views.zonelist,
    mempolicy: views.mempolicy,
    mempool: views.mempool,
    mempool_element: views.mempool_element,
    slab_state: views.slab_state,
    kmem_cache: views.kmem_cache,
    kmalloc_cache: views.kmalloc_cache,
    slub_cache: views.slub_cache,
    slub_cpu: views.slub_cpu,
    slub_node: views.slub_node,
    slub_object: views.slub_object,
    slab_cache: views.slab_cache,
    slab_array: views.slab_array,
    slab_entry: views.slab_entry,
    slab_node: views.slab_node,
    slab_desc: views.slab_desc,
    slab_desc_state: views.slab_desc_state,
    slab_cpu: views.slab_cpu,
    slob_object: views.slob_object,
    vmalloc: views.vmalloc,
    vmap_area: views.vmap_area,
    vm_struct: views.vm_struct,
    vmap_block: views.vmap_block,
    segment: views.segment,
    pkmap_state: views.pkmap_state,
    pkmap: views.pkmap,
    page_address_htable: views.page_address_htable,
    kmap_ctrl: views.kmap_ctrl,
    stack_state: views.stack_state,
    kernel_stack: views.kernel_stack,
    stack_frame: views.stack_frame,
    stack_cpu: views.stack_cpu,
    stack_damage: views.stack_damage,
    kasan_state: views.kasan_state,
    kasan_page: views.kasan_page,
    kasan_stack: views.kasan_stack,
    kasan_text: views.kasan_text,
    kasan_global: views.kasan_global,
    kasan_qlist: views.kasan_qlist,
    kasan_shadow: views.kasan_shadow,
    kmemleak_state: views.kmemleak_state,
    kmemleak_object: views.kmemleak_object,
    kmemleak_area: views.kmemleak_area,
    vm_state: views.vm_state,
    vm_cpu: views.vm_cpu,
    task: views.task,
    mm: views.mm,
    vma: views.vma,
    anon_vma: views.anon_vma,
    anon_vma_chain: views.anon_vma_chain,
    inode: views.inode,
    file: views.file,
    xa_root: views.xa_root,
    xa_node: views.xa_node,
    pgtable_state: views.pgtable_state,
    physmem_state: views.physmem_state,
    physmem_slot: views.physmem_slot,
    physmem: views.physmem,
    physmem_words: words_of(views.physmem.bytes),
    block: views.block,
    pageblock: views.pageblock,
    page: views.page,
    link: views.link,
    image,
    kernel,
    trace: {},
    printk: null,
    reclaim: null,
    seams: {},
    fast_path: null,
    debug_kmemleak: kernel.config.DEBUG_KMEMLEAK,
    nr_frames: frames,
    nr_nodes: about.nr_nodes as number,
    nr_cpus: about.nr_cpus as number,
    nr_zone_types: kernel.zones.length,
    nr_zones: zones,
    NR_PAGE_ORDERS: kernel.NR_PAGE_ORDERS,
    MIGRATE_TYPES: types,
    MIGRATE_ISOLATE: kernel.migratetypes.indexOf('Isolate'),
    MIGRATE_CMA: kernel.config.CMA ? MIGRATE_CMA : -2,
    zone_idx: Uint8Array.from({ length: zones }, (_, zone) => zone % kernel.zones.length),
    zone_to_nid: Uint16Array.from({ length: zones }, (_, zone) => zone / kernel.zones.length),
    ZONE_NORMAL: kernel.zones.indexOf('Normal'),
    pgalloc_events: Int32Array.from({ length: zones }, (_, zone) => events[zone % kernel.zones.length]!),
    pageblock_order: kernel.pageblock_order,
    pageblock_nr_pages: 2 ** kernel.pageblock_order,
    nr_pcp_lists: nr_pcp_lists(kernel),
    pcp_huge_order: kernel.config.TRANSPARENT_HUGEPAGE ? kernel.huge_order : -1,
    block_shift: kernel.NR_PAGE_ORDERS - 1,
    free_list_base: frames,
    pcp_list_base: frames + zones * kernel.NR_PAGE_ORDERS * types,
    slab_list_base: slab_list_base(kernel, frames, zones, zones * (about.nr_cpus as number)),
    zonelist_length: zones + 1,
    page_offset_hi: Math.floor(kernel.PAGE_OFFSET / 2 ** 32),
    page_offset_word: Math.floor(kernel.PAGE_OFFSET / 2 ** 32) | 0,
    page_offset_lo: kernel.PAGE_OFFSET % 2 ** 32,
    page_shift: kernel.PAGE_SHIFT,
    page_bytes: 2 ** kernel.PAGE_SHIFT,
    frames_per_byte: 2 ** -kernel.PAGE_SHIFT,
  }
}

const words_of = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)

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
