// Further recordings of a run widen what is right: by twice their difference, and by how they ended.
import { expect, it } from 'vitest'
import { type ReclaimRow, repeated } from '../../src/verify/reclaim.ts'

const numbers = (pgsteal: number): ReclaimRow['recorded'] => ({ pswpin: 0, pswpout: 0, pgmajfault: 0, pgsteal })
const ran = (pgsteal: number): ReclaimRow['repeats'][number] => ({ killed: false, ...numbers(pgsteal) })
const NONE = { start: new Map(), populated: new Map(), done: new Map() }
const KILLED = { killed: true, ...numbers(3) }

function row(change: Partial<ReclaimRow>): ReclaimRow {
  return {
    ...{ path: '', killed: false, twinKilled: false, repeats: [] },
    ...{ recorded: numbers(1000), twin: numbers(1000), allowed: numbers(100) },
    counters: { recorded: NONE, twin: NONE },
    ...change,
  }
}

it('without repeats nothing changes', () => {
  expect(repeated(row({}))).toEqual(row({}))
  expect(repeated(row({ twinKilled: true }))).toEqual(row({ twinKilled: true }))
})

it('twice the largest difference to a repeat of the same outcome', () => {
  expect(repeated(row({ repeats: [ran(1040), ran(910), KILLED] })).allowed.pgsteal).toBe(180)
  expect(repeated(row({ repeats: [ran(990)] })).allowed.pgsteal).toBe(100)
})

it('an outcome that the kernel had once is right; its numbers are those of the runs that ended so', () => {
  expect(repeated(row({ twinKilled: true, repeats: [KILLED] })).killed).toBe(true)
  const survived = repeated(row({ killed: true, recorded: numbers(5), repeats: [ran(2000), ran(2200), KILLED] }))
  expect([survived.killed, survived.recorded.pgsteal, survived.allowed.pgsteal]).toEqual([false, 2000, 400])
})
