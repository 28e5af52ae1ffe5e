// A machine's zones as the facts of /proc/buddyinfo, pagetypeinfo and zoneinfo. Looking changes nothing.
import { list_entries } from '../image/list.ts'
import {
  BLOCK_HOLE,
  free_list_head,
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  page_zone,
  populated_zone,
  type Sys,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  WMARK_PROMO,
  zone_name,
} from '../mm/mmzone.ts'
import { wmark_pages } from '../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../mm/vmstat.ts'
import { NODE_STAT_ITEMS, NR_FREE_PAGES, NUMA_STAT_ITEMS, node_item, zone_item } from '../mm/vmstat_item.ts'
import type { BuddyinfoFacts } from '../report/proc/buddyinfo.ts'
import type { Counters } from '../report/proc/lines.ts'
import { PAGETYPEINFO_LIMIT, type PagetypeinfoFacts, type PagetypeinfoZone } from '../report/proc/pagetypeinfo.ts'
import type { ZoneFacts, ZoneinfoFacts, ZonePages, ZonePageset } from '../report/proc/zoneinfo.ts'
import { procLayoutOf } from './proc_layout.ts'

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)

const nodeOf = (sys: Sys, zone: number): number => Math.floor(zone / sys.nr_zone_types)

/** Rows of the zones that have pages. */
export function populatedZones(sys: Sys): number[] {
  return range(sys.nr_zones).filter(zone => populated_zone(sys, zone))
}

/** Facts of /proc/buddyinfo. */
export function buddyinfoOf(sys: Sys): BuddyinfoFacts {
  const orders = sys.NR_PAGE_ORDERS
  const zones = populatedZones(sys).map(zone => ({
    node: nodeOf(sys, zone),
    name: zone_name(sys, zone),
    free: [...sys.free_area.nr_free.subarray(zone * orders, (zone + 1) * orders)],
  }))
  return { zones, strays: [] }
}

/** Facts of /proc/pagetypeinfo. */
export function pagetypeinfoOf(sys: Sys): PagetypeinfoFacts {
  return {
    pageblockOrder: sys.pageblock_order,
    pagesPerBlock: sys.pageblock_nr_pages,
    orders: sys.NR_PAGE_ORDERS,
    migrateTypes: [...sys.kernel.migratetypes],
    zones: populatedZones(sys).map(zone => pagetypesOf(sys, zone)),
    strays: [],
  }
}

function pagetypesOf(sys: Sys, zone: number): PagetypeinfoZone {
  const free = range(sys.MIGRATE_TYPES).map(type =>
    range(sys.NR_PAGE_ORDERS).map(order => Math.min(freeBlocks(sys, zone, order, type), PAGETYPEINFO_LIMIT)),
  )
  return { node: nodeOf(sys, zone), name: zone_name(sys, zone), free, blocks: pageblocksOf(sys, zone) }
}

/** Blocks on a free list, those that were never handed out included. */
export function freeBlocks(sys: Sys, zone: number, order: number, migratetype: number): number {
  if (((sys.free_mask.orders[zone * sys.MIGRATE_TYPES + migratetype]! >> order) & 1) === 0) return 0
  const listed = list_entries(sys.link.link, free_list_head(sys, zone, order, migratetype)).length
  const lazy = order === sys.block_shift && migratetype === MIGRATE_MOVABLE
  return listed + (lazy ? sys.zone.lazy_count[zone]! : 0)
}

/** Pageblocks of each type: the kernel looks at every pageblock_nr_pages'th frame of the zone that has a struct page. */
function pageblocksOf(sys: Sys, zone: number): number[] {
  const counts = new Array<number>(sys.MIGRATE_TYPES).fill(0)
  const start = sys.zone.zone_start_pfn[zone]!
  const end = start + sys.zone.spanned_pages[zone]!
  for (let pfn = start; pfn < end; pfn += sys.pageblock_nr_pages) {
    if (!hasStructPage(sys, pfn) || page_zone(sys, pfn) !== zone) continue
    counts[get_pageblock_migratetype(sys, zone, pfn)]! += 1
  }
  return counts
}

