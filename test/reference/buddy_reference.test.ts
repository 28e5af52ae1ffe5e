// The fast allocator against the slow, obvious one: the same frames, lists, counters and types after every step; and the
// comparison against itself: it must find allocators that are wrong.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { plain_6_1, small_6_12 } from '../mm/machine.ts'
import { BuddyReference } from './buddy_reference.ts'
import { FastPlayer, MASKS, type Op, type Player, playBoth, playOne, REFERENCE, SPEC, script } from './compare.ts'

const same = (other: () => Player, fast: () => Player = () => new FastPlayer()): fc.IProperty<[Op[]]> =>
  fc.property(script, ops => playBoth(ops, fast(), other()))

describe('random scripts', () => {
  it('the fast allocator does what the reference does', () => {
    fc.assert(
      same(() => new BuddyReference(REFERENCE)),
      { seed: 61, numRuns: 60 },
    )
  })

  it('and so with lists that hold nothing, and counters that fold at once', () => {
    const small = { batch: 1, high: 1 }
    fc.assert(
      same(
        () => new BuddyReference({ ...REFERENCE, ...small, threshold: 0 }),
        () => new FastPlayer({ ...SPEC, ...small, stat_threshold: 0 }),
      ),
      { seed: 62, numRuns: 25 },
    )
  })

  it('blocks that were never listed are handed out as if they were', () => {
    fc.assert(
      same(
        () => new FastPlayer(),
        () => new FastPlayer({ ...SPEC, lazy: true }),
      ),
      { seed: 63, numRuns: 30 },
    )
  })

  for (const kernel of [small_6_12, plain_6_1])
    it(`${kernel.name}: the laws hold, and when all is freed and drained, all is whole`, () => {
      const whole = new FastPlayer({ ...SPEC, kernel }).freePages()
      fc.assert(
        fc.property(script, ops => {
          const player = new FastPlayer({ ...SPEC, kernel, lazy: true })
          playOne(ops, player)
          expect(player.freePages()).toEqual(whole)
        }),
        { seed: 64, numRuns: 25 },
      )
    })
})

/** Allocators with one wrong rule each. */
const MUTANTS: Readonly<Record<string, () => Player>> = {
  'never merges blocks of order 2': () =>
    new (class extends BuddyReference {
      protected override isFree(...[zone, pfn, order]: Parameters<BuddyReference['isFree']>): boolean {
        return order !== 2 && super.isFree(zone, pfn, order)
      }
    })(REFERENCE),
  'merges with the block behind, never with the one before': () =>
    new (class extends BuddyReference {
      protected override buddyOf(pfn: number, order: number): number {
        return pfn + 2 ** order
      }
    })(REFERENCE),
  'merges reserved pageblocks with others': () =>
    new (class extends BuddyReference {
      protected override mayMerge(): boolean {
        return true
      }
    })(REFERENCE),
  'puts every block at the head': () =>
    new (class extends BuddyReference {
      protected override mayMergeSoon(): boolean {
        return false
      }
    })(REFERENCE),
  'keeps one page more on a list': () => new BuddyReference({ ...REFERENCE, high: 29 }),
  'boosts less': () => new BuddyReference({ ...REFERENCE, boostFactor: 10000 }),
}

describe('the comparison finds', () => {
  for (const [bug, mutant] of Object.entries(MUTANTS))
    it(`an allocator that ${bug}`, () => {
      const result = fc.check(
        same(mutant, () => new FastPlayer(SPEC, false)),
        { seed: 65, numRuns: 300, endOnFailure: true },
      )
      expect(result.failed).toBe(true)
    })

  it('a wrong merge, and shrinks it to a few steps', () => {
    const mutant = MUTANTS['never merges blocks of order 2']!
    const result = fc.check(
      same(mutant, () => new FastPlayer(SPEC, false)),
      { seed: 65, numRuns: 300 },
    )
    expect(result.counterexample![0].length).toBeLessThanOrEqual(4)
  })
})

it('the scripts reach what they are to test', () => {
  const seen = new Set<string>()
  for (const ops of fc.sample(script, { seed: 61, numRuns: 60 })) {
    const player = new FastPlayer()
    const { sys } = player
    sys.trace = { mm_page_alloc_extfrag: () => seen.add('fallback'), mm_page_pcpu_drain: () => seen.add('drain') }
    playOne(ops, player, pfn => seen.add(pfn < 0 ? 'failure' : 'success'))
    if (sys.zone.watermark_boost.some(pages => pages > 0)) seen.add('boost')
    if (sys.zone.nr_reserved_highatomic.some(pages => pages > 0)) seen.add('highatomic')
    expect(check(sys)).toEqual([])
  }
  expect([...seen].sort()).toEqual(['boost', 'drain', 'failure', 'fallback', 'highatomic', 'success'])
  expect(MASKS).toHaveLength(8)
})
