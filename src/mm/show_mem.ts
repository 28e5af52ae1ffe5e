// What memory looks like, in the kernel's words: the block of lines from "Mem-Info:" on that stands in every report of
// an OOM kill or a failed allocation. Law: every number is read from the machine; nothing here changes it.

import { zone_type } from './kernel.ts'
import { MAX_RECLAIM_RETRIES } from './kswapd.ts'
import { populated_zone, type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, zone_name } from './mmzone.ts'
import { wmark_pages } from './page_alloc/watermark.ts'
import { global_node_page_state, type NodeItem, node_page_state, type ZoneItem, zone_item } from './show_mem_state.ts'

/** Only nodes that the request may use. @kernel include/linux/mm.h:SHOW_MEM_FILTER_NODES */
export const SHOW_MEM_FILTER_NODES = 1

/** Letters by migrate type. @kernel mm/page_alloc.c:show_migration_types */
const LETTERS: Readonly<Record<string, string>> = {
  Unmovable: 'U',
  Movable: 'M',
  Reclaimable: 'E',
  HighAtomic: 'H',
  CMA: 'C',
  Isolate: 'I',
}

/** Whose memory is shown: a byte per node, and the highest zone type. @ours */
export interface ShownMemory {
  readonly nodes: Uint8Array | null
  readonly max_zone_idx: number
}

/** Prints it all. @kernel mm/show_mem.c:__show_mem */
export function __show_mem(sys: Sys, filter: number, nodes: Uint8Array | null, max_zone_idx: number): void {
  const shown = { nodes: (filter & SHOW_MEM_FILTER_NODES) !== 0 ? nodes : null, max_zone_idx }
  sys.printk?.('Mem-Info:')
  show_free_areas(sys, shown)
  for (const line of memory_totals(sys)) sys.printk?.(line)
}

const wants = ({ nodes }: ShownMemory, node: number): boolean => nodes === null || nodes[node] !== 0

/** Rows of the zones that are shown. */
function shown_zones(sys: Sys, shown: ShownMemory): number[] {
  const rows = Array.from({ length: sys.nr_zones }, (_, zone) => zone)
  return rows.filter(
    zone =>
      populated_zone(sys, zone) && sys.zone_idx[zone]! <= shown.max_zone_idx && wants(shown, sys.zone_to_nid[zone]!),
  )
}

/** @kernel mm/show_mem.c:show_free_areas */
export function show_free_areas(sys: Sys, shown: ShownMemory): void {
  const print = (line: string): void => sys.printk?.(line)
  for (const line of global_lines(sys, shown)) print(line)
  for (let node = 0; node < sys.nr_nodes; node++)
    if (wants(shown, node) && node_has_managed_zones(sys, node, shown.max_zone_idx)) print(node_line(sys, node))
  for (const zone of shown_zones(sys, shown)) {
    print(zone_line(sys, zone))
    print(reserve_line(sys, zone))
  }
  for (const zone of shown_zones(sys, shown)) print(free_blocks_line(sys, zone))
  if (sys.kernel.config.HUGETLB_PAGE)
    for (let node = 0; node < sys.nr_nodes; node++)
      if (sys.node.online[node] !== 0 && wants(shown, node)) print(hugetlb_line(sys, node))
  print(`${global_node_page_state(sys, 'nr_file_pages')} total pagecache pages`)
  if (sys.kernel.config.SWAP) for (const line of swap_lines(sys)) print(line)
}

/** Whether a node has pages in zones up to this type. @kernel mm/show_mem.c:node_has_managed_zones */
function node_has_managed_zones(sys: Sys, node: number, max_zone_idx: number): boolean {
  for (let type = 0; type <= max_zone_idx && type < sys.nr_zone_types; type++)
    if (sys.zone.managed_pages[node * sys.nr_zone_types + type]! > 0) return true
  return false
}

const GLOBAL: readonly (readonly (readonly [string, NodeItem])[])[] = [
  [
    ['active_anon', 'nr_active_anon'],
    ['inactive_anon', 'nr_inactive_anon'],
    ['isolated_anon', 'nr_isolated_anon'],
  ],
  [
    ['active_file', 'nr_active_file'],
    ['inactive_file', 'nr_inactive_file'],
    ['isolated_file', 'nr_isolated_file'],
  ],
  [
    ['unevictable', 'nr_unevictable'],
    ['dirty', 'nr_dirty'],
    ['writeback', 'nr_writeback'],
  ],
  [
    ['slab_reclaimable', 'nr_slab_reclaimable'],
    ['slab_unreclaimable', 'nr_slab_unreclaimable'],
  ],
  [
    ['mapped', 'nr_mapped'],
    ['shmem', 'nr_shmem'],
    ['pagetables', 'nr_page_table_pages'],
  ],
]

