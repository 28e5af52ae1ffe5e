// Misses of policies on a terminal: the miss-ratio curve drawn with letters, and the table that says the same in figures.
import type { AccessReport } from '../node/access_files.ts'
import { count, integer } from '../node/replay_html/numbers.ts'
import { coloured, oneLine, table } from './text.ts'

const HEIGHT = 14
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** The report, lines ended by a line feed; no wider than `width` where the sizes allow. */
export function accessText(report: AccessReport, width: number): string {
  const { trace, format, accesses, pages, pageSize } = report
  const kind = pageSize === null ? 'an object' : `a page of ${pageSize} bytes`
  const head = [
    coloured(oneLine(trace), 'bold'),
    `${count(accesses, 'access', 'accesses')} to ${integer(pages)} different ones (${format}, each ${kind}); the first access to each must miss: ${ratio(pages, accesses)}`,
    '',
  ]
  return [...head, ...curve(report, width), '', ...figures(report)].map(line => `${line}\n`).join('')
}

const ratio = (misses: number, accesses: number): string => (misses / accesses).toFixed(4)

function figures({ policies, frames, accesses }: AccessReport): string[] {
  const [title, ...rows] = table([
    ['miss ratio, frames', ...frames.map(String)],
    ...policies.map(({ title: name, misses }, i) => [
      `${LETTERS[i % LETTERS.length]} ${oneLine(name)}`,
      ...misses.map(each => ratio(each, accesses)),
    ]),
  ])
  return [coloured(title!, 'bold'), ...rows]
}

/** Columns are memory sizes, rows are miss ratios; where policies meet, the first letter stands. */
function curve({ policies, frames, accesses, pages }: AccessReport, width: number): string[] {
  const all = policies.flatMap(({ misses }) => misses).map(misses => misses / accesses)
  const [low, high] = [Math.min(...all, pages / accesses), Math.max(...all)]
  const cell = Math.max(2, Math.min(8, Math.floor((width - 8) / frames.length)))
  const rowOf = (value: number): number => (high > low ? Math.round(((high - value) / (high - low)) * (HEIGHT - 1)) : 0)
  const grid = Array.from({ length: HEIGHT }, () => new Array<string>(frames.length).fill(''))
  policies.forEach(({ misses }, i) => {
    misses.forEach((each, column) => {
      const row = grid[rowOf(each / accesses)]!
      if (row[column]!.length < cell - 1) row[column] += LETTERS[i % LETTERS.length]!
    })
  })
  const label = (row: number): string =>
    row % 4 === 0 || row === HEIGHT - 1 ? (high - ((high - low) * row) / (HEIGHT - 1)).toFixed(3) : ''
  const lines = grid.map((row, i) =>
    `${label(i).padStart(5)} |${row.map(each => each.padEnd(cell)).join('')}`.trimEnd(),
  )
  return ['miss ratio by memory', ...lines, `      +${'-'.repeat(cell * frames.length)}`, ends(frames, cell)]
}

function ends(frames: readonly number[], cell: number): string {
  const [first, last] = [integer(frames[0]!), `${integer(frames.at(-1)!)} frames`]
  return `       ${first}${last.padStart(Math.max(last.length + 1, cell * frames.length - first.length))}`
}
