// A machine's memory in sums: the facts of /proc/meminfo and vmstat, and of each node's meminfo, numastat and vmstat.
// Rows of what is not modelled (buffers, huge page pools, the direct map's page sizes, per-CPU areas) are there and 0.

import { zone_type } from '../mm/kernel.ts'
import { managed_zone, type Sys, WMARK_HIGH, WMARK_LOW } from '../mm/mmzone.ts'
import { vm_commit_limit } from '../mm/overcommit.ts'
import { is_highmem, totalram_pages } from '../mm/page_alloc/setup.ts'
import { wmark_pages } from '../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../mm/vmstat.ts'
import { NR_FREE_PAGES, vm_event, zone_item } from '../mm/vmstat_item.ts'
import { ZSWAP_POOL } from '../mm/zsmalloc_tables.ts'
import type { Counters } from '../report/proc/lines.ts'
import type { MeminfoFacts } from '../report/proc/meminfo.ts'
import type { SysNode } from '../report/proc/sys_node.ts'
import type { VmstatFacts } from '../report/proc/vmstat.ts'
import { nodeCounters, zoneCounters } from './inspect_zones.ts'
import { procLayoutOf } from './proc_layout.ts'

type Numbers = (name: string) => number

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)
const zonesOf = (sys: Sys, node: number): number[] =>
  range(sys.nr_zone_types).map(type => node * sys.nr_zone_types + type)
const kilobytes = (sys: Sys, pages: number): number => pages * 2 ** (sys.kernel.PAGE_SHIFT - 10)

function summed(all: readonly Counters[]): Counters {
  const sums: Counters = new Map()
  for (const counters of all) for (const [name, value] of counters) sums.set(name, (sums.get(name) ?? 0) + value)
  return sums
}

/** The counters of some zones and nodes together. */
function countersOf(sys: Sys, zones: readonly number[], nodes: readonly number[]): Counters {
  return summed([...zones.map(zone => zoneCounters(sys, zone)), ...nodes.map(node => nodeCounters(sys, node))])
}

/** Pages that user memory cannot get: reserves and high watermarks. @kernel mm/page_alloc.c:calculate_totalreserve_pages */
function totalreservePages(sys: Sys): number {
  let reserve = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    const protection = sys.zone.lowmem_reserve.subarray(8 * zone + (zone % sys.nr_zone_types), 8 * zone + 8)
    const max = Math.max(...protection) + wmark_pages(sys, zone, WMARK_HIGH)
    reserve += Math.min(max, sys.zone.managed_pages[zone]!)
  }
  return reserve
}

/** @kernel mm/show_mem.c:si_mem_available */
function availablePages(sys: Sys, free: number, value: Numbers): number {
  let low = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) low += wmark_pages(sys, zone, WMARK_LOW)
  const usable = (pages: number): number => pages - Math.min(Math.floor(pages / 2), low)
  const cache = usable(value('nr_active_file') + value('nr_inactive_file'))
  const slab = usable(value('nr_slab_reclaimable') + value('nr_kernel_misc_reclaimable'))
  return Math.max(0, free - totalreservePages(sys) + cache + slab)
}

/** Pages that may become dirty file pages. @kernel mm/page-writeback.c:global_dirtyable_memory */
function dirtyablePages(sys: Sys, value: Numbers): number {
  const free = value('nr_free_pages')
  const pages = free - Math.min(free, totalreservePages(sys)) + value('nr_inactive_file') + value('nr_active_file')
  let high = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    if (!is_highmem(sys, zone) || !managed_zone(sys, zone)) continue
    const free_here = zone_page_state(sys, zone, NR_FREE_PAGES)
    high += free_here - Math.min(free_here, wmark_pages(sys, zone, WMARK_HIGH))
    high += zone_page_state(sys, zone, zone_item('nr_zone_inactive_file'))
    high += zone_page_state(sys, zone, zone_item('nr_zone_active_file'))
  }
  return pages - Math.min(high, pages) + 1
}

/** vm.dirty_ratio and vm.dirty_background_ratio, percent. */
const DIRTY_RATIO = 20
const DIRTY_BACKGROUND_RATIO = 10

function dirtyThreshold(sys: Sys, percent: number, value: Numbers): number {
  const page = 2 ** sys.kernel.PAGE_SHIFT
  return Math.floor((Math.floor((percent * page) / 100) * dirtyablePages(sys, value)) / page)
}

