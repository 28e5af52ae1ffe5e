// Reader of trace.dat: the records of all CPUs in the order of their times, as the same batches that trace text gives.
// Law: a trace.dat and the text of the same buffer give the same events (the time is more exact here: nanoseconds).
// Memory: one chunk of each CPU and the tables of names; never the file.

import { DiagnosticLog, EventBatch, StringTable } from '../batch.ts'
import { type EventField, KIND, TRACEPOINT_BY_NAME, type Tracepoint } from '../events.ts'
import type { TraceSummary } from '../ftrace_text.ts'
import { decodeText } from '../utf8.ts'
import { openTraceDat, type TraceDat } from './file.ts'
import { type EventFormat, hexAddress, type RecordField } from './format.ts'
import { normalKey, type PrintArgument, type Value } from './print_fmt.ts'
import { RingReader } from './ring_buffer.ts'
import type { ByteSource, Decompress } from './source.ts'

export interface TraceDatOptions {
  /** Receives events; the batch is reused after the call returns. */
  readonly onBatch: (batch: EventBatch) => void
  readonly decompress: Decompress
  readonly strings?: StringTable
  /** Events in a batch, 4096 by default. */
  readonly capacity?: number
  /** Diagnostics kept with their text, 20 by default. */
  readonly keep?: number
}

/** Reads a whole trace.dat. @throws TraceFormatError where it is none, of an unknown version, or cut in its head */
export function readTraceDat(file: ByteSource, options: TraceDatOptions): TraceSummary {
  const dat = openTraceDat(file, options.decompress)
  const log = new DiagnosticLog(options.keep ?? 20)
  const batch = new EventBatch(options.capacity ?? 4096, options.strings ?? new StringTable())
  return new Merger(dat, batch, log, options.onBatch).run()
}

/** How one value of a record gets into its columns. */
interface Plan {
  readonly field: EventField
  /** Where it lies in the record; undefined: only the print format tells. */
  readonly record: RecordField | undefined
  readonly print: PrintArgument | undefined
  /** What the print format gave before, by the one field it reads. */
  readonly known: Map<number, Value>
}

interface EventPlan {
  readonly event: Tracepoint
  readonly fields: ReadonlyMap<string, RecordField>
  readonly plans: readonly Plan[]
}

