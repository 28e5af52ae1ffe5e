import { describe, expect, test } from 'vitest'
import { kernel_by_name } from '../../src/kernels/index.ts'
import type { FrameRange } from '../../src/mm/memory_model.ts'
import { find_zone_movable_pfns_for_nodes, zone_extents, zone_limits } from '../../src/mm/mm_init.ts'

const x86_64 = kernel_by_name('6.1-x86_64')
const NONE = { kernelcore: 0, kernelcore_percent: 0, movablecore: 0, movablecore_percent: 0 }
const MiB = 256

/** `start-end@node` in MiB. */
function ranges(text: string): FrameRange[] {
  return text.split(' ').map(word => {
    const [, start, end, node] = /^(\d+)-(\d+)@(\d+)$/.exec(word)!
    return { start_pfn: Number(start) * MiB, end_pfn: Number(end) * MiB, node: Number(node) }
  })
}

function zones(memory: string, request: Partial<typeof NONE> = {}): string {
  const list = ranges(memory)
  const limits = zone_limits(x86_64, list[0]!.start_pfn, list.at(-1)!.end_pfn, list.at(-1)!.end_pfn)
  const movable = find_zone_movable_pfns_for_nodes(x86_64, list, limits, { ...NONE, ...request })
  const nodes = 1 + Math.max(...list.map(({ node }) => node))
  return zone_extents(x86_64, nodes, list, limits, movable)
    .filter(({ spanned_pages }) => spanned_pages > 0)
    .map(zone => {
      const end = zone.start_pfn + zone.spanned_pages
      const span = `${zone.start_pfn / MiB}-${end / MiB}`
      return `${zone.node}:${x86_64.zones[zone.type]} ${span} (${zone.present_pages / MiB})`
    })
    .join(', ')
}

describe('zones', () => {
  test('begin at 0, 16 MiB and 4 GiB; a hole is spanned but not present', () => {
    expect(zones('0-3072@0 4096-5120@0')).toBe('0:DMA 0-16 (16), 0:DMA32 16-4096 (3056), 0:Normal 4096-5120 (1024)')
  })

  test('each node has its own', () => {
    expect(zones('0-1024@0 1024-2048@1')).toBe('0:DMA 0-16 (16), 0:DMA32 16-1024 (1008), 1:DMA32 1024-2048 (1024)')
  })

  test('movablecore leaves the rest to the kernel, spread over the nodes', () => {
    expect(zones('0-2048@0', { movablecore: 512 * MiB })).toBe(
      '0:DMA 0-16 (16), 0:DMA32 16-1536 (1520), 0:Movable 1536-2048 (512)',
    )
    expect(zones('0-512@0 512-2048@1', { movablecore: 1024 * MiB })).toContain('1:Movable 1024-2048 (1024)')
  })

  test('kernelcore in percent', () => {
    expect(zones('0-2000@0', { kernelcore_percent: 50 })).toContain('0:Movable 1000-2000 (1000)')
  })

  test('a kernel share of everything leaves no movable zone', () => {
    expect(zones('0-1024@0', { kernelcore: 4096 * MiB })).not.toContain('Movable')
  })
})
