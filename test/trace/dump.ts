// Events as readable strings, for golden files and comparisons: only the columns that the event has, time first.
import type { EventBatch } from '../../src/trace/batch.ts'
import { TRACEPOINT_BY_KIND } from '../../src/trace/events.ts'
import { type FtraceTextOptions, FtraceTextReader, type TraceSummary } from '../../src/trace/ftrace_text.ts'

/** `line time cpu comm-pid irq name field=value …`; NaN is printed as ?, a missing text as -. */
export function dumpRow(batch: EventBatch, row: number): string {
  const event = TRACEPOINT_BY_KIND[batch.kind[row]!]!
  const parts: string[] = []
  for (const field of event.fields) {
    const number = field.column < 0 ? Number.NaN : batch.args[field.column]![row]!
    const id = field.text < 0 ? -1 : (field.text === 0 ? batch.text : batch.text2)[row]!
    const text = field.text < 0 ? '' : id < 0 ? '-' : JSON.stringify(batch.strings.get(id))
    const value = field.column < 0 ? '' : Number.isNaN(number) ? '?' : String(number)
    if (value + text) parts.push(`${field.name}=${value}${text}`)
  }
  const who = `${batch.strings.get(batch.comm[row]!)}-${batch.pid[row]}`
  const irq = batch.irq[row]!.toString(16)
  return `${batch.line[row]} ${batch.time[row]} ${batch.cpu[row]} ${who} ${irq} ${event.name} ${parts.join(' ')}`
}

export interface Read {
  events: string[]
  summary: TraceSummary
}

/** Reads text in pieces of `piece` bytes. */
export function readText(bytes: Uint8Array, piece = 1 << 20, options: Partial<FtraceTextOptions> = {}): Read {
  const events: string[] = []
  const onBatch = (batch: EventBatch): void => {
    for (let row = 0; row < batch.length; row++) events.push(dumpRow(batch, row))
  }
  const reader = new FtraceTextReader({ onBatch, ...options })
  for (let p = 0; p < bytes.length; p += piece) reader.push(bytes.subarray(p, p + piece))
  return { events, summary: reader.end() }
}
