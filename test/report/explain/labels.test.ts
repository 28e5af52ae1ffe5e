// Every answer that was worked out by hand, against what `explain` says.
import { describe, expect, it } from 'vitest'
import { explainText } from '../../../src/report/explain/explain.ts'
import { type Criterion, score } from '../../../src/verify/explain.ts'
import { allCases, golden } from './cases.ts'

function differences(cases: ReturnType<typeof allCases>): Record<Criterion, string[]> {
  const found: Record<Criterion, string[]> = { reports: [], zones: [], reason: [], failing: [], victim: [] }
  for (const { name, label, text } of cases)
    for (const { criterion, line, expected, got } of score(label, explainText(text).reports, text))
      if (expected !== got) found[criterion].push(`${name}:${line} expected ${expected}, got ${got}`)
  return found
}

const NOTHING = { reports: [], zones: [], reason: [], failing: [], victim: [] }

describe('labelled reports', () => {
  it('of the repository: every answer is right', () => {
    expect(golden.length).toBeGreaterThan(8)
    expect(differences(golden)).toEqual(NOTHING)
  })

  it('beside the recordings: every answer is right', () => {
    expect(differences(allCases())).toEqual(NOTHING)
  })

  it('every sentence names lines of its report that are there', () => {
    for (const { name, text } of allCases()) {
      const lines = text.split('\n').length
      for (const { explanation } of explainText(text).reports)
        for (const { text: said, evidence } of explanation) {
          expect(evidence.length, `${name}: ${said}`).toBeGreaterThan(0)
          for (const line of evidence) expect(line > 0 && line <= lines, `${name}: ${said} [${line}]`).toBe(true)
        }
    }
  })
})
