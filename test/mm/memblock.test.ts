import { describe, expect, test } from 'vitest'
import {
  type Memblock,
  memblock_add,
  memblock_alloc,
  memblock_create,
  memblock_free_ranges,
  memblock_remove,
  memblock_reserve,
  memblock_set_node,
  memblock_trim_memory,
} from '../../src/mm/memblock.ts'

/** `0-100@0` = bytes 0 … 99 on node 0; the node is left out where it is not said. */
const shown = (regions: Memblock['memory']): string =>
  regions.map(({ start, end, node }) => `${start}-${end}${node < 0 ? '' : `@${node}`}`).join(' ')

function memory(...ranges: [number, number][]): Memblock {
  const mb = memblock_create()
  for (const [start, end] of ranges) memblock_add(mb, start, end, -1)
  return mb
}

describe('memory', () => {
  test('is added once, neighbours join', () => {
    expect(shown(memory([100, 200], [0, 50], [50, 120]).memory)).toBe('0-200')
    expect(shown(memory([100, 200], [300, 400], [0, 500]).memory)).toBe('0-500')
  })

  test('belongs to nodes', () => {
    const mb = memory([0, 100], [200, 300])
    memblock_set_node(mb, 50, 250, 1)
    expect(shown(mb.memory)).toBe('0-50 50-100@1 200-250@1 250-300')
  })

  test('can be taken out and cut to whole pages', () => {
    const mb = memory([10, 100])
    memblock_remove(mb, 40, 50)
    expect(shown(mb.memory)).toBe('10-40 50-100')
    memblock_trim_memory(mb, 4)
    expect(shown(mb.memory)).toBe('16-32 64-96')
  })
})

describe('reserved memory', () => {
  test('is not free; it need not be memory', () => {
    const mb = memory([0, 100], [200, 300])
    memblock_reserve(mb, 90, 210)
    memblock_reserve(mb, 20, 30)
    memblock_reserve(mb, 25, 40)
    expect(shown(mb.reserved)).toBe('20-40 90-210')
    expect(shown(memblock_free_ranges(mb))).toBe('0-20 40-90 210-300')
  })

  test('is taken from the top down, below a limit, on a node where it can be', () => {
    const mb = memory([0, 100], [200, 300])
    memblock_set_node(mb, 0, 100, 0)
    memblock_set_node(mb, 200, 300, 1)
    expect(memblock_alloc(mb, 20, 0, 1000, -1)).toBe(280)
    expect(memblock_alloc(mb, 20, 4, 250, -1)).toBe(224)
    expect(memblock_alloc(mb, 20, 0, 1000, 0)).toBe(80)
    expect(memblock_alloc(mb, 90, 0, 1000, 0)).toBe(-1)
  })
})
