// From a machine's memory map and a command line to the layout of its nodes and zones, as an x86 kernel gets there:
// firmware map → memblock → nodes (real or fake) → low and high memory → zones → ZONE_MOVABLE.
import { type E820Entry, e820__memblock_setup, e820_apply_options } from '../arch/x86/e820.ts'
import { find_low_pfn_range } from '../arch/x86/init_32.ts'
import { type NumaMemblk, numa_cleanup_meminfo, numa_emulation, numa_register_memblks } from '../arch/x86/numa.ts'
import type { Kernel } from '../mm/kernel.ts'
import { type Memblock, memblock_set_node } from '../mm/memblock.ts'
import type { FrameRange } from '../mm/memory_model.ts'
import { find_zone_movable_pfns_for_nodes, zone_extents, zone_limits } from '../mm/mm_init.ts'
import type { MachineLayout } from '../mm/zone_setup.ts'
import type { CommandLine, CoreSize } from './command_line.ts'

/** What the machine itself is: memory, nodes, CPUs. */
export interface MachineMap {
  /** The firmware's map. */
  readonly firmware: readonly E820Entry[]
  /** Which node each part of the address space belongs to; empty: the machine says nothing of nodes. */
  readonly nodes: readonly NumaMemblk[]
  /** Nodes, those without memory as well. */
  readonly nrNodes: number
  /** node × node; null: 10 and 20. */
  readonly distance: readonly number[] | null
  /** Node of each CPU that comes up. */
  readonly cpus: readonly number[]
}

/** The layout, and the memory list for whoever reserves parts of it. */
export interface MappedMachine {
  readonly layout: MachineLayout
  readonly memblock: Memblock
  /** End of the direct map. */
  readonly maxLowPfn: number
}

/** The layout of a machine under a kernel and a command line. Throws a RangeError where no memory is left. */
export function mapMachine(kernel: Kernel, map: MachineMap, command: CommandLine): MappedMachine {
  const page = kernel.PAGE_SHIFT
  const address_bits = kernel.arch === 'i386' && kernel.pgtable_levels < 3 ? 32 : 52
  const x86 = kernel.arch !== 'alpha'
  const memblock = e820__memblock_setup(e820_apply_options(map.firmware, command, x86), page, address_bits)
  const end = memblock.memory.at(-1)?.end ?? 0
  if (end === 0) throw new RangeError('the memory map and the command line leave no memory')
  const { max_low_pfn, max_pfn } = find_low_pfn_range(kernel, end / 2 ** page, command)
  const nodes = enterNodes(kernel, map, command, memblock, max_pfn * 2 ** page)
  const ranges = memblock.memory.map(({ start, end: last, node }) => ({
    start_pfn: start / 2 ** page,
    end_pfn: last / 2 ** page,
    node,
  }))
  return { layout: layoutOf(kernel, ranges, nodes, max_low_pfn, max_pfn, command), memblock, maxLowPfn: max_low_pfn }
}

type Nodes = Pick<MachineLayout, 'nr_nodes' | 'distance' | 'cpu_node' | 'node_cpus'>

function enterNodes(kernel: Kernel, map: MachineMap, command: CommandLine, mb: Memblock, end: number): Nodes {
  const cpus = command.maxCpus > 0 ? map.cpus.slice(0, command.maxCpus) : [...map.cpus]
  const real = kernel.config.NUMA && !command.numaOff && map.nodes.length > 0
  const start = kernel.config.NUMA_MEMBLKS ? (mb.memory[0]?.start ?? 0) : 0
  const blocks = numa_cleanup_meminfo(real ? map.nodes : [{ start: 0, end, node: 0 }], start, end)
  const nr_real = real ? Math.max(map.nrNodes, ...blocks.map(({ node }) => node + 1)) : 1
  const physical = (from: number, to: number): number =>
    (real ? map.distance?.[from * map.nrNodes + to] : undefined) ?? (from === to ? 10 : 20)
  const cpu_node = cpus.map(node => (real ? node : 0))
  const fake = command.numaFake && kernel.config.NUMA_EMU ? numa_emulation(mb, blocks, command.numaFake) : null
  memblock_set_node(mb, 0, Number.MAX_SAFE_INTEGER, 0)
  numa_register_memblks(mb, fake?.blocks ?? blocks)
  if (!fake) return { nr_nodes: nr_real, distance: square(nr_real, physical), cpu_node }
  const { phys } = fake
  return {
    nr_nodes: phys.length,
    distance: square(phys.length, (from, to) => physical(phys[from]!, phys[to]!)),
    cpu_node: cpu_node.map(node => Math.max(0, phys.indexOf(node))),
    node_cpus: phys.map(node => cpu_node.filter(other => other === node).length),
  }
}

function square(size: number, distance: (from: number, to: number) => number): number[] {
  return Array.from({ length: size * size }, (_, at) => distance(Math.floor(at / size), at % size))
}

function layoutOf(
  kernel: Kernel,
  ranges: readonly FrameRange[],
  nodes: Nodes,
  max_low_pfn: number,
  max_pfn: number,
  command: CommandLine,
): MachineLayout {
  const limits = zone_limits(kernel, ranges[0]!.start_pfn, max_low_pfn, max_pfn)
  const pages = (size: CoreSize): number => Math.floor(size.bytes / 2 ** kernel.PAGE_SHIFT)
  const movable = find_zone_movable_pfns_for_nodes(kernel, ranges, limits, {
    kernelcore: pages(command.kernelcore),
    kernelcore_percent: command.kernelcore.percent,
    movablecore: pages(command.movablecore),
    movablecore_percent: command.movablecore.percent,
  })
  const extents = zone_extents(kernel, nodes.nr_nodes, ranges, limits, movable)
  return { kernel, ...nodes, ranges: used(ranges, extents), extents, movable_zone: limits.movable_zone }
}

/** Memory that some zone spans. */
function used(ranges: readonly FrameRange[], extents: MachineLayout['extents']): FrameRange[] {
  const end = extents.reduce((last, zone) => Math.max(last, zone.start_pfn + zone.spanned_pages), 0)
  return ranges.map(range => ({ ...range, end_pfn: Math.min(range.end_pfn, end) })).filter(r => r.start_pfn < r.end_pfn)
}
