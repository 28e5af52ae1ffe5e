// What kmemleak said of leaks: every line of its file and of the log, the committed recording first, then all there are.
import { describe, expect, it } from 'vitest'
import { kmemleakKind } from '../../src/verify/kmemleak.ts'
import type { VerifyFile } from '../../src/verify/types.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify/kmemleak', import.meta.url).pathname
const NAMES = /bug\/(kmemleak|leak_dmesg)\.txt$/

/** The files with one text replaced in those that have it. */
const changed = (files: readonly VerifyFile[], from: string, to: string): VerifyFile[] =>
  files.map(file => ({ path: file.path, text: () => file.text().replace(from, to) }))

describe('kmemleak', () => {
  const files = verifyFiles(sample, NAMES)

  it('the committed recording is exact', () => {
    expect(kmemleakKind.run(files)).toMatchObject({ files: 2, checks: 55, exact: 55, first: null })
  })

  it.each([
    ['(size 128)', '(size 100)'],
    ['(size 8192)', '(size 5000)'],
    ['first 32 bytes', 'first 16 bytes'],
    ['mmtruth leaked o\n', 'mmtruth leaked O\n'],
    ['  backtrace:', '  backtrace (crc 1):'],
    ['kmemleak: 3 new', 'kmemleak: 2 new'],
  ])('a wrong value is found: %s', (right, wrong) => {
    const { checks, exact } = kmemleakKind.run(changed(files, right, wrong))
    expect(exact).toBe(checks - 1)
  })

  it('a block that is missing, or that no machine could have, is a check that failed', () => {
    const [text] = files.map(file => file.text()).filter(each => each.startsWith('unreferenced'))
    const without = text!.slice(text!.indexOf('unreferenced', 1))
    for (const damage of ['', 'nonsense', without, text!.replace('ffff888002c08900', 'ffff888002c08904')]) {
      const { checks, exact } = kmemleakKind.run([{ path: 'bug/kmemleak.txt', text: () => damage }])
      expect(exact).toBeLessThan(checks)
    }
  })
})

describeShared('kmemleak, all recordings', () => {
  it('is exact', () => {
    const files = verifyFiles(`${SHARED}/truth/custom`, NAMES)
    const { checks, exact, first } = kmemleakKind.run(files)
    expect([exact, first]).toEqual([checks, null])
  })
})
