// Writes events as the text of ftrace's `trace` file, in the layout of kernel 6.1, which Perfetto's UI and trace-cmd's
// users can open. Law: what the writer writes, the reader reads back as the same events; a line of a 6.1 kernel, read
// and written, is the same line for page events (other events lose what the batch does not keep: sizes of functions).

import type { EventBatch } from './batch.ts'
import { type EventField, TRACEPOINT_BY_KIND, type Tracepoint } from './events.ts'
import { type PageArray, VMEMMAP_X86_64 } from './text_fields.ts'
import { formatIrq } from './text_line.ts'

export interface FtraceWriterOptions {
  /** Where struct pages lie, for `page=`; by default x86-64 without randomised layout. */
  readonly pages?: PageArray
  /** Digits of a printed pointer: 16, or 8 for a 32-bit kernel. */
  readonly pointerDigits?: 8 | 16
  /** Names for gfp bits where the batch has only numbers (events of a twin). */
  readonly gfpNames?: (gfp: number) => string
  /** Names for zone numbers where the batch has only numbers. */
  readonly zoneName?: (zone: number) => string
}

/** The head of a trace file. `entries` of `written` events are in it, of `cpus` CPUs. */
export function ftraceHeader(entries: number, written: number, cpus: number): string {
  return [
    '# tracer: nop',
    '#',
    `# entries-in-buffer/entries-written: ${entries}/${written}   #P:${cpus}`,
    '#',
    '#                                _-----=> irqs-off/BH-disabled',
    '#                               / _----=> need-resched',
    '#                              | / _---=> hardirq/softirq',
    '#                              || / _--=> preempt-depth',
    '#                              ||| / _-=> migrate-disable',
    '#                              |||| /     delay',
    '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
    '#              | |         |   |||||     |         |',
    '',
  ].join('\n')
}

export class FtraceWriter {
  readonly #pages: PageArray
  readonly #digits: number
  readonly #gfpNames: (gfp: number) => string
  readonly #zoneName: (zone: number) => string

  constructor(options: FtraceWriterOptions = {}) {
    this.#pages = options.pages ?? VMEMMAP_X86_64
    this.#digits = options.pointerDigits ?? 16
    this.#gfpNames = options.gfpNames ?? (gfp => (gfp === 0 ? 'none' : `0x${gfp.toString(16)}`))
    this.#zoneName = options.zoneName ?? String
  }

  /** All rows of a batch, one line each. */
  batch(batch: EventBatch): string {
    let text = ''
    for (let row = 0; row < batch.length; row++) text += `${this.line(batch, row)}\n`
    return text
  }

  /** One event as a line without newline. @throws RangeError for a kind that is no tracepoint */
  line(batch: EventBatch, row: number): string {
    const event = TRACEPOINT_BY_KIND[batch.kind[row]!]
    if (!event) throw new RangeError(`row ${row}: ${batch.kind[row]} is the number of no tracepoint`)
    const comm = batch.strings.get(batch.comm[row]!).slice(0, 16).padStart(16)
    const pid = String(batch.pid[row]).padEnd(7)
    const cpu = String(batch.cpu[row]).padStart(3, '0')
    const time = formatTime(batch.time[row]!)
    return `${comm}-${pid} [${cpu}] ${formatIrq(batch.irq[row]!)} ${time}: ${event.name}: ${this.arguments(event, batch, row)}`
  }

  /** The part of the line behind the event's name. */
  arguments(event: Tracepoint, batch: EventBatch, row: number): string {
    let text = ''
    for (const field of event.fields) {
      const value = this.#value(event, field, batch, row)
      if (value !== null) text += field.literal + value
    }
    return text + event.tail
  }

  /** A printed value, or null where the event's own kernel did not print it. */
  #value(event: Tracepoint, field: EventField, batch: EventBatch, row: number): string | null {
    if (field.type === 'page') return this.#page(batch.a[row]!)
    if (field.type === 's' || field.type === 'z' || field.type === 'S') return this.#text(field, batch, row)
    if (field.column < 0) return '0'
    const number = batch.args[field.column]![row]!
    if (Number.isNaN(number)) return missing(event, field, batch, row)
    switch (field.type) {
      case 'pfn':
        return `0x${Math.max(number, 0).toString(16)}`
      case 'x':
        return `0x${number.toString(16)}`
      case 'p':
        return this.#pointer(number)
      case 'b':
        return number ? 'true' : 'false'
      default:
        return String(number)
    }
  }

  #text(field: EventField, batch: EventBatch, row: number): string | null {
    const id = field.text < 0 ? -1 : (field.text === 0 ? batch.text : batch.text2)[row]!
    const number = field.column < 0 ? Number.NaN : batch.args[field.column]![row]!
    let text: string
    if (id >= 0) text = batch.strings.get(id)
    else if (Number.isNaN(number)) return field.optional ? null : ''
    else if (field.names.length > 0) text = field.names[number] ?? `0x${number.toString(16)}`
    else if (field.type === 'z') text = this.#zoneName(number)
    else text = field.type === 'S' ? `0x${this.#pointer(number)}` : this.#gfpNames(number)
    return field.type === 'z' ? text.padEnd(8) : text
  }

  /** Address of the struct page of a frame; of frame -1 a null pointer. */
  #page(pfn: number): string {
    return this.#pointer(pfn < 0 ? 0 : this.#pages.base + pfn * this.#pages.size)
  }

  #pointer(address: number): string {
    const high = Math.floor(address / 4294967296)
    const low = (address - high * 4294967296).toString(16).padStart(8, '0')
    return this.#digits === 8 ? low : (high >>> 0).toString(16).padStart(8, '0') + low
  }
}

/** What a number is printed as that the batch does not have. */
function missing(event: Tracepoint, field: EventField, batch: EventBatch, row: number): string | null {
  if (field.optional) return null
  if (field.type === 'p') return '(____ptrval____)'
  const pageblockOrder = 9
  if (event.name === 'mm_page_alloc_extfrag' && field.name === 'pageblock_order') return String(pageblockOrder)
  if (event.name === 'mm_page_alloc_extfrag' && field.name === 'fragmenting') {
    const order = batch.args[6]![row]!
    return batch.c[row]! < (Number.isNaN(order) ? pageblockOrder : order) ? '1' : '0'
  }
  return '0'
}

/** Seconds as the kernel prints them: five places and six digits, half a microsecond rounded up. */
function formatTime(seconds: number): string {
  const micros = Math.floor((Math.round(seconds * 1e9) + 500) / 1000)
  const whole = Math.floor(micros / 1e6)
  return `${String(whole).padStart(5)}.${String(micros - whole * 1e6).padStart(6, '0')}`
}
