// Explained reports as one HTML file: what failed and why, the zones as bars with their marks, free blocks, processes,
// and the text of the log, where a click on a sentence shows the lines that prove it.
// Law: as for replays: the page asks for nothing from anywhere, works from a disk, and without script the sentences link
// to their lines. Every name in it comes from a log, and a log may hold anything: all of it is escaped.
import type { Explained } from '../../report/explain/explain_report.ts'
import { Html, html } from '../replay_html/markup.ts'
import { count, integer } from '../replay_html/numbers.ts'
import { STYLE } from '../replay_html/style.ts'
import { CLIENT } from './client.ts'
import { blocksTable, processTable, zonesSection } from './figures.ts'
import { logLines } from './log.ts'
import { EXPLAIN_STYLE } from './style.ts'
import { adviceList, reportTitle, sentenceList, whatIfSection } from './text.ts'

/** A report with its part of the log. */
export interface ExplainedPart {
  readonly explained: Explained
  /** The lines of the report, as they stand in the log. */
  readonly lines: readonly string[]
  /** Number of the first of them. */
  readonly firstLine: number
}

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** The whole page. */
export function writeExplainHtml(name: string, parts: readonly ExplainedPart[], diagnostics: number): string {
  const heading = `${count(parts.length, 'report')} in ${name}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mmtwin">
<title>${heading} · mmtwin</title>
<style>${new Html(STYLE)}${new Html(EXPLAIN_STYLE)}</style>
</head>
<body>
<a class="skip" href="#reports">Skip to the reports</a>
<header>
<h1>${heading}</h1>
<p class="facts">Click a sentence to see the lines of the log that prove it.${unread(diagnostics)}</p>
${parts.length > 1 ? contents(parts) : ''}
</header>
<main id="reports">
${parts.map(report)}
</main>
<footer><p>Written by mmtwin. The checks are made by the model's own allocator.</p></footer>
<script>${new Html(CLIENT)}</script>
</body>
</html>
`.text
}

const unread = (diagnostics: number): string =>
  diagnostics === 0 ? '' : ` ${count(diagnostics, 'piece')} of the log could not be read.`

function contents(parts: readonly ExplainedPart[]): Html {
  const items = parts.map(
    ({ explained: { answer } }) =>
      html`<li><a href="#r${answer.line}">line ${integer(answer.line)}: ${answer.reason}</a></li>`,
  )
  return html`<nav aria-label="Reports"><ul>${items}</ul></nav>`
}

function report(part: ExplainedPart): Html {
  const { explained } = part
  const { answer } = explained
  const id = `r${answer.line}`
  return html`<section class="report" id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${reportTitle(answer)}</h2>
<div class="columns">
<div class="why">
<p class="reason"><b>${answer.reason}</b>${answer.also.length > 0 ? html` <span class="facts">also ${answer.also.join(', ')}</span>` : ''}</p>
${sentenceList(answer.explanation)}
${adviceList(answer.advice)}
${whatIfSection(answer.whatIf)}
</div>
${logLines(part)}
</div>
${zonesSection(answer)}
${blocksTable(answer)}
${processTable(explained)}
</section>
`
}
