// A machine's tables filled from its layout: nodes, distances, CPUs, zones, blocks, pageblocks, zonelists. No page is
// with the allocator yet: that is memblock_free.ts, or whoever places the pages of a captured machine.
import { type Kernel, type ZoneName, zone_type } from './kernel.ts'
import { create_sys } from './machine_image.ts'
import type { FrameRange } from './memory_model.ts'
import { type ZoneExtent, zone_ranges } from './mm_init.ts'
import { BLOCK_HOLE, BLOCK_RESERVED, BLOCK_TOUCHED, BLOCK_ZONE_SPLIT, MIGRATE_MOVABLE, type Sys } from './mmzone.ts'
import { sysctl_defaults } from './page_alloc/setup.ts'
import type { ReclaimShape } from './reclaim_tables.ts'
import type { VmShape } from './vm_tables.ts'
import { build_all_zonelists } from './zonelist.ts'
import type { ZsmallocShape } from './zsmalloc_tables.ts'

/** Everything that decides the size and the shape of a machine. */
export interface MachineLayout {
  readonly kernel: Kernel
  readonly nr_nodes: number
  /** Node of each CPU. */
  readonly cpu_node: readonly number[]
  /** CPUs that the kernel counts to each node; more than one node may count a CPU (fake nodes). Default: by cpu_node. */
  readonly node_cpus?: readonly number[]
  /** node × node. */
  readonly distance: readonly number[]
  /** Memory, ascending; node -1 = whichever zone spans it. */
  readonly ranges: readonly FrameRange[]
  /** All zones in the order of their rows; those of the type the machine lacks are empty. */
  readonly extents: readonly ZoneExtent[]
  /** The type that ZONE_MOVABLE is made of. */
  readonly movable_zone: number
}

/** What a machine has room for, as in the shape. */
export interface Capacity extends VmShape, ReclaimShape, ZsmallocShape {
  /** Frames that can have bytes at a time. */
  readonly nr_physmem_slots?: number
  /** Caches. */
  readonly nr_kmem_caches?: number
  readonly nr_vmap_areas?: number
  readonly nr_percpu_chunks?: number
  readonly nr_kmemleak_objects?: number
}

/** A machine with zones and without free pages. `shared` as in create_sys. @ours */
export function setup_zones(layout: MachineLayout, shared = true, capacity: Capacity = {}): Sys {
  const { kernel, nr_nodes, cpu_node } = layout
  const max_pfn = layout.ranges.reduce((end, range) => Math.max(end, range.end_pfn), 0)
  const spans_end = layout.extents.reduce((end, zone) => Math.max(end, zone.start_pfn + zone.spanned_pages), max_pfn)
  const rows = per_zone_rows(layout)
  const { nr_physmem_slots } = capacity
  // Each frame needs one at most, and so does each slot of a swap area.
  const most = spans_end + (capacity.nr_swap_slots ?? 0)
  const slots = nr_physmem_slots === undefined ? {} : { nr_physmem_slots: Math.min(nr_physmem_slots, most) }
  const shape = { ...capacity, max_pfn: spans_end, nr_nodes, nr_cpus: cpu_node.length, ...slots }
  const sys = create_sys(kernel, rows ? { ...shape, nr_pageblocks: rows.count } : shape, shared)
  sysctl_defaults(sys)
  sys.machine.movable_zone[0] = layout.movable_zone
  sys.machine.max_pfn[0] = max_pfn
  for (const [zone, extent] of layout.extents.entries()) setup_zone(sys, zone, extent, rows?.offsets[zone] ?? 0)
  setup_nodes(sys, layout)
  setup_blocks(sys, layout)
  build_all_zonelists(sys)
  return sys
}

/** Without SPARSEMEM each zone has its own pageblock bits: a block in which two zones meet has two types.
 * @kernel mm/mm_init.c:setup_usemap */
function per_zone_rows({ kernel, extents }: MachineLayout): { offsets: number[]; count: number } | null {
  if (kernel.memory_model === 'SPARSEMEM') return null
  const offsets: number[] = []
  let count = 0
  for (const { start_pfn, spanned_pages } of extents) {
    const first = start_pfn >>> kernel.pageblock_order
    offsets.push(count - first)
    if (spanned_pages > 0) count += ((start_pfn + spanned_pages - 1) >>> kernel.pageblock_order) - first + 1
  }
  return { offsets, count }
}

