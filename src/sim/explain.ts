// `explain` with what-ifs: reports are explained by the report room; where settings are asked about, a twin answers.
import type { ExplainedReport, Explanation } from '../report/explain/answer.ts'
import { Explainer } from '../report/explain/explain.ts'
import type { Explained } from '../report/explain/explain_report.ts'
import { parseWhatIf, type WhatIfSettings } from './what_if/settings.ts'
import { whatIf } from './what_if/what_if.ts'

export interface ExplainOptions {
  /** What if these had been set? `{ 'vm.min_free_kbytes': '65536', order: '0' }` or `'order=0,gfp=GFP_ATOMIC'`. */
  readonly set?: WhatIfSettings | string
}

/** The answer of a report with what other settings would have changed. @throws RangeError for wrong settings */
export function withWhatIf(explained: Explained, settings: WhatIfSettings): ExplainedReport {
  return { ...explained.answer, whatIf: whatIf(explained, settings) }
}

/** Explains every OOM kill, allocation failure and memory dump in the text of a kernel log: the check that failed with
 * its numbers, the reason, the scores of the processes, each sentence with the lines that prove it.
 * @throws RangeError for settings that there are not; never for a text */
export function explain(text: string, options: ExplainOptions = {}): Explanation {
  const { set } = options
  const settings =
    set === undefined
      ? null
      : parseWhatIf(
          typeof set === 'string'
            ? set
            : Object.entries(set)
                .map(pair => pair.join('='))
                .join(','),
        )
  const explainer = new Explainer()
  const reports = explainer
    .take(text.split('\n'))
    .map(explained => (settings ? withWhatIf(explained, settings) : explained.answer))
  return { reports, diagnostics: explainer.diagnostics }
}
