// The complete state of a page allocator as the recordings dump it (custom, format D): read into a machine, and written
// back line for line, so that two states are equal when their lines are.
import { list_entries } from '../image/list.ts'
import { create_sys } from '../mm/machine_image.ts'
import { PAGE_PCP, PG } from '../mm/mm_types.ts'
import { BLOCK_TOUCHED, BLOCK_ZONE_SPLIT, free_list_head, type Sys, zone_name } from '../mm/mmzone.ts'
import { add_to_free_list_tail } from '../mm/page_alloc/buddy.ts'
import { pindex_to_order } from '../mm/page_alloc/pcp.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS, NUMA_STAT_ITEMS } from '../mm/vmstat_item.ts'
import { build_all_zonelists } from '../mm/zonelist.ts'
import { kernelOfMeta, type Meta } from './recorded_kernel.ts'
import type { JsonLine } from './types.ts'

/** One line of a dump; which fields it has depends on `t`. */
export type StateRow = Readonly<Record<string, unknown>>

/** A recording that begins with a dump: its meta line and the lines before the operations, by kind. */
export interface RecordedState {
  readonly meta: Meta
  /** Lines of the state `before`, with their numbers. */
  readonly state: readonly { line: number; row: StateRow }[]
  readonly zonelists: readonly StateRow[]
  readonly distances: readonly StateRow[]
  readonly boost_factor: number
}

interface ZoneRow extends StateRow {
  n: number
  z: number
  start: number
  spanned: number
  present: number
  managed: number
  cma: number
  wm: number[]
  boost: number
  highatomic: number
  lowmem_reserve: number[]
  flags: number
  free_pages: number
  free_cma: number
  drift_mark: number
  pcp_high: number
  pcp_batch: number
  isolated_blocks: number
}

const rowsOf = <T extends StateRow>(recorded: RecordedState, t: string): T[] =>
  recorded.state.filter(({ row }) => row.t === t).map(({ row }) => row as T)

/** Gathers the lines before the first operation. */
export function readRecordedState(lines: readonly JsonLine[]): RecordedState | null {
  const rows = lines.flatMap(({ line, row }) => (row && !Array.isArray(row) ? [{ line, row: row as StateRow }] : []))
  const meta = rows.find(({ row }) => row.t === 'meta')?.row
  const begin = rows.findIndex(({ row }) => row.t === 'state')
  const end = rows.findIndex(({ row }) => row.t === 'endstate')
  if (!meta || begin < 0 || end < begin) return null
  const cpu = rows.find(({ row }) => row.t === 'cpu')?.row
  return {
    meta: meta as unknown as Meta,
    state: rows.slice(begin + 1, end),
    zonelists: rows.filter(({ row }) => row.t === 'zonelist').map(({ row }) => row),
    distances: rows.filter(({ row }) => row.t === 'distance').map(({ row }) => row),
    boost_factor: (cpu?.boost_factor as number | undefined) ?? 15000,
  }
}

/** A machine in the recorded state. */
export function sysOfRecordedState(recorded: RecordedState): Sys {
  const zones = rowsOf<ZoneRow>(recorded, 'zone')
  const { meta } = recorded
  const kernel = kernelOfMeta(meta, {
    smp: rowsOf(recorded, 'zstat').length > 0,
    numa: rowsOf(recorded, 'numaev').length > 0,
  })
  const max_pfn = Math.max(...zones.map(zone => zone.start + zone.spanned))
  const nr_nodes = Math.max(...zones.map(zone => zone.n), ...recorded.zonelists.map(({ n }) => n as number)) + 1
  const per_zone = kernel.memory_model === 'FLATMEM'
  const blocks = zones.map(zone => Math.ceil((zone.start + zone.spanned) / 2 ** kernel.pageblock_order) + 1)
  const nr_pageblocks = per_zone ? blocks.reduce((sum, count) => sum + count, 0) : undefined
  const shape = { max_pfn, nr_nodes, nr_cpus: meta.cpus, ...(nr_pageblocks === undefined ? {} : { nr_pageblocks }) }
  const sys = create_sys(kernel, shape)
  sys.sysctl.watermark_boost_factor[0] = recorded.boost_factor
  sys.machine.numa_stats[0] = 1
  sys.machine.nr_online_nodes[0] = new Set(zones.map(zone => zone.n)).size
  let offset = 0
  zones.forEach((zone, i) => {
    setZone(sys, zone, per_zone ? offset : 0)
    offset += blocks[i]!
  })
  setNodes(sys, recorded)
  for (const { row } of recorded.state) setRow(sys, row)
  return sys
}

