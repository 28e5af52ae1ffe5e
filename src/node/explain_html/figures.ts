// The figures of a report: zones as bars with their marks, free blocks by order, processes by score.
import type { ExplainedReport, ZoneAnswer } from '../../report/explain/answer.ts'
import type { Explained } from '../../report/explain/explain_report.ts'
import type { Scored } from '../../report/explain/victim.ts'
import { type Html, html, type Part, table } from '../replay_html/markup.ts'
import { bytes, integer } from '../replay_html/numbers.ts'

/** Processes that are shown; the rest of a long table is in the log. */
const MOST_PROCESSES = 50
/** Width of the drawing of a bar. */
const WIDTH = 600

const size = (kB: number | null): string => (kB === null ? '–' : bytes(kB * 1024))
/** As the log has it: marks are compared to the kB. */
const exact = (kB: number | null): string => (kB === null ? '–' : `${integer(kB)}\u00a0kB`)

/** Free memory of each zone against its marks and against what the request needed. */
export function zonesSection(answer: ExplainedReport): Html | string {
  if (answer.zones.length === 0) return ''
  const rows = answer.zones.map(zone => zoneRow(zone, answer))
  return table({
    caption: 'Zones: free memory against the watermarks min, low and high, and what this request needed to be left',
    head: ['zone', 'free and marks', 'free', 'needed', 'min', 'low', 'high', 'managed'],
    rows,
    text: [1],
  })
}

const neededOf = ({ node, name }: ZoneAnswer, { failing }: ExplainedReport): number | null =>
  failing !== null && failing.zone === name && failing.node === node ? failing.neededKB : null

function zoneRow(zone: ZoneAnswer, answer: ExplainedReport): Part[] {
  const needed = neededOf(zone, answer)
  const { minKB, lowKB, highKB, freeKB, managedKB, presentKB, node, name, line } = zone
  return [
    html`<a href="#L${line}" data-lines="${line}">${answer.zones.some(other => other.node !== node) ? `node ${node} ` : ''}${name}</a>`,
    zoneBar(zone, needed),
    exact(freeKB),
    needed === null ? '' : exact(needed),
    exact(minKB),
    exact(lowKB),
    exact(highKB),
    size(managedKB ?? presentKB),
  ]
}

/** Free memory and marks on one scale, whose end is a little above the largest of them. */
function zoneBar({ freeKB, minKB, lowKB, highKB, name }: ZoneAnswer, needed: number | null): Html {
  const end = 1.08 * Math.max(1, freeKB, highKB ?? 0, needed ?? 0)
  const at = (kB: number): string => ((kB / end) * WIDTH).toFixed(1)
  const marks = [
    ['min', minKB],
    ['low', lowKB],
    ['high', highKB],
  ] as const
  const short = needed !== null && freeKB <= needed
  const told = marks.map(([mark, kB]) => `${mark} ${size(kB)}`).join(', ')
  return html`<svg class="zone" viewBox="0 0 ${WIDTH} 30" preserveAspectRatio="none" role="img" aria-label="${name}: ${size(freeKB)} free; ${told}">
<rect class="ground" x="0" y="6" width="${WIDTH}" height="18"/>
<rect class="${short ? 'free short' : 'free'}" x="0" y="6" width="${at(freeKB)}" height="18"/>
${needed === null ? '' : html`<rect class="needed" x="0" y="2" width="${at(needed)}" height="4"/>`}
${marks.map(([mark, kB]) => (kB === null ? '' : html`<line class="mark ${mark}" x1="${at(kB)}" x2="${at(kB)}" y1="2" y2="28"/>`))}
</svg>`
}

/** Free blocks of each zone by order. */
export function blocksTable({ zones, pageSize }: ExplainedReport): Html | string {
  const shown = zones.filter(({ freeBlocks }) => freeBlocks !== null)
  if (shown.length === 0) return ''
  const orders = Math.max(...shown.map(({ freeBlocks }) => freeBlocks!.length))
  const heads = Array.from(
    { length: orders },
    (_, order) => html`${order}<br>${bytes((pageSize ?? 4096) * 2 ** order)}`,
  )
  const rows = shown.map(({ node, name, freeBlocks }): Part[] => [
    `node ${node} ${name}`,
    ...Array.from({ length: orders }, (_, order) => integer(freeBlocks![order] ?? 0)),
  ])
  return table({ caption: 'Free blocks by order', head: ['zone', ...heads], rows })
}

/** The processes with the highest scores, the killed one marked. */
export function processTable({ prediction, answer, case_: { pageKB } }: Explained): Html | string {
  if (!prediction || prediction.scored.length === 0) return ''
  const sorted = prediction.scored.toSorted((a, b) => (b.score ?? -1) - (a.score ?? -1))
  const rows = sorted.slice(0, MOST_PROCESSES).map(each => processRow(each, answer, pageKB))
  const more = sorted.length - rows.length
  return html`${table({
    caption: 'Processes by score: pages in memory, in swap and of page tables, and what oom_score_adj adds',
    head: ['process', 'pid', 'score', 'in memory', 'swap', 'tables', 'oom_score_adj'],
    rows,
  })}${more > 0 ? html`<p class="facts">${integer(more)} more in the log.</p>` : ''}`
}

function processRow({ row, score, rss, swap, tables, adj }: Scored, answer: ExplainedReport, pageKB: number): Part[] {
  const killed = answer.victim?.pid === row.pid ? html` <b class="bad">killed</b>` : ''
  const predicted = answer.victim?.predictedPid === row.pid ? html` <b>predicted</b>` : ''
  return [
    html`<a href="#L${row.line}" data-lines="${row.line}">${row.name}</a>${killed}${predicted}`,
    row.pid,
    score === null ? 'never' : integer(score),
    size(rss * pageKB),
    size(swap * pageKB),
    size(tables * pageKB),
    adj,
  ]
}
