// Events between two readings of one trace: what the first reading parsed is kept as columns in a temporary file, so that
// the second one neither unpacks nor parses. Law: memory is one batch, whatever the trace; what comes out is what went
// in, except columns that an event does not use; where the file cannot be written, `whole` says so and nothing is lost.
import { setImmediate as turn } from 'node:timers/promises'
import { EventBatch, type StringTable } from '../trace/batch.ts'
import { TRACEPOINT_BY_KIND } from '../trace/events.ts'
import { createSpool, type InputOptions, type RandomInput, type Spool } from './input.ts'

/** How a column of numbers is kept: not at all (nobody uses it, or all are -1), as it is, or as 32-bit numbers. */
const ABSENT = 0
const PLAIN = 1
const SMALL = 2
/** Stands for NaN among 32-bit numbers. */
const NOT_TOLD = -(2 ** 31)
const HEAD_BYTES = 32
/** Batches until others get a turn. */
const TURN = 16

/** Number columns in use by kind: up to the last one that its values go to. */
const USED: Uint8Array = Uint8Array.from(TRACEPOINT_BY_KIND, event =>
  event ? 1 + Math.max(-1, ...event.fields.map(field => field.column)) : 0,
)

export class EventSpool {
  /** Events written. */
  events = 0
  /** Everything written so far is there. */
  whole = true
  #spool: Spool | null
  #input: RandomInput | null = null
  #strings: StringTable | null = null
  #capacity = 1
  #bytes: Uint8Array = new Uint8Array(0)

  constructor() {
    try {
      this.#spool = createSpool()
    } catch {
      this.#spool = null
      this.whole = false
    }
  }

