// Tables of docs/fidelity.md that tests make: a test collects rows, and what stands in the file must be what came out.
// A table lies between two lines, `<!-- generated: NAME -->` and `<!-- end -->`; `npx vitest run -u` writes it anew.
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { ROOT } from './sources.ts'

const FILE = `${ROOT}docs/fidelity.md`
const END = '<!-- end -->'

export type Cell = string | number

/** Checks the table called `name` against these rows, or writes it where the run updates snapshots. */
export function expectFidelityTable(
  name: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): void {
  const table = markdownTable(columns, rows)
  if (updating()) alone(() => save(withGenerated(readFileSync(FILE, 'utf8'), name, table)))
  expect(generated(readFileSync(FILE, 'utf8'), name)).toBe(table)
}

/** A table in Markdown; columns whose every cell is a number stand to the right. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  for (const row of rows)
    if (row.length !== columns.length)
      throw new RangeError(`a row has ${row.length} cells, the table ${columns.length}: ${row.join(', ')}`)
  const isNumber = (column: number): boolean => rows.length > 0 && rows.every(row => typeof row[column] === 'number')
  const rule = columns.map((_, column) => (isNumber(column) ? '---:' : '---'))
  return `${[columns, rule, ...rows].map(line).join('\n')}\n`
}

function line(cells: readonly Cell[]): string {
  return `| ${cells.map(cell => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
}

/** What stands between the marks of a name. */
export function generated(text: string, name: string): string {
  const [start, end] = span(text, name)
  return text.slice(start, end)
}

/** The text with another table between the marks of a name. */
export function withGenerated(text: string, name: string, table: string): string {
  const [start, end] = span(text, name)
  return text.slice(0, start) + table + text.slice(end)
}

function span(text: string, name: string): [start: number, end: number] {
  const mark = `<!-- generated: ${name} -->\n`
  const at = text.indexOf(mark)
  const end = at < 0 ? -1 : text.indexOf(END, at)
  if (at < 0 || end < 0) throw new Error(`docs/fidelity.md has no lines "${mark.trim()}" and "${END}" for this table`)
  return [at + mark.length, end]
}

function updating(): boolean {
  return expect.getState().snapshotState.snapshotUpdateState === 'all'
}

function save(text: string): void {
  writeFileSync(`${FILE}.new`, text)
  renameSync(`${FILE}.new`, FILE)
}

/** Test files run beside each other, and several of them may write tables: one at a time. */
function alone(work: () => void): void {
  const lock = `${FILE}.lock`
  while (!taken(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  try {
    work()
  } finally {
    rmSync(lock)
  }
}

function taken(lock: string): boolean {
  try {
    closeSync(openSync(lock, 'wx'))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
