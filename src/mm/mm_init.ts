// From memory to zones: the borders between zone types, where ZONE_MOVABLE begins on each node, and what each zone of
// each node spans and has. Everything is in frames; `end` is the first frame behind.
import { align_up } from '../base/bits.ts'
import type { Kernel, ZoneName } from './kernel.ts'
import { zone_type } from './kernel.ts'
import type { FrameRange } from './memory_model.ts'

/** What the command line says about ZONE_MOVABLE, in pages or percent of all memory; 0 = nothing. */
export interface CoreRequest {
  readonly kernelcore: number
  readonly kernelcore_percent: number
  readonly movablecore: number
  readonly movablecore_percent: number
}

/** One zone of one node. */
export interface ZoneExtent {
  readonly node: number
  readonly type: number
  readonly start_pfn: number
  readonly spanned_pages: number
  readonly present_pages: number
}

/** Borders of the zone types: type n holds frames lowest[n] … highest[n] - 1. */
export interface ZoneLimits {
  readonly lowest: readonly number[]
  readonly highest: readonly number[]
  /** The type that ZONE_MOVABLE is made of. */
  readonly movable_zone: number
}

/** Frames of the highest zone of each type for a machine whose direct map ends at `max_low_pfn`.
 * @kernel arch/x86/mm/init.c:zone_sizes_init */
function max_zone_pfn(kernel: Kernel, name: ZoneName, max_low_pfn: number, max_pfn: number): number {
  const frames = (bytes: number): number => Math.floor(bytes / 2 ** kernel.PAGE_SHIFT)
  if (name === 'DMA') return Math.min(frames(kernel.DMA_LIMIT), max_low_pfn)
  if (name === 'DMA32') return Math.min(frames(2 ** 32), max_low_pfn)
  if (name === 'Normal') return max_low_pfn
  return name === 'HighMem' ? max_pfn : 0
}

/** @kernel mm/mm_init.c:free_area_init */
export function zone_limits(kernel: Kernel, first_pfn: number, max_low_pfn: number, max_pfn: number): ZoneLimits {
  const lowest: number[] = []
  const highest: number[] = []
  let start = first_pfn
  for (const name of kernel.zones) {
    const end = Math.max(max_zone_pfn(kernel, name, max_low_pfn, max_pfn), start)
    const is_range = name !== 'Movable' && name !== 'Device'
    lowest.push(is_range ? start : 0)
    highest.push(is_range ? end : 0)
    if (is_range) start = end
  }
  return { lowest, highest, movable_zone: highest.findLastIndex((end, type) => end > lowest[type]!) }
}

/** @kernel include/linux/minmax.h:roundup */
const round_up = (pages: number, kernel: Kernel): number => align_up(pages, kernel.NR_PAGE_ORDERS - 1)

const pages_of = (range: FrameRange): number => range.end_pfn - range.start_pfn

/** Pages that must stay for the kernel; 0 = no ZONE_MOVABLE. */
function required_kernelcore(kernel: Kernel, request: CoreRequest, total: number): number {
  const percent = (value: number): number => Math.floor((total * 100 * value) / 10000)
  let core = request.kernelcore_percent > 0 ? percent(request.kernelcore_percent) : request.kernelcore
  const movable = request.movablecore_percent > 0 ? percent(request.movablecore_percent) : request.movablecore
  if (movable > 0) core = Math.max(core, total - Math.min(total, round_up(movable, kernel)))
  return core >= total ? 0 : core
}

/** First frame of ZONE_MOVABLE on each node, 0 = the node has none: the kernel's share is spread evenly over the
 * nodes, what a small node cannot give is taken from the others. @kernel mm/mm_init.c:find_zone_movable_pfns_for_nodes */
export function find_zone_movable_pfns_for_nodes(
  kernel: Kernel,
  ranges: readonly FrameRange[],
  limits: ZoneLimits,
  request: CoreRequest,
): number[] {
  const nr_nodes = 1 + Math.max(...ranges.map(range => range.node))
  const movable = new Array<number>(nr_nodes).fill(0)
  const total = ranges.reduce((sum, range) => sum + pages_of(range), 0)
  let core = required_kernelcore(kernel, request, total)
  if (core === 0) return movable
  const nodes = [...new Set(ranges.map(range => range.node))].sort((a, b) => a - b)
  for (let usable = nodes.length; usable > 0; ) {
    let share = Math.floor(core / usable)
    for (const node of nodes) {
      if (core < share) share = Math.floor(core / usable)
      core -= spread_core(node, ranges, limits.lowest[limits.movable_zone]!, share, core, movable)
    }
    usable--
    if (core <= usable) break
  }
  return movable.map((start, node) => {
    const aligned = round_up(start, kernel)
    return aligned >= node_end_pfn(ranges, node) ? 0 : aligned
  })
}

