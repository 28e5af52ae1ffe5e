// Batches: events as a struct of arrays. A reader fills one batch again and again: what `onBatch` receives is valid
// until it returns. Strings (task names, gfp names, call sites) are numbers of a string table that lives as long as
// the reader; a string seen before costs a hash and a compare of bytes, no JavaScript string.
//
// Which column holds which value of which event is said once, in `events.ts`. The common ones:
//   pages    a pfn (-1: allocation failed) · b order · c migratetype · mm_page_alloc: d gfp bits (NaN where the file
//            has only names), text gfp names as printed · zone_locked: d percpu_refill · extfrag: b, c alloc and
//            fallback order, d, e alloc and fallback migratetype, f change_ownership, g pageblock_order
//   objects  a call site (NaN in text) · text2 call site as symbol+offset · b pointer · c, d bytes asked and given ·
//            e gfp bits, text gfp names (kmem_cache_free: text cache name) · f node
// A 64-bit address is kept as signed number: kernel addresses are negative and exact (|x| < 2^53, or aligned).
// A value of the event that the file does not tell is NaN, a text -1; columns that the event does not use hold anything.

import { decodeText, encodeText } from './utf8.ts'

/** Number columns a … l of a batch. */
export const ARGUMENTS = 12

const MAX_STRINGS = 1 << 20
const MAX_BYTES = 1 << 26

/** Strings by number, found again by the hash of their bytes. */
export class StringTable {
  #bytes: Uint8Array = new Uint8Array(1 << 14)
  #used = 0
  #start: Int32Array = new Int32Array(1 << 10)
  #hash: Int32Array = new Int32Array(1 << 10)
  #slots: Int32Array = new Int32Array(1 << 11)
  #strings: (string | undefined)[] = []
  #count = 0

  /** Strings held. */
  get size(): number {
    return this.#count
  }