  /** Keeps a batch. */
  write(batch: EventBatch): void {
    if (!this.#spool || !this.whole || batch.length === 0) return
    this.#strings = batch.strings
    this.events += batch.length
    this.#capacity = Math.max(this.#capacity, batch.length)
    const most = HEAD_BYTES + batch.length * ROW_BYTES
    if (this.#bytes.length < most) this.#bytes = new Uint8Array(most)
    try {
      this.#spool.write(this.#bytes.subarray(0, packBatch(batch, this.#bytes)))
    } catch {
      this.whole = false
      this.close()
    }
  }

  /** Gives out all batches again; one batch is used for all of them. @throws InputError; whatever `onBatch` throws */
  async read(onBatch: (batch: EventBatch) => void, { onProgress, signal }: InputOptions): Promise<void> {
    if (!this.#spool || !this.#strings) return
    this.#input ??= this.#spool.finish()
    const { size } = this.#input.source
    const batch = new EventBatch(this.#capacity, this.#strings)
    // One buffer for all of them, or garbage would pile up with the trace's length.
    const bytes = this.#bytes
    const head = new Int32Array(bytes.buffer, 0, 2)
    for (let at = 0, count = 0; at < size; count++) {
      this.#input.fill(at, bytes.subarray(0, HEAD_BYTES))
      this.#input.fill(at + HEAD_BYTES, bytes.subarray(HEAD_BYTES, HEAD_BYTES + head[1]!))
      unpackBatch(batch, bytes)
      at += HEAD_BYTES + head[1]!
      onBatch(batch)
      if (count % TURN !== 0) continue
      signal?.throwIfAborted()
      onProgress?.(at, size)
      await turn()
    }
  }

  /** Gives the file back. */
  close(): void {
    this.#input?.close()
    if (!this.#input) this.#spool?.discard()
    this.#input = null
    this.#spool = null
  }
}

/** Bytes of a row in the widest form: 14 numbers of 8 bytes, 4 of 4, 2 of 2, one of 1, and what aligns the parts. */
const ROW_BYTES = 8 * 14 + 4 * 4 + 2 * 2 + 8

const aligned = (at: number): number => (at + 7) & ~7

/** Writes a batch to `bytes`: a head (rows, bytes behind the head, a form for each column), then column after column.
 * Returns the bytes written. */
function packBatch(batch: EventBatch, bytes: Uint8Array): number {
  const { length, kind } = batch
  const { buffer } = bytes
  const forms = bytes.subarray(8, HEAD_BYTES).fill(ABSENT)
  let used = 0
  for (let row = 0; row < length; row++) if (USED[kind[row]!]! > used) used = USED[kind[row]!]!
  let at = HEAD_BYTES
  const numbers = [batch.time, batch.line, ...batch.args.slice(0, used)]
  numbers.forEach((column, i) => {
    const small = i === 0 ? -1 : packSmall(column, length, new Int32Array(buffer, at, length))
    forms[i] = small < 0 ? PLAIN : SMALL
    if (small < 0) new Float64Array(buffer, at, length).set(column.subarray(0, length))
    at = aligned(at + length * (small < 0 ? 8 : 4))
  })
  const { pid, comm, text, text2 } = batch
  ;[pid, comm, text, text2].forEach((column, i) => {
    if (isAll(column, length, -1)) return
    forms[WORD_FORMS + i] = PLAIN
    new Int32Array(buffer, at, length).set(column.subarray(0, length))
    at = aligned(at + length * 4)
  })
  new Uint16Array(buffer, at, length).set(batch.cpu.subarray(0, length))
  at = aligned(at + length * 2)
  new Uint16Array(buffer, at, length).set(batch.irq.subarray(0, length))
  at = aligned(at + length * 2)
  bytes.set(kind.subarray(0, length), at)
  at = aligned(at + length)
  new Int32Array(buffer, 0, 2).set([length, at - HEAD_BYTES])
  return at
}

/** Forms of time, line and twelve numbers come first, those of the four words behind them. */
const WORD_FORMS = 14

/** Packs numbers that are whole and small, or NaN; -1 where one is not. */
function packSmall(column: Float64Array, length: number, to: Int32Array): number {
  for (let row = 0; row < length; row++) {
    const value = column[row]!
    const small = value | 0
    if (small === value && small !== NOT_TOLD) to[row] = small
    else if (Number.isNaN(value)) to[row] = NOT_TOLD
    else return -1
  }
  return length
}

function isAll(column: Int32Array, length: number, value: number): boolean {
  for (let row = 0; row < length; row++) if (column[row] !== value) return false
  return true
}

/** Fills a batch with what `packBatch` wrote. */
function unpackBatch(batch: EventBatch, bytes: Uint8Array): void {
  const { buffer } = bytes
  const length = new Int32Array(buffer, 0, 1)[0]!
  batch.length = length
  const forms = bytes.subarray(8, HEAD_BYTES)
  let at = HEAD_BYTES
  ;[batch.time, batch.line, ...batch.args].forEach((column, i) => {
    const form = forms[i]!
    if (form === ABSENT) return
    if (form === PLAIN) column.set(new Float64Array(buffer, at, length))
    else unpackSmall(column, length, new Int32Array(buffer, at, length))
    at = aligned(at + length * (form === PLAIN ? 8 : 4))
  })
  const { pid, comm, text, text2 } = batch
  ;[pid, comm, text, text2].forEach((column, i) => {
    if (forms[WORD_FORMS + i] === ABSENT) {
      column.fill(-1, 0, length)
      return
    }
    column.set(new Int32Array(buffer, at, length))
    at = aligned(at + length * 4)
  })
  batch.cpu.set(new Uint16Array(buffer, at, length))
  at = aligned(at + length * 2)
  batch.irq.set(new Uint16Array(buffer, at, length))
  at = aligned(at + length * 2)
  batch.kind.set(new Uint8Array(buffer, at, length))
}

function unpackSmall(column: Float64Array, length: number, from: Int32Array): void {
  for (let row = 0; row < length; row++) {
    const value = from[row]!
    column[row] = value === NOT_TOLD ? Number.NaN : value
  }
}
