// The arguments of one event line, by the template of its row in `events.ts`: keys are looked for in their order, one
// pass, so that kernels which print a key less or a key more are read alike. Law: a line is taken completely or not
// at all: a key that every kernel prints and that is missing, a value that is no value, or text that belongs to
// nothing (two lines mixed) is an error sentence, and the row is not used.

import type { EventBatch } from './batch.ts'
import type { EventField, Tracepoint } from './events.ts'
import { decodeText } from './utf8.ts'

/** Value of a hexadecimal digit by its byte, -1 for other bytes. */
export const HEX: Int8Array = (() => {
  const table = new Int8Array(256).fill(-1)
  for (let i = 0; i < 16; i++) {
    table['0123456789abcdef'.charCodeAt(i)] = i
    table['0123456789ABCDEF'.charCodeAt(i)] = i
  }
  return table
})()

const SPACE = 32
const TWO_32 = 4294967296

/** Where struct pages lie, for the oldest traces that print `page=` only. */
export interface PageArray {
  /** Signed 64-bit address of the struct page of frame 0. */
  readonly base: number
  /** Bytes of a struct page. */
  readonly size: number
}

/** x86-64 with 4-level page tables, without randomised layout. */
export const VMEMMAP_X86_64: PageArray = { base: -24189255811072, size: 64 }

/** Reads arguments; `value` and `at` are the results of the last number read. */
export class FieldReader {
  #value = 0
  #at = 0
  #page = Number.NaN
  readonly #pages: PageArray

  constructor(pages: PageArray) {
    this.#pages = pages
  }

  /** Reads `bytes[p, end)` into row `row`; null, or what is wrong. */
  read(event: Tracepoint, bytes: Uint8Array, p: number, end: number, batch: EventBatch, row: number): string | null {
    while (end > p && bytes[end - 1]! <= SPACE) end--
    this.#page = Number.NaN
    batch.clear(row)
    p = skipCallSite(bytes, p, end)
    const fields = event.fields
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!
      const found = this.#find(field, fields, i, bytes, p, end)
      if (found < 0) {
        if (field.optional) continue
        return `${event.name}: ${keyText(field)} is missing`
      }
      p = this.#take(field, fields[i + 1], bytes, found, end, batch, row)
      if (p < 0) return `${event.name}: the value of ${keyText(field)} cannot be read`
    }
    const rest = leftOver(bytes, skipUnit(bytes, p, end), end)
    if (rest) return `${event.name}: text that does not belong to it`
    return this.#fixPage(event, batch, row)
  }

  /** Position behind the key of `field`, skipping keys that are not ours; -1 where the key does not come. */
  #find(
    field: EventField,
    fields: readonly EventField[],
    i: number,
    bytes: Uint8Array,
    p: number,
    end: number,
  ): number {
    for (;;) {
      p = skipUnit(bytes, p, end)
      if (startsWith(bytes, p, end, field.key)) return p + field.key.length
      for (let k = i + 1; k < fields.length; k++) if (startsWith(bytes, p, end, fields[k]!.key)) return -1
      const next = skipForeignKey(bytes, p, end)
      if (next < 0) return -1
      p = next
    }
  }

  /** Reads the value at `p` into its columns; position behind it, or -1. */
  #take(
    field: EventField,
    next: EventField | undefined,
    bytes: Uint8Array,
    p: number,
    end: number,
    batch: EventBatch,
    row: number,
  ): number {
    switch (field.type) {
      case 'd':
        if (!this.#decimal(bytes, p, end)) return -1
        break
      case 'x':
      case 'pfn':
        if (!this.#hexOrDecimal(bytes, p, end)) return -1
        break
      case 'p':
      case 'page':
        if (!this.#pointer(bytes, p, end)) return -1
        if (field.type === 'page') this.#page = this.#value
        break
      case 'b':
        if (!this.#boolean(bytes, p, end)) return -1
        break
      default:
        return this.#string(field, next, bytes, p, end, batch, row)
    }
    if (field.column >= 0) batch.args[field.column]![row] = this.#value
    return this.#at
  }

  #string(
    field: EventField,
    next: EventField | undefined,
    bytes: Uint8Array,
    p: number,
    end: number,
    batch: EventBatch,
    row: number,
  ): number {
    const stop = valueEnd(field, next, bytes, p, end)
    if (field.type === 'S' && stop === p) return -1
    const to = field.type === 'S' ? symbolEnd(bytes, p, stop) : trimEnd(bytes, p, stop)
    if (field.text >= 0) (field.text === 0 ? batch.text : batch.text2)[row] = batch.strings.intern(bytes, p, to)
    if (field.names.length > 0 && field.column >= 0) {
      const name = decodeText(bytes, p, to)
      const number = field.names.indexOf(name)
      if (number < 0 && field.text < 0) return -1
      batch.args[field.column]![row] = number < 0 ? Number.NaN : number
    }
    return stop
  }

  #decimal(bytes: Uint8Array, p: number, end: number): boolean {
    const negative = p < end && bytes[p] === 45
    if (negative) p++
    const first = p
    let v = 0
    while (p < end && (bytes[p]! - 48) >>> 0 <= 9) v = v * 10 + bytes[p++]! - 48
    this.#value = negative ? -v : v
    this.#at = p
    return p > first
  }

  #hexOrDecimal(bytes: Uint8Array, p: number, end: number): boolean {
    if (p + 1 < end && bytes[p] === 48 && bytes[p + 1] === 120) return this.#hex(bytes, p + 2, end)
    return this.#decimal(bytes, p, end)
  }

  #hex(bytes: Uint8Array, p: number, end: number): boolean {
    const first = p
    let high = 0
    let low = 0
    for (; p < end && HEX[bytes[p]!]! >= 0; p++) {
      high = (high << 4) | (low >>> 28)
      low = (low << 4) | HEX[bytes[p]!]!
    }
    this.#value = high * TWO_32 + (low >>> 0)
    this.#at = p
    return p > first && p - first <= 16
  }

  #pointer(bytes: Uint8Array, p: number, end: number): boolean {
    while (p < end && bytes[p] === SPACE) p++
    if (p < end && bytes[p] === 40) {
      const close = bytes.subarray(p, end).indexOf(41)
      const word = decodeText(bytes, p, p + close + 1)
      this.#value = word === '(null)' || word === '(nil)' ? 0 : Number.NaN
      this.#at = p + close + 1
      return close > 0 && !word.includes(' ')
    }
    const from = p + 1 < end && bytes[p] === 48 && bytes[p + 1] === 120 ? p + 2 : p
    return this.#hex(bytes, from, end)
  }

  #boolean(bytes: Uint8Array, p: number, end: number): boolean {
    const yes = startsWith(bytes, p, end, TRUE)
    if (!yes && !startsWith(bytes, p, end, FALSE)) return false
    this.#value = yes ? 1 : 0
    this.#at = p + (yes ? 4 : 5)
    return true
  }

  /** No page (a null pointer) is frame -1; a trace without `pfn=` has the frame in the address of its struct page. */
  #fixPage(event: Tracepoint, batch: EventBatch, row: number): string | null {
    if (event.fields[0]!.type !== 'page') return null
    const pfn = batch.args[0]![row]!
    if (this.#page === 0 && !(pfn > 0)) batch.args[0]![row] = -1
    else if (Number.isNaN(pfn)) {
      const derived = (this.#page - this.#pages.base) / this.#pages.size
      if (!(Number.isInteger(derived) && derived >= 0 && derived < TWO_32)) return `${event.name}: pfn= is missing`
      batch.args[0]![row] = derived
    } else if (pfn < 0) batch.args[0]![row] = -1
    return null
  }
}

