// Reader of trace text: ftrace's `trace` and `trace_pipe`, `trace-cmd report`, `perf script`. Bytes are pushed in
// pieces of any size; events come out in batches. Law: one pass, memory bounded whatever comes in; a damaged, mixed,
// cut or endless line is a counted diagnostic with its line number and costs that line only; lines of other tracers
// are counted and skipped; an input that is no trace text at all is a TraceFormatError.

import { DiagnosticLog, EventBatch, StringTable, type TraceDiagnostic, TraceFormatError } from './batch.ts'
import { KIND, TRACEPOINT_BY_NAME, type Tracepoint } from './events.ts'
import { FAST_REACH, FastRoad } from './text_fast.ts'
import { FieldReader, type PageArray, startsWith, VMEMMAP_X86_64 } from './text_fields.ts'
import { type LineHead, lineHead, parseHead } from './text_line.ts'
import { decodeText } from './utf8.ts'

export interface FtraceTextOptions {
  /** Receives events; the batch is reused after the call returns. */
  readonly onBatch: (batch: EventBatch) => void
  /** Table for strings; by default one of its own. */
  readonly strings?: StringTable
  /** Events in a batch, 4096 by default. */
  readonly capacity?: number
  /** Longest line in bytes, 64 KiB by default. */
  readonly maxLine?: number
  /** Diagnostics kept with their text, 20 by default; all are counted. */
  readonly keep?: number
  /** Where struct pages lie, for traces that print no `pfn=`. */
  readonly pages?: PageArray
}

/** What a trace text contained. */
export interface TraceSummary {
  /** Lines of a text, records of a binary file. */
  readonly lines: number
  readonly events: number
  /** Lines or records of events that `events.ts` does not list. */
  readonly foreign: number
  /** Events that the kernel says it lost. */
  readonly lost: number
  /** Diagnostics counted. */
  readonly diagnostics: number
  /** The first of them. */
  readonly first: readonly TraceDiagnostic[]
  /** CPUs by the file's header; 0 where it does not say. */
  readonly cpus: number
  /** Events written before the buffer overran, by the file's header; NaN where it does not say. */
  readonly written: number
}

const NEWLINE = 10
const HASH = 35
const SNIFF = 4096
const LOST = /\[(?:LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|EVENTS DROPPED)\]|lost (\d+) events/
const HEADER = /entries-in-buffer\/entries-written: (\d+)\/(\d+)\s+#P:(\d+)/
const CPUS = /^cpus=(\d+)$/

export class FtraceTextReader {
  readonly batch: EventBatch
  readonly diagnostics: DiagnosticLog
  readonly #onBatch: (batch: EventBatch) => void
  readonly #maxLine: number
  readonly #fast: FastRoad
  readonly #fields: FieldReader
  readonly #head: LineHead = lineHead()
  readonly #names: StringTable = new StringTable()
  readonly #events: (Tracepoint | undefined)[] = []
  /** The piece of a line that the last push ended with. */
  readonly #carry: Uint8Array
  #carried = 0
  #skipping = false
  #bytesSeen = 0
  #emitted = 0
  #foreign = 0
  #lost = 0
  #cpus = 0
  #written = Number.NaN
  #headers = 0
  #firstText = ''

  constructor(options: FtraceTextOptions) {
    this.#onBatch = options.onBatch
    this.#maxLine = options.maxLine ?? 1 << 16
    this.batch = new EventBatch(options.capacity ?? 4096, options.strings ?? new StringTable())
    this.diagnostics = new DiagnosticLog(options.keep ?? 20)
    this.#fast = new FastRoad(this.batch.strings)
    this.#fields = new FieldReader(options.pages ?? VMEMMAP_X86_64)
    this.#carry = new Uint8Array(this.#maxLine)
    for (const [name, event] of TRACEPOINT_BY_NAME) this.#events[this.#names.of(name)] = event
  }