  /**
   * Number of the string `bytes[from, to)`. Above 2^20 strings or 64 MiB, new ones become the number of '…', so that
   * a trace of endless different markers does not fill the memory.
   */
  intern(bytes: Uint8Array, from: number, to: number): number {
    let h = to - from
    for (let i = from; i < to; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
    h ^= h >>> 15
    const mask = this.#slots.length - 1
    let slot = h & mask
    for (;;) {
      const id = this.#slots[slot]! - 1
      if (id < 0) return this.#add(h, slot, bytes, from, to)
      if (this.#hash[id] === h && this.#equal(id, bytes, from, to)) return id
      slot = (slot + 1) & mask
    }
  }

  /** Number of a JavaScript string. */
  of(text: string): number {
    const bytes = encodeText(text)
    return this.intern(bytes, 0, bytes.length)
  }

  /** The string of a number; '' for -1. Bytes that are not UTF-8 become U+FFFD. */
  get(id: number): string {
    if (id < 0) return ''
    if (id >= this.#count) throw new RangeError(`string ${id} of ${this.#count}`)
    return (this.#strings[id] ??= decodeText(this.#bytes, this.#start[id]!, this.#start[id + 1]!))
  }

  #equal(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    const own = this.#bytes
    const start = this.#start[id]!
    if (this.#start[id + 1]! - start !== to - from) return false
    for (let i = from, j = start; i < to; i++, j++) if (own[j] !== bytes[i]) return false
    return true
  }

  #add(h: number, slot: number, bytes: Uint8Array, from: number, to: number): number {
    if (this.#count >= MAX_STRINGS || this.#used + to - from > MAX_BYTES) return this.#overflow()
    const id = this.#append(h, bytes, from, to)
    this.#slots[slot] = id + 1
    if (this.#count * 2 > this.#slots.length) this.#rehash()
    return id
  }

  #append(h: number, bytes: Uint8Array, from: number, to: number): number {
    const id = this.#count++
    while (this.#used + to - from > this.#bytes.length) this.#bytes = grow(this.#bytes, Uint8Array)
    if (id + 2 > this.#start.length) {
      this.#start = grow(this.#start, Int32Array)
      this.#hash = grow(this.#hash, Int32Array)
    }
    this.#bytes.set(bytes.subarray(from, to), this.#used)
    this.#used += to - from
    this.#start[id + 1] = this.#used
    this.#hash[id] = h
    return id
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    const mask = this.#slots.length - 1
    for (let id = 0; id < this.#count; id++) {
      let slot = this.#hash[id]! & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = id + 1
    }
  }

  #overflowId = -1
  #overflow(): number {
    if (this.#overflowId < 0) this.#overflowId = this.#append(0, Uint8Array.of(0xe2, 0x80, 0xa6), 0, 3)
    return this.#overflowId
  }
}

function grow<T extends Uint8Array | Int32Array>(old: T, make: new (length: number) => T): T {
  const bigger = new make(old.length * 2)
  bigger.set(old)
  return bigger
}

/** Events in columns; see the head of this file. Rows 0 … length - 1 are valid. */
export class EventBatch {
  length = 0
  readonly capacity: number
  readonly strings: StringTable
  /** Tracepoint number, see `KIND`. */
  readonly kind: Uint8Array
  readonly cpu: Uint16Array
  readonly pid: Int32Array
  /** Task name: number in `strings`. */
  readonly comm: Int32Array
  /** The kernel's trace flags (low byte) and preempt/migrate-disable depth (high byte); 0 where not told. */
  readonly irq: Uint16Array
  /** Seconds, of the trace's clock. */
  readonly time: Float64Array
  /** Where it stands in the input: 1-based line of a text, 1-based record of a binary file. */
  readonly line: Float64Array
  readonly a: Float64Array
  readonly b: Float64Array
  readonly c: Float64Array
  readonly d: Float64Array
  readonly e: Float64Array
  readonly f: Float64Array
  /** The columns a … l; a … f are its first six. */
  readonly args: readonly Float64Array[]
  /** Number in `strings`, or -1. */
  readonly text: Int32Array
  /** Number in `strings`, or -1. */
  readonly text2: Int32Array

  constructor(capacity: number, strings: StringTable) {
    if (!(capacity >= 1 && capacity <= 1 << 24)) throw new RangeError(`capacity of a batch: ${capacity}, not 1 … 2^24`)
    this.capacity = capacity
    this.strings = strings
    this.kind = new Uint8Array(capacity)
    this.cpu = new Uint16Array(capacity)
    this.pid = new Int32Array(capacity)
    this.comm = new Int32Array(capacity)
    this.irq = new Uint16Array(capacity)
    this.time = new Float64Array(capacity)
    this.line = new Float64Array(capacity)
    this.args = Array.from({ length: ARGUMENTS }, () => new Float64Array(capacity))
    ;[this.a, this.b, this.c, this.d, this.e, this.f] = this.args as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    this.text = new Int32Array(capacity)
    this.text2 = new Int32Array(capacity)
  }

  /** Fills row `row` with what no input tells: NaN arguments, -1 texts, no trace flags. */
  clear(row: number): void {
    for (let i = 0; i < ARGUMENTS; i++) this.args[i]![row] = Number.NaN
    this.text[row] = -1
    this.text2[row] = -1
    this.irq[row] = 0
  }
}

/** Something in the input that was not understood and is left out. */
export interface TraceDiagnostic {
  /** 1-based line of a text, 1-based record of a binary file. */
  readonly line: number
  readonly message: string
  /** The beginning of the line, where there is one. */
  readonly text: string
}

/** Counts all diagnostics, keeps the first ones. */
export class DiagnosticLog {
  count = 0
  readonly first: TraceDiagnostic[] = []
  readonly #keep: number

  constructor(keep: number) {
    this.#keep = keep
  }

  add(line: number, message: string, bytes?: Uint8Array, from = 0, to = 0): void {
    if (this.count++ >= this.#keep) return
    const shown = bytes ? decodeText(bytes, from, Math.min(to, from + 160)) : ''
    this.first.push({ line, message, text: shown })
  }
}

/** The input as a whole is not what the reader is for; the message is one sentence. */
export class TraceFormatError extends Error {
  override readonly name = 'TraceFormatError'
  /** 1-based line, or 0 where lines have no meaning. */
  readonly line: number
  readonly code = 'TRACE_FORMAT'

  constructor(message: string, line = 0) {
    super(message)
    this.line = line
  }
}
