// The miss-ratio curves of a trace as one HTML file: a drawing in SVG, a table with the same figures, no script.
// Law: the page asks for nothing from anywhere; no curve is told apart by its colour alone.
import type { AccessReport } from './access_files.ts'
import { type Html, html, Html as Markup, table } from './replay_html/markup.ts'
import { count, integer } from './replay_html/numbers.ts'
import { DASHES } from './replay_html/plot.ts'
import { STYLE } from './replay_html/style.ts'

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** Inside of the drawing, and where it begins. */
const [WIDTH, HEIGHT, LEFT, TOP] = [640, 320, 56, 12]
const COLOURS = 8

/** The whole page. */
export function writeAccessHtml(report: AccessReport): string {
  const { trace, format, accesses, pages, diagnostics, frames, policies } = report
  const heading = `Miss ratios of ${trace}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mmtwin">
<title>${heading} · mmtwin</title>
<style>${new Markup(STYLE)}svg{width:100%;height:auto;max-width:54rem}svg text{fill:var(--ink-2);font-size:12px}
.axis{stroke:var(--line)}.curve{fill:none;stroke:var(--own);stroke-width:2}</style>
</head>
<body>
<header><h1>${heading}</h1>
<p class="facts">${count(accesses, 'access', 'accesses')} to ${integer(pages)} different ${report.pageSize === null ? 'objects' : `pages of ${integer(report.pageSize)} bytes`} · ${format} · ${count(diagnostics.count, 'line')} could not be read</p></header>
<main>
<section aria-labelledby="curves"><h2 id="curves">Misses by memory size</h2>
<p>How many of all accesses found their page not in memory, for each policy, in memories of ${integer(frames[0]!)} to ${integer(frames.at(-1)!)} frames. No policy can go below ${share(pages, accesses)}: the first access to each page misses.</p>
<figure class="plot">${drawing(report)}<figcaption>${legend(report)}</figcaption></figure>
${table({
  caption: 'Miss ratio by policy and frames',
  head: ['Policy', ...frames.map(integer)],
  rows: policies.map(({ title, misses }) => [title, ...misses.map(each => share(each, accesses))]),
})}
${table({
  caption: 'Misses by policy and frames',
  head: ['Policy', ...frames.map(integer)],
  rows: policies.map(({ title, misses }) => [title, ...misses.map(integer)]),
})}</section>
</main>
<footer><p>Written by mmtwin.</p></footer>
</body>
</html>
`.text
}

const share = (misses: number, accesses: number): string => (misses / accesses).toFixed(4)

/** Memory on a logarithmic axis, ratios from 0 to the highest. */
function drawing({ policies, frames, accesses }: AccessReport): Html {
  const highest = Math.max(...policies.flatMap(({ misses }) => misses)) / accesses || 1
  const top = Math.ceil(highest * 10) / 10
  const [low, high] = [Math.log(frames[0]!), Math.log(frames.at(-1)!)]
  const x = (size: number): string =>
    (LEFT + (high > low ? ((Math.log(size) - low) / (high - low)) * WIDTH : WIDTH / 2)).toFixed(1)
  const y = (ratio: number): string => (TOP + (1 - ratio / top) * HEIGHT).toFixed(1)
  const levels = [0, 0.25, 0.5, 0.75, 1].map(part => part * top)
  const curves = policies.map(({ title, misses }, i) => {
    const points = misses.map((each, at) => `${x(frames[at]!)},${y(each / accesses)}`).join(' ')
    const marks = misses.map(
      (each, at) =>
        html`<circle class="c${i % COLOURS}" style="fill:var(--own)" cx="${x(frames[at]!)}" cy="${y(each / accesses)}" r="3"><title>${title}, ${integer(frames[at]!)} frames: ${share(each, accesses)}</title></circle>`,
    )
    return html`<polyline class="curve c${i % COLOURS}" stroke-dasharray="${dash(i)}" points="${points}"/>${marks}\n`
  })
  return html`<svg viewBox="0 0 ${WIDTH + LEFT + 24} ${HEIGHT + TOP + 40}" role="img" aria-label="Miss ratio by memory size, a curve for each policy; the table below has the figures">
${levels.map(level => html`<line class="axis" x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${y(level)}" y2="${y(level)}"/><text x="${LEFT - 6}" y="${y(level)}" text-anchor="end" dominant-baseline="middle">${level.toFixed(2)}</text>`)}
${frames.map(size => html`<text x="${x(size)}" y="${TOP + HEIGHT + 18}" text-anchor="middle">${integer(size)}</text>`)}
<text x="${LEFT + WIDTH / 2}" y="${TOP + HEIGHT + 36}" text-anchor="middle">frames</text>
${curves}</svg>`
}

const dash = (i: number): string => DASHES[(i + Math.floor(i / COLOURS)) % DASHES.length]!.join(' ') || 'none'

function legend({ policies }: AccessReport): Html {
  const items = policies.map(
    ({ title }, i) =>
      html`<li><svg class="swatch c${i % COLOURS}" viewBox="0 0 28 14" aria-hidden="true"><path d="M0 7H28" stroke-width="2" stroke-dasharray="${dash(i)}"/></svg> ${title}</li>`,
  )
  return html`<ul class="legend">${items}</ul>`
}
