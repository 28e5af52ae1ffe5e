// Which zone serves, and how far down: watermarks, reserves, zonelists, nodes.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import * as gfp from '../../src/mm/gfp.ts'
import { type Sys, WMARK_MIN } from '../../src/mm/mmzone.ts'
import { __alloc_pages, __free_pages, alloc_pages, alloc_pages_node } from '../../src/mm/page_alloc/alloc_pages.ts'
import { zone_watermark_ok, zone_watermark_ok_safe } from '../../src/mm/page_alloc/watermark.ts'
import { zone_page_state } from '../../src/mm/vmstat.ts'
import { NR_FREE_PAGES, NUMA_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { machine, oneZone } from './machine.ts'

const NORMAL = 2
const freePages = (sys: Sys, zone = NORMAL): number => zone_page_state(sys, zone, NR_FREE_PAGES)

/** Pages left when a request of this kind fails for the first time. */
function left(sys: Sys, mask: number, order = 0): number {
  while (alloc_pages(sys, mask, order) >= 0);
  expect(check(sys)).toEqual([])
  return freePages(sys)
}

describe('how far down', () => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['GFP_KERNEL stops at min', gfp.GFP_KERNEL, 32],
    ['GFP_NOWAIT, too', gfp.GFP_NOWAIT, 32],
    ['__GFP_HIGH at half of it', gfp.GFP_KERNEL | gfp.__GFP_HIGH, 16],
    ['GFP_ATOMIC a quarter of that lower', gfp.GFP_ATOMIC, 12],
    ['but not with __GFP_NOMEMALLOC', gfp.GFP_ATOMIC | gfp.__GFP_NOMEMALLOC, 16],
    ['__GFP_MEMALLOC at nothing', gfp.GFP_KERNEL | gfp.__GFP_MEMALLOC, 0],
    ['but not with __GFP_NOMEMALLOC', gfp.GFP_KERNEL | gfp.__GFP_MEMALLOC | gfp.__GFP_NOMEMALLOC, 32],
    ['__GFP_NOFAIL at half of min', gfp.GFP_KERNEL | gfp.__GFP_NOFAIL, 16],
  ]
  it.each(cases)('%s', (_, mask, pages) => {
    expect(left(oneZone(128, { marks: [32, 40, 48] }), mask)).toBe(pages)
  })

  it('larger blocks leave room for the rest of the block', () => {
    expect(left(oneZone(128, { marks: [32, 40, 48] }), gfp.GFP_KERNEL, 3)).toBe(32)
    expect(left(oneZone(128, { marks: [30, 40, 48] }), gfp.GFP_KERNEL, 3)).toBe(32)
    expect(left(oneZone(128, { marks: [24, 40, 48] }), gfp.GFP_KERNEL, 3)).toBe(24)
  })

  it('boost is added to every mark, and ignored by an atomic page', () => {
    const boosted = (mask: number): number => {
      const sys = oneZone(128, { marks: [32, 40, 48], types: 'UUUUUUUU' })
      sys.zone.watermark_boost[NORMAL] = 16
      return left(sys, mask)
    }
    expect([boosted(gfp.GFP_KERNEL), boosted(gfp.GFP_ATOMIC)]).toEqual([48, 12])
  })
})

describe('memory is free but not in one piece', () => {
  it('a request needs a block that fits', () => {
    const sys = oneZone(128, { marks: [4, 8, 12] })
    const pfns = Array.from({ length: 124 }, () => alloc_pages(sys, gfp.GFP_KERNEL, 0))
    for (const pfn of pfns.filter(pfn => pfn % 2 === 0)) __free_pages(sys, pfn, 0)
    expect(freePages(sys)).toBe(66)
    expect(zone_watermark_ok(sys, NORMAL, 0, 12, NORMAL, 0)).toBe(true)
    expect([1, 2, 3].map(order => zone_watermark_ok(sys, NORMAL, order, 12, NORMAL, 0))).toEqual([true, true, false])
    expect(alloc_pages(sys, gfp.GFP_KERNEL, 3)).toBe(-1)
  })

  it('blocks reserved for atomic requests are not for others', () => {
    const sys = oneZone(128, { types: 'HHHHHHHH' })
    sys.zone.nr_reserved_highatomic[NORMAL] = 128
    expect(zone_watermark_ok(sys, NORMAL, 1, 0, NORMAL, 0)).toBe(false)
    expect(zone_watermark_ok(sys, NORMAL, 1, 0, NORMAL, gfp.ALLOC_HIGHATOMIC | gfp.ALLOC_NON_BLOCK)).toBe(true)
    expect(alloc_pages(sys, gfp.GFP_KERNEL, 0)).toBe(-1)
    expect(alloc_pages(sys, gfp.GFP_NOWAIT, 0)).toBeGreaterThanOrEqual(0)
  })
})

it('checks read the global counter; the safe one adds what CPUs hold back, where it could matter', () => {
  const sys = oneZone(128, { marks: [20, 30, 40], stat_threshold: 50 })
  for (let i = 0; i < 45; i++) alloc_pages(sys, gfp.GFP_KERNEL, 0)
  expect(freePages(sys)).toBe(128)
  const ok = (mark: number): boolean[] => [
    zone_watermark_ok(sys, NORMAL, 0, mark, NORMAL, 0),
    zone_watermark_ok_safe(sys, NORMAL, 0, mark, NORMAL),
  ]
  expect(ok(100)).toEqual([true, true])
  sys.zone.percpu_drift_mark[NORMAL] = 200
  expect(ok(100)).toEqual([true, false])
})

