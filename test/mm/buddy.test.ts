// Split and merge, in pictures: free blocks as order:pfn, the head of each list first.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { GFP_DMA32, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../src/mm/gfp.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { blockTypes, lists } from '../notation.ts'
import { machine, oneZone } from './machine.ts'

const movable = (sys: Sys, order: number): number => alloc_pages(sys, GFP_HIGHUSER_MOVABLE, order)
const types = { unmovable: 0, movable: 1, highatomic: 3 } as const

function take(sys: Sys, order: number, count: number): number[] {
  return Array.from({ length: count }, () => movable(sys, order))
}

describe('split', () => {
  it('leaves the upper halves', () => {
    const sys = oneZone(128)
    expect(lists(sys)).toBe('6:0 6:64')
    expect(movable(sys, 2)).toBe(0)
    expect(lists(sys)).toBe('2:4 3:8 4:16 5:32 6:64')
    expect(movable(sys, 0)).toBe(4)
    expect(lists(sys)).toBe('0:5 1:6 3:8 4:16 5:32 6:64')
  })

  it('takes the smallest block that fits', () => {
    const sys = oneZone(128)
    take(sys, 3, 1)
    expect(movable(sys, 4)).toBe(16)
    expect(lists(sys)).toBe('3:8 5:32 6:64')
  })

  it('takes blocks of the highest order whole, and then there is none', () => {
    const sys = oneZone(128)
    expect(take(sys, 6, 3)).toEqual([0, 64, -1])
    expect(lists(sys)).toBe('')
    expect(check(sys)).toEqual([])
  })
})

describe('merge', () => {
  it('undoes the split, whatever the order of the frees', () => {
    for (const order of [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [7, 3, 5, 1, 6, 2, 4, 0],
    ]) {
      const sys = oneZone(128)
      const pfns = take(sys, 4, 8)
      for (const at of order) __free_pages(sys, pfns[at]!, 4)
      expect(lists(sys).split(' ').sort()).toEqual(['6:0', '6:64'])
    }
  })

  it('needs the buddy: neighbours of other pairs stay apart', () => {
    const sys = oneZone(128)
    const pfns = take(sys, 5, 4)
    __free_pages(sys, pfns[1]!, 5)
    __free_pages(sys, pfns[2]!, 5)
    expect(lists(sys)).toBe('5:64 5:32')
    __free_pages(sys, pfns[3]!, 5)
    expect(lists(sys)).toBe('5:32 6:64')
  })

  it('a block whose pair may soon be whole waits at the tail, any other is handed out next', () => {
    const sys = oneZone(128)
    take(sys, 4, 8)
    for (const pfn of [64, 32, 48, 0]) __free_pages(sys, pfn, 4)
    expect(lists(sys)).toBe('4:64 4:0 5:32')
    __free_pages(sys, 112, 4)
    expect(lists(sys)).toBe('4:112 4:64 4:0 5:32')
  })

  it('not across zones, though they are buddies', () => {
    const sys = machine({
      zones: [
        { name: 'DMA32', start: 0, end: 32 },
        { name: 'Normal', start: 32, end: 128 },
      ],
    })
    const [dma32, normal] = [1, 2]
    expect([lists(sys, dma32), lists(sys, normal)]).toEqual(['5:0', '5:32 6:64'])
    const pfn = alloc_pages(sys, GFP_KERNEL | GFP_DMA32, 5)
    expect(pfn).toBe(0)
    __free_pages(sys, pfn, 5)
    expect([lists(sys, dma32), lists(sys, normal)]).toEqual(['5:0', '5:32 6:64'])
    expect(check(sys)).toEqual([])
  })

  it('not between a reserved pageblock and another', () => {
    const sys = oneZone(128, { types: 'HMMMMMMM' })
    const pfn = movable(sys, 4)
    expect(pfn).toBe(16)
    __free_pages(sys, pfn, 4)
    expect(lists(sys, 2, types.highatomic)).toBe('4:0')
    expect(lists(sys, 2, types.movable)).toBe('4:16 5:32 6:64')
  })

  it('between types that mix, onto the list of the block freed last', () => {
    const sys = oneZone(128, { types: 'UMMMMMMM' })
    const pfn = movable(sys, 4)
    expect([pfn, lists(sys, 2, types.unmovable)]).toEqual([16, '4:0'])
    __free_pages(sys, pfn, 4)
    expect(lists(sys, 2, types.unmovable)).toBe('')
    expect(lists(sys, 2, types.movable)).toBe('6:0 6:64')
    expect(blockTypes(sys)).toBe('UMMMMMMM')
  })
})

it('a zone that does not begin or end at a block boundary is free in the largest aligned blocks', () => {
  const sys = machine({ zones: [{ name: 'Normal', start: 16, end: 122, types: 'MMMMMMM' }] })
  expect(lists(sys)).toBe('1:120 3:112 4:16 4:96 5:32 5:64')
  expect(check(sys)).toEqual([])
})

describe('references', () => {
  it('the last one frees', () => {
    const sys = oneZone(128)
    const pfn = movable(sys, 5)
    sys.page._refcount[pfn] = 2
    __free_pages(sys, pfn, 5)
    expect(lists(sys)).toBe('5:32 6:64')
    __free_pages(sys, pfn, 5)
    expect(lists(sys)).toBe('6:0 6:64')
  })
})

describe('blocks that boot left alone', () => {
  it('are free without being on a list, and taken in the order of their addresses', () => {
    const sys = oneZone(256, { lazy: true })
    expect(sys.page.state.every(state => state === 0)).toBe(true)
    expect(lists(sys)).toBe('6:0 6:64 6:128 6:192')
    expect(check(sys)).toEqual([])
    expect(take(sys, 5, 1)).toEqual([0])
    expect(sys.page.state.subarray(64).every(state => state === 0)).toBe(true)
    expect(take(sys, 6, 4)).toEqual([64, 128, 192, -1])
    expect(check(sys)).toEqual([])
  })

  it('stay behind blocks that came back', () => {
    const sys = oneZone(256, { lazy: true })
    const [first] = take(sys, 6, 1)
    __free_pages(sys, first!, 6)
    expect(lists(sys)).toBe('6:0 6:64 6:128 6:192')
    expect(take(sys, 6, 2)).toEqual([0, 64])
  })
})
