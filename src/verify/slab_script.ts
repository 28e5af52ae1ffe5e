// Scripts of calls of an allocator of objects (custom, part F): a first dump, operations, and a dump of what came of them. What
// SLUB, SLAB and SLOB have in common: a player takes a line and says what the recorder would have written in its place.
import type { Sys } from '../mm/mmzone.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyKind } from './types.ts'

export type Row = Readonly<Record<string, unknown>>

/** Plays one recording. */
export interface ScriptOf {
  readonly sys: Sys
  /** Objects in use. */
  readonly live: number
  /** Types of the lines of a dump, which are given up to the end of the first one. */
  readonly dumped: readonly unknown[]
  /** What the recorder would write in the place of an operation; null where it cannot be done. */
  step(row: readonly unknown[]): unknown
  /** The same of a line of a dump. */
  dump(row: Row): unknown
  /** The same of the line that describes the cache. */
  cacheRow(row: Row): unknown
}

export interface ScriptKind {
  readonly kind: string
  readonly files: RegExp
  /** What only recordings of this allocator hold, where others lie in folders of the same name. */
  readonly alone?: string
  /** What a recording must begin with. */
  readonly needs: string
  /** A player in the state of the first dump, the lines `begin` to `end`; null where a recording has none. */
  open(lines: readonly JsonLine[]): ScriptOf | null
  laws(sys: Sys): readonly string[]
}

/** A kind of `mmtwin verify` of it. */
export function scriptKind(of: ScriptKind): VerifyKind {
  return {
    kind: of.kind,
    run: files => {
      const counts = tally(of.kind)
      for (const file of files) {
        if (!of.files.test(file.path)) continue
        const text = file.text()
        if (of.alone === undefined || text.includes(of.alone)) verifyFile(of, file.path, [...jsonLines(text)], counts)
      }
      return counts.result()
    },
  }
}

function verifyFile(of: ScriptKind, path: string, lines: readonly JsonLine[], counts: Tally): void {
  counts.file(path)
  const player = tried(() => of.open(lines))
  if (player === null) {
    counts.check(1, of.needs, lines[0]?.text.slice(0, 80) ?? 'nothing')
    return
  }
  let given = true
  for (const { line, row, text } of lines) {
    if (row !== null && !Array.isArray(row) && (row as Row).t === 'endstate') given = false
    const got = row === null ? null : tried(() => play(player, row as Row | readonly unknown[], given))
    if (got === null) counts.check(line, 'a step that can be taken', text.slice(0, 80))
    else if (got !== undefined) counts.check(line, JSON.stringify(row), JSON.stringify(got))
  }
  counts.check(lines.at(-1)?.line ?? 1, '', of.laws(player.sys).join('; '))
}

/** Undefined for lines that say nothing of the model. */
function play(player: ScriptOf, row: Row | readonly unknown[], given: boolean): unknown {
  if (Array.isArray(row)) return player.step(row)
  const fields = row as Row
  if (fields.t === 'cache') return player.cacheRow(fields)
  if (fields.t === 'endops') return { ...fields, live: player.live }
  return player.dumped.includes(fields.t) && !given ? player.dump(fields) : undefined
}

/** Null where a recording asks for what makes no sense: a damaged line. */
export function tried<T>(what: () => T): T | null {
  try {
    return what()
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return null
    throw error
  }
}

/** The lines that are objects. */
export const rowsOf = (lines: readonly JsonLine[]): Row[] =>
  lines.flatMap(({ row }) => (row && !Array.isArray(row) ? [row as Row] : []))

/** The largest frame that a recording names. */
export function largestFrame(lines: readonly JsonLine[]): number {
  let most = 0
  for (const { row, text } of lines)
    if (Array.isArray(row)) most = row[0] === 'a' ? Math.max(most, Number(row[4])) : most
    else for (const [, pfn] of text.matchAll(/"pfn":(\d+)/g)) most = Math.max(most, Number(pfn))
  return most
}
