// Each policy against its slow, obvious model, the textbook's example, and the laws that all of them keep.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPolicy, nextUses, type PolicyKind, policies } from '../../../src/sim/policy/index.ts'
import { REFERENCES, referenceMisses } from './reference.ts'

const byName = (name: string): PolicyKind => policies.find(kind => kind.name === name)!

function started(kind: PolicyKind, accesses: Int32Array, frames: number) {
  const distinct = Math.max(...accesses) + 1
  const policy = createPolicy(kind, frames, { nextUse: nextUses(accesses, distinct) })
  policy.reserve(distinct)
  return policy
}

const misses = (name: string, accesses: readonly number[], frames: number): number => {
  const pages = Int32Array.from(accesses)
  return started(byName(name), pages, frames).run(pages, 0, pages.length)
}

/** Programs that a policy may meet: chance, loops, scans, and the same pages again. */
const accesses = fc
  .array(
    fc.oneof(
      fc.array(fc.nat(30), { size: '+1' }),
      fc
        .tuple(fc.nat(20), fc.integer({ min: 1, max: 25 }))
        .map(([from, length]) => [...Array(length).keys()].map(i => from + i)),
      fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 6 })).map(([page, times]) => Array<number>(times).fill(page)),
    ),
    { minLength: 1, size: '+1' },
  )
  .map(parts => parts.flat())
  .filter(list => list.length > 0)

const frames = fc.integer({ min: 1, max: 24 })

test('every policy has a model, and every model a policy', () => {
  expect(policies.map(({ name }) => name).sort()).toEqual(Object.keys(REFERENCES).sort())
})

describe.each(policies.map(kind => [kind.name, kind] as const))('%s', (name, kind) => {
  test('misses what its model misses', () => {
    fc.assert(
      fc.property(accesses, frames, (list, size) => {
        expect(misses(name, list, size)).toBe(referenceMisses(REFERENCES[name]!, list, size))
      }),
      { numRuns: 400 },
    )
  })

  test('hits what is in memory, misses what is not, and fills memory before anything goes', () => {
    fc.assert(
      fc.property(accesses, frames, (list, size) => {
        const pages = Int32Array.from(list)
        const policy = started(kind, pages, size)
        const seen = new Set<number>()
        for (let i = 0; i < list.length; i++) {
          const before = policy.residents()
          expect(policy.run(pages, i, i + 1)).toBe(before.includes(list[i]!) ? 0 : 1)
          const after = policy.residents()
          seen.add(list[i]!)
          expect(after).toContain(list[i])
          expect(new Set(after).size).toBe(after.length)
          expect(after.length).toBe(Math.min(size, seen.size))
        }
      }),
      { numRuns: 30 },
    )
  })

  test('a run in pieces is the same run', () => {
    fc.assert(
      fc.property(accesses, frames, fc.integer({ min: 1, max: 9 }), (list, size, piece) => {
        const pages = Int32Array.from(list)
        const policy = started(kind, pages, size)
        let sum = 0
        for (let i = 0; i < pages.length; i += piece) sum += policy.run(pages, i, Math.min(i + piece, pages.length))
        expect(sum).toBe(misses(name, list, size))
      }),
      { numRuns: 60 },
    )
  })

  test('room for more pages keeps what was there', () => {
    const first = Int32Array.from([0, 1, 2, 0])
    const later = Int32Array.from([5000, 0, 1, 2, 5000])
    const all = Int32Array.from([...first, ...later])
    const policy = createPolicy(kind, 8, { nextUse: nextUses(all, 5001) })
    policy.reserve(3)
    expect(policy.run(all, 0, 4)).toBe(3)
    policy.reserve(5001)
    expect(policy.run(all, 4, 9)).toBe(1)
  })

  test.each([0, -1, 1.5, Number.NaN, 2 ** 40])('a memory of %d frames is refused', size => {
    expect(() => createPolicy(kind, size, { nextUse: new Int32Array(1) })).toThrow(RangeError)
  })
})

test("no policy misses less than OPT, and OPT's misses fall as memory grows", () => {
  fc.assert(
    fc.property(accesses, frames, (list, size) => {
      const best = misses('opt', list, size)
      for (const { name } of policies) expect(misses(name, list, size)).toBeGreaterThanOrEqual(best)
      expect(misses('opt', list, size + 1)).toBeLessThanOrEqual(best)
      expect(misses('lru', list, size + 1)).toBeLessThanOrEqual(misses('lru', list, size))
    }),
    { numRuns: 100 },
  )
})

test("the textbook's string: FIFO misses more with four frames than with three", () => {
  const list = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
  const hits = (name: string, size: number): number => list.length - misses(name, list, size)
  expect([3, 4].map(size => hits('fifo', size))).toEqual([3, 2])
  expect([3, 4].map(size => hits('lru', size))).toEqual([2, 4])
  expect([3, 4].map(size => hits('opt', size))).toEqual([5, 6])
})

test('OPT without a future is refused', () => {
  expect(() => createPolicy(byName('opt'), 3)).toThrow(/accesses to come/)
})
