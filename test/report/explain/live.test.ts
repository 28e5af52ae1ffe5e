// What a request would meet on a machine of which there are only /proc files, as `mmtwin explain --live` says it.
import { expect, it } from 'vitest'
import { __alloc_pages } from '../../../src/mm/page_alloc/alloc_pages.ts'
import { explainLive } from '../../../src/report/explain/live.ts'
import { readSnapshot, type Snapshot } from '../../../src/report/snapshot.ts'
import { Machine } from '../../../src/sim/machine.ts'

const FILES = ['zoneinfo', 'buddyinfo', 'pagetypeinfo', 'vmstat', 'meminfo'] as const

function look(machine: Machine, without: readonly string[] = []): Snapshot {
  const files = FILES.filter(name => !without.includes(name)).map(name => [name, machine.proc(name)] as const)
  return readSnapshot(new Map([...files, ['version', 'Linux version 6.1.0-50-amd64 (a) #1 SMP\n']]))
}

const machineOf = (): Machine => Machine.boot({ memory: '128M', cpus: 1 })

it('says what the allocator then does, while memory runs out', () => {
  const machine = machineOf()
  const outcomes = new Set<string>()
  for (const gfp of ['GFP_HIGHUSER_MOVABLE', 'GFP_ATOMIC']) {
    const mask = machine.gfp(gfp)
    for (let pages = 0; ; pages++) {
      // Pages on the CPU's own list go out without a look at the counters of the zone.
      machine.drainLocalPages()
      const answer = explainLive(look(machine), gfp, 0)
      outcomes.add(answer.outcome)
      const pfn = __alloc_pages(machine.sys, mask, 0, 0)
      expect([gfp, pages, answer.wouldSucceed]).toEqual([gfp, pages, pfn >= 0])
      if (pfn < 0) break
      // In large steps while there is plenty.
      for (let more = 0; answer.outcome === 'at-once' && more < 200; more++) __alloc_pages(machine.sys, mask, 0, 0)
    }
  }
  expect([...outcomes].sort()).toEqual(['at-once', 'fails', 'kswapd-woken', 'reclaim-first'])
})

it('tells how much is missing, to the page', () => {
  const machine = machineOf()
  const mask = machine.gfp('GFP_KERNEL')
  while (__alloc_pages(machine.sys, mask, 0, 0) >= 0);
  machine.drainLocalPages()
  const answer = explainLive(look(machine), 'GFP_KERNEL', 0)
  expect(answer).toMatchObject({ wouldSucceed: false, outcome: 'reclaim-first', zone: null })
  expect(answer.missingKB).toBeGreaterThan(0)
  const [first] = answer.zones
  expect(first!.usableKB + first!.missingKB).toBe(first!.neededKB + 4)
})

it('tells a missing block from missing memory', () => {
  const machine = machineOf()
  const mask = machine.gfp('GFP_KERNEL|__GFP_MEMALLOC')
  const all: number[] = []
  for (let pfn = 0; pfn >= 0; ) if ((pfn = __alloc_pages(machine.sys, mask, 0, 0)) >= 0) all.push(pfn)
  for (const pfn of all) if (pfn % 2 === 0) machine.freePages({ pfn, order: 0 })
  machine.drainLocalPages()
  const answer = explainLive(look(machine), 'GFP_KERNEL', 3)
  expect(answer).toMatchObject({ wouldSucceed: false, missingKB: 0 })
  expect(answer.zones.some(({ check }) => check === 'no-free-block')).toBe(true)
  expect(answer.explanation.join(' ')).toContain('but no block of order 3 is free')
})

it('says what only root may read', () => {
  const answer = explainLive(look(machineOf(), ['pagetypeinfo']), 'GFP_KERNEL', 3)
  expect(answer.wouldSucceed).toBe(true)
  expect(answer.explanation.at(-1)).toContain('root only')
  const blind = explainLive(look(machineOf(), ['buddyinfo', 'pagetypeinfo']), 'GFP_KERNEL', 3)
  expect(blind.explanation.join(' ')).toContain('whether a block of order 3 is free is not known')
})

it('refuses a mask, an order or files that cannot be', () => {
  const snapshot = look(machineOf())
  expect(() => explainLive(snapshot, 'GFP_FOO', 0)).toThrow('no GFP flag "GFP_FOO"')
  expect(() => explainLive(snapshot, 'GFP_KERNEL', 11)).toThrow('orders 0 to 10')
  expect(() => explainLive(readSnapshot(new Map()), 'GFP_KERNEL', 0)).toThrow('without /proc/zoneinfo')
})
