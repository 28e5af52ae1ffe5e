// Reader of requests as text, as libCacheSim takes them: a line a request, columns between commas, tabs, semicolons or
// blanks; one column names the object. Which one: by the head of the table; else the only one; else the second, as in
// time, object, size. Names are texts or numbers; the same text is the same object.
import { TraceFormatError } from '../batch.ts'
import { decodeText } from '../utf8.ts'
import { AccessLog, type AccessOptions, type AccessReader, type AccessTrace } from './access_log.ts'
import { LineSplitter } from './lines.ts'

export interface CsvOptions extends AccessOptions {
  /** Column of the object's name, from 1. */
  readonly column?: number
}

const SEPARATORS: readonly number[] = [44, 9, 59, 32] // , tab ; blank
const HASH = 35
const QUOTE = 34
/** What a head may call the column of the object. */
const NAMES = /^(obj(ect)?[_ -]?id|object|obj|id|key|lbn|lba|block([_ -]?(id|number))?|page|addr(ess)?|offset)$/i

export class CsvReader implements AccessReader {
  readonly #log: AccessLog
  readonly #lines: LineSplitter
  readonly #wanted: number | undefined
  /** Names that are not whole numbers below 2^53, by text. */
  readonly #texts: Map<string, number> = new Map()
  #separator = -1
  #column = -1

  constructor({ keep, column }: CsvOptions = {}) {
    if (column !== undefined && !(Number.isInteger(column) && column >= 1))
      throw new RangeError(`column ${column}: columns are counted from 1`)
    this.#wanted = column
    this.#log = new AccessLog(keep)
    this.#lines = new LineSplitter(this.#log.diagnostics, (bytes, from, to, line) => this.#line(bytes, from, to, line))
  }

  push(piece: Uint8Array): void {
    if (this.#lines.lines === 0 && piece.includes(0)) throw new TraceFormatError('binary data, no table of requests')
    this.#lines.push(piece)
  }

  end(): AccessTrace {
    this.#lines.end()
    return this.#log.finish('csv', this.#lines.lines, null, 'table of requests')
  }

  #line(bytes: Uint8Array, from: number, to: number, line: number): void {
    if (from === to || bytes[from] === HASH) return
    if (this.#column < 0 && this.#learn(bytes, from, to)) return
    const separator = this.#separator
    let start = from
    for (let column = 1; column < this.#column; column++) {
      const end = bytes.indexOf(separator, start)
      if (end < 0 || end >= to) {
        this.#log.diagnostics.add(line, `no column ${this.#column} in this line`, bytes, from, to)
        return
      }
      start = end + 1
    }
    const found = bytes.indexOf(separator, start)
    const end = found < 0 || found > to ? to : found
    if (end === start) this.#log.diagnostics.add(line, 'the object has no name', bytes, from, to)
    else this.#log.add(this.#pageOf(bytes, start, end))
  }

  /** Finds separator and column in the first line; whether it was a head and no request. */
  #learn(bytes: Uint8Array, from: number, to: number): boolean {
    const text = decodeText(bytes, from, to)
    this.#separator = SEPARATORS.find(code => text.includes(String.fromCharCode(code))) ?? SEPARATORS[0]!
    const cells = text.split(String.fromCharCode(this.#separator)).map(cell => cell.trim().replaceAll('"', ''))
    const named = cells.findIndex(cell => NAMES.test(cell)) + 1
    this.#column = this.#wanted ?? (named || Math.min(2, cells.length))
    if (this.#column > cells.length)
      throw new TraceFormatError(`no column ${this.#column}: the first line has ${cells.length}`, this.#lines.lines)
    return named > 0 || cells.every(cell => !/^-?\d/.test(cell))
  }

  #pageOf(bytes: Uint8Array, start: number, end: number): number {
    let [from, to] = [start, end]
    while (from < to && isPadding(bytes[from]!)) from++
    while (to > from && isPadding(bytes[to - 1]!)) to--
    let value = 0
    for (let p = from; p < to; p++) {
      const digit = bytes[p]! - 48
      value = value * 10 + digit
      if (digit < 0 || digit > 9 || value > Number.MAX_SAFE_INTEGER) return this.#textOf(bytes, from, to)
    }
    // "007" and "7" are two texts, and two objects.
    if (to === from || (bytes[from] === 48 && to > from + 1)) return this.#textOf(bytes, from, to)
    return this.#log.pages.ofNumber(value)
  }

  #textOf(bytes: Uint8Array, from: number, to: number): number {
    const text = decodeText(bytes, from, to)
    let name = this.#texts.get(text)
    if (name === undefined) this.#texts.set(text, (name = this.#texts.size))
    // Halves that no number below 2^53 has.
    return this.#log.pages.of(name, -1)
  }
}

const isPadding = (byte: number): boolean => byte === 32 || byte === QUOTE
