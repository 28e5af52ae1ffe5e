// Migrate types: who takes whose blocks, when a pageblock changes hands, what is set aside.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { GFP_ATOMIC, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_NOWAIT } from '../../src/mm/gfp.ts'
import { PG } from '../../src/mm/mm_types.ts'
import { type Sys, ZONE_BOOSTED_WATERMARK } from '../../src/mm/mmzone.ts'
import { __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { unreserve_highatomic_pageblock } from '../../src/mm/page_alloc/fallback.ts'
import { drain_local_pages } from '../../src/mm/page_alloc/pcp.ts'
import { blockTypes, lists, pcpLists } from '../notation.ts'
import { machine, oneZone, small_6_12, small_cma } from './machine.ts'

const NORMAL = 2
const [UNMOVABLE, MOVABLE] = [0, 1]

/** Takes all of a zone's blocks of one size for a mask, then frees the given ones. */
function checkered(sys: Sys, gfp: number, order: number, free: readonly number[]): void {
  while (alloc_pages(sys, gfp, order) >= 0);
  for (const pfn of free) __free_pages(sys, pfn, order)
}

describe('stealing', () => {
  it('takes the largest block, and all of its pageblocks change their type', () => {
    const sys = oneZone(128)
    expect(alloc_pages(sys, GFP_KERNEL, 0)).toBe(0)
    expect(blockTypes(sys)).toBe('UUUUMMMM')
    expect(lists(sys, NORMAL, UNMOVABLE)).toBe('0:1 1:2 2:4 3:8 4:16 5:32')
    expect(lists(sys, NORMAL, MOVABLE)).toBe('6:64')
  })

  it('a pageblock of which half is free changes hands with all its free blocks', () => {
    const sys = oneZone(64)
    checkered(sys, GFP_HIGHUSER_MOVABLE, 2, [16, 24, 32])
    expect(lists(sys, NORMAL, MOVABLE)).toBe('2:32 2:24 2:16')
    expect(alloc_pages(sys, GFP_HIGHUSER_MOVABLE, 2)).toBe(32)
    expect(alloc_pages(sys, GFP_KERNEL, 2)).toBe(16)
    expect([blockTypes(sys), lists(sys, NORMAL, UNMOVABLE)]).toEqual(['MUMM', '2:24'])
  })

  it('of less it only lends its free blocks', () => {
    const sys = oneZone(64)
    checkered(sys, GFP_HIGHUSER_MOVABLE, 2, [])
    for (let pfn = 0; pfn < 16; pfn++) sys.page.flags[pfn]! |= PG.lru
    __free_pages(sys, 8, 2)
    expect(alloc_pages(sys, GFP_KERNEL, 1)).toBe(8)
    expect([blockTypes(sys), lists(sys, NORMAL, UNMOVABLE)]).toEqual(['MMMM', '1:10'])
    expect(check(sys)).toEqual([])
  })

  it('a small movable request takes the smallest block that fits and leaves the pageblock alone', () => {
    const sys = oneZone(64, { types: 'UUUU' })
    checkered(sys, GFP_KERNEL, 0, [5, 20, 21])
    expect(lists(sys, NORMAL, UNMOVABLE)).toBe('0:5 1:20')
    expect(alloc_pages(sys, GFP_HIGHUSER_MOVABLE, 0)).toBe(5)
    expect(blockTypes(sys)).toBe('UUUU')
  })

  it('tells who listens', () => {
    const sys = oneZone(64)
    const heard: number[][] = []
    sys.trace = { mm_page_alloc_extfrag: (...values) => heard.push(values) }
    alloc_pages(sys, GFP_KERNEL, 0)
    expect(heard).toEqual([[0, 0, 6, UNMOVABLE, MOVABLE, 1]])
  })

  it('6.12 keeps what it does not need on the list of its pageblock', () => {
    const sys = oneZone(64, { kernel: small_6_12 })
    checkered(sys, GFP_HIGHUSER_MOVABLE, 2, [])
    for (let pfn = 0; pfn < 64; pfn++) sys.page.flags[pfn]! |= PG.lru
    __free_pages(sys, 8, 2)
    expect(alloc_pages(sys, GFP_KERNEL, 1)).toBe(8)
    expect([lists(sys, NORMAL, UNMOVABLE), lists(sys, NORMAL, MOVABLE)]).toEqual(['', '1:10'])
    expect(check(sys)).toEqual([])
  })
})

describe('watermark boost', () => {
  const fragmented = (boost_factor: number): Sys => {
    const sys = oneZone(256, { marks: [4, 8, 12] })
    sys.sysctl.watermark_boost_factor[0] = boost_factor
    checkered(sys, GFP_HIGHUSER_MOVABLE, 2, [])
    for (let pfn = 0; pfn < 256; pfn += 16) __free_pages(sys, pfn, 2)
    return sys
  }

  it('a fallback that mixes raises all marks by a pageblock, and asks for kswapd', () => {
    const sys = fragmented(15000)
    alloc_pages(sys, GFP_KERNEL, 0)
    expect(sys.zone.watermark_boost[NORMAL]).toBe(16)
    expect(sys.zone.flags[NORMAL]! & ZONE_BOOSTED_WATERMARK).toBe(0)
    let woken = 0
    sys.reclaim = { wakeup_kswapd: () => void woken++, wake_all_kswapds: () => {} } as unknown as Sys['reclaim']
    alloc_pages(sys, GFP_NOWAIT, 2)
    alloc_pages(sys, GFP_NOWAIT, 2)
    expect(woken).toBeGreaterThan(0)
  })

  it('never above high times the factor, or one pageblock if that is less', () => {
    const sys = fragmented(30000)
    for (let i = 0; i < 6; i++) alloc_pages(sys, GFP_KERNEL, 2)
    expect(sys.zone.watermark_boost[NORMAL]).toBe(36)
  })

  it('not with a factor of 0, not in a zone of less than four pageblocks', () => {
    const sys = fragmented(0)
    alloc_pages(sys, GFP_KERNEL, 0)
    expect(sys.zone.watermark_boost[NORMAL]).toBe(0)
    const small = oneZone(48, { marks: [4, 8, 12] })
    checkered(small, GFP_HIGHUSER_MOVABLE, 2, [0, 16, 32])
    alloc_pages(small, GFP_KERNEL, 0)
    expect(small.zone.watermark_boost[NORMAL]).toBe(0)
  })
})

describe('NOFRAGMENT', () => {
  const twoZones = (): Sys => {
    const sys = machine({
      zones: [
        { name: 'DMA32', start: 0, end: 64, types: 'UUUU' },
        { name: 'Normal', start: 64, end: 128 },
      ],
    })
    for (let pfn = 64; pfn < 128; pfn += 4) expect(alloc_pages(sys, GFP_HIGHUSER_MOVABLE, 2)).toBe(pfn)
    for (const pfn of [64, 80]) __free_pages(sys, pfn, 2)
    return sys
  }

  it('prefers a lower zone to mixing in Normal, then mixes', () => {
    const sys = twoZones()
    expect(alloc_pages(sys, GFP_KERNEL, 0)).toBeLessThan(64)
    while (lists(sys, 1) !== '') expect(alloc_pages(sys, GFP_KERNEL, 0)).toBeLessThan(64)
    expect(alloc_pages(sys, GFP_KERNEL, 0)).toBeGreaterThanOrEqual(64)
  })

  it('but takes a whole pageblock of another type', () => {
    const sys = machine({
      zones: [
        { name: 'DMA32', start: 0, end: 64, types: 'UUUU' },
        { name: 'Normal', start: 64, end: 128 },
      ],
    })
    expect(alloc_pages(sys, GFP_KERNEL, 0)).toBe(64)
  })
})

describe('high-order atomic reserve', () => {
  /** Below the low mark, so that requests take the slow path. */
  const low = (): Sys => oneZone(256, { marks: [16, 400, 500] })

  it('an atomic request of order > 0 sets its pageblock aside', () => {
    const sys = low()
    expect(alloc_pages(sys, GFP_ATOMIC, 1)).toBe(0)
    expect([blockTypes(sys)[0], sys.zone.nr_reserved_highatomic[NORMAL]]).toEqual(['H', 16])
    expect(lists(sys, NORMAL, 3)).toBe('1:2 2:4 3:8')
    expect(check(sys)).toEqual([])
  })

  it('others do not', () => {
    for (const [gfp, order] of [
      [GFP_ATOMIC, 0],
      [GFP_NOWAIT, 1],
      [GFP_KERNEL, 1],
    ] as const) {
      const sys = low()
      alloc_pages(sys, gfp, order)
      expect(blockTypes(sys)).not.toContain('H')
    }
  })

  it('up to a hundredth of the zone and a pageblock', () => {
    const sys = low()
    while (alloc_pages(sys, GFP_ATOMIC, 3) >= 0);
    expect(sys.zone.nr_reserved_highatomic[NORMAL]).toBe(32)
    expect(blockTypes(sys).match(/H/g)).toHaveLength(2)
    expect(check(sys)).toEqual([])
  })

  it('is given back by force only, when it is the last', () => {
    const sys = low()
    alloc_pages(sys, GFP_ATOMIC, 1)
    expect(unreserve_highatomic_pageblock(sys, NORMAL, UNMOVABLE, false)).toBe(0)
    expect(unreserve_highatomic_pageblock(sys, NORMAL, UNMOVABLE, true)).toBe(14)
    expect([blockTypes(sys)[0], sys.zone.nr_reserved_highatomic[NORMAL]]).toEqual(['U', 0])
    expect(check(sys)).toEqual([])
  })

  it('its pages wait on the movable list and go back to the reserve', () => {
    const sys = oneZone(256, { marks: [16, 400, 500], batch: 4, high: 16 })
    const pfn = alloc_pages(sys, GFP_ATOMIC, 1)
    __free_pages(sys, pfn, 1)
    expect(pcpLists(sys, 0).split(' ')).toContain(`1:${pfn}`)
    drain_local_pages(sys)
    expect(lists(sys, NORMAL, 3)).toBe('4:0')
    expect(check(sys)).toEqual([])
  })
})

describe('CMA', () => {
  const take = (gfp: number): { got: number; free: string } => {
    const sys = oneZone(128, { kernel: small_cma, types: 'MMMMCCCC' })
    let got = 0
    while (alloc_pages(sys, gfp, 0) >= 0) got++
    expect(check(sys)).toEqual([])
    return { got, free: lists(sys, NORMAL, sys.MIGRATE_CMA) }
  }

  it('is for movable pages', () => {
    expect(take(GFP_HIGHUSER_MOVABLE)).toEqual({ got: 128, free: '' })
    expect(take(GFP_KERNEL)).toEqual({ got: 64, free: '6:64' })
  })

  it('is used evenly: once it is more than half of what is free', () => {
    const sys = oneZone(128, { kernel: small_cma, types: 'MMMMCCCC' })
    const pfns = Array.from({ length: 4 }, () => alloc_pages(sys, GFP_HIGHUSER_MOVABLE, 5))
    expect(pfns).toEqual([0, 64, 32, 96])
  })
})