function setZone(sys: Sys, row: ZoneRow, pageblock_offset: number): void {
  const zone = row.n * sys.nr_zone_types + row.z
  const table = sys.zone
  table.zone_start_pfn[zone] = row.start
  table.spanned_pages[zone] = row.spanned
  table.present_pages[zone] = row.present
  table.managed_pages[zone] = row.managed
  table.cma_pages[zone] = row.cma
  table.watermark.set(row.wm, 4 * zone)
  table.watermark_boost[zone] = row.boost
  table.nr_reserved_highatomic[zone] = row.highatomic
  table.nr_isolate_pageblock[zone] = row.isolated_blocks
  table.lowmem_reserve.set(row.lowmem_reserve, 8 * zone)
  table.flags[zone] = row.flags
  table.percpu_drift_mark[zone] = row.drift_mark
  table.pageset_high_min[zone] = row.pcp_high
  table.pageset_high_max[zone] = row.pcp_high
  table.pageset_batch[zone] = row.pcp_batch
  table.pageblock_offset[zone] = pageblock_offset
  sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = row.free_pages
  sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_CMA_PAGES] = row.free_cma
  for (let block = row.start >>> sys.block_shift; block << sys.block_shift < row.start + row.spanned; block++) {
    sys.block.zone[block] = sys.block.state[block] === BLOCK_TOUCHED ? BLOCK_ZONE_SPLIT : zone
    sys.block.state[block] = BLOCK_TOUCHED
  }
  sys.node.online[row.n] = 1
}

/** Zonelists as recorded; each CPU on node 0, where the recorder ran. */
function setNodes(sys: Sys, recorded: RecordedState): void {
  if (recorded.zonelists.length === 0) build_all_zonelists(sys)
  else sys.zonelist.zones.fill(-1)
  for (const { n, kind, l } of recorded.zonelists) {
    const start = (2 * (n as number) + (kind === 'nofallback' ? 1 : 0)) * sys.zonelist_length
    const rows = (l as [number, number][]).map(([node, type]) => node * sys.nr_zone_types + type)
    sys.zonelist.zones.set(rows, start)
  }
  for (const { l } of recorded.distances)
    for (const [from, to, distance] of l as [number, number, number][])
      sys.distance.distance[from * sys.nr_nodes + to] = distance
}