function setup_zone(sys: Sys, zone: number, extent: ZoneExtent, pageblock_offset: number): void {
  sys.zone.zone_start_pfn[zone] = extent.start_pfn
  sys.zone.spanned_pages[zone] = extent.spanned_pages
  sys.zone.present_pages[zone] = extent.present_pages
  sys.zone.pageblock_offset[zone] = pageblock_offset
  sys.zone.lazy_step[zone] = 1
  sys.zone.pageset_batch[zone] = 1
}

function setup_nodes(sys: Sys, layout: MachineLayout): void {
  const { node, cpu, distance } = sys
  distance.distance.set(layout.distance)
  layout.cpu_node.forEach((nid, id) => {
    cpu.node[id] = nid
    node.nr_cpus[nid] = node.nr_cpus[nid]! + 1
  })
  if (layout.node_cpus) node.nr_cpus.set(layout.node_cpus)
  for (let nid = 0; nid < sys.nr_nodes; nid++) setup_node(sys, nid)
  sys.machine.nr_online_nodes[0] = node.online.reduce((sum, online) => sum + online, 0)
  for (let id = 0; id < sys.nr_cpus; id++) cpu.numa_mem[id] = nearest_with_memory(sys, cpu.node[id]!)
}

function setup_node(sys: Sys, nid: number): void {
  const { zone, node } = sys
  let start = Number.POSITIVE_INFINITY
  let end = 0
  for (let row = nid * sys.nr_zone_types; row < (nid + 1) * sys.nr_zone_types; row++) {
    if (zone.spanned_pages[row] === 0) continue
    start = Math.min(start, zone.zone_start_pfn[row]!)
    end = Math.max(end, zone.zone_start_pfn[row]! + zone.spanned_pages[row]!)
    node.present_pages[nid] = node.present_pages[nid]! + zone.present_pages[row]!
  }
  node.start_pfn[nid] = end === 0 ? 0 : start
  node.spanned_pages[nid] = end === 0 ? 0 : end - start
  node.online[nid] = end > 0 || node.nr_cpus[nid]! > 0 ? 1 : 0
}

/** @kernel mm/page_alloc.c:local_memory_node */
function nearest_with_memory(sys: Sys, nid: number): number {
  let best = nid
  let least = Number.POSITIVE_INFINITY
  for (let other = 0; other < sys.nr_nodes; other++) {
    const far = sys.distance.distance[nid * sys.nr_nodes + other]!
    if (sys.node.present_pages[other] === 0 || far >= least) continue
    least = far
    best = other
  }
  return best
}

/** Every block that holds memory is reserved, the zone that owns it entered, and its pageblocks are MOVABLE. A
 * pageblock that begins in a hole keeps type 0. @kernel mm/mm_init.c:memmap_init */
function setup_blocks(sys: Sys, layout: MachineLayout): void {
  const { state, zone } = sys.block
  zone.fill(BLOCK_ZONE_SPLIT)
  for (let row = 0; row < sys.nr_zones; row++)
    for (const { start_pfn, end_pfn } of zone_ranges(layout.extents[row]!, layout.ranges)) {
      const first = start_pfn >>> sys.block_shift
      const last = (end_pfn - 1) >>> sys.block_shift
      enter_block(sys, first, row)
      if (last > first) enter_block(sys, last, row)
      if (last > first + 1) {
        zone.fill(row, first + 1, last)
        state.fill(BLOCK_RESERVED, first + 1, last)
      }
      const [a, b] = [Math.ceil(start_pfn / sys.pageblock_nr_pages), Math.ceil(end_pfn / sys.pageblock_nr_pages)]
      const offset = sys.zone.pageblock_offset[row]!
      sys.pageblock.migratetype.fill(MIGRATE_MOVABLE, offset + a, offset + b)
    }
}

/** A block at the edge of a range: it may hold frames of another zone, too. */
function enter_block(sys: Sys, block: number, row: number): void {
  const { state, zone } = sys.block
  if (state[block] === BLOCK_HOLE) zone[block] = row
  else if (zone[block] !== row) zone[block] = BLOCK_ZONE_SPLIT
  state[block] = BLOCK_RESERVED
}

/** For machines whose pages are placed one by one: the columns of all frames say what they are. @ours */
export function touch_all_blocks(sys: Sys): void {
  const { state } = sys.block
  for (let block = 0; block < state.length; block++) if (state[block] === BLOCK_RESERVED) state[block] = BLOCK_TOUCHED
}

/** Row of a node's zone that /proc prints as `name`; -1 where the kernel has no such type. @ours */
export function zone_row(sys: Sys, node: number, name: ZoneName): number {
  const type = zone_type(sys.kernel, name)
  return type < 0 ? -1 : node * sys.nr_zone_types + type
}
