// The text of a report with its line numbers, each line a place that sentences can point to.
import { type Html, html } from '../replay_html/markup.ts'
import type { ExplainedPart } from './index.ts'

/** Longer lines are no part of a report. */
const LONGEST = 2000

/** The lines, in a box that scrolls by itself. */
export function logLines({ lines, firstLine }: ExplainedPart): Html {
  const rows = lines.map((text, at) => {
    const line = firstLine + at
    return html`<span id="L${line}" data-line="${line}">${text.slice(0, LONGEST)}
</span>`
  })
  return html`<div class="log" tabindex="0" role="region" aria-label="Text of the report"><pre>${rows}</pre></div>`
}