/** One message of nine lines: those after the first begin with a blank. */
function global_lines(sys: Sys, shown: ShownMemory): string[] {
  const fields = GLOBAL.map(line =>
    line.map(([name, item]) => `${name}:${global_node_page_state(sys, item)}`).join(' '),
  )
  const zones = (item: ZoneItem): number => sum_zones(sys, zone => zone_item(sys, zone, item))
  const lines = [
    ...fields,
    `sec_pagetables:${global_node_page_state(sys, 'nr_sec_page_table_pages')} bounce:${zones('nr_bounce')}`,
    `kernel_misc_reclaimable:${global_node_page_state(sys, 'nr_kernel_misc_reclaimable')}`,
    `free:${zones('nr_free_pages')} free_pcp:${sum_zones(sys, zone => (wants(shown, sys.zone_to_nid[zone]!) ? pcp_pages(sys, zone) : 0))} free_cma:${zones('nr_free_cma')}`,
  ]
  return lines.map((line, i) => (i === 0 ? line : ` ${line}`))
}

function sum_zones(sys: Sys, value: (zone: number) => number): number {
  let sum = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) if (populated_zone(sys, zone)) sum += value(zone)
  return sum
}

function pcp_pages(sys: Sys, zone: number): number {
  let sum = 0
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) sum += sys.pcp.count[zone * sys.nr_cpus + cpu]!
  return sum
}

function node_line(sys: Sys, node: number): string {
  const k = (item: NodeItem): string => `${node_page_state(sys, node, item) * 2 ** (sys.kernel.PAGE_SHIFT - 10)}kB`
  const blank = sys.kernel.report_text.blank_before_thp ? ' ' : ''
  const thp = sys.kernel.config.TRANSPARENT_HUGEPAGE
    ? [
        `shmem_thp:${blank}${k('nr_shmem_hugepages')}`,
        `shmem_pmdmapped:${blank}${k('nr_shmem_pmdmapped')}`,
        `anon_thp:${blank}${k('nr_anon_transparent_hugepages')}`,
      ]
    : []
  return [
    `Node ${node} active_anon:${k('nr_active_anon')}`,
    `inactive_anon:${k('nr_inactive_anon')}`,
    `active_file:${k('nr_active_file')}`,
    `inactive_file:${k('nr_inactive_file')}`,
    `unevictable:${k('nr_unevictable')}`,
    `isolated(anon):${k('nr_isolated_anon')}`,
    `isolated(file):${k('nr_isolated_file')}`,
    `mapped:${k('nr_mapped')}`,
    `dirty:${k('nr_dirty')}`,
    `writeback:${k('nr_writeback')}`,
    `shmem:${k('nr_shmem')}`,
    ...thp,
    `writeback_tmp:${k('nr_writeback_temp')}`,
    `kernel_stack:${node_page_state(sys, node, 'nr_kernel_stack')}kB`,
    `pagetables:${k('nr_page_table_pages')}`,
    `sec_pagetables:${k('nr_sec_page_table_pages')}`,
    `all_unreclaimable? ${(sys.kswapd.failures[node] ?? 0) >= MAX_RECLAIM_RETRIES ? 'yes' : 'no'}`,
  ].join(' ')
}

/** Zones of a machine without nodes are called by their name alone. @kernel mm/show_mem.c:show_node */
const show_node = (sys: Sys, zone: number): string => (sys.kernel.config.NUMA ? `Node ${sys.zone_to_nid[zone]} ` : '')

function zone_line(sys: Sys, zone: number): string {
  const k = (pages: number): number => pages * 2 ** (sys.kernel.PAGE_SHIFT - 10)
  const item = (name: ZoneItem): string => `${k(zone_item(sys, zone, name))}kB`
  const mark = (which: number): string => `${k(wmark_pages(sys, zone, which))}kB`
  const { watermark_boost, nr_reserved_highatomic, present_pages, managed_pages } = sys.zone
  const here = sys.pcp.count[zone * sys.nr_cpus + sys.machine.this_cpu[0]!]!
  return [
    `${show_node(sys, zone)}${zone_name(sys, zone)} free:${item('nr_free_pages')}`,
    `boost:${k(watermark_boost[zone]!)}kB`,
    `min:${mark(WMARK_MIN)} low:${mark(WMARK_LOW)} high:${mark(WMARK_HIGH)}`,
    `reserved_highatomic:${k(nr_reserved_highatomic[zone]!)}KB`,
    `active_anon:${item('nr_zone_active_anon')} inactive_anon:${item('nr_zone_inactive_anon')}`,
    `active_file:${item('nr_zone_active_file')} inactive_file:${item('nr_zone_inactive_file')}`,
    `unevictable:${item('nr_zone_unevictable')} writepending:${item('nr_zone_write_pending')}`,
    `present:${k(present_pages[zone]!)}kB managed:${k(managed_pages[zone]!)}kB`,
    `mlocked:${item('nr_mlock')} bounce:${item('nr_bounce')}`,
    `free_pcp:${k(pcp_pages(sys, zone))}kB local_pcp:${k(here)}kB free_cma:${item('nr_free_cma')}`,
  ].join(' ')
}

