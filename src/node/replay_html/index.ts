// The report of a replay as one HTML file: text, tables and plots, with uPlot and all figures inside.
// Law: the page asks for nothing from anywhere (its own policy forbids it), works from a disk, and says without script,
// colour or pointer what it says with them. It is returned as a whole: nobody ever sees a part of one.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { clientScript } from './client.ts'
import { Html, html } from './markup.ts'
import { count, integer, seconds } from './numbers.ts'
import { DASHES, type Plot, patternDefinitions, plotData, plotFigure } from './plot.ts'
import { replayPlots } from './plots.ts'
import {
  causesSection,
  endSection,
  eventsSection,
  failuresSection,
  findingsSection,
  settingsSection,
  takersSection,
} from './sections.ts'
import { slabPlots, slabSection } from './slabs.ts'
import { STYLE } from './style.ts'
import type { ReplayView } from './view.ts'

interface Section {
  readonly id: string
  readonly title: string
  readonly body: Html
}

/** The whole page. */
export function writeReplayHtml(view: ReplayView): string {
  const plots = replayPlots(view)
  const slabs = view.slabs ? slabPlots(view.slabs.report, view.slabs.from) : []
  const drawn = [...plots.settings, ...plots.free, ...plots.blocks, ...plots.fragmentation, ...plots.mixture, ...slabs]
  const settings = settingsSection(view)
  const sections: Section[] = [
    ...(settings
      ? [{ id: 'settings', title: 'Settings compared', body: html`${settings}${plots.settings.map(plotFigure)}` }]
      : []),
    { id: 'end', title: 'How close the twin came', body: endSection(view) },
    { id: 'free', title: 'Free memory and watermarks', body: figures(plots.free) },
    { id: 'blocks', title: 'Free blocks', body: figures(plots.blocks) },
    { id: 'fragmentation', title: 'Fragmentation', body: fragmentationBody(plots.fragmentation) },
    { id: 'mixture', title: 'Migrate types', body: html`${figures(plots.mixture)}${eventsSection(view)}` },
    { id: 'takers', title: 'Who took memory', body: takersSection(view) },
    ...(view.slabs
      ? [{ id: 'slabs', title: 'Slabs', body: slabSection(view.slabs.report, view.pageSize, figures(slabs)) }]
      : []),
    { id: 'failures', title: 'Failures and near failures', body: failuresSection(view) },
    { id: 'causes', title: 'Pages without an event', body: causesSection(view) },
    { id: 'input', title: 'The trace', body: inputBody(view) },
  ]
  return page(view, sections, drawn).text
}

function figures(plots: readonly Plot[]): Html {
  if (plots.length === 0) return html`<p>The trace is too short to show anything over time.</p>`
  return html`${plots.map(plotFigure)}`
}

function fragmentationBody(plots: readonly Plot[]): Html {
  if (plots.length > 0) return figures(plots)
  return html`<p>At every instant a free block of every order was there: there is no index to draw.</p>`
}

function inputBody({ trace, events, replayed, start, diagnostics }: ReplayView): Html {
  const intro = html`<p><code>${trace}</code>: ${count(events, 'event')}, ${integer(replayed)} of them between the two snapshots; ${count(diagnostics.count, 'line')} could not be read. ${start}</p>`
  if (diagnostics.count === 0) return intro
  const items = diagnostics.first.map(({ line, message }) => html`<li>line ${integer(line)}: ${message}</li>`)
  return html`${intro}<ul>${items}</ul>`
}

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

function page(view: ReplayView, sections: readonly Section[], plots: readonly Plot[]): Html {
  const heading = `Replay of ${view.trace}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mmtwin">
<title>${heading} · mmtwin</title>
<style>${library('uPlot.min.css')}${new Html(STYLE)}</style>
</head>
<body>
<a class="skip" href="#findings">Skip to the findings</a>
${patternDefinitions()}
<header>
<h1>${heading}</h1>
<p class="facts">${view.machine} · Linux ${view.kernel} · ${count(view.replayed, 'event')} in ${seconds(view.seconds)}</p>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
<section id="findings" aria-label="Findings">${findingsSection(view)}</section>
<p id="plot-keys" class="facts">All plots share one time axis: drag to zoom, double-click to see all. With the keyboard: <kbd>←</kbd> <kbd>→</kbd> move
the cursor (<kbd>Shift</kbd>: ten steps), <kbd>Home</kbd> <kbd>End</kbd>, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>0</kbd> all.</p>
<noscript><p>The plots need JavaScript. The table below each one has the same figures.</p></noscript>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-heading">
<h2 id="${id}-heading">${title}</h2>
${body}
</section>
`,
)}
</main>
<footer><p>Written by mmtwin. Plots: uPlot, © Leon Sorokin, MIT licence.</p></footer>
<script type="application/json" id="plots">${plotData(plots)}</script>
<script>${library('uPlot.iife.min.js')}</script>
<script>${new Html(clientScript(DASHES))}</script>
</body>
</html>
`
}

/** A file of uPlot, as it may stand inside an element. */
function library(name: string): Html {
  const folder = dirname(createRequire(import.meta.url).resolve('uplot'))
  return new Html(readFileSync(`${folder}/${name}`, 'utf8').replaceAll('</', '<\\/'))
}