/** Facts of /proc/vmstat. */
export function vmstatOf(sys: Sys): VmstatFacts {
  const gauges = countersOf(sys, range(sys.nr_zones), range(sys.nr_nodes))
  const value: Numbers = name => gauges.get(name) ?? 0
  const others: Readonly<Record<string, () => number>> = {
    nr_dirty_threshold: () => dirtyThreshold(sys, DIRTY_RATIO, value),
    nr_dirty_background_threshold: () => dirtyThreshold(sys, DIRTY_BACKGROUND_RATIO, value),
  }
  const event = (name: string): number => sys.vm_event.count[vm_event(name as Parameters<typeof vm_event>[0])] ?? 0
  const names = procLayoutOf(sys.kernel).vmstat
  return {
    counters: new Map(names.map(name => [name, gauges.get(name) ?? others[name]?.() ?? event(name)])),
    strays: [],
  }
}

/** Rows of meminfo that are one counter, in pages. */
const PLAIN: Readonly<Record<string, string>> = {
  SwapCached: 'nr_swapcached',
  'Active(anon)': 'nr_active_anon',
  'Inactive(anon)': 'nr_inactive_anon',
  'Active(file)': 'nr_active_file',
  'Inactive(file)': 'nr_inactive_file',
  Unevictable: 'nr_unevictable',
  Mlocked: 'nr_mlock',
  Dirty: 'nr_dirty',
  Writeback: 'nr_writeback',
  FilePages: 'nr_file_pages',
  AnonPages: 'nr_anon_pages',
  Mapped: 'nr_mapped',
  Shmem: 'nr_shmem',
  PageTables: 'nr_page_table_pages',
  SecPageTables: 'nr_sec_page_table_pages',
  Bounce: 'nr_bounce',
  WritebackTmp: 'nr_writeback_temp',
  SReclaimable: 'nr_slab_reclaimable',
  SUnreclaim: 'nr_slab_unreclaimable',
  CmaFree: 'nr_free_cma',
  Unaccepted: 'nr_unaccepted',
}

/** Rows that are sums of counters, in pages. */
const SUMS: Readonly<Record<string, readonly string[]>> = {
  Active: ['nr_active_anon', 'nr_active_file'],
  Inactive: ['nr_inactive_anon', 'nr_inactive_file'],
  KReclaimable: ['nr_slab_reclaimable', 'nr_kernel_misc_reclaimable'],
  Slab: ['nr_slab_reclaimable', 'nr_slab_unreclaimable'],
}

/** Rows that count huge pages. */
const HUGE: Readonly<Record<string, string>> = {
  AnonHugePages: 'nr_anon_transparent_hugepages',
  ShmemHugePages: 'nr_shmem_hugepages',
  ShmemPmdMapped: 'nr_shmem_pmdmapped',
  FileHugePages: 'nr_file_hugepages',
  FilePmdMapped: 'nr_file_pmdmapped',
}

/** The rows that /proc/meminfo and a node's meminfo compute in the same way, in kB; undefined for others. */
function sharedRow(sys: Sys, name: string, value: Numbers): number | undefined {
  const sum = SUMS[name]?.reduce((total, counter) => total + value(counter), 0)
  const huge = HUGE[name] === undefined ? undefined : value(HUGE[name]) * 2 ** sys.kernel.huge_order
  const pages = sum ?? huge ?? (PLAIN[name] === undefined ? undefined : value(PLAIN[name]))
  if (pages !== undefined) return kilobytes(sys, pages)
  return name === 'KernelStack' ? value('nr_kernel_stack') : undefined
}

