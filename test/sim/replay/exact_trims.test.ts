// The end of a block that alloc_pages_exact() gives back: only at once, only in order, only where the kernel does so.
import { expect, it } from 'vitest'
import { kernels } from '../../../src/kernels/index.ts'
import type { Sys } from '../../../src/mm/mmzone.ts'
import { ExactTrims } from '../../../src/sim/replay/exact_trims.ts'

const trims = (trims_to_buddy: boolean): ExactTrims => {
  const kernel = { ...Object.values(kernels)[0]!, trims_to_buddy }
  return new ExactTrims({ kernel, nr_cpus: 2 } as unknown as Sys)
}

it('knows the pages behind those that are used', () => {
  const watch = trims(true)
  watch.alloc(8, 2, 0)
  expect([watch.free(10, 0, 0), watch.free(11, 0, 0), watch.free(12, 0, 0)]).toEqual([true, true, false])
})

it('takes no other free for one', () => {
  const watch = trims(true)
  watch.alloc(8, 2, 0)
  expect(watch.free(8, 0, 0)).toBe(false)
  expect(watch.free(9, 0, 0)).toBe(false)
  watch.alloc(8, 2, 0)
  expect(watch.free(9, 0, 1)).toBe(false)
  expect(watch.free(11, 0, 0)).toBe(true)
  expect(watch.free(9, 0, 0)).toBe(false)
  expect(trims(false).free(9, 0, 0)).toBe(false)
})
