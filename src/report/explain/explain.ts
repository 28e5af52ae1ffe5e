// Text of a kernel log → why each request in it failed.
import type { Diagnostic } from '../proc/lines.ts'
import type { ExplainedReport, Explanation } from './answer.ts'
import { type Explained, explainReport, type History } from './explain_report.ts'
import { readReports } from './reader.ts'

/** Most of what is wrong with an input is said so often. */
const MOST_DIAGNOSTICS = 200

/** Explains a log that comes in parts; a report must lie in one part, and parts come in order. */
export class Explainer {
  readonly #history: History = { killed: new Map(), last: null }
  readonly #diagnostics: Diagnostic[] = []

  /** Explains the reports in `lines`, whose first has the number `firstLine`. */
  take(lines: readonly string[], firstLine = 1): Explained[] {
    const { reports, diagnostics } = readReports(lines, firstLine)
    this.#diagnostics.push(...diagnostics.slice(0, MOST_DIAGNOSTICS - this.#diagnostics.length))
    return reports.map(facts => explainReport(facts, this.#history))
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#diagnostics
  }
}

/** Explains every report in a text. */
export function explainText(text: string): Explanation {
  const explainer = new Explainer()
  const reports: ExplainedReport[] = explainer.take(text.split('\n')).map(({ answer }) => answer)
  return { reports, diagnostics: explainer.diagnostics }
}