/** Whether the section of a frame has memory. */
function hasStructPage(sys: Sys, pfn: number): boolean {
  if (sys.kernel.memory_model !== 'SPARSEMEM') return true
  const blocks = 2 ** (sys.kernel.SECTION_SIZE_BITS - sys.kernel.PAGE_SHIFT - sys.block_shift)
  const first = Math.floor((pfn >>> sys.block_shift) / blocks) * blocks
  return sys.block.state.subarray(first, first + blocks).some(state => state !== BLOCK_HOLE)
}

/** Facts of /proc/zoneinfo. */
export function zoneinfoOf(sys: Sys): ZoneinfoFacts {
  const nodes = range(sys.nr_nodes).filter(node => sys.node.online[node] !== 0)
  const zones = nodes.flatMap(node => range(sys.nr_zone_types).map(type => node * sys.nr_zone_types + type))
  return {
    zones: zones.map(zone => zoneFacts(sys, zone)),
    nodes: nodes.map(node => ({ node, counters: nodeCounters(sys, node) })),
    strays: [],
  }
}

function zoneFacts(sys: Sys, zone: number): ZoneFacts {
  const populated = populated_zone(sys, zone)
  return {
    node: nodeOf(sys, zone),
    name: zone_name(sys, zone),
    pages: zonePages(sys, zone),
    protection: [...sys.zone.lowmem_reserve.subarray(8 * zone, 8 * zone + sys.nr_zone_types)],
    counters: populated ? zoneCounters(sys, zone) : new Map(),
    pagesets: populated ? range(sys.nr_cpus).map(cpu => zonePageset(sys, zone, cpu)) : [],
    nodeUnreclaimable: 0,
    startPfn: sys.zone.zone_start_pfn[zone]!,
  }
}

function zonePages(sys: Sys, zone: number): ZonePages {
  const { spanned_pages, present_pages, managed_pages, cma_pages, watermark_boost } = sys.zone
  return {
    free: zone_page_state(sys, zone, NR_FREE_PAGES),
    boost: watermark_boost[zone]!,
    min: wmark_pages(sys, zone, WMARK_MIN),
    low: wmark_pages(sys, zone, WMARK_LOW),
    high: wmark_pages(sys, zone, WMARK_HIGH),
    ...(sys.kernel.proc.zoneinfo_promo ? { promo: wmark_pages(sys, zone, WMARK_PROMO) } : {}),
    spanned: spanned_pages[zone]!,
    present: present_pages[zone]!,
    managed: managed_pages[zone]!,
    cma: cma_pages[zone]!,
  }
}

function zonePageset(sys: Sys, zone: number, cpu: number): ZonePageset {
  const pcp = zone * sys.nr_cpus + cpu
  const { count, high, batch, stat_threshold } = sys.pcp
  return {
    cpu,
    count: count[pcp]!,
    high: high[pcp]!,
    batch: batch[pcp]!,
    ...(sys.kernel.config.SMP ? { statThreshold: stat_threshold[pcp]! } : {}),
  }
}

/** A zone's counters under the names and in the order of its kernel. */
export function zoneCounters(sys: Sys, zone: number): Counters {
  const counters: Counters = new Map()
  for (const name of procLayoutOf(sys.kernel).zoneCounters) {
    const numa = NUMA_STAT_ITEMS.indexOf(name as (typeof NUMA_STAT_ITEMS)[number])
    const item = zone_item(name as Parameters<typeof zone_item>[0])
    const value =
      numa < 0 ? zone_page_state(sys, zone, item) : sys.numa_stat.count[zone * NUMA_STAT_ITEMS.length + numa]!
    counters.set(name, Math.max(0, value))
  }
  return counters
}

/** A node's counters under the names and in the order of its kernel. */
export function nodeCounters(sys: Sys, node: number): Counters {
  const counters: Counters = new Map()
  for (const name of procLayoutOf(sys.kernel).nodeCounters) {
    const item = node_item(name as Parameters<typeof node_item>[0])
    counters.set(name, sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + item] ?? 0)
  }
  return counters
}
