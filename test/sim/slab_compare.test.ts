// One program under SLUB, SLAB and SLOB.
import { describe, expect, it } from 'vitest'
import { compareSlabAllocators, EXAMPLE_PROGRAM, slabComparisonText } from '../../src/sim/slab_compare.ts'

describe('the example', () => {
  const rows = compareSlabAllocators(EXAMPLE_PROGRAM)
  const [slub, slab, plain, slob] = rows

  it('leaves the same objects with every allocator, and all of its pages are told of', () => {
    for (const { objects, asked, pages, wasteInside, wasteOutside } of rows) {
      expect([objects, asked]).toEqual([slub!.objects, slub!.asked])
      expect(asked + wasteInside + wasteOutside).toBe(pages * 4096)
      expect(Math.min(wasteInside, wasteOutside)).toBeGreaterThanOrEqual(0)
    }
    expect(rows.map(({ allocator }) => allocator)).toEqual(['SLUB', 'SLAB', 'SLAB, no colour', 'SLOB'])
  })

  it('SLOB wastes least inside objects, for it rounds to words only', () => {
    expect(slob!.wasteInside).toBeLessThan(slub!.wasteInside / 4)
    expect(slab!.wasteInside).toBe(plain!.wasteInside)
  })
})

it('colouring spreads the first bytes of slabs over the sets of a cache', () => {
  const rows = compareSlabAllocators(k => {
    const cache = k.create('page', 1300)
    for (let i = 0; i < 300; i++) k.alloc(cache)
  })
  const [, slab, plain] = rows
  expect(slab!.pages).toBe(plain!.pages)
  expect(slab!.fullestSet).toBeLessThan(plain!.fullestSet)
  expect(slab!.conflicts).toBeLessThanOrEqual(plain!.conflicts)
})

it('is told as a table', () => {
  const text = slabComparisonText(compareSlabAllocators(k => void k.kmalloc(100)))
  expect(text.split('\n').map(line => line.slice(0, 15).trim())).toEqual([
    'allocator',
    'SLUB',
    'SLAB',
    'SLAB, no colour',
    'SLOB',
    '',
  ])
})
