// The kernel's own policies: what must hold on any reclaim, and what its two lists are for.
import { describe, expect, test } from 'vitest'
import { check } from '../../../src/mm/check.ts'
import { vm_event } from '../../../src/mm/vmstat_item.ts'
import { createPolicy, policies } from '../../../src/sim/policy/index.ts'
import { kernelPolicies, type TwinPolicy } from '../../../src/sim/policy/kernel.ts'
import { simulate } from '../../../src/sim/policy/simulate.ts'

const byName = (name: string) => [...policies, ...kernelPolicies].find(kind => kind.name === name)!
const pagesOf = (accesses: Int32Array): number => accesses.reduce((max, page) => Math.max(max, page), -1) + 1
const missed = (name: string, accesses: Int32Array, frames: number): number =>
  simulate({ accesses, pages: pagesOf(accesses) }, [byName(name)], [frames])[0]!.misses[0]!

const loop = (pages: number, rounds: number): Int32Array =>
  Int32Array.from({ length: pages * rounds }, (_, i) => i % pages)

/** A set that is used all the time, and between its rounds a scan of pages that are used once. */
function scanBetween(set: number, rounds: number, scan: number): Int32Array {
  const accesses: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (let page = 0; page < set; page++) accesses.push(page, page)
    for (let i = 0; i < scan; i++) accesses.push(set + round * scan + i)
  }
  return Int32Array.from(accesses)
}

/** Pages by chance, the first ones more often. */
function skewed(pages: number, length: number): Int32Array {
  let state = 12345
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor(pages * (state / 2 ** 32) ** 3)
  })
}

describe.each(kernelPolicies.map(kind => [kind.name, kind] as const))('%s', (name, kind) => {
  test('a loop that fits has only cold misses', () => {
    expect(missed(name, loop(500, 20), 500)).toBe(500)
    expect(missed(name, loop(500, 20), 501)).toBe(500)
  })

  test('a loop that does not fit misses more than its pages, and never more than its accesses', () => {
    const misses = missed(name, loop(500, 20), 400)
    expect(misses).toBeGreaterThan(500)
    expect(misses).toBeLessThanOrEqual(10000)
  })

  test('a set in use outlives scans better than in FIFO', () => {
    const accesses = scanBetween(200, 30, 150)
    const [own, fifo, opt] = [name, 'fifo', 'opt'].map(each => missed(each, accesses, 400)) as [number, number, number]
    expect(own).toBeLessThan(fifo)
    expect(own).toBeGreaterThanOrEqual(opt)
  })

  test.each([1, 2, 5, 33, 100, 257])(
    '%d frames are never exceeded, hits are what was there, and the twin is whole',
    frames => {
      const accesses = skewed(600, 4000)
      const policy = kind.create(frames) as TwinPolicy
      policy.reserve(600)
      let misses = 0
      for (let i = 0; i < accesses.length; i += 97) {
        const before = policy.residents()
        expect(before.length).toBeLessThanOrEqual(frames)
        expect(policy.run(accesses, i, i + 1)).toBe(before.includes(accesses[i]!) ? 0 : 1)
        expect(policy.residents()).toContain(accesses[i]!)
        misses +=
          policy.run(accesses, i + 1, Math.min(i + 97, accesses.length)) + (before.includes(accesses[i]!) ? 0 : 1)
      }
      expect(check(policy.sys!)).toEqual([])
      expect(policy.sys!.vm_event.count[vm_event('pageoutrun')]).toBe(0)
      // In pieces and in one, once and again: the same.
      expect(missed(name, accesses, frames)).toBe(misses)
      expect(misses).toBeGreaterThanOrEqual(missed('opt', accesses, frames))
    },
  )

  test('what a twin cannot be is one sentence', () => {
    expect(() => createPolicy(kind, 2 ** 23)).toThrow(/^\w+: a twin with 8388608 frames is too large/)
    expect(() => createPolicy(kind, 8).run(Int32Array.of(0), 0, 1)).toThrow(/no pages were reserved/)
    const policy = createPolicy(kind, 8)
    policy.reserve(10)
    expect(() => policy.reserve(11)).toThrow(/cannot grow to 11/)
    expect(() => createPolicy(kind, 8).reserve(2 ** 30)).toThrow(/too large/)
  })
})

test('the two have lists of their own', () => {
  const accesses = skewed(2000, 20000)
  expect(missed('linux', accesses, 500)).not.toBe(missed('mglru', accesses, 500))
})
