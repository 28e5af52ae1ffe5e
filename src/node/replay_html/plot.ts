// What a plot of the page is made of: plain numbers that the page carries as JSON and `client.ts` draws, the legend that
// names every series by colour and by pattern, and the table that says the same in figures.
// Law: what a plot shows can be read without seeing it: no series is told apart by its colour alone.
import { Html, html } from './markup.ts'
import { integer, seconds } from './numbers.ts'

/** Lines over time; areas on top of each other; or a map of counts, one row per series. */
export type PlotKind = 'lines' | 'stack' | 'heat'

export interface PlotSeries {
  readonly label: string
  /** One per instant; null where there is no value. */
  readonly values: readonly (number | null)[]
  /** Number of a colour of the palette, and of the pattern that goes with it. */
  readonly colour: number
  /** Drawn as a straight reference line. */
  readonly reference?: boolean
}

export interface Plot {
  /** Also the id of its element. */
  readonly id: string
  readonly kind: PlotKind
  readonly title: string
  /** What is to be seen in it, in a sentence or two. */
  readonly note: Html
  /** What the vertical axis counts. */
  readonly unit: string
  /** Instants in seconds since the replay's begin, ascending. */
  readonly times: readonly number[]
  readonly series: readonly PlotSeries[]
  /** Fixed ends of the vertical axis; by the values where it is not given. */
  readonly range?: readonly [number, number]
}

/** Dashes of a line, as many as there are colours: a line is known by them where colours are not seen. */
export const DASHES: readonly (readonly number[])[] = [
  [],
  [8, 4],
  [2, 3],
  [10, 3, 2, 3],
  [14, 4],
  [4, 4],
  [10, 3, 2, 3, 2, 3],
  [1, 5],
]

/** Rows of the table beside a plot. */
const TABLE_ROWS = 24

/** Data of all plots as text that may stand in a `<script>`. */
export function plotData(plots: readonly Plot[]): Html {
  const data = plots.map(({ id, kind, unit, times, series, range }) => ({ id, kind, unit, times, series, range }))
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
  return new Html(JSON.stringify(data, rounded).replaceAll('<', '\\u003c'))
}

/** A plot with its legend, its buttons and its table. */
export function plotFigure(plot: Plot): Html {
  const { id, kind, title, note } = plot
  return html`<figure class="plot" id="${id}">
<figcaption><h3 id="${id}-title">${title}</h3><p>${note}</p></figcaption>
<div class="tools"><button type="button" data-zoom="in" aria-label="Zoom in: ${title}">+</button>
<button type="button" data-zoom="out" aria-label="Zoom out: ${title}">−</button>
<button type="button" data-zoom="all" aria-label="Show all of it: ${title}">all</button>
<span class="time" data-time></span></div>
<div class="canvas" tabindex="0" role="group" aria-labelledby="${id}-title" aria-describedby="plot-keys"></div>
${legend(plot)}
${kind === 'heat' ? heatKey(plot) : ''}
<p class="spoken" aria-live="polite"></p>
${figuresTable(plot)}
</figure>`
}

function legend({ kind, series }: Plot): Html {
  const items = series.map(
    ({ label, colour, reference }, index) =>
      html`<li><button type="button" data-series="${index}" aria-pressed="true">${
        kind === 'heat' ? '' : swatch(kind, colour, reference === true)
      }<span>${label}</span> <output></output></button></li>`,
  )
  return html`<ul class="legend">${items}</ul>`
}

/** A sample of a line, or of an area's pattern. */
function swatch(kind: PlotKind, colour: number, reference: boolean): Html {
  if (kind === 'stack')
    return html`<svg class="swatch c${colour}" viewBox="0 0 28 14" aria-hidden="true"><rect width="28" height="14" class="area"/><rect width="28" height="14" fill="url(#pattern-${colour})"/></svg>`
  const dash = DASHES[colour]!.join(' ')
  return html`<svg class="swatch c${colour}" viewBox="0 0 28 14" aria-hidden="true"><path d="M0 7H28" stroke-width="${
    reference ? 1.5 : 2.5
  }" ${dash === '' ? '' : html`stroke-dasharray="${dash}"`}/></svg>`
}

function heatKey({ unit, series }: Plot): Html {
  const most = series.reduce((max, { values }) => values.reduce((m: number, v) => Math.max(m, v ?? 0), max), 0)
  return html`<p class="heatkey">0 <span class="ramp"></span> ${integer(most)} ${unit}, on a logarithmic scale</p>`
}

/** At most 24 instants, the first and the last among them. */
function figuresTable({ title, times, series, unit }: Plot): Html {
  const last = times.length - 1
  const rows = Math.min(TABLE_ROWS, times.length)
  const chosen = Array.from({ length: rows }, (_, row) => Math.round((row * last) / Math.max(1, rows - 1)))
  const body = chosen.map(
    at =>
      html`<tr><th scope="row">${seconds(times[at]!)}</th>${series.map(({ values }) => html`<td>${cell(values[at])}</td>`)}</tr>`,
  )
  const which = rows < times.length ? `, ${rows} of ${integer(times.length)} instants` : ''
  return html`<details><summary>Figures as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}: figures"><table>
<caption>${title} (${unit})${which}</caption>
<thead><tr><th scope="col">time</th>${series.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>
<tbody>${body}</tbody></table></div></details>`
}

function cell(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return Number.isInteger(value) ? integer(value) : value.toFixed(3)
}

/** The patterns of areas for the legend's swatches: the same as `client.ts` draws. */
export function patternDefinitions(): Html {
  const marks = [
    '',
    'M-2 10 10-2M6 18 18 6',
    'M-2-2 10 10M6-10 18 2',
    'M0 4H8',
    'M4 3v2',
    'M4 0V8',
    'M0 4H8M4 0V8',
    'M2 2h1M6 6h1',
  ]
  const patterns = marks.map(
    (mark, index) =>
      html`<pattern id="pattern-${index}" width="8" height="8" patternUnits="userSpaceOnUse"><path d="${mark}" class="hatch"/></pattern>`,
  )
  return html`<svg width="0" height="0" aria-hidden="true" class="hidden"><defs>${patterns}</defs></svg>`
}