/** Facts of /proc/meminfo. */
export function meminfoOf(sys: Sys): MeminfoFacts {
  const gauges = countersOf(sys, range(sys.nr_zones), range(sys.nr_nodes))
  const value: Numbers = name => gauges.get(name) ?? 0
  const total = totalram_pages(sys)
  const free = value('nr_free_pages')
  const high = highPages(sys)
  const pages: Readonly<Record<string, () => number>> = {
    MemTotal: () => total,
    MemFree: () => free,
    MemAvailable: () => availablePages(sys, free, value),
    Cached: () => value('nr_file_pages') - value('nr_swapcached'),
    HighTotal: () => high.total,
    HighFree: () => high.free,
    LowTotal: () => total - high.total,
    LowFree: () => free - high.free,
    SwapTotal: () => sys.swap_state.total_swap_pages[0] ?? 0,
    SwapFree: () => Math.max(0, sys.swap_state.nr_swap_pages[0] ?? 0),
    Zswap: () => sys.zs_pool.pages[ZSWAP_POOL] ?? 0,
    Zswapped: () => sys.zs_pool.objects[ZSWAP_POOL] ?? 0,
    CommitLimit: () => (sys.vm_state.overcommit_ratio[0] ? vm_commit_limit(sys) : Math.floor(total / 2)),
    Committed_AS: () => Math.max(0, sys.vm_state.vm_committed_as[0] ?? 0),
    CmaTotal: () => sys.zone.cma_pages.reduce((sum, cma) => sum + cma, 0),
  }
  const row = (name: string): number => {
    if (pages[name]) return kilobytes(sys, pages[name]())
    if (name === 'VmallocTotal') return vmallocTotal(sys)
    if (name === 'Hugepagesize') return kilobytes(sys, 2 ** sys.kernel.huge_order)
    return sharedRow(sys, name, value) ?? 0
  }
  return { values: new Map(procLayoutOf(sys.kernel).meminfo.map(name => [name, row(name)])), strays: [] }
}

function highPages(sys: Sys): { total: number; free: number } {
  const zones = range(sys.nr_zones).filter(zone => is_highmem(sys, zone))
  const sum = (pages: (zone: number) => number): number => zones.reduce((all, zone) => all + pages(zone), 0)
  return {
    total: sum(zone => sys.zone.managed_pages[zone]!),
    free: sum(zone => zone_page_state(sys, zone, NR_FREE_PAGES)),
  }
}

/** Bytes between the direct map and the vmalloc area of 32-bit x86. */
const VMALLOC_OFFSET = 8 * 2 ** 20

/** Size of the vmalloc area, kB: fixed by the levels of page tables, or what the direct map leaves. */
function vmallocTotal(sys: Sys): number {
  const { kernel } = sys
  if (kernel.BITS_PER_LONG === 64) return (kernel.pgtable_levels === 5 ? 12800 : 32) * 2 ** 30 - 1
  const normal = zone_type(kernel, 'Normal')
  const ends = range(normal + 1).map(zone => sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]!)
  const high_memory = kernel.PAGE_OFFSET + Math.max(...ends) * 2 ** kernel.PAGE_SHIFT
  return Math.floor((kernel.VMALLOC_END - high_memory - VMALLOC_OFFSET) / 1024)
}

/** Facts of a node's folder in /sys/devices/system/node. */
export function sysNodeOf(sys: Sys, node: number): SysNode {
  const layout = procLayoutOf(sys.kernel)
  const gauges = countersOf(sys, zonesOf(sys, node), [node])
  const picked = (names: readonly string[]): Counters => new Map(names.map(name => [name, gauges.get(name) ?? 0]))
  return {
    node,
    cpus: range(sys.nr_cpus).filter(cpu => sys.cpu.node[cpu] === node),
    distance: range(sys.nr_nodes)
      .filter(other => sys.node.online[other] !== 0)
      .map(other => sys.distance.distance[node * sys.nr_nodes + other]!),
    meminfo: nodeMeminfo(sys, node, name => gauges.get(name) ?? 0),
    fileColumn: layout.fileColumn,
    numastat: new Map(layout.numastat.map(name => [name, gauges.get(NUMASTAT[name]!) ?? 0])),
    vmstat: picked(layout.nodeVmstat),
  }
}

/** Names in numastat and the counters behind them. */
const NUMASTAT: Readonly<Record<string, string>> = {
  numa_hit: 'numa_hit',
  numa_miss: 'numa_miss',
  numa_foreign: 'numa_foreign',
  interleave_hit: 'numa_interleave',
  local_node: 'numa_local',
  other_node: 'numa_other',
}

function nodeMeminfo(sys: Sys, node: number, value: Numbers): Counters {
  const total = zonesOf(sys, node).reduce((sum, zone) => sum + sys.zone.managed_pages[zone]!, 0)
  const free = value('nr_free_pages')
  const pages: Readonly<Record<string, number>> = { MemTotal: total, MemFree: free, MemUsed: total - free }
  const row = (name: string): number =>
    pages[name] === undefined ? (sharedRow(sys, name, value) ?? 0) : kilobytes(sys, pages[name])
  return new Map(procLayoutOf(sys.kernel).nodeMeminfo.map(name => [name, row(name)]))
}
