// Chance with a seed: the same for the same seed, and never stuck.
import { describe, expect, it } from 'vitest'
import { BUG_ON, KernelBug } from '../../src/base/bug.ts'
import { next_random, seed_random } from '../../src/base/rng.ts'

describe('random numbers', () => {
  const draw = (seed: number, count: number): number[] => {
    let state = seed_random(seed)
    return Array.from({ length: count }, () => (state = next_random(state)))
  }

  it('repeat with their seed and differ between seeds', () => {
    expect(draw(7, 20)).toEqual(draw(7, 20))
    expect(draw(7, 20)).not.toEqual(draw(8, 20))
  })

  it('are 32-bit states, never 0, whatever the seed', () => {
    for (const seed of [0, 1, -1, 0x9e3779b9, 2 ** 32 - 1])
      for (const state of draw(seed, 1000)) expect(state > 0 && state < 2 ** 32 && Number.isInteger(state)).toBe(true)
  })

  it('are spread evenly enough', () => {
    const counts = new Array<number>(16).fill(0)
    for (const state of draw(1, 16000)) counts[state % 16]!++
    expect(Math.min(...counts)).toBeGreaterThan(850)
    expect(Math.max(...counts)).toBeLessThan(1150)
  })
})

describe('BUG_ON', () => {
  it('stops with the numbers, and only when the condition holds', () => {
    expect(() => BUG_ON(false, 'no')).not.toThrow()
    expect(() => BUG_ON(true, 'order too large', 11, 10)).toThrow(new KernelBug('order too large (11, 10)'))
    expect(() => BUG_ON(true, 'bare')).toThrow('bare')
  })
})