const TRUE: Uint8Array = Uint8Array.of(116, 114, 117, 101)
const FALSE: Uint8Array = Uint8Array.of(102, 97, 108, 115, 101)

/** True where `key` stands at `p`. */
export function startsWith(bytes: Uint8Array, p: number, end: number, key: Uint8Array): boolean {
  if (p + key.length > end) return false
  for (let i = 0; i < key.length; i++) if (bytes[p + i] !== key[i]) return false
  return true
}

function keyText(field: EventField): string {
  return String.fromCharCode(...field.key).trim() || field.name
}

/** trace-cmd repeats the call site in brackets before the arguments. */
function skipCallSite(bytes: Uint8Array, p: number, end: number): number {
  while (p < end && bytes[p] === SPACE) p++
  if (p >= end || bytes[p] !== 40) return p
  while (p < end && bytes[p] !== 41) p++
  return Math.min(p + 2, end)
}

/** Skips a unit (kB, B), a comma and blanks behind a value. */
function skipUnit(bytes: Uint8Array, p: number, end: number): number {
  if (p + 1 < end && bytes[p] === 107 && bytes[p + 1] === 66) p += 2
  else if (p < end && bytes[p] === 66 && (p + 1 >= end || bytes[p + 1] === SPACE)) p++
  if (p < end && bytes[p] === 44) p++
  while (p < end && bytes[p] === SPACE) p++
  return Math.min(p, end)
}

/** Position behind a word `key=value` that this version does not know; -1 where there is none. */
function skipForeignKey(bytes: Uint8Array, p: number, end: number): number {
  let equals = -1
  const first = p
  for (; p < end && bytes[p] !== SPACE; p++) {
    const c = bytes[p]!
    if (c === 61 && equals < 0) equals = p
    else if (equals < 0 && !isWord(c)) return -1
  }
  return equals > first ? p : -1
}

function isWord(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c === 95 || c === 45
}

/** True where something is left that is not a list of unknown keys or the closing bracket of a value. */
function leftOver(bytes: Uint8Array, p: number, end: number): boolean {
  while (p < end) {
    const next = skipForeignKey(bytes, p, end)
    if (next < 0) return true
    p = next
    while (p < end && bytes[p] === SPACE) p++
  }
  return false
}

/** End of a text: before the next key, at the next blank where the next key is missing, or at the end of the line. */
function valueEnd(field: EventField, next: EventField | undefined, bytes: Uint8Array, p: number, end: number): number {
  if (!next) return field.name === 'gfp_flags' ? wordEnd(bytes, p, end) : end
  const key = next.key
  if (key.length === 0) {
    const stop = wordEnd(bytes, p, end)
    return stop + 1 < end && bytes[stop + 1] === 91 ? wordEnd(bytes, stop + 1, end) : stop
  }
  for (let q = p; q + key.length <= end; q++) {
    if ((q === p || bytes[q - 1] === SPACE) && startsWith(bytes, q, end, key)) return q
  }
  return wordEnd(bytes, p, end)
}

function wordEnd(bytes: Uint8Array, p: number, end: number): number {
  while (p < end && bytes[p] !== SPACE) p++
  return p
}

function trimEnd(bytes: Uint8Array, from: number, to: number): number {
  while (to > from && bytes[to - 1] === SPACE) to--
  return to
}

/** `name+0x12/0x340 [module]` → end of `name+0x12`: size and module are not in every format. */
function symbolEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let p = from; p < to; p++) if (bytes[p] === 47 || bytes[p] === SPACE) return p
  return to
}