function setRow(sys: Sys, row: StateRow): void {
  const zone = (row.n as number) * sys.nr_zone_types + (row.z as number)
  const pcp = zone * sys.nr_cpus + ((row.cpu as number | undefined) ?? 0)
  if (row.t === 'fl') setFreeLists(sys, zone, row.o as number, row.l as number[][])
  else if (row.t === 'pcp') setPcp(sys, pcp, row)
  else if (row.t === 'zstat') {
    const diff = sys.zone_stat_diff.vm_stat_diff
    sys.pcp.stat_threshold[pcp] = row.threshold as number
    diff[pcp * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = row.d_free as number
    diff[pcp * NR_VM_ZONE_STAT_ITEMS + NR_FREE_CMA_PAGES] = row.d_cma as number
  } else if (row.t === 'numaev') {
    const counts = [row.hit, row.miss, row.foreign, row.interleave, row.local, row.other] as number[]
    sys.numa_stat.count.set(counts, zone * NUMA_STAT_ITEMS.length)
  } else if (row.t === 'pb') setPageblocks(sys, zone, row.first as number, row.s as string)
  else if (row.t === 'movable')
    for (const [start, length] of row.r as [number, number][])
      for (let pfn = start; pfn < start + length; pfn++) sys.page.flags[pfn] = PG.lru
}

function setFreeLists(sys: Sys, zone: number, order: number, lists: readonly number[][]): void {
  lists.forEach((pfns, migratetype) => {
    for (const pfn of pfns) add_to_free_list_tail(sys, pfn, zone, order, migratetype)
  })
}

function setPcp(sys: Sys, pcp: number, row: StateRow): void {
  sys.pcp.count[pcp] = row.count as number
  sys.pcp.high[pcp] = row.high as number
  sys.pcp.batch[pcp] = row.batch as number
  sys.pcp.free_factor[pcp] = row.free_factor as number
  const { link } = sys.link
  for (const [pindex, pfns] of (row.l as number[][]).entries()) {
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex
    const order = pindex_to_order(sys, pindex)
    for (const pfn of pfns) {
      const tail = link[2 * head + 1]!
      link.set([head, tail], 2 * pfn)
      link[2 * tail] = pfn
      link[2 * head + 1] = pfn
      sys.page.state[pfn] = PAGE_PCP | (order + 1)
      // A list's pages were freed with its type, unless their pageblock is of a type that has no list of its own.
      sys.page.index[pfn] = pindex >= 12 ? pindex - 12 : pindex % 3
    }
  }
}

function setPageblocks(sys: Sys, zone: number, first: number, types: string): void {
  const row = sys.zone.pageblock_offset[zone]! + (first >>> sys.pageblock_order)
  for (let i = 0; i < types.length; i++) if (types[i] !== '.') sys.pageblock.migratetype[row + i] = Number(types[i])
}

/** After all rows are in: pages of HIGHATOMIC and CMA pageblocks wait on the MOVABLE list with their own type. */
export function settlePcpTypes(sys: Sys): void {
  for (let pcp = 0; pcp < sys.pcp.count.length; pcp++) {
    const zone = Math.floor(pcp / sys.nr_cpus)
    for (let pindex = 0; pindex < sys.nr_pcp_lists; pindex++)
      for (const pfn of list_entries(sys.link.link, sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex)) {
        const type = sys.pageblock.migratetype[sys.zone.pageblock_offset[zone]! + (pfn >>> sys.pageblock_order)]!
        if (type >= 3 && sys.page.index[pfn] === 1) sys.page.index[pfn] = type
      }
  }
}

/** The line that the recorder would write for the machine as it is now, in the place of `row`. */
export function stateLine(sys: Sys, row: StateRow): string {
  return JSON.stringify({ ...row, ...stateFields(sys, row) })
}

/** The fields of a dumped line that say something of the machine's state. */
function stateFields(sys: Sys, row: StateRow): StateRow {
  const zone = (row.n as number) * sys.nr_zone_types + (row.z as number)
  const pcp = zone * sys.nr_cpus + ((row.cpu as number | undefined) ?? 0)
  switch (row.t) {
    case 'zone':
      return zoneFields(sys, zone)
    case 'fl':
      return freeListFields(sys, zone, row.o as number)
    case 'pcp':
      return pcpFields(sys, pcp)
    case 'zstat': {
      const diff = sys.zone_stat_diff.vm_stat_diff
      const at = pcp * NR_VM_ZONE_STAT_ITEMS
      return { threshold: sys.pcp.stat_threshold[pcp], d_free: diff[at], d_cma: diff[at + NR_FREE_CMA_PAGES] }
    }
    case 'numaev': {
      const at = zone * NUMA_STAT_ITEMS.length
      const [hit, miss, foreign, interleave, local, other] = sys.numa_stat.count.subarray(at, at + 6)
      return { hit, miss, foreign, interleave, local, other }
    }
    case 'pb':
      return { s: pageblockString(sys, zone, row.first as number, row.s as string) }
    default:
      return {}
  }
}

function zoneFields(sys: Sys, zone: number): StateRow {
  const table = sys.zone
  const types = sys.nr_zone_types
  return {
    name: zone_name(sys, zone),
    start: table.zone_start_pfn[zone],
    spanned: table.spanned_pages[zone],
    present: table.present_pages[zone],
    managed: table.managed_pages[zone],
    cma: table.cma_pages[zone],
    wm: [...table.watermark.subarray(4 * zone, 4 * zone + 4)],
    boost: table.watermark_boost[zone],
    highatomic: table.nr_reserved_highatomic[zone],
    lowmem_reserve: [...table.lowmem_reserve.subarray(8 * zone, 8 * zone + types)],
    flags: table.flags[zone],
    free_pages: sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES],
    free_cma: sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_CMA_PAGES],
    drift_mark: table.percpu_drift_mark[zone],
    pcp_high: table.pageset_high_min[zone],
    pcp_batch: table.pageset_batch[zone],
    isolated_blocks: table.nr_isolate_pageblock[zone],
  }
}

function freeListFields(sys: Sys, zone: number, order: number): StateRow {
  const l: number[][] = []
  for (let migratetype = 0; migratetype < sys.MIGRATE_TYPES; migratetype++)
    l.push(list_entries(sys.link.link, free_list_head(sys, zone, order, migratetype)))
  return { nr_free: sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + order], l }
}

function pcpFields(sys: Sys, pcp: number): StateRow {
  const l: number[][] = []
  for (let pindex = 0; pindex < sys.nr_pcp_lists; pindex++)
    l.push(list_entries(sys.link.link, sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex))
  const { count, high, batch, free_factor } = sys.pcp
  return { count: count[pcp], high: high[pcp], batch: batch[pcp], free_factor: free_factor[pcp], l }
}

function pageblockString(sys: Sys, zone: number, first: number, recorded: string): string {
  const row = sys.zone.pageblock_offset[zone]! + (first >>> sys.pageblock_order)
  // '.' says that there is no memory map; that is of the boot, no allocation changes it.
  return Array.from(recorded, (type, i) => (type === '.' ? '.' : sys.pageblock.migratetype[row + i])).join('')
}