  /** Reads the next piece of the text. @throws TraceFormatError where the input is not text. */
  push(piece: Uint8Array): void {
    // A Buffer is seen as what it is, so that the hot loop meets one kind of array.
    const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
    if (this.#bytesSeen < SNIFF) sniff(bytes, this.#bytesSeen)
    this.#bytesSeen += bytes.length
    const from = this.#finishCarried(bytes)
    if (from >= 0) this.#lines(bytes, from)
  }

  /** Ends the text: flushes the last batch. @throws TraceFormatError where no line was an event or a header. */
  end(): TraceSummary {
    if (this.#carried > 0 || this.#skipping) {
      if (!this.#skipping) this.#diagnose('the last line is cut: no newline at the end', this.#carry, 0, this.#carried)
      if (this.#carry[0] === HASH) this.#headers++
      this.#carried = 0
      this.#skipping = false
      this.#fast.line++
    }
    this.#flush()
    const lines = this.#fast.line - 1
    if (this.#emitted + this.#foreign + this.#headers === 0)
      throw nothingFound(this.#bytesSeen, lines, this.#firstText, this.diagnostics.first[0]?.message)
    return {
      lines,
      events: this.#emitted,
      foreign: this.#foreign,
      lost: this.#lost,
      diagnostics: this.diagnostics.count,
      first: this.diagnostics.first,
      cpus: this.#cpus,
      written: this.#written,
    }
  }

  /** Completes the carried line with the head of `bytes`; position of the next line, or -1 where none begins. */
  #finishCarried(bytes: Uint8Array): number {
    if (this.#carried === 0 && !this.#skipping) return 0
    const newline = bytes.indexOf(NEWLINE)
    const until = newline < 0 ? bytes.length : newline
    if (!this.#skipping) this.#carryOn(bytes, 0, until)
    if (newline < 0) return -1
    if (this.#skipping) this.#fast.line++
    else this.#line(this.#carry, 0, this.#carried)
    this.#carried = 0
    this.#skipping = false
    return newline + 1
  }

  #carryOn(bytes: Uint8Array, from: number, to: number): void {
    if (this.#carried + to - from <= this.#maxLine) {
      this.#carry.set(bytes.subarray(from, to), this.#carried)
      this.#carried += to - from
      return
    }
    const [shown, begin] = this.#carried > 0 ? [this.#carry, 0] : [bytes, from]
    this.#diagnose(`a line longer than ${this.#maxLine} bytes`, shown, begin, begin + 160)
    this.#skipping = true
  }

  #lines(bytes: Uint8Array, p: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const limit = bytes.length - FAST_REACH
    const fast = this.#fast
    while (p < bytes.length) {
      p = fast.run(bytes, view, p, limit, this.batch)
      if (fast.stop === 'full') this.#flush()
      if (p >= bytes.length) break
      const end = bytes.indexOf(NEWLINE, p)
      if (end < 0) {
        this.#carryOn(bytes, p, bytes.length)
        break
      }
      if (fast.stop === 'event' && end - p <= this.#maxLine) this.#knownHead(bytes, p, end)
      else if (fast.stop !== 'full') this.#line(bytes, p, end, view)
      else continue
      p = end + 1
    }
  }

  /** An event line whose head the fast road has read. */
  #knownHead(bytes: Uint8Array, from: number, end: number): void {
    const head = this.#fast.head
    let p = head.nameFrom
    while (p < end && bytes[p] !== 32) p++
    const colon = bytes[p - 1] === 58 ? p - 1 : p
    const event = colon < p ? this.#find(bytes, head.nameFrom, colon) : undefined
    if (!event) {
      this.#foreign++
      this.#fast.line++
      return
    }
    const { batch } = this
    const row = batch.length
    const wrong = this.#arguments(event, bytes, p, end)
    if (wrong) {
      this.#damaged(wrong, bytes, from, end)
      return
    }
    batch.cpu[row] = head.cpu
    batch.pid[row] = head.pid
    batch.comm[row] = head.comm
    batch.irq[row] = head.irq
    batch.time[row] = head.time
    this.#commit(event)
  }

  /** Any line, in `bytes[from, end)`. */
  #line(bytes: Uint8Array, from: number, end: number, view?: DataView): void {
    if (end - from > this.#maxLine) {
      this.#damaged(`a line longer than ${this.#maxLine} bytes`, bytes, from, end)
      return
    }
    if (this.#firstText === '' && end > from) this.#firstText = decodeText(bytes, from, Math.min(end, from + 60))
    const head = this.#head
    const wrong = parseHead(bytes, from, end, head)
    if (wrong) {
      this.#noEvent(wrong, bytes, from, end)
      return
    }
    const { batch } = this
    const row = batch.length
    batch.comm[row] = batch.strings.intern(bytes, head.commFrom, head.commTo)
    if (view) this.#fast.learn(bytes, view, from, head, batch.comm[row]!)
    const event = this.#find(bytes, head.nameFrom, head.nameTo)
    if (!event) {
      this.#foreign++
      this.#fast.line++
      return
    }
    const broken = this.#arguments(event, bytes, head.argsFrom, end)
    if (broken) {
      this.#damaged(broken, bytes, from, end)
      return
    }
    batch.cpu[row] = head.cpu
    batch.pid[row] = head.pid
    batch.irq[row] = head.irq
    batch.time[row] = head.time
    this.#commit(event)
  }

  #find(bytes: Uint8Array, from: number, to: number): Tracepoint | undefined {
    return this.#events[this.#names.intern(bytes, from, to)]
  }

  #arguments(event: Tracepoint, bytes: Uint8Array, p: number, end: number): string | null {
    if (event.kind === KIND.tracing_mark_write) {
      while (p < end && bytes[p] === 32) p++
      if (startsWith(bytes, p, end, MARK)) p += MARK.length
    }
    return this.#fields.read(event, bytes, p, end, this.batch, this.batch.length)
  }

  #commit(event: Tracepoint): void {
    const { batch } = this
    batch.kind[batch.length] = event.kind
    batch.line[batch.length] = this.#fast.line++
    if (++batch.length === batch.capacity) this.#flush()
  }

  #damaged(message: string, bytes: Uint8Array, from: number, end: number): void {
    this.#diagnose(message, bytes, from, end)
    this.#fast.line++
  }

  #diagnose(message: string, bytes: Uint8Array, from: number, end: number): void {
    this.diagnostics.add(this.#fast.line, message, bytes, from, end)
  }

  /** A line that is no event: a comment, a blank line, a report of lost events, a line of a call chain, or damage. */
  #noEvent(wrong: string, bytes: Uint8Array, from: number, end: number): void {
    while (end > from && isBlank(bytes[end - 1]!)) end--
    let p = from
    while (p < end && isBlank(bytes[p]!)) p++
    if (p === end) {
      this.#fast.line++
    } else if (wrong === 'foreign') {
      this.#foreign++
      this.#fast.line++
    } else if (bytes[p] === HASH) {
      this.#header(decodeText(bytes, p, Math.min(end, p + 200)))
      this.#fast.line++
    } else this.#otherLine(wrong, bytes, p, end, p > from)
  }

