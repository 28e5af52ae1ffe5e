// The same of every labelled report.
import { expect, it } from 'vitest'
import { allCases } from './cases.ts'
import { faultsOf, MUTATIONS } from './mutations.ts'

it.each(Object.entries(MUTATIONS))('%s: no wrong number', (_, mutate) => {
  expect(faultsOf(mutate, allCases())).toEqual([])
})
