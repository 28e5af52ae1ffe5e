// The kernel's ring-buffer pages: a page begins with the time of its first event and the count of bytes in use
// (with flags for events lost before it); then records, each headed by a 32-bit word of type/length (5 bits) and time
// since the record before (27 bits); longer times come as records of their own. One reader per CPU.

import type { DiagnosticLog } from '../batch.ts'
import type { RecordField } from './format.ts'
import type { ByteSource } from './source.ts'

const PADDING = 29
const TIME_EXTEND = 30
const TIME_STAMP = 31
const LENGTH_MASK = 0xfffff
const MISSED_EVENTS = 0x80000000
const MISSED_STORED = 0x40000000
const TWO_27 = 134217728
const TWO_32 = 4294967296
/** An absolute time stamp has 59 bits; the bits above come from the page. */
const TWO_59 = 2 ** 59

export interface PageLayout {
  readonly little: boolean
  readonly pageSize: number
  /** The fields of tracefs `events/header_page`. */
  readonly fields: ReadonlyMap<string, RecordField>
}

/** The records of one CPU, one after the other; the current one is in the public members. */
export class RingReader {
  readonly cpu: number
  /** Nanoseconds (or units of the trace's clock). */
  time = 0
  /** The record lies in `view` at [offset, offset + length). */
  view: DataView = new DataView(new ArrayBuffer(0))
  bytes: Uint8Array = new Uint8Array(0)
  offset = 0
  length = 0
  /** Events that the kernel lost. */
  lost = 0
  readonly #source: ByteSource
  readonly #layout: PageLayout
  readonly #log: DiagnosticLog
  readonly #commit: RecordField | undefined
  readonly #dataOffset: number
  #page = -1
  #at = 0
  #end = 0

  constructor(cpu: number, source: ByteSource, layout: PageLayout, log: DiagnosticLog) {
    this.cpu = cpu
    this.#source = source
    this.#layout = layout
    this.#log = log
    this.#commit = layout.fields.get('commit')
    this.#dataOffset = layout.fields.get('data')?.offset ?? 16
  }

  /** Steps to the next record; false at the end of the CPU's data. */
  next(): boolean {
    for (;;) {
      while (this.#at + 4 > this.#end) if (!this.#nextPage()) return false
      if (this.#step()) return true
    }
  }

  /** Reads the record head at #at; true for a record with data. */
  #step(): boolean {
    const { little } = this.#layout
    const head = this.view.getUint32(this.#at, little)
    const type = little ? head & 31 : head >>> 27
    const delta = little ? head >>> 5 : head & 0x7ffffff
    let p = this.#at + 4
    if (type >= 1 && type < PADDING) {
      this.time += delta
      return this.#data(p, type * 4)
    }
    if (p + 4 > this.#end || (type === PADDING && delta === 0)) {
      this.#at = this.#end
      return false
    }
    const word = this.view.getUint32(p, little)
    p += 4
    if (type === TIME_STAMP) {
      this.time = Math.floor(this.time / TWO_59) * TWO_59 + word * TWO_27 + delta
    } else {
      this.time += delta + (type === TIME_EXTEND ? word * TWO_27 : 0)
      if (type === 0) return this.#data(p, (word - 1) & ~3)
      if (type === PADDING) p = this.#at + 4 + word
    }
    this.#at = p
    return false
  }

  #data(p: number, length: number): boolean {
    if (length < 4 || p + length > this.#end) {
      this.#log.add(this.#page + 1, `CPU ${this.cpu}: a record of ${length} bytes does not fit in its page`)
      this.#at = this.#end
      return false
    }
    this.offset = p
    this.length = length
    this.#at = p + length
    return true
  }

  #nextPage(): boolean {
    const { pageSize, little } = this.#layout
    const start = ++this.#page * pageSize
    if (start >= this.#source.size) return false
    const bytes = this.#source.read(start, pageSize)
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = this.#end = 0
    if (bytes.length < this.#dataOffset) {
      this.#log.add(this.#page + 1, `CPU ${this.cpu}: page ${this.#page} is cut`)
      return true
    }
    const [low, high] = little ? [0, 4] : [4, 0]
    this.time = this.view.getUint32(high, little) * TWO_32 + this.view.getUint32(low, little)
    this.#startPage(bytes.length)
    return true
  }

  #startPage(size: number): void {
    const { little } = this.#layout
    const at = this.#commit?.offset ?? 8
    // The low word of the field, whatever its size.
    const commit = this.view.getUint32(little || this.#commit?.size === 4 ? at : at + 4, little)
    const used = commit & LENGTH_MASK
    this.#at = this.#dataOffset
    this.#end = Math.min(this.#dataOffset + used, size)
    if (this.#dataOffset + used > this.#layout.pageSize || this.#end < this.#dataOffset + used) {
      this.#log.add(this.#page + 1, `CPU ${this.cpu}: page ${this.#page} claims ${used} bytes, or is cut`)
    }
    if ((commit & MISSED_EVENTS) === 0) return
    const stored = (commit & MISSED_STORED) !== 0 && this.#end + 4 <= size
    this.lost += stored ? this.view.getUint32(this.#end, little) : 1
  }
}
