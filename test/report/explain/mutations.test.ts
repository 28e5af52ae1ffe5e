// The reports of the repository, cut, wrapped, quoted, with foreign lines in between.
import { expect, it } from 'vitest'
import { golden } from './cases.ts'
import { faultsOf, MUTATIONS } from './mutations.ts'

it.each(Object.entries(MUTATIONS))('%s: no wrong number', (_, mutate) => {
  expect(faultsOf(mutate, golden)).toEqual([])
})
