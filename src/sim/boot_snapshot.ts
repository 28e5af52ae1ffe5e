// A machine from a captured folder: its zones with the sizes, watermarks, protection and per-CPU list sizes that the
// files say, exactly. No page is placed: all memory is reserved until somebody places free blocks and owners.
import { type Kernel, zone_named } from '../mm/kernel.ts'
import type { FrameRange } from '../mm/memory_model.ts'
import type { ZoneExtent } from '../mm/mm_init.ts'
import { type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../mm/mmzone.ts'
import { hugepage_init, init_per_zone_wmark_min } from '../mm/page_alloc/setup.ts'
import { type Capacity, type MachineLayout, setup_zones, touch_all_blocks } from '../mm/zone_setup.ts'
import { cmdlineValue } from '../report/proc/cmdline.ts'
import { systemRam } from '../report/proc/iomem.ts'
import { sysVmNumbers } from '../report/proc/sys_vm.ts'
import type { ZoneFacts, ZoneinfoFacts } from '../report/proc/zoneinfo.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { kernelOfSnapshot } from './snapshot_kernel.ts'

export interface SnapshotBootOptions {
  /** Instead of the kernel that the files tell. */
  readonly kernel?: Kernel
  /** The image in a SharedArrayBuffer (default) or not. */
  readonly shared?: boolean
  /** Room for processes, swap and bytes; default: none, and as in the shape. */
  readonly capacity?: Capacity
}

/** A machine with the zones of a snapshot. Throws a RangeError where zoneinfo is missing or no profile fits. */
export function boot_zones_from_snapshot(snapshot: Snapshot, options: SnapshotBootOptions = {}): Sys {
  const { zoneinfo } = snapshot
  if (!zoneinfo || zoneinfo.zones.length === 0)
    throw new RangeError('a snapshot without zoneinfo has no zones to boot from')
  const kernel = options.kernel ?? kernelOfSnapshot(snapshot)
  const layout = layoutOfSnapshot(snapshot, zoneinfo, kernel)
  const sys = setup_zones(layout, options.shared ?? true, options.capacity ?? {})
  eachZone(sys, zoneinfo, (zone, facts) => {
    sys.zone.managed_pages[zone] = facts.pages.managed
    sys.zone.cma_pages[zone] = facts.pages.cma ?? 0
  })
  computeAsBooted(sys, snapshot)
  setSysctls(sys, snapshot)
  eachZone(sys, zoneinfo, (zone, facts) => setZone(sys, zone, facts))
  touch_all_blocks(sys)
  return sys
}

function eachZone(sys: Sys, zoneinfo: ZoneinfoFacts, visit: (zone: number, facts: ZoneFacts) => void): void {
  for (const facts of zoneinfo.zones) {
    const type = zone_named(sys.kernel, facts.name)
    if (type >= 0) visit(facts.node * sys.nr_zone_types + type, facts)
  }
}

/** What no file shows (drift marks, promo on old kernels) is as the boot would compute it. */
function computeAsBooted(sys: Sys, snapshot: Snapshot): void {
  init_per_zone_wmark_min(sys)
  hugepage_init(sys, snapshot.cmdline === null || cmdlineValue(snapshot.cmdline, 'transparent_hugepage') !== 'never')
}

const SCALARS = [
  'min_free_kbytes',
  'watermark_scale_factor',
  'watermark_boost_factor',
  'percpu_pagelist_high_fraction',
  'zone_reclaim_mode',
  'swappiness',
] as const

function setSysctls(sys: Sys, { sysVm, cmdline }: Snapshot): void {
  if (!sysVm) return
  for (const name of SCALARS) {
    const value = sysVmNumbers(sysVm, name)?.[0]
    if (value !== undefined) sys.sysctl[name][0] = value
  }
  const ratios = sysVmNumbers(sysVm, 'lowmem_reserve_ratio')
  if (ratios) sys.sysctl.lowmem_reserve_ratio.set(ratios.slice(0, 8))
  const numa_stat = sysVmNumbers(sysVm, 'numa_stat')?.[0]
  if (numa_stat !== undefined) sys.machine.numa_stats[0] = numa_stat
  const written = cmdline ? cmdlineValue(cmdline, 'sysctl.vm.min_free_kbytes') : null
  if (written) sys.sysctl.user_min_free_kbytes[0] = Number(written)
}

/** The marks in zoneinfo contain the boost, the zone's do not. */
function setZone(sys: Sys, zone: number, { pages, protection, pagesets }: ZoneFacts): void {
  const boost = pages.boost ?? 0
  const { watermark } = sys.zone
  sys.zone.watermark_boost[zone] = boost
  watermark[4 * zone + WMARK_MIN] = pages.min - boost
  watermark[4 * zone + WMARK_LOW] = pages.low - boost
  watermark[4 * zone + WMARK_HIGH] = pages.high - boost
  watermark[4 * zone + WMARK_PROMO] = (pages.promo ?? 2 * pages.high - pages.low) - boost
  sys.zone.lowmem_reserve.set(protection.slice(0, 8), 8 * zone)
  for (const { cpu, high, batch, highMin, highMax, statThreshold } of pagesets) {
    const pcp = zone * sys.nr_cpus + cpu
    sys.pcp.high[pcp] = high
    sys.pcp.batch[pcp] = batch
    sys.pcp.high_min[pcp] = sys.zone.pageset_high_min[zone] = highMin ?? high
    sys.pcp.high_max[pcp] = sys.zone.pageset_high_max[zone] = highMax ?? high
    sys.pcp.stat_threshold[pcp] = statThreshold ?? 0
    sys.zone.pageset_batch[zone] = batch
  }
}

function layoutOfSnapshot(snapshot: Snapshot, zoneinfo: ZoneinfoFacts, kernel: Kernel): MachineLayout {
  const nodes = snapshot.sysNode?.nodes ?? []
  const numbers = [...zoneinfo.zones, ...nodes].map(({ node }) => node)
  const nr_nodes = 1 + Math.max(...numbers)
  const extents = extentsOf(zoneinfo, kernel, nr_nodes)
  const cpus = 1 + Math.max(0, ...zoneinfo.zones.flatMap(zone => zone.pagesets.map(({ cpu }) => cpu)))
  const cpu_node = Array.from({ length: cpus }, (_, cpu) => nodes.find(node => node.cpus.includes(cpu))?.node ?? 0)
  const distance = Array.from({ length: nr_nodes ** 2 }, (_, at) => {
    const [from, to] = [Math.floor(at / nr_nodes), at % nr_nodes]
    return nodes.find(({ node }) => node === from)?.distance[to] ?? (from === to ? 10 : 20)
  })
  const node_cpus = Array.from(
    { length: nr_nodes },
    (_, nid) => nodes.find(({ node }) => node === nid)?.cpus.length ?? 0,
  )
  return {
    kernel,
    nr_nodes,
    cpu_node,
    ...(nodes.length > 0 ? { node_cpus } : {}),
    distance,
    ranges: rangesOf(snapshot, extents, kernel.PAGE_SHIFT),
    extents,
    movable_zone: movableZone(kernel, extents),
  }
}

function extentsOf({ zones }: ZoneinfoFacts, kernel: Kernel, nr_nodes: number): ZoneExtent[] {
  return Array.from({ length: nr_nodes * kernel.zones.length }, (_, row) => {
    const [node, type] = [Math.floor(row / kernel.zones.length), row % kernel.zones.length]
    const facts = zones.find(zone => zone.node === node && zone.name === kernel.zones[type])
    const { spanned, present } = facts?.pages ?? { spanned: 0, present: 0 }
    return { node, type, start_pfn: facts?.startPfn ?? 0, spanned_pages: spanned, present_pages: present }
  })
}

/** The highest type with pages below ZONE_MOVABLE; where movable pages are all that is above, the one below them. */
function movableZone(kernel: Kernel, extents: readonly ZoneExtent[]): number {
  const movable = kernel.zones.indexOf('Movable')
  const types = extents.filter(zone => zone.spanned_pages > 0 && zone.type < movable).map(zone => zone.type)
  return Math.max(0, ...types)
}

/** Memory as /proc/iomem has it, else the firmware's map, else all that zones span. */
function rangesOf(snapshot: Snapshot, extents: readonly ZoneExtent[], shift: number): FrameRange[] {
  const { iomem, firmwareMemmap } = snapshot
  const ram = iomem
    ? systemRam(iomem)
    : (firmwareMemmap?.ranges ?? [])
        .filter(({ type }) => type === 'System RAM')
        .map(({ start, end }): [number, number] => [start, end])
  const page = 2 ** shift
  const ranges = ram
    .map(([start, end]) => ({ start_pfn: Math.ceil(start / page), end_pfn: Math.floor((end + 1) / page), node: -1 }))
    .filter(({ start_pfn, end_pfn }) => start_pfn < end_pfn)
  const spans = extents
    .filter(({ spanned_pages }) => spanned_pages > 0)
    .map(({ node, start_pfn, spanned_pages }) => ({ start_pfn, end_pfn: start_pfn + spanned_pages, node }))
  const known = ranges.length > 0 && ranges.some(({ end_pfn }) => end_pfn > 1)
  return (known ? ranges : spans).sort((a, b) => a.start_pfn - b.start_pfn)
}