function reserve_line(sys: Sys, zone: number): string {
  const reserve = sys.zone.lowmem_reserve.subarray(8 * zone, 8 * zone + sys.nr_zone_types)
  return `lowmem_reserve[]: ${[...reserve].join(' ')}`
}

function free_blocks_line(sys: Sys, zone: number): string {
  const unit = 2 ** (sys.kernel.PAGE_SHIFT - 10)
  let total = 0
  let text = `${show_node(sys, zone)}${zone_name(sys, zone)}: `
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const nr = sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + order]!
    total += nr << order
    text += `${nr}*${unit << order}kB ${nr > 0 ? `(${show_migration_types(sys, zone, order)}) ` : ''}`
  }
  return `${text}= ${total * unit}kB`
}

/** Letters of the types that have a block of an order. @kernel mm/show_mem.c:show_migration_types */
export function show_migration_types(sys: Sys, zone: number, order: number): string {
  const { orders } = sys.free_mask
  const types = sys.kernel.migratetypes
  return types
    .map((name, type) => (((orders[zone * types.length + type]! >> order) & 1) !== 0 ? LETTERS[name] : ''))
    .join('')
}

/** @kernel mm/hugetlb.c:hugetlb_show_meminfo_node @differs the pool is one for all nodes, and is shown on the first */
function hugetlb_line(sys: Sys, node: number): string {
  const pool = node === 0 && sys.vm_state.hugetlb_total.length > 0 ? sys.vm_state : null
  const [total, free, surplus] = [pool?.hugetlb_total, pool?.hugetlb_free, pool?.hugetlb_surplus].map(
    column => column?.[0] ?? 0,
  )
  const size = 2 ** (sys.kernel.PAGE_SHIFT + sys.kernel.huge_order - 10)
  return `Node ${node} hugepages_total=${total} hugepages_free=${free} hugepages_surp=${surplus} hugepages_size=${size}kB`
}

/** @kernel mm/swap_state.c:show_swap_cache_info */
function swap_lines(sys: Sys): string[] {
  const { swap } = sys.seams
  const k = (pages: number): number => pages * 2 ** (sys.kernel.PAGE_SHIFT - 10)
  return [
    `${global_node_page_state(sys, 'nr_swapcached')} pages in swap cache`,
    `Free swap  = ${k(swap?.nr_swap_pages(sys) ?? 0)}kB`,
    `Total swap = ${k(swap?.total_swap_pages(sys) ?? 0)}kB`,
  ]
}

/** Pages of the machine, of high memory, and those that the allocator never got. @kernel mm/show_mem.c:__show_mem */
function memory_totals(sys: Sys): string[] {
  const { present_pages, managed_pages } = sys.zone
  const total = sum_zones(sys, zone => present_pages[zone]!)
  const high = sum_zones(sys, zone => (is_highmem(sys, zone) ? present_pages[zone]! : 0))
  return [
    `${total} pages RAM`,
    `${high} pages HighMem/MovableOnly`,
    `${total - sum_zones(sys, zone => managed_pages[zone]!)} pages reserved`,
    ...(sys.kernel.config.CMA ? [`${sum_zones(sys, zone => sys.zone.cma_pages[zone]!)} pages cma reserved`] : []),
    ...(sys.kernel.report_text.hwpoisoned ? ['0 pages hwpoisoned'] : []),
  ]
}

/** @kernel include/linux/mmzone.h:is_highmem */
function is_highmem(sys: Sys, zone: number): boolean {
  const high = zone_type(sys.kernel, 'HighMem')
  if (high < 0) return false
  const type = sys.zone_idx[zone]!
  return type === high || (type === zone_type(sys.kernel, 'Movable') && sys.machine.movable_zone[0] === high)
}