  #header(text: string): void {
    if (text.startsWith('# tracer:') || HEADER.test(text)) this.#headers++
    const match = HEADER.exec(text)
    if (!match) return
    this.#written = Number(match[2])
    this.#cpus = Number(match[3])
  }

  #otherLine(wrong: string, bytes: Uint8Array, from: number, end: number, indented: boolean): void {
    const text = decodeText(bytes, from, Math.min(end, from + 120))
    const lost = LOST.exec(text)
    const cpus = CPUS.exec(text)
    if (lost) {
      this.#lost += Number(lost[1] ?? lost[2] ?? lost[3] ?? 1)
      this.#headers++
    } else if (cpus) {
      this.#cpus = Number(cpus[1])
      this.#headers++
    } else if (isCallChain(text, indented)) {
      this.#foreign++
    } else this.#diagnose(wrong, bytes, from, end)
    this.#fast.line++
  }

  #flush(): void {
    const { batch } = this
    if (batch.length === 0) return
    this.#emitted += batch.length
    this.#onBatch(batch)
    batch.length = 0
  }
}

const MARK: Uint8Array = Uint8Array.from('tracing_mark_write: ', c => c.charCodeAt(0))

function isBlank(c: number): boolean {
  return c === 32 || (c >= 9 && c <= 13)
}

/** Stack lines: " => function" (ftrace), "<address> function+0x1 (image)" (perf), "<stack trace>". */
function isCallChain(text: string, indented: boolean): boolean {
  return text.startsWith('=> ') || text.startsWith('<stack trace') || (indented && /^[0-9a-f]{6,16} \S/.test(text))
}

const MAGICS: readonly [string, string][] = [
  ['\x17\x08Dtracing', 'a binary trace.dat'],
  ['\x1f\x8b', 'gzip data'],
  ['\x28\xb5\x2f\xfd', 'zstd data'],
  ['PERFILE2', 'a perf.data file: convert it with `perf script`'],
  ['\x7fELF', 'an ELF program'],
  ['PK\x03\x04', 'a zip archive'],
]

/** Tells binary input early. @throws TraceFormatError */
function sniff(bytes: Uint8Array, seen: number): void {
  if (seen === 0) {
    const start = String.fromCharCode(...bytes.subarray(0, 16))
    for (const [magic, what] of MAGICS) {
      if (start.startsWith(magic)) throw new TraceFormatError(`this is not trace text but ${what}`)
    }
  }
  const nul = bytes.subarray(0, SNIFF - seen).indexOf(0)
  if (nul >= 0) throw new TraceFormatError(`this is not trace text: a zero byte at offset ${seen + nul}`)
}

function nothingFound(size: number, lines: number, first: string, complaint = ''): TraceFormatError {
  if (size === 0) return new TraceFormatError('the trace is empty')
  const shown = [...first].map(c => (c < ' ' ? ' ' : c)).join('')
  const why = first === '' ? complaint : `the first one is “${shown}”`
  return new TraceFormatError(`no trace event in ${lines} line${lines === 1 ? '' : 's'}; ${why}`, 1)
}
