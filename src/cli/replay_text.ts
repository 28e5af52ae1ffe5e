// The report of a replay on a terminal: one screen of verdicts, zones, and who took memory.
// Law: no line is wider than asked; nothing is said by colour alone; what comes from the trace cannot steer the terminal.
import { styleText } from 'node:util'
import { type Finding, findings, nodeCount, zoneLabel } from '../node/replay_html/findings.ts'
import { bytes, count, integer, percent, seconds, signed } from '../node/replay_html/numbers.ts'
import { slabSummary } from '../node/replay_html/slabs.ts'
import type { ReplayView, ZoneEnd } from '../node/replay_html/view.ts'
import { cut, table } from './text.ts'
import { bar, sparkline, wantsAscii } from './text_plots.ts'

export interface ReplayTextOptions {
  /** Columns; fewer than 40 are taken as 40, more than 100 as 100. */
  readonly width: number
  readonly color: boolean
  /** Plain ASCII; by the locale where it is not given. */
  readonly ascii?: boolean
}

/** What the parts of the report are written with. */
interface Pen {
  readonly width: number
  readonly ascii: boolean
  paint(style: 'bold' | 'green' | 'yellow' | 'red' | 'gray' | 'cyan', text: string): string
}

const NBSP = '\u00a0'
const TAKERS = 3
const ZONES = 6
const COURSES = 3

/** The report, lines ended by a line feed. */
export function replayText(view: ReplayView, options: ReplayTextOptions): string {
  const ascii = options.ascii ?? wantsAscii(process.env)
  const pen: Pen = {
    width: Math.max(40, Math.min(100, options.width)),
    ascii,
    paint: (style, text) => (options.color ? styleText(style, text, { validateStream: false }) : text),
  }
  const parts = [title, verdicts, zoneLines, courseLines, takerLines, slabLines, runLines].map(part => part(view, pen))
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.map(line => `${line}\n`).join(''))
    .join('\n')
}

/** Names from a trace, on one line, without what would steer a terminal, in the pen's alphabet. */
function plain(text: string, { ascii }: Pen): string {
  const safe = text.replaceAll(NBSP, ' ').replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
  if (!ascii) return safe
  return safe
    .replaceAll('−', '-')
    .replaceAll('·', '-')
    .replaceAll('…', '~')
    .replace(/[^ -~]/gu, '?')
}

function fit(text: string, width: number, pen: Pen): string {
  return plain(cut(plain(text, pen), width), pen)
}

function title({ trace, machine, kernel, replayed, seconds: time }: ReplayView, pen: Pen): string[] {
  const facts = [`Linux ${kernel}`, machine, `${count(replayed, 'event')} in ${seconds(time)}`]
  return [
    pen.paint('bold', fit(`Replay of ${trace}`, pen.width, pen)),
    ...wrapped(facts.map(fact => fact.replaceAll(' ', NBSP)).join(' · '), pen.width, pen),
  ]
}

/** Lines of at most `width` columns, broken at blanks; words that are longer are cut. */
function wrapped(text: string, width: number, pen: Pen): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text
    .replace(/(\d)\u00a0/g, '$1\u00a0')
    .split(' ')
    .map(word => fit(word, width, pen))) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length > width) lines.push(line)
    line = longer.length > width ? word : longer
  }
  return [...lines, line]
}

const TOPICS: Readonly<Record<Finding['topic'], string>> = {
  follow: 'followed',
  frames: 'frames',
  predict: 'predicted',
  margin: 'memory',
  fragmentation: 'blocks',
  fallback: 'fallbacks',
  takers: 'taken by',
  failures: 'failures',
}
const MARKS = {
  good: ['✔', '+', 'green'],
  warn: ['▲', '!', 'yellow'],
  bad: ['✖', 'X', 'red'],
  plain: ['·', '-', 'gray'],
} as const

/** One verdict per finding: a mark, what it is about, the verdict in words. */
function verdicts(view: ReplayView, pen: Pen): string[] {
  const room = pen.width - 12
  return findings(view)
    .filter(({ topic }) => topic !== 'takers')
    .flatMap(({ topic, tone, brief }) => {
      const [sign, asciiSign, colour] = MARKS[tone]
      const head = pen.paint(colour, `${pen.ascii ? asciiSign : sign} ${TOPICS[topic].padEnd(9)}`)
      const [first, ...rest] = wrapped(brief, room, pen)
      return [`${head} ${first}`, ...rest.map(line => `${' '.repeat(12)}${line}`)]
    })
}

