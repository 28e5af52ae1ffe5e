// Miss ratios that another simulator measured: all policies, all sizes, to four decimals.
import { expect, test } from 'vitest'
import { cacheTracesKind } from '../../src/verify/cache_traces.ts'
import type { VerifyFile } from '../../src/verify/types.ts'
import { filesBelow } from '../recordings.ts'
import { describeShared, SHARED } from '../shared.ts'

const encode = (records: readonly [id: number, next: number][]): Uint8Array => {
  const bytes = new Uint8Array(24 * records.length)
  const view = new DataView(bytes.buffer)
  records.forEach(([id, next], i) => {
    view.setUint32(24 * i, i, true)
    view.setBigUint64(24 * i + 4, BigInt(id), true)
    view.setUint32(24 * i + 12, 1, true)
    view.setBigInt64(24 * i + 16, BigInt(next), true)
  })
  return bytes
}

const table = (ratio: string, title = 'LRU'): VerifyFile => ({
  path: 'x/README.md',
  text: () => `Of \`t.oracleGeneral.bin\`:\n\n| size | 1 | 2 |\n|---|---|---|\n| ${title} | 1.0000 | ${ratio} |\n`,
})
const bytes = encode([
  [7, 3],
  [8, 4],
  [7, -1],
  [8, -1],
]) // prettier-ignore
const trace: VerifyFile = { path: 'x/t.oracleGeneral.bin', text: () => '', bytes: () => bytes }

test('a right table is exact, a wrong figure is one difference with its line', () => {
  expect(cacheTracesKind.run([table('.5000'), trace])).toMatchObject({ files: 1, checks: 2, exact: 2, first: null })
  const wrong = cacheTracesKind.run([table('.5001'), trace])
  expect(wrong).toMatchObject({ checks: 2, exact: 1 })
  expect(wrong.first).toEqual({ file: 'x/README.md', line: 5, expected: 'LRU 2 .5001', got: 'LRU 2 .5000' })
})

test('an unknown policy, and a trace that is none, are checks that fail', () => {
  expect(cacheTracesKind.run([table('.5000', 'WHAT'), trace])).toMatchObject({ checks: 2, exact: 0 })
  const broken = { ...trace, bytes: () => new Uint8Array(240).fill(7) }
  expect(cacheTracesKind.run([table('.5000'), broken])).toMatchObject({ checks: 1, exact: 0 })
})

test('a text without a table, and a table without its trace, are no recordings', () => {
  expect(cacheTracesKind.run([{ path: 'README.md', text: () => 'words' }, table('.5000')]).files).toBe(0)
})

describeShared('the recorded table', () => {
  test('60 ratios', () => {
    const { first, checks, exact } = cacheTracesKind.run(filesBelow(`${SHARED}/cachetraces`))
    expect(first).toBeNull()
    expect([checks, exact]).toEqual([60, 60])
  })
})
