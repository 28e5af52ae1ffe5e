// Wrong use: the kernel's report is printed and the machine is exactly as it was before.

import { describe, expect, it } from 'vitest'
import { KernelBug } from '../../src/base/bug.ts'
import { check } from '../../src/mm/check.ts'
import {
  __GFP_COMP,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_MOVABLE,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  GFP_ATOMIC,
  GFP_KERNEL,
} from '../../src/mm/gfp.ts'
import { HZ } from '../../src/mm/jiffies.ts'
import { LOCK_PCP, LOCK_ZONE, pcp_spin_lock, pcp_spin_unlock, zone_lock, zone_unlock } from '../../src/mm/locks.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { __alloc_pages, __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { drain_local_pages } from '../../src/mm/page_alloc/pcp.ts'
import { changed, columns, firstZone, lists } from '../notation.ts'
import { oneZone } from './machine.ts'

/** Two allocated blocks, free memory on all lists, pages waiting on a CPU's list. */
function busy(): { sys: Sys; single: number; block: number; waiting: number; said: string[] } {
  const sys = oneZone(256, { batch: 4, high: 16 })
  const single = alloc_pages(sys, GFP_KERNEL, 0)
  const block = alloc_pages(sys, GFP_KERNEL | __GFP_COMP, 5)
  const waiting = alloc_pages(sys, GFP_KERNEL, 0)
  __free_pages(sys, waiting, 0)
  const said: string[] = []
  sys.printk = line => said.push(line)
  return { sys, single, block, waiting, said }
}

/** Does what is wrong; returns what the kernel said, after proving that it changed nothing. */
function report(act: (machine: ReturnType<typeof busy>) => void): string {
  const machine = busy()
  const before = columns(machine.sys)
  act(machine)
  expect(changed(machine.sys, before)).toEqual([])
  expect(check(machine.sys)).toEqual([])
  return machine.said.join('\n')
}

describe('freeing what must not be freed', () => {
  const cases: readonly (readonly [
    string,
    (machine: ReturnType<typeof busy>) => [pfn: number, order: number],
    RegExp,
  ])[] = [
    ['twice, on the per-CPU list', ({ waiting }) => [waiting, 0], /page_ref_count.*on a per-CPU list/],
    ['a free block', () => [64, 6], /page_ref_count.*it is free/],
    ['the middle of a free block', () => [70, 0], /page_ref_count.*not the first frame/],
    ['with too large an order', ({ single }) => [single, 3], /allocated with order 0, freed with order 3/],
    ['with too small an order', ({ block }) => [block, 0], /allocated with order 5, freed with order 0/],
    ['a tail page', ({ block }) => [block + 3, 0], /tail page of the block at pfn 0x/],
    ['a frame behind memory', () => [1e6, 0], /pfn_valid.*256 frames/],
    ['a frame below 0', () => [-1, 0], /pfn_valid/],
    ['an order that no block has', ({ single }) => [single, 63], /freed with order 63/],
    ['an order that looks like another in its low bits', ({ single }) => [single, 128], /freed with order 128/],
    ['an order between two', ({ single }) => [single, 0.5], /freed with order 0.5/],
    ['a frame between two', ({ single }) => [single + 0.5, 0], /pfn_valid/],
  ]
  it.each(cases)('%s', (_, target, said) => {
    const text = report(machine => __free_pages(machine.sys, ...target(machine)))
    expect(text).toMatch(/^BUG: Bad page state in process swapper\/0 {2}pfn:/)
    expect(text).toMatch(said)
  })

  it('the second of two frees that became one larger block', () => {
    const sys = oneZone(256)
    const said: string[] = []
    sys.printk = line => said.push(line)
    const block = alloc_pages(sys, GFP_KERNEL, 5)
    __free_pages(sys, block, 5)
    const before = columns(sys)
    __free_pages(sys, block, 5)
    expect(said.join()).toContain('it is free')
    expect([...changed(sys, before), ...check(sys)]).toEqual([])
  })

  it('goes on as if nothing had been: the block can still be freed rightly', () => {
    const { sys, single } = busy()
    __free_pages(sys, single, 2)
    __free_pages(sys, single, 0)
    drain_local_pages(sys)
    expect(check(sys)).toEqual([])
  })
})