/** Free pages at the end. Differences are left out where there is no room. */
function zoneLines(view: ReplayView, pen: Pen): string[] {
  const wide = pen.width >= 66
  const head = [
    wide ? 'free pages' : 'pages',
    'recorded',
    'followed',
    ...(wide ? ['diff'] : []),
    'predicted',
    ...(wide ? ['diff'] : []),
  ]
  const all = [...view.zones].sort((a, b) => size(b) - size(a)).slice(0, ZONES)
  const shown = view.zones.filter(zone => all.includes(zone))
  const rows = shown.map(zone => zoneRow(zone, zoneLabel(zone, nodeCount(view)), wide).map(cell => plain(cell, pen)))
  const [heading, ...lines] = table([head, ...rows])
  const hidden = view.zones.length - shown.length
  const more = hidden > 0 ? [pen.paint('gray', `and ${count(hidden, 'smaller zone')}`)] : []
  return [pen.paint('bold', heading!), ...lines, ...more]
}

const size = ({ recorded, followed }: ZoneEnd): number => recorded ?? followed

function zoneRow(zone: ZoneEnd, label: string, wide: boolean): string[] {
  const { recorded, followed, predicted } = zone
  const off = (value: number | null): string => (recorded === null || value === null ? '-' : signed(value - recorded))
  const own = (value: number | null): string => (value === null ? '-' : integer(value))
  const cells = [label, own(recorded), own(followed), off(followed), own(predicted), off(predicted)]
  return wide ? cells : cells.filter((_, column) => column !== 3 && column !== 5)
}

/** Free memory over time, from nothing to the most it ever was. */
function courseLines(view: ReplayView, pen: Pen): string[] {
  if (view.times.length < 2) return []
  const courses = [...view.courses].sort((a, b) => b.free[0]! - a.free[0]!).slice(0, COURSES)
  const nodes = nodeCount(view)
  const labels = courses.map(course => plain(zoneLabel(course, nodes), pen))
  const head = Math.max(...labels.map(label => label.length))
  const ends = courses.map(({ free }) => [free.reduce((a, b) => Math.min(a, b)), free.reduce((a, b) => Math.max(a, b))])
  const tails = ends.map(([least, most]) =>
    plain(`${bytes(least! * view.pageSize)} to ${bytes(most! * view.pageSize)}`, pen),
  )
  const room = pen.width - head - Math.max(...tails.map(tail => tail.length)) - 2
  return courses.map(({ free }, row) => {
    const line = sparkline(free, room, [0, ends[row]![1]!], pen)
    return `${labels[row]!.padEnd(head)} ${pen.paint('cyan', line)} ${tails[row]!}`
  })
}

function takerLines({ processes, taken, pageSize }: ReplayView, pen: Pen): string[] {
  const first = processes.slice(0, TAKERS)
  const tails = first.map(({ pages }) => plain(`${bytes(pages * pageSize)} ${percent(pages, taken).padStart(7)}`, pen))
  const tail = Math.max(0, ...tails.map(text => text.length))
  const room = Math.max(8, Math.min(24, Math.floor((pen.width - tail - 2) / 2)))
  return first.map(({ name, pages }, row) => {
    const blocks = bar(pages / first[0]!.pages, pen.width - room - tail - 2, pen)
    return `${fit(name, room, pen).padEnd(room)} ${pen.paint('cyan', blocks)} ${tails[row]!.padStart(tail)}`
  })
}

/** Slabs in a sentence, and the callers who took most. */
function slabLines({ slabs }: ReplayView, pen: Pen): string[] {
  if (!slabs) return []
  const sites = slabs.report.callSites.slice(0, TAKERS).map(({ name, cache, bytesGiven, live }) => {
    const tail = plain(`${bytes(bytesGiven)}, ${bytes(Math.max(0, live))} in use`, pen)
    return `${fit(`${name} ${cache}`, pen.width - tail.length - 1, pen).padEnd(pen.width - tail.length - 1)} ${tail}`
  })
  return [...wrapped(slabSummary(slabs.report), pen.width, pen), ...sites]
}

/** Settings side by side: one line each. */
function runLines({ runs }: ReplayView, pen: Pen): string[] {
  if (runs.length < 2) return []
  const head = ['settings', 'free', 'failed', 'fallbacks']
  const names = Math.max(12, pen.width - 36)
  const rows = runs.map(({ name, zones, prediction, fallbacks }) => [
    fit(name, names, pen),
    integer(zones.reduce((sum, { free }) => sum + free, 0)),
    integer(prediction.failed),
    integer(fallbacks),
  ])
  const [heading, ...lines] = table([head, ...rows])
  return [pen.paint('bold', heading!), ...lines]
}