class Merger {
  readonly #dat: TraceDat
  readonly #batch: EventBatch
  readonly #log: DiagnosticLog
  readonly #onBatch: (batch: EventBatch) => void
  readonly #events: Map<number, EventPlan> = new Map()
  readonly #comms: Map<number, number> = new Map()
  readonly #symbols: Map<number, string> = new Map()
  readonly #ids: Map<string, number> = new Map()
  readonly #scale: number
  #records = 0
  #emitted = 0
  #foreign = 0
  // The record in hand, for expressions.
  #ring!: RingReader
  #fields: ReadonlyMap<string, RecordField> = new Map()
  readonly #get = (name: string): Value => {
    const field = this.#fields.get(name)
    if (!field) return Number.NaN
    return field.shape === 'number' ? this.#number(field) : this.#text(field)
  }

  constructor(dat: TraceDat, batch: EventBatch, log: DiagnosticLog, onBatch: (batch: EventBatch) => void) {
    this.#dat = dat
    this.#batch = batch
    this.#log = log
    this.#onBatch = onBatch
    this.#scale = dat.unitsPerSecond
    for (const format of dat.formats) {
      const event = TRACEPOINT_BY_NAME.get(format.name)
      if (event) this.#events.set(format.id, plan(event, format))
    }
  }

  run(): TraceSummary {
    const { layout, cpus, cpuCount } = this.#dat
    const all = cpus.map(({ cpu, data }) => new RingReader(cpu, data, layout, this.#log)).sort((x, y) => x.cpu - y.cpu)
    let rings = all.filter(ring => ring.next())
    while (rings.length > 0) {
      const ring = earliest(rings)
      this.#record(ring)
      if (!ring.next()) rings = rings.filter(other => other !== ring)
    }
    this.#flush()
    return {
      lines: this.#records,
      events: this.#emitted,
      foreign: this.#foreign,
      lost: all.reduce((sum, ring) => sum + ring.lost, 0),
      diagnostics: this.#log.count,
      first: this.#log.first,
      cpus: cpuCount,
      written: Number.NaN,
    }
  }

  #record(ring: RingReader): void {
    this.#records++
    this.#ring = ring
    const { little } = this.#dat.layout
    const { view, offset } = ring
    const known = this.#events.get(view.getUint16(offset, little))
    if (!known || (known.event.kind === KIND.tracing_mark_write && !this.#isMarker(known))) {
      this.#foreign++
      return
    }
    const batch = this.#batch
    const row = batch.length
    batch.clear(row)
    this.#fields = known.fields
    for (const step of known.plans) {
      if (!this.#value(step, batch, row)) {
        this.#log.add(this.#records, `${known.event.name}: the record is too short`)
        return
      }
    }
    this.#common(batch, row, view, offset, little)
    batch.kind[row] = known.event.kind
    if (++batch.length === batch.capacity) this.#flush()
  }

  /** The fields that all records have. */
  #common(batch: EventBatch, row: number, view: DataView, offset: number, little: boolean): void {
    const pid = view.getInt32(offset + 4, little)
    batch.irq[row] = view.getUint8(offset + 2) | (view.getUint8(offset + 3) << 8)
    batch.pid[row] = pid
    batch.comm[row] = this.#comm(pid)
    batch.cpu[row] = this.#ring.cpu
    batch.time[row] = (this.#ring.time + this.#dat.timeOffset) / this.#scale
    batch.line[row] = this.#records
  }

  #comm(pid: number): number {
    const known = this.#comms.get(pid)
    if (known !== undefined) return known
    const id = this.#batch.strings.of(pid === 0 ? '<idle>' : (this.#dat.comms.get(pid) ?? '<...>'))
    this.#comms.set(pid, id)
    return id
  }

  /** `print` records come from trace_marker and from trace_printk(): only the former are markers. */
  #isMarker(known: EventPlan): boolean {
    const ip = known.fields.get('ip')
    if (!ip || !this.#dat.symbols()) return true
    this.#fields = known.fields
    return this.#symbol(this.#number(ip)).startsWith('tracing_mark_write')
  }

  /** Puts one value into its columns; false where the record ends before it. */
  #value(step: Plan, batch: EventBatch, row: number): boolean {
    const { field, record } = step
    if (record && record.offset + record.size > this.#ring.length) return false
    if (record && record.shape !== 'number') {
      if (field.text >= 0) this.#setText(batch, row, field, this.#text(record))
      return true
    }
    if (record && field.column >= 0) batch.args[field.column]![row] = this.#number(record)
    if (field.type === 'S') this.#setText(batch, row, field, record ? this.#symbol(this.#number(record)) : '')
    else if (!record || field.text >= 0) this.#printed(step, batch, row)
    return true
  }

  /** A value that the print format computes: a name, or a number that is no field. */
  #printed(step: Plan, batch: EventBatch, row: number): void {
    const { field, print, known } = step
    if (!print?.value) return
    const single = print.fields.length === 1 ? this.#get(print.fields[0]!) : Number.NaN
    const key = typeof single === 'number' ? single : Number.NaN
    let value = Number.isNaN(key) ? undefined : known.get(key)
    if (value === undefined) {
      value = print.value(this.#get)
      if (!Number.isNaN(key) && known.size < 4096) known.set(key, value)
    }
    if (field.text >= 0) this.#setText(batch, row, field, String(value))
    else if (field.column >= 0) {
      batch.args[field.column]![row] = typeof value === 'number' ? value : value === 'true' ? 1 : 0
    }
  }

  #setText(batch: EventBatch, row: number, field: EventField, text: string): void {
    const column = field.text === 0 ? batch.text : batch.text2
    let id = this.#ids.get(text)
    if (id === undefined) {
      id = this.#batch.strings.of(text)
      if (this.#ids.size < 1 << 16) this.#ids.set(text, id)
    }
    column[row] = id
  }

  #symbol(address: number): string {
    let name = this.#symbols.get(address)
    if (name === undefined) {
      name = this.#dat.symbols()?.lookup(address) ?? hexAddress(address)
      this.#symbols.set(address, name)
    }
    return name
  }

  /** A number of the record. 64-bit values are signed; a 32-bit kernel's "no page" (all bits set) is -1. */
  #number(field: RecordField): number {
    const { view, offset } = this.#ring
    const { little } = this.#dat.layout
    const at = offset + field.offset
    switch (field.size) {
      case 1:
        return field.signed ? view.getInt8(at) : view.getUint8(at)
      case 2:
        return field.signed ? view.getInt16(at, little) : view.getUint16(at, little)
      case 4:
        return field.signed || field.name === 'pfn' ? view.getInt32(at, little) : view.getUint32(at, little)
      default:
        return view.getInt32(little ? at + 4 : at, little) * 4294967296 + view.getUint32(little ? at : at + 4, little)
    }
  }

  #text(field: RecordField): string {
    const { view, bytes, offset, length } = this.#ring
    const { little } = this.#dat.layout
    let from = offset + field.offset
    let size = field.size === 0 ? length - field.offset : field.size
    if (field.shape !== 'array') {
      const place = view.getUint32(from, little)
      from = (field.shape === 'rel' ? from + 4 : offset) + (place & 0xffff)
      size = place >>> 16
    }
    const end = Math.min(from + size, offset + length)
    const zero = bytes.subarray(from, end).indexOf(0)
    const text = decodeText(bytes, from, zero < 0 ? end : from + zero)
    return text.replace(/\s+$/, '')
  }

  #flush(): void {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#emitted += batch.length
    this.#onBatch(batch)
    batch.length = 0
  }
}

/** Of equal times the lowest CPU, as the kernel prints them. */
function earliest(rings: readonly RingReader[]): RingReader {
  let first = rings[0]!
  for (let i = 1; i < rings.length; i++) if (rings[i]!.time < first.time) first = rings[i]!
  return first
}

function plan(event: Tracepoint, format: EventFormat): EventPlan {
  const plans: Plan[] = []
  for (const field of event.fields) {
    if (field.column < 0 && field.text < 0) continue
    const record = format.fields.get(field.name)
    const key = normalKey(field.literal)
    const print = format.print().find(argument => argument.key === key)
    plans.push({ field, record, print, known: new Map() })
  }
  return { event, fields: format.fields, plans }
}
