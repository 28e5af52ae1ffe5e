// Machines for tests: a few hundred frames with pageblocks of 16, so that every rule is reached within a page of text.
import { kernels, with_config } from '../../src/kernels/index.ts'
import { type Kernel, type ZoneName, zone_type } from '../../src/mm/kernel.ts'
import {
  BLOCK_LAZY,
  BLOCK_TOUCHED,
  MIGRATE_MOVABLE,
  type Sys,
  set_pageblock_migratetype,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from '../../src/mm/mmzone.ts'
import { add_to_free_list_tail } from '../../src/mm/page_alloc/buddy.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { setup_zones, touch_all_blocks } from '../../src/mm/zone_setup.ts'

/** Orders 0 … 6, pageblocks and huge pages of order 4. */
const SMALL = { NR_PAGE_ORDERS: 7, huge_order: 4, counterfactual: true } as const

/** 6.1 and 6.12 (whose types are right only where a largest block is two pageblocks, as on x86), 6.1 without huge pages (no huge list, pageblock = largest block) and with CMA. */
export const small_6_1: Kernel = with_config(kernels['6.1-x86_64']!, {}, { ...SMALL, name: 'small-6.1' })
export const small_6_12: Kernel = with_config(
  kernels['6.12-x86_64']!,
  {},
  { ...SMALL, NR_PAGE_ORDERS: 6, name: 'small-6.12' },
)
export const small_cma: Kernel = with_config(kernels['6.1-x86_64']!, { CMA: true }, { ...SMALL, name: 'small-cma' })
export const plain_6_1: Kernel = with_config(
  kernels['6.1-x86_64']!,
  { TRANSPARENT_HUGEPAGE: false, HUGETLB_PAGE: false, NUMA: false, NUMA_EMU: false, MEMORY_ISOLATION: false },
  { ...SMALL, name: 'plain-6.1' },
)

export interface ZoneSpec {
  readonly name: ZoneName
  readonly node?: number
  /** First frame, and first frame behind. */
  readonly start: number
  readonly end: number
  /** Watermarks min, low, high; default 0. */
  readonly marks?: readonly [number, number, number]
  /** lowmem_reserve by the zone that a request could use. */
  readonly reserve?: Partial<Record<ZoneName, number>>
  /** Types of the pageblocks, a letter each as `blockTypes` writes them; default: all movable. */
  readonly types?: string
}

export interface MachineSpec {
  readonly kernel?: Kernel
  readonly zones: readonly ZoneSpec[]
  /** Node of each CPU; default: one CPU on node 0. */
  readonly cpus?: readonly number[]
  readonly batch?: number
  readonly high?: number
  /** Bounds of high in kernels that tune it; default: high alone. */
  readonly high_max?: number
  readonly stat_threshold?: number
  /** Blocks of the highest order stay as boot leaves them: on no list. */
  readonly lazy?: boolean
}

/** A machine with all frames free: per-CPU lists of batch 1 that hold nothing unless the spec says so. */
export function machine(spec: MachineSpec): Sys {
  const kernel = spec.kernel ?? small_6_1
  const nr_nodes = 1 + Math.max(...spec.zones.map(zone => zone.node ?? 0))
  const extents = Array.from({ length: nr_nodes * kernel.zones.length }, (_, row) => {
    const [node, type] = [Math.floor(row / kernel.zones.length), row % kernel.zones.length]
    const zone = spec.zones.find(each => (each.node ?? 0) === node && zone_type(kernel, each.name) === type)
    const pages = zone ? zone.end - zone.start : 0
    return { node, type, start_pfn: zone?.start ?? 0, spanned_pages: pages, present_pages: pages }
  })
  const sys = setup_zones(
    {
      kernel,
      nr_nodes,
      cpu_node: spec.cpus ?? [0],
      distance: Array.from({ length: nr_nodes ** 2 }, (_, at) => (at % (nr_nodes + 1) === 0 ? 10 : 20)),
      ranges: spec.zones.map(({ start, end, node }) => ({ start_pfn: start, end_pfn: end, node: node ?? 0 })),
      extents,
      movable_zone: zone_type(kernel, 'Normal'),
    },
    false,
  )
  for (const zone of spec.zones) setupZone(sys, zone, spec)
  touch_all_blocks(sys)
  return sys
}

/** A machine of one zone Normal from frame 0 on. */
export function oneZone(pages: number, spec: Partial<MachineSpec & ZoneSpec> = {}): Sys {
  return machine({ ...spec, zones: [{ name: 'Normal', start: 0, end: pages, ...zonePart(spec) }] })
}

const zonePart = ({ marks, types }: Partial<ZoneSpec>): Partial<ZoneSpec> => ({
  ...(marks ? { marks } : {}),
  ...(types ? { types } : {}),
})

function setupZone(sys: Sys, spec: ZoneSpec, { batch = 1, high = 0, high_max = high, ...rest }: MachineSpec): void {
  const zone = (spec.node ?? 0) * sys.nr_zone_types + zone_type(sys.kernel, spec.name)
  sys.zone.managed_pages[zone] = spec.end - spec.start
  const [min, low, mark_high] = spec.marks ?? [0, 0, 0]
  sys.zone.watermark[4 * zone + WMARK_MIN] = min
  sys.zone.watermark[4 * zone + WMARK_LOW] = low
  sys.zone.watermark[4 * zone + WMARK_HIGH] = mark_high
  for (const [name, pages] of Object.entries(spec.reserve ?? {}))
    sys.zone.lowmem_reserve[8 * zone + zone_type(sys.kernel, name as ZoneName)] = pages
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const pcp = zone * sys.nr_cpus + cpu
    sys.pcp.batch[pcp] = batch
    sys.pcp.high[pcp] = sys.pcp.high_min[pcp] = high
    sys.pcp.high_max[pcp] = high_max
    sys.pcp.stat_threshold[pcp] = rest.stat_threshold ?? 0
  }
  freeAll(sys, spec, zone, rest.lazy ?? false)
}

