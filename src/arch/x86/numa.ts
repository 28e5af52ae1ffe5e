// Nodes of an x86 machine: what the firmware's table (SRAT) says, joined and cut to memory; one node for all where it
// says nothing; and `numa=fake=`, which splits the nodes that are there. Ranges are bytes, `end` is behind.
import { align_down, align_up } from '../../base/bits.ts'
import { GiB, MiB } from '../../base/units.ts'
import { type Memblock, memblock_set_node } from '../../mm/memblock.ts'

export interface NumaMemblk {
  readonly start: number
  readonly end: number
  readonly node: number
}

/** `numa=fake=`: N nodes in all, N on each node, or nodes of a size in bytes. */
export type NumaFake = { readonly nodes: number } | { readonly per_node: number } | { readonly size: number }

const FAKE_NODE_MIN_SIZE = 32 * MiB
const FAKE_NODE_MIN_SHIFT = 25
const DMA32_END = 4 * GiB

/** The blocks cut to [min_addr, max_addr), neighbours of a node joined where no other node lies between.
 * @kernel arch/x86/mm/numa.c:numa_cleanup_meminfo */
export function numa_cleanup_meminfo(blocks: readonly NumaMemblk[], min_addr: number, max_addr: number): NumaMemblk[] {
  const cut = blocks
    .map(({ start, end, node }) => ({ start: Math.max(start, min_addr), end: Math.min(end, max_addr), node }))
    .filter(({ start, end }) => start < end)
  const joined: NumaMemblk[] = []
  for (const block of cut.sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last && last.node === block.node) joined[joined.length - 1] = { ...last, end: Math.max(last.end, block.end) }
    else joined.push(block)
  }
  return joined
}

/** Enters the nodes into the memory list. @kernel arch/x86/mm/numa.c:numa_register_memblks */
export function numa_register_memblks(mb: Memblock, blocks: readonly NumaMemblk[]): void {
  for (const { start, end, node } of blocks) memblock_set_node(mb, start, end, node)
}

/** Bytes between start and end that are no memory. @kernel arch/x86/mm/numa_emulation.c:mem_hole_size */
function mem_hole_size(mb: Memblock, start: number, end: number): number {
  if (start >= end) return 0
  let hole = end - start
  for (const region of mb.memory) hole -= Math.max(0, Math.min(region.end, end) - Math.max(region.start, start))
  return hole
}

const memory_in = (mb: Memblock, start: number, end: number): number => end - start - mem_hole_size(mb, start, end)

/** Fake nodes and the real node that each lies on. */
export interface EmulatedNodes {
  readonly blocks: NumaMemblk[]
  readonly phys: number[]
}

/** Splits the nodes as `numa=fake=` asks; null when that is impossible, and the real nodes stay.
 * @kernel arch/x86/mm/numa_emulation.c:numa_emulation */
export function numa_emulation(mb: Memblock, blocks: readonly NumaMemblk[], fake: NumaFake): EmulatedNodes | null {
  const rest = blocks.map(block => ({ ...block }))
  const emulated: EmulatedNodes = { blocks: [], phys: [] }
  const page = 4096
  const max_addr = Math.max(...blocks.map(({ end }) => end))
  if ('nodes' in fake) return split_nodes_interleave(mb, rest, emulated, fake.nodes, max_addr)
  if ('size' in fake) return split_by_size(mb, rest, emulated, fake.size, max_addr)
  for (const node of new Set(blocks.map(block => block.node))) {
    const block = rest.find(other => other.node === node)!
    const each = Math.floor((block.end - block.start) / page / fake.per_node) * page
    split_uniform(mb, block, emulated, align_up(Math.max(each, FAKE_NODE_MIN_SIZE), FAKE_NODE_MIN_SHIFT))
  }
  return emulated
}

interface Rest {
  start: number
  end: number
  node: number
}

function emu_setup_memblk(emulated: EmulatedNodes, block: Rest, node: number, end: number): void {
  emulated.blocks.push({ start: block.start, end, node })
  emulated.phys[node] ??= block.node
  block.start = end
}

/** A node must not leave less than a fake node's minimum below 4 GiB to the next one. */
function up_to_dma32(mb: Memblock, end: number): number {
  return end < DMA32_END && memory_in(mb, end, DMA32_END) < FAKE_NODE_MIN_SIZE ? DMA32_END : end
}

function grown(mb: Memblock, start: number, first_end: number, limit: number, size: number): number {
  let end = first_end
  while (memory_in(mb, start, end) < size) {
    end += FAKE_NODE_MIN_SIZE
    if (end > limit) return limit
  }
  return end
}

/** Real nodes in turn, as long as any has memory left. */
function each_physical(rest: readonly Rest[], visit: (block: Rest) => void): void {
  const nodes = [...new Set(rest.map(({ node }) => node))].sort((a, b) => a - b)
  for (let left = true; left; ) {
    left = false
    for (const node of nodes) {
      const block = rest.find(other => other.node === node && other.start < other.end)
      if (!block) continue
      left = true
      visit(block)
    }
  }
}

/** @kernel arch/x86/mm/numa_emulation.c:split_nodes_interleave */
function split_nodes_interleave(
  mb: Memblock,
  rest: readonly Rest[],
  emulated: EmulatedNodes,
  nr_nodes: number,
  max_addr: number,
): EmulatedNodes | null {
  const each = Math.floor(memory_in(mb, 0, max_addr) / 4096 / nr_nodes) * 4096
  const size = align_down(each, FAKE_NODE_MIN_SHIFT)
  if (size === 0) return null
  const big = Math.floor(((each - size) * nr_nodes) / FAKE_NODE_MIN_SIZE)
  let nid = 0
  each_physical(rest, block => {
    const first_end = block.start + size + (nid < big ? FAKE_NODE_MIN_SIZE : 0)
    let end = up_to_dma32(mb, grown(mb, block.start, first_end, block.end, size))
    if (memory_in(mb, end, block.end) < size) end = block.end
    emu_setup_memblk(emulated, block, nid++ % nr_nodes, Math.min(end, block.end))
  })
  return emulated
}

/** @kernel arch/x86/mm/numa_emulation.c:split_nodes_size_interleave */
function split_by_size(
  mb: Memblock,
  rest: readonly Rest[],
  emulated: EmulatedNodes,
  wanted: number,
  max_addr: number,
): EmulatedNodes {
  const least = Math.floor(memory_in(mb, 0, max_addr) / 4096 / 1024) * 4096
  const minimum = align_up(Math.max(least, FAKE_NODE_MIN_SIZE), FAKE_NODE_MIN_SHIFT)
  const size = align_down(Math.max(wanted, minimum), FAKE_NODE_MIN_SHIFT)
  let nid = 0
  each_physical(rest, block => {
    let end = up_to_dma32(mb, grown(mb, block.start, block.start + size, block.end, size))
    if (memory_in(mb, end, block.end) < size) end = block.end
    emu_setup_memblk(emulated, block, nid++, Math.min(end, block.end))
  })
  return emulated
}

/** Holes are not looked at here. @kernel arch/x86/mm/numa_emulation.c:split_nodes_size_interleave_uniform */
function split_uniform(mb: Memblock, block: Rest, emulated: EmulatedNodes, size: number): void {
  while (block.start < block.end) {
    const end = up_to_dma32(mb, block.start + size)
    emu_setup_memblk(emulated, block, emulated.phys.length, Math.min(end, block.end))
  }
}
