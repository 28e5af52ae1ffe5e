// Every run of the reclaim recordings. What misses the goal is named here, as docs/fidelity.md does: a check that misses
// anew fails, and so does one that is reached and still stands in the list.
import { expect, it } from 'vitest'
import { verifyFiles } from '../../src/node/verify_files.ts'
import { RECLAIM_NUMBERS, type ReclaimRow, reclaimRows } from '../../src/verify/reclaim.ts'
import { describeShared, SHARED } from '../shared.ts'

/** `stock/6.1…/reclaim/classic-192M/reclaim/seq-swappiness60` → `6.1 classic-192M seq 60`. */
function nameOf({ path }: ReclaimRow): string {
  const [, kernel, machine, run, swappiness] =
    /(\d+\.\d+)[^/]*\/reclaim\/([^/]+)\/reclaim\/([a-z]+)-swappiness(\d+)$/.exec(path) ?? []
  return `${kernel} ${machine} ${run} ${swappiness}`
}

/** The numbers of a run that are not right. */
function missesOf(row: ReclaimRow): string[] {
  if (row.killed !== row.twinKilled) return ['outcome']
  if (row.killed) return []
  return RECLAIM_NUMBERS.filter(name => Math.abs(row.twin[name] - row.recorded[name]) > row.allowed[name])
}

const MISSES: Readonly<Record<string, readonly string[]>> = {
  '6.1 classic-192M-repeat seq 100': ['pswpin', 'pswpout', 'pgsteal'],
  '6.1 classic-192M-repeat zipf 0': ['pswpin', 'pgmajfault'],
  '6.1 classic-192M seq 100': ['pswpin', 'pswpout', 'pgsteal'],
  '6.1 classic-192M zipf 0': ['pswpin', 'pgmajfault', 'pgsteal'],
  '6.1 classic-320M seq 0': ['outcome'],
  '6.1 mglru-192M seq 100': ['pswpin', 'pswpout'],
  '6.1 mglru-192M seq 60': ['pswpin'],
  '6.12 classic-192M seq 0': ['pswpin', 'pswpout'],
  '6.12 classic-192M seq 100': ['pswpin', 'pswpout', 'pgsteal'],
  '6.12 classic-192M seq 60': ['pswpin', 'pswpout'],
  '6.12 classic-192M uniform 0': ['outcome'],
  '6.12 classic-192M uniform 100': ['pswpin', 'pswpout'],
  '6.12 classic-192M uniform 60': ['pswpin'],
  '6.12 classic-192M zipf 0': ['pswpin', 'pgmajfault', 'pgsteal'],
  '6.12 classic-192M zipf 100': ['pswpin', 'pswpout', 'pgsteal'],
  '6.12 classic-320M-heavy zipf 1': ['pgmajfault'],
  '6.12 mglru-320M-heavy zipf 60': ['pswpin', 'pswpout', 'pgmajfault'],
  '6.12 mglru-320M seq 100': ['pswpin', 'pswpout', 'pgmajfault', 'pgsteal'],
  '6.12 mglru-320M uniform 100': ['pswpin'],
  '6.12 mglru-320M uniform 60': ['pswpin', 'pswpout'],
  '6.12 mglru-320M zipf 100': ['pswpin', 'pswpout'],
}

describeShared('reclaim recordings', () => {
  it('328 of 373 checks are right, and the others are those that are named', () => {
    const files = verifyFiles(`${SHARED}/truth/stock`).filter(({ path }) => path.includes('/reclaim/'))
    const played = [...reclaimRows(files)]
    const rows = played.filter((row): row is ReclaimRow => !('error' in row))
    expect(rows.length).toBe(played.length)
    const found = Object.fromEntries(
      rows.map(row => [nameOf(row), missesOf(row)] as const).filter(([, misses]) => misses.length > 0),
    )
    expect(found).toEqual(MISSES)
    const checks = rows.reduce((sum, row) => sum + (row.killed || row.twinKilled ? 1 : 1 + RECLAIM_NUMBERS.length), 0)
    const missed = Object.values(MISSES).flat().length
    expect({ runs: rows.length, checks, right: checks - missed }).toEqual({ runs: 81, checks: 373, right: 328 })
  })
})