/** All frames of a zone free in blocks as large as they can be, lowest address first. */
function freeAll(sys: Sys, spec: ZoneSpec, zone: number, lazy: boolean): void {
  for (let pfn = spec.start; pfn < spec.end; ) {
    const type = typeAt(sys, spec, pfn)
    let order = sys.block_shift
    while (pfn % 2 ** order !== 0 || pfn + 2 ** order > spec.end || !alike(sys, spec, pfn, order)) order--
    for (let at = pfn; at < pfn + 2 ** order; at += sys.pageblock_nr_pages)
      set_pageblock_migratetype(sys, zone, at, type)
    if (lazy && order === sys.block_shift && type === MIGRATE_MOVABLE) leaveLazy(sys, zone, pfn >>> order)
    else {
      sys.block.state[pfn >>> sys.block_shift] = BLOCK_TOUCHED
      add_to_free_list_tail(sys, pfn, zone, order, type)
    }
    const stat = zone * NR_VM_ZONE_STAT_ITEMS
    if (type === sys.MIGRATE_CMA) sys.zone_stat.vm_stat[stat + NR_FREE_CMA_PAGES]! += 2 ** order
    sys.zone_stat.vm_stat[stat + NR_FREE_PAGES]! += 2 ** order
    pfn += 2 ** order
  }
}

function typeAt(sys: Sys, { types, start }: ZoneSpec, pfn: number): number {
  const letter = types?.[Math.floor((pfn - start) / sys.pageblock_nr_pages)] ?? 'M'
  return sys.kernel.migratetypes.findIndex(name => name.startsWith(letter))
}

/** Whether all pageblocks of a block have one type. */
function alike(sys: Sys, spec: ZoneSpec, pfn: number, order: number): boolean {
  for (let at = pfn; at < pfn + 2 ** order; at += sys.pageblock_nr_pages)
    if (typeAt(sys, spec, at) !== typeAt(sys, spec, pfn)) return false
  return true
}

function leaveLazy(sys: Sys, zone: number, block: number): void {
  if (sys.zone.lazy_count[zone] === 0) sys.zone.lazy_block[zone] = block
  sys.zone.lazy_count[zone]! += 1
  sys.block.state[block] = BLOCK_LAZY
  sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + sys.block_shift]! += 1
  sys.free_mask.orders[zone * sys.MIGRATE_TYPES + MIGRATE_MOVABLE]! |= 1 << sys.block_shift
}
