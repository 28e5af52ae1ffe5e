// Per-CPU lists: batches in, batches out, and what makes them larger; `order:pfns` of each list, the head first.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { type Sys, ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE } from '../../src/mm/mmzone.ts'
import { __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { drain_all_pages, drain_local_pages } from '../../src/mm/page_alloc/pcp.ts'
import { zone_page_state, zone_page_state_snapshot } from '../../src/mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../src/mm/vmstat_item.ts'
import { lists, pcpLists } from '../notation.ts'
import { oneZone, plain_6_1, small_6_12 } from './machine.ts'

const NORMAL = 2
const movable = (sys: Sys, order = 0): number => alloc_pages(sys, GFP_HIGHUSER_MOVABLE, order)
const many = (sys: Sys, count: number, order = 0): number[] => Array.from({ length: count }, () => movable(sys, order))
const count = (sys: Sys): number => sys.pcp.count[NORMAL * sys.nr_cpus]!

/** Frees blocks one by one; the pages on the list after each. */
function freeEach(sys: Sys, pfns: readonly number[], order = 0): number[] {
  return pfns.map(pfn => {
    __free_pages(sys, pfn, order)
    return count(sys)
  })
}

describe('taking', () => {
  it('refills an empty list with a batch, smaller for larger blocks, never less than two', () => {
    const refill = (order: number): number => {
      const sys = oneZone(256, { batch: 7, high: 100 })
      movable(sys, order)
      return count(sys) / 2 ** order + 1
    }
    expect([0, 1, 2, 3].map(refill)).toEqual([7, 3, 2, 2])
  })

  it('with a batch of one takes one', () => {
    const sys = oneZone(256, { batch: 1, high: 100 })
    movable(sys)
    expect(count(sys)).toBe(0)
  })

  it('hands out the head: the lowest of a refill, then the last freed', () => {
    const sys = oneZone(256, { batch: 4, high: 100 })
    expect(many(sys, 3)).toEqual([0, 1, 2])
    expect(pcpLists(sys)).toBe('0:3')
    freeEach(sys, [1, 0])
    expect(pcpLists(sys)).toBe('0:0,1,3')
    expect(movable(sys)).toBe(0)
  })

  it('orders above 3 go past the lists, but for huge pages', () => {
    const sys = oneZone(256, { batch: 4, high: 100 })
    movable(sys, 5)
    expect(pcpLists(sys)).toBe('')
    movable(sys, 4)
    expect(pcpLists(sys)).toBe('4:48')
    const plain = oneZone(256, { kernel: plain_6_1, batch: 4, high: 100 })
    movable(plain, 4)
    expect([pcpLists(plain), plain.nr_pcp_lists, sys.nr_pcp_lists]).toEqual(['', 12, 14])
  })

  it('what waits on a list is not free: the zone counts it as taken, once for the batch', () => {
    const sys = oneZone(256, { batch: 7, high: 100 })
    movable(sys)
    expect(zone_page_state(sys, NORMAL, NR_FREE_PAGES)).toBe(249)
    const later = oneZone(256, { batch: 7, high: 100, stat_threshold: 8 })
    movable(later)
    expect(zone_page_state(later, NORMAL, NR_FREE_PAGES)).toBe(256)
    expect(zone_page_state_snapshot(later, NORMAL, NR_FREE_PAGES)).toBe(249)
  })
})

describe('giving back in 6.1', () => {
  const full = (spec = {}): { sys: Sys; pfns: number[] } => {
    const sys = oneZone(256, { batch: 4, high: 16, ...spec })
    return { sys, pfns: many(sys, 64) }
  }

  it('at the high mark a batch goes back, twice as much each time, and never more than high less a batch', () => {
    const { sys, pfns } = full()
    const counts = freeEach(sys, pfns)
    const drops = counts.flatMap((now, i) => (i > 0 && now < counts[i - 1]! ? [counts[i - 1]! + 1 - now] : []))
    expect(drops).toEqual([4, 8, 12, 12, 12, 12])
    expect(sys.pcp.free_factor[NORMAL]).toBe(2)
  })

  it('an allocation halves what was doubled', () => {
    const { sys, pfns } = full()
    freeEach(sys, pfns.slice(0, 32))
    expect(sys.pcp.free_factor[NORMAL]).toBe(2)
    movable(sys)
    expect(sys.pcp.free_factor[NORMAL]).toBe(1)
  })

  it('takes from the tail, what was freed first', () => {
    const { sys, pfns } = full()
    freeEach(sys, pfns.slice(0, 16))
    expect(pcpLists(sys)).toBe(`0:${pfns.slice(4, 16).reverse().join()}`)
    expect(check(sys)).toEqual([])
  })

  it('freeing small blocks of more than a page in a row empties all lists', () => {
    const { sys, pfns } = full()
    const [block] = many(sys, 1, 2)
    freeEach(sys, pfns.slice(0, 20))
    expect(sys.pcp.free_factor[NORMAL]).toBeGreaterThan(0)
    freeEach(sys, [block!], 2)
    expect([count(sys), pcpLists(sys)]).toEqual([0, ''])
  })

  it('while reclaim works on the zone, the mark is four batches', () => {
    const { sys, pfns } = full({ high: 60 })
    expect(Math.max(...freeEach(sys, pfns.slice(0, 30)))).toBe(30)
    sys.zone.flags[NORMAL]! |= ZONE_RECLAIM_ACTIVE
    const counts = freeEach(sys, pfns.slice(30))
    expect(Math.max(...counts.slice(4))).toBeLessThan(16)
  })
})

describe('6.12 tunes itself', () => {
  const tuned = (): Sys => oneZone(512, { kernel: small_6_12, batch: 4, high: 16, high_max: 64 })

  it('refills double while nothing is freed, and raise the mark', () => {
    const sys = tuned()
    const refills: number[] = []
    sys.trace = { mm_page_alloc_zone_locked: () => refills.push(0) }
    const sizes: number[] = []
    for (let i = 0; i < 60; i++) {
      const before = refills.length
      movable(sys)
      if (refills.length > before) sizes.push(refills.length - before)
    }
    expect(sizes).toEqual([4, 8, 16, 32])
    expect(sys.pcp.high[NORMAL]).toBe(64)
  })

  it('frees follow what was freed in a row', () => {
    const sys = tuned()
    const pfns = many(sys, 200)
    expect(Math.max(...freeEach(sys, pfns))).toBeLessThanOrEqual(64)
    expect(sys.pcp.free_count[NORMAL]).toBeGreaterThan(64)
    movable(sys)
    expect(sys.pcp.free_count[NORMAL]).toBeGreaterThan(32)
    expect(check(sys)).toEqual([])
  })

  it('a zone below its high watermark is noted, and forgotten when it is above again', () => {
    const sys = oneZone(256, { kernel: small_6_12, batch: 4, high: 16, high_max: 64, marks: [4, 8, 200] })
    const pfns = many(sys, 100)
    expect(sys.zone.flags[NORMAL]! & ZONE_BELOW_HIGH).toBe(ZONE_BELOW_HIGH)
    freeEach(sys, pfns)
    expect(sys.zone.flags[NORMAL]! & ZONE_BELOW_HIGH).toBe(0)
  })
})

describe('draining', () => {
  it('gives back the lists of one CPU, or of all', () => {
    const sys = oneZone(256, { cpus: [0, 0], batch: 4, high: 100 })
    for (const cpu of [0, 1]) {
      sys.machine.this_cpu[0] = cpu
      __free_pages(sys, movable(sys), 0)
      __free_pages(sys, alloc_pages(sys, GFP_KERNEL, 1), 1)
    }
    drain_local_pages(sys)
    expect([pcpLists(sys, 0) === '', pcpLists(sys, 1)]).toEqual([false, ''])
    drain_all_pages(sys)
    expect(pcpLists(sys, 0)).toBe('')
    expect(
      lists(sys)
        .split(' ')
        .every(word => word.startsWith('6:')),
    ).toBe(true)
    expect(check(sys)).toEqual([])
  })

  it('tells who listens of each block, from the tails', () => {
    const sys = oneZone(256, { batch: 4, high: 100 })
    movable(sys)
    const heard: number[][] = []
    sys.trace = { mm_page_pcpu_drain: (...values) => heard.push(values) }
    drain_local_pages(sys)
    expect(heard).toEqual([
      [3, 0, 1],
      [2, 0, 1],
      [1, 0, 1],
    ])
  })
})
