// Counting checks, and reading JSON Lines that may be damaged.
import { expect, it } from 'vitest'
import { jsonLines, tally } from '../../src/verify/types.ts'

it('a tally keeps the first difference', () => {
  const counts = tally('kind')
  counts.file('a')
  counts.check(1, 'x', 'x')
  counts.file('b')
  counts.check(7, 'x', 'y')
  counts.check(8, 'x', 'z')
  const first = { file: 'b', line: 7, expected: 'x', got: 'y' }
  expect(counts.result()).toEqual({ kind: 'kind', files: 2, checks: 3, exact: 1, first })
})

it('lines keep their numbers, and those that are no object are null', () => {
  const rows = [...jsonLines('{"a":1}\n\nnonsense\r\n5\n[1]\n{"cut":')].map(({ line, row }) => [line, row])
  expect(rows).toEqual([
    [1, { a: 1 }],
    [3, null],
    [4, null],
    [5, [1]],
    [6, null],
  ])
})