describe('requests that make no sense', () => {
  it.each([7, 20, 63, -1])('order %i warns and gets nothing', order => {
    const text = report(({ sys }) => expect(alloc_pages(sys, GFP_KERNEL, order)).toBe(-1))
    expect(text).toMatch(/^WARNING: CPU: 0 at mm\/page_alloc.c __alloc_pages: order -?\d+ >= MAX_ORDER 7$/)
  })

  it('order too large is silent with __GFP_NOWARN', () => {
    expect(report(({ sys }) => alloc_pages(sys, GFP_KERNEL | __GFP_NOWARN, 7))).toBe('')
  })

  it.each([0, 1, 3, 4, 5])('movable and reclaimable at once, order %i: reported, served, and all is sound', order => {
    const { sys, said } = busy()
    const pfns = Array.from({ length: 9 }, () =>
      alloc_pages(sys, GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE, order),
    )
    expect(check(sys)).toEqual([])
    expect(said[0]).toMatch(/^WARNING: .*gfp_migratetype/)
    for (const pfn of pfns) if (pfn >= 0) __free_pages(sys, pfn, order)
    drain_local_pages(sys)
    expect(check(sys)).toEqual([])
  })

  it('zone modifiers that contradict each other mean the lowest zone, which this machine does not have', () => {
    const text = report(({ sys }) => expect(alloc_pages(sys, GFP_KERNEL | __GFP_DMA | __GFP_DMA32, 0)).toBe(-1))
    expect(text).toBe('')
  })

  it('__GFP_NOFAIL for a large block is served, with a warning', () => {
    const { sys, said } = busy()
    expect(alloc_pages(sys, GFP_KERNEL | __GFP_NOFAIL, 5)).toBeGreaterThanOrEqual(0)
    expect(said.join()).toMatch(/WARNING: CPU: 0 at mm\/page_alloc.c rmqueue/)
  })

  it('a failure prints the mask as the kernel does, and nothing with __GFP_NOWARN', () => {
    const { sys, said } = busy()
    while (alloc_pages(sys, GFP_ATOMIC | __GFP_NOWARN, 6) >= 0);
    expect(said).toEqual([])
    expect(alloc_pages(sys, GFP_ATOMIC | __GFP_COMP, 6)).toBe(-1)
    expect(said.slice(0, 3)).toEqual([
      'swapper/0: page allocation failure: order:6, mode:0x40a20(GFP_ATOMIC|__GFP_COMP), nodemask=(null),cpuset=/,mems_allowed=0',
      'CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1',
      'Mem-Info:',
    ])
    // Failures come in swarms: within ten seconds one is told.
    const told = said.length
    expect(alloc_pages(sys, GFP_ATOMIC | __GFP_COMP, 6)).toBe(-1)
    expect(said).toHaveLength(told)
    sys.machine.jiffies[0]! += 10 * HZ
    expect(alloc_pages(sys, GFP_ATOMIC | __GFP_COMP, 6)).toBe(-1)
    expect(said).toHaveLength(2 * told)
  })
})

describe('locks', () => {
  it('are taken in one order only, none twice, and none is given back that is not held', () => {
    const sys = oneZone(256)
    const zone = firstZone(sys)
    zone_lock(sys, zone)
    expect(sys.cpu.held[0]).toBe(LOCK_ZONE)
    expect(() => pcp_spin_lock(sys, 0)).toThrow(KernelBug)
    expect(() => zone_lock(sys, zone)).toThrow(/lock order: .*\(2, 2\)/)
    zone_unlock(sys)
    expect(() => zone_unlock(sys)).toThrow(/released that is not held/)
    pcp_spin_lock(sys, zone)
    zone_lock(sys, zone)
    expect(sys.cpu.held[0]).toBe(LOCK_PCP | LOCK_ZONE)
    zone_unlock(sys)
    pcp_spin_unlock(sys)
    expect(sys.cpu.held[0]).toBe(0)
  })

  it('each CPU holds its own', () => {
    const sys = oneZone(256, { cpus: [0, 0] })
    zone_lock(sys, firstZone(sys))
    sys.machine.this_cpu[0] = 1
    expect(() => pcp_spin_lock(sys, 0)).not.toThrow()
  })

  it('are counted: a refill takes both once, what comes from the list only the list’s', () => {
    const sys = oneZone(256, { batch: 4, high: 16 })
    const zone = firstZone(sys)
    const taken = (): number[] => [sys.pcp.lock_acquired[zone]!, sys.zone.lock_acquired[zone]!]
    alloc_pages(sys, GFP_KERNEL, 0)
    expect(taken()).toEqual([1, 1])
    alloc_pages(sys, GFP_KERNEL, 0)
    expect(taken()).toEqual([2, 1])
    alloc_pages(sys, GFP_KERNEL, 5)
    expect(taken()).toEqual([2, 2])
    drain_local_pages(sys)
    expect(taken()).toEqual([3, 3])
    expect(lists(sys)).toContain('6:192')
  })
})

describe('a node that the machine does not have', () => {
  it.each([0, 5])('is refused with the numbers at order %i, and nothing changes', order => {
    const { sys } = busy()
    const before = columns(sys)
    for (const nid of [-1, 1, 7]) expect(() => __alloc_pages(sys, GFP_KERNEL, order, nid)).toThrow(RangeError)
    expect(changed(sys, before)).toEqual([])
    expect(check(sys)).toEqual([])
  })
})
