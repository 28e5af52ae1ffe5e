// Any text is read: damaged reports, foreign bytes, lines in any order. Nothing throws, sentences name lines that are there.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { explain } from '../../../src/sim/explain.ts'
import { golden } from './cases.ts'

const lines = golden.flatMap(({ text }) => text.split('\n'))
const line = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...lines) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...lines), fc.nat(120)).map(([text, at]) => text.slice(0, at)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...lines), fc.nat(9))
      .map(([text, digit]) => text.replace(/\d/g, String(digit))),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.constantFrom(...lines).map(text => text.replace(/\d+/g, '99999999999999999999')) },
)

it('nothing throws', () => {
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 80, size: '+1' }),
      fc.constantFrom('order=0', 'gfp=GFP_ATOMIC', 'memory=+1M'),
      (all, set) => {
        const count = all.join('\n').split('\n').length
        for (const { explanation, whatIf } of explain(all.join('\n'), { set }).reports)
          for (const { text, evidence } of [...explanation, ...whatIf!.explanation]) {
            expect(text).not.toMatch(/undefined|NaN|Infinity/)
            for (const at of evidence) expect(at > 0 && at <= count).toBe(true)
          }
      },
    ),
    { numRuns: 60 },
  )
})
