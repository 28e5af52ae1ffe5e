// The kernel's indexes of fragmentation, by hand.
import { expect, it } from 'vitest'
import { fragmentationIndex, unusableFreeIndex } from '../../../src/sim/replay/series.ts'

it.each([
  // All free memory is in single pages: nothing of it serves order 3, and it is fragmentation that fails it.
  [[1000, 0, 0, 0, 0], 3, 1, 0.874],
  // Nothing is free.
  [[0, 0, 0, 0, 0], 3, 1, 0],
  // Two pages are free: a request of order 3 lacks memory.
  [[2, 0, 0, 0, 0], 3, 1, 0.375],
  // One block of order 4 serves order 3 twice.
  [[0, 0, 0, 0, 1], 3, 0, -1],
  [[16, 0, 0, 0, 1], 3, 0.5, -1],
])('%j for order %i', (blocks, order, unusable, fragmentation) => {
  expect(unusableFreeIndex(blocks, order)).toBe(unusable)
  expect(fragmentationIndex(blocks, order)).toBe(fragmentation)
})