/** Moves the node's border up over `share` pages; returns how many the kernel's share shrinks by. */
function spread_core(
  node: number,
  ranges: readonly FrameRange[],
  usable_start: number,
  share: number,
  core: number,
  movable: number[],
): number {
  let taken = 0
  let remaining = share
  for (const range of ranges) {
    if (range.node !== node) continue
    let start = Math.max(range.start_pfn, movable[node]!)
    if (start >= range.end_pfn) continue
    if (start < usable_start) {
      const low = Math.min(range.end_pfn, usable_start) - start
      remaining -= Math.min(low, remaining)
      taken += Math.min(low, core - taken)
      if (range.end_pfn <= usable_start) {
        movable[node] = range.end_pfn
        continue
      }
      start = usable_start
    }
    const size = Math.min(range.end_pfn - start, remaining)
    movable[node] = start + size
    taken += Math.min(core - taken, size)
    remaining -= size
    if (remaining === 0) break
  }
  return taken
}

const node_end_pfn = (ranges: readonly FrameRange[], node: number): number =>
  ranges.reduce((end, range) => (range.node === node ? Math.max(end, range.end_pfn) : end), 0)

const node_start_pfn = (ranges: readonly FrameRange[], node: number): number =>
  ranges.reduce((start, range) => (range.node === node ? Math.min(start, range.start_pfn) : start), Number.MAX_VALUE)

const clamp_to = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

/** All zones of all nodes, in the order of their rows. `movable` as find_zone_movable_pfns_for_nodes returns it.
 * @kernel mm/mm_init.c:calculate_node_totalpages */
export function zone_extents(
  kernel: Kernel,
  nr_nodes: number,
  ranges: readonly FrameRange[],
  limits: ZoneLimits,
  movable: readonly number[],
): ZoneExtent[] {
  const extents: ZoneExtent[] = []
  for (let node = 0; node < nr_nodes; node++)
    for (let type = 0; type < kernel.zones.length; type++)
      extents.push(zone_extent(kernel, node, type, ranges, limits, movable[node] ?? 0))
  return extents
}

/** @kernel mm/mm_init.c:zone_spanned_pages_in_node */
function zone_extent(
  kernel: Kernel,
  node: number,
  type: number,
  ranges: readonly FrameRange[],
  limits: ZoneLimits,
  movable_pfn: number,
): ZoneExtent {
  const empty = { node, type, start_pfn: 0, spanned_pages: 0, present_pages: 0 }
  const node_end = node_end_pfn(ranges, node)
  if (node_end === 0) return empty
  const node_start = node_start_pfn(ranges, node)
  const [low, high] = [limits.lowest[type]!, limits.highest[type]!]
  let start = clamp_to(node_start, low, high)
  let end = clamp_to(node_end, low, high)
  if (movable_pfn > 0) {
    if (type === zone_type(kernel, 'Movable')) {
      start = movable_pfn
      end = Math.min(node_end, limits.highest[limits.movable_zone]!)
    } else if (start < movable_pfn && end > movable_pfn) end = movable_pfn
    else if (start >= movable_pfn) start = end
  }
  start = Math.max(start, node_start)
  end = Math.min(end, node_end)
  if (start >= end) return empty
  let present = 0
  for (const range of ranges)
    if (range.node === node) present += Math.max(0, Math.min(range.end_pfn, end) - Math.max(range.start_pfn, start))
  return { node, type, start_pfn: start, spanned_pages: end - start, present_pages: present }
}

/** The frames of memory of one zone, ascending. @ours */
export function zone_ranges(extent: ZoneExtent, ranges: readonly FrameRange[]): FrameRange[] {
  const zone_end = extent.start_pfn + extent.spanned_pages
  return ranges
    .filter(({ node }) => node === extent.node || node < 0)
    .map(({ start_pfn, end_pfn, node }) => ({
      start_pfn: Math.max(start_pfn, extent.start_pfn),
      end_pfn: Math.min(end_pfn, zone_end),
      node,
    }))
    .filter(({ start_pfn, end_pfn }) => start_pfn < end_pfn)
}
