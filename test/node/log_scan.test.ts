// The search in large logs finds what a slow one finds, and its parts hold every report with its true line.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { countNewlines, findWord, LogScan } from '../../src/node/log_scan.ts'
import { Explainer, explainText } from '../../src/report/explain/explain.ts'
import { golden } from '../report/explain/cases.ts'

const FILLER = 'Jan  6 15:48:30 host kernel: [1234.567890] usb 1-1: new high-speed USB device number 7\n'

it('counts newlines', () => {
  const bytes = fc
    .uint8Array({ minLength: 0, maxLength: 4000 })
    .map(array => array.map(byte => (byte < 40 ? 10 : byte)))
  fc.assert(
    fc.property(bytes, fc.nat(50), (array, from) => {
      const start = Math.min(from, array.length)
      expect(countNewlines(array, start, array.length)).toBe(array.subarray(start).filter(byte => byte === 10).length)
    }),
    { size: '+1' } as never,
  )
})

it('finds a word wherever it stands', () => {
  const word = Buffer.from('page allocation failure')
  for (let at = 0; at < 40; at++) {
    const bytes = Buffer.concat([Buffer.alloc(at, 'x'), word, Buffer.alloc(9, 'y')])
    expect(findWord(bytes, 0)).toBe(at)
    expect(findWord(bytes, at + 1)).toBe(-1)
  }
})

it.each([1, 1000, 65536, 1 << 20])('pieces of %i bytes: the same reports as all at once', size => {
  const text = golden.map(each => FILLER.repeat(700) + each.text).join('') + FILLER.repeat(2000)
  const small = size === 1 ? text.slice(0, 90_000) : text
  const bytes = Buffer.from(small)
  const explainer = new Explainer()
  const found: unknown[] = []
  const scan = new LogScan((part, line) =>
    found.push(...explainer.take(part.split('\n'), line).map(({ answer }) => answer)),
  )
  for (let at = 0; at < bytes.length; at += size) scan.take(bytes.subarray(at, at + size))
  scan.end()
  expect(found).toEqual(explainText(small).reports)
})