describe('zones', () => {
  const two = (reserve = 0): Sys =>
    machine({
      zones: [
        { name: 'DMA32', start: 0, end: 64, marks: [4, 8, 12], reserve: { Normal: reserve, Movable: reserve } },
        { name: 'Normal', start: 64, end: 128, marks: [4, 8, 12] },
      ],
    })
  const firsts = (sys: Sys, mask: number): { normal: number; dma32: number } => {
    const got = { normal: 0, dma32: 0 }
    for (let pfn = alloc_pages(sys, mask, 0); pfn >= 0; pfn = alloc_pages(sys, mask, 0))
      got[pfn < 64 ? 'dma32' : 'normal']++
    return got
  }

  it('go from the highest down, each to its low mark, then to min', () => {
    const sys = two()
    const order: string[] = []
    for (let pfn = alloc_pages(sys, gfp.GFP_KERNEL, 0); pfn >= 0; pfn = alloc_pages(sys, gfp.GFP_KERNEL, 0))
      order.push(pfn < 64 ? 'dma32' : 'normal')
    const runs = order.filter((zone, i) => zone !== order[i - 1])
    expect(runs).toEqual(['normal', 'dma32', 'normal', 'dma32'])
    expect(order.indexOf('dma32')).toBe(56)
    expect([freePages(sys, 1), freePages(sys, 2)]).toEqual([4, 4])
  })

  it('lowmem_reserve keeps the lower zone from requests that could use the higher one', () => {
    expect(firsts(two(20), gfp.GFP_KERNEL)).toEqual({ normal: 60, dma32: 40 })
    expect(firsts(two(1000), gfp.GFP_KERNEL)).toEqual({ normal: 60, dma32: 0 })
    expect(firsts(two(1000), gfp.GFP_KERNEL | gfp.GFP_DMA32)).toEqual({ normal: 0, dma32: 60 })
  })

  it('a zone modifier is a ceiling', () => {
    expect(alloc_pages(two(), gfp.GFP_KERNEL | gfp.GFP_DMA32, 0)).toBeLessThan(64)
    expect(alloc_pages(two(), gfp.GFP_KERNEL | gfp.__GFP_DMA, 0)).toBe(-1)
  })
})

describe('nodes', () => {
  const NODE1 = 5 + 2
  const nodes = (): Sys =>
    machine({
      cpus: [0, 1],
      zones: [
        { name: 'Normal', start: 0, end: 64, marks: [4, 8, 12] },
        { name: 'Normal', node: 1, start: 64, end: 128, marks: [4, 8, 12] },
      ],
    })
  const stat = (sys: Sys, zone: number): Record<string, number> =>
    Object.fromEntries(
      NUMA_STAT_ITEMS.map((name, i) => [name, sys.numa_stat.count[zone * NUMA_STAT_ITEMS.length + i]!]),
    )

  it('the own one first, then the other; the counters say so', () => {
    const sys = nodes()
    for (let i = 0; i < 60; i++) alloc_pages(sys, gfp.GFP_KERNEL, 0)
    expect([freePages(sys), freePages(sys, NODE1)]).toEqual([8, 60])
    expect(stat(sys, NORMAL)).toMatchObject({ numa_hit: 56, numa_local: 56, numa_foreign: 4, numa_miss: 0 })
    expect(stat(sys, NODE1)).toMatchObject({ numa_hit: 0, numa_miss: 4, numa_other: 4 })
  })

  it('a CPU prefers its node, a request can name another', () => {
    const sys = nodes()
    sys.machine.this_cpu[0] = 1
    expect(alloc_pages(sys, gfp.GFP_KERNEL, 0)).toBe(64)
    expect(alloc_pages_node(sys, 0, gfp.GFP_KERNEL, 0)).toBe(0)
    expect(stat(sys, NORMAL)).toMatchObject({ numa_hit: 1, numa_other: 1 })
  })

  it('__GFP_THISNODE stays', () => {
    const sys = nodes()
    expect(left(sys, gfp.GFP_KERNEL | gfp.__GFP_THISNODE)).toBe(4)
    expect(freePages(sys, NODE1)).toBe(64)
  })

  it('a node mask is obeyed, but not by requests that need not care for cpusets', () => {
    const sys = nodes()
    const only1 = new Uint8Array([0, 1])
    expect(__alloc_pages(sys, gfp.GFP_KERNEL, 0, 0, only1)).toBe(64)
    while (__alloc_pages(sys, gfp.GFP_KERNEL, 0, 0, only1) >= 0);
    expect([freePages(sys), freePages(sys, NODE1)]).toEqual([64, 4])
    expect(__alloc_pages(sys, gfp.GFP_ATOMIC, 5, 0, only1)).toBe(0)
  })
})

it('the marks of a zone are where they were put', () => {
  const sys = oneZone(128, { marks: [1, 2, 3] })
  expect([...sys.zone.watermark.subarray(4 * NORMAL + WMARK_MIN, 4 * NORMAL + 3)]).toEqual([1, 2, 3])
})
