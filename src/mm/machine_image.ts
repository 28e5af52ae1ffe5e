// A machine's image: how many rows each table has, the machine of zeros, and `Sys` over the buffer of one.
import { attach_image, create_image, type Image, type Plan } from '../image/image.ts'
import { INIT_LIST_HEAD } from '../image/list.ts'
import { kasan_rows } from './kasan_tables.ts'
import type { Kernel } from './kernel.ts'
import { kernel_stack_rows } from './kernel_stack_tables.ts'
import { kmemleak_rows } from './kmemleak_tables.ts'
import { memcg_rows } from './memcg_tables.ts'
import { mempolicy_rows } from './mempolicy_table.ts'
import { NR_MEMPOOL_ELEMENTS, NR_MEMPOOLS } from './mempool_tables.ts'
import { MIGRATE_CMA, MIGRATE_PCPTYPES, PAGE_ALLOC_COSTLY_ORDER, type Sys, TABLES, type TableViews } from './mmzone.ts'
import { pkmap_rows } from './page_address_map.ts'
import { percpu_rows } from './percpu_tables.ts'
import { NR_PHYSMEM_SLOTS } from './physmem_table.ts'
import { lru_heads_of_node, lru_list_heads, reclaim_rows } from './reclaim_tables.ts'
import type { Shape } from './shape.ts'
import { slab_slab_rows } from './slab_slab_tables.ts'
import { NR_KMEM_CACHES, slab_list_heads, slab_rows } from './slab_tables.ts'
import { slob_rows } from './slob_tables.ts'
import { slub_rows } from './slub_tables.ts'
import { vm_rows } from './vm_tables.ts'
import { vmalloc_rows } from './vmalloc_types.ts'
import { NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS, NUMA_STAT_ITEMS, pgalloc_events, VM_EVENTS } from './vmstat_item.ts'
import { zsmalloc_rows } from './zsmalloc_tables.ts'

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
    ...slab_rows(kernel, caches),
    ...slub_rows(kernel, caches, shape.nr_cpus, shape.nr_nodes, slots),
    ...slab_slab_rows(kernel.slab === 'SLAB' ? caches : 0, shape.nr_cpus, shape.nr_nodes, slots),
    ...slob_rows(kernel.slab === 'SLOB' ? slots : 0, kernel.PAGE_SHIFT),
    segment: shape.nr_cpus,
    ...pkmap_rows(kernel.config.HIGHMEM, shape.nr_cpus),
    ...kernel_stack_rows(shape.nr_cpus),
    ...kasan_rows(kernel, frames, shape.nr_cpus, shape.nr_kasan_shadow_pages),
    ...percpu_rows(shape.nr_percpu_chunks),
    ...kmemleak_rows(kernel, shape.nr_kmemleak_objects),
    ...vmalloc_rows(shape.nr_cpus, shape.nr_vmap_areas),
    ...zsmalloc_rows(shape),
    ...reclaim_rows(shape, shape.nr_nodes, zones, shape.nr_cpus),
    ...vm_rows(shape, shape.nr_cpus),
    ...memcg_rows(shape, shape.nr_cpus, frames),
    pgtable_state: 1,
    physmem_state: 1,
    physmem_slot: slots,
    physmem: slots * 2 ** kernel.PAGE_SHIFT,
    block: blocks,
    pageblock: shape.nr_pageblocks ?? Math.ceil(frames / 2 ** kernel.pageblock_order),
    page: frames,
    link:
      slab_list_base(kernel, frames, zones, pcps) +
      slab_list_heads(kernel, caches, shape.nr_nodes) +
      lru_list_heads(shape, shape.nr_nodes, kernel.zones.length),
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
    kmem_alias: views.kmem_alias,
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
    percpu_chunk: views.percpu_chunk,
    percpu_map: views.percpu_map,
    rcu_state: views.rcu_state,
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
    lruvec: views.lruvec,
    lru_zone_size: views.lru_zone_size,
    lru_batch: views.lru_batch,
    lru_gen: views.lru_gen,
    lru_gen_size: views.lru_gen_size,
    kswapd: views.kswapd,
    kswapd_zone: views.kswapd_zone,
    zone_compact: views.zone_compact,
    scan_control: views.scan_control,
    reclaim_clock: views.reclaim_clock,
    reclaim_io: views.reclaim_io,
    memcg: views.memcg,
    memcg_stock: views.memcg_stock,
    page_memcg: views.page_memcg,
    swap_memcg: views.swap_memcg,
    swap_info: views.swap_info,
    swap_state: views.swap_state,
    swap_slots: views.swap_slots,
    swap_map: views.swap_map,
    zspage: views.zspage,
    zs_class: views.zs_class,
    zs_pool: views.zs_pool,
    zswap_state: views.zswap_state,
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
    swap_stores: [],
    shrinkers: [],
    reclaim: null,
    seams: {},
    fast_path: null,
    slub_fast_path: null,
    page_walk: null,
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
    lru_list_base: rows.link! - rows.lruvec! * lru_heads_of_node(kernel.zones.length),
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
