import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventBatch, StringTable } from '../../src/trace/batch.ts'
import { type EventField, TRACEPOINTS } from '../../src/trace/events.ts'
import { FtraceTextReader } from '../../src/trace/ftrace_text.ts'
import { FtraceWriter, type FtraceWriterOptions, ftraceHeader } from '../../src/trace/ftrace_writer.ts'
import type { PageArray } from '../../src/trace/text_fields.ts'
import { describeShared, SHARED } from '../shared.ts'
import { dumpRow, readText } from './dump.ts'
import { filesBelow } from './files.ts'

const integer = fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1))
const word = fc.constantFrom('GFP_KERNEL', '__GFP_NOWARN|GFP_ATOMIC', 'none', '0x1', 'DMA32', 'inactive_file', 'a_b')
const MOST = Math.max(...TRACEPOINTS.map(t => t.fields.length))

/** A value that the field can hold. */
function fit(field: EventField, n: number): number {
  if (field.names.length > 0) return n % field.names.length
  if (field.type === 'b') return n & 1
  if (field.type === 'p') return n % 5 ? -131391560263328 + n * 8 : 0
  if (field.type === 'pfn') return n - 1 || -1
  return n
}

const anyEvent = fc.record({
  event: fc.constantFrom(...TRACEPOINTS),
  numbers: fc.array(integer, { minLength: MOST, maxLength: MOST }),
  texts: fc.array(word, { minLength: MOST, maxLength: MOST }),
  comm: fc.constantFrom('sh', 'kworker/u2:0', '<idle>', 'Web Content', 'a-1 [000] b', 'exactly-15-long'),
  pid: fc.nat(4194304),
  cpu: fc.nat(4095),
  irq: fc.nat(0xffff).map(irq => irq & 0xff9d & ~0x20),
  micros: fc.nat(2 ** 40),
})

describe('round trip: what is written is read as the same', () => {
  it('for every tracepoint', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, size: '+1' }), events => {
        const batch = new EventBatch(events.length, new StringTable())
        for (const { event, numbers, texts, comm, pid, cpu, irq, micros } of events) {
          const row = batch.length++
          batch.clear(row)
          batch.kind[row] = event.kind
          batch.comm[row] = batch.strings.of(comm)
          batch.pid[row] = pid
          batch.cpu[row] = cpu
          batch.irq[row] = irq
          batch.time[row] = micros / 1e6
          batch.line[row] = row + 1
          event.fields.forEach((field, i) => {
            // A text that names a number is written as the number; other texts have no number in text.
            const named = field.names.length > 0
            if (field.column >= 0 && (field.text < 0 || named)) batch.args[field.column]![row] = fit(field, numbers[i]!)
            const text = named ? field.names[fit(field, numbers[i]!)]! : texts[i]!
            if (field.text >= 0) (field.text === 0 ? batch.text : batch.text2)[row] = batch.strings.of(text)
          })
        }
        const { events: read, summary } = readText(new TextEncoder().encode(new FtraceWriter().batch(batch)))
        expect(summary).toMatchObject({ diagnostics: 0, foreign: 0, events: events.length })
        expect(read).toEqual(events.map((_, row) => dumpRow(batch, row)))
      }),
      { numRuns: 200 },
    )
  })

  it('the header tells entries, written and CPUs', () => {
    const { summary } = readText(new TextEncoder().encode(ftraceHeader(10, 25, 4)))
    expect(summary).toMatchObject({ events: 0, written: 25, cpus: 4, lines: 12, diagnostics: 0 })
  })

  it('names gfp bits and zones by the functions given', () => {
    const batch = new EventBatch(1, new StringTable())
    batch.length = 1
    batch.clear(0)
    batch.kind[0] = TRACEPOINTS.find(t => t.name === 'mm_page_alloc')!.kind
    batch.comm[0] = batch.strings.of('sh')
    batch.a[0] = 18
    batch.b[0] = 3
    batch.c[0] = 1
    batch.d[0] = 0xcc0
    expect(new FtraceWriter({ gfpNames: () => 'GFP_KERNEL' }).line(batch, 0)).toBe(
      '              sh-0       [000] .....     0.000000: mm_page_alloc: page=ffffea0000000480 pfn=0x12 order=3 migratetype=1 gfp_flags=GFP_KERNEL',
    )
  })
})

const PAGE_EVENT = /: mm_page_(alloc|free|free_batched|alloc_zone_locked|pcpu_drain|alloc_extfrag|.*): page=/

/** Checks that every page event line of a text is written as it was read; returns how many. */
function sameLines(bytes: Uint8Array, options: FtraceWriterOptions): number {
  const lines = new TextDecoder().decode(bytes).split('\n')
  const writer = new FtraceWriter(options)
  let count = 0
  const reader = new FtraceTextReader({
    onBatch: batch => {
      for (let row = 0; row < batch.length; row++) {
        const line = lines[batch.line[row]! - 1]!
        if (!PAGE_EVENT.test(line)) continue
        const written = writer.line(batch, row)
        if (written !== line) expect(written).toBe(line)
        count++
      }
    },
  })
  reader.push(bytes)
  reader.end()
  return count
}

/** Where the struct pages of a recorded text lie, from two of its lines. */
function pagesOf(bytes: Uint8Array): FtraceWriterOptions {
  const text = new TextDecoder().decode(bytes.subarray(0, 1 << 20))
  const seen = [...text.matchAll(/page=([0-9a-f]+) pfn=0x([0-9a-f]+)/g)].filter(m => m[2] !== '0')
  const [first, second] = [seen[0]!, seen.find(m => m[2] !== seen[0]![2])!]
  const address = (m: RegExpMatchArray): bigint => BigInt(`0x${m[1]}`)
  const frame = (m: RegExpMatchArray): bigint => BigInt(`0x${m[2]}`)
  const size = (address(second) - address(first)) / (frame(second) - frame(first))
  const base = BigInt.asIntN(first[1]!.length * 4, address(first) - frame(first) * size)
  const pages: PageArray = { base: Number(base), size: Number(size) }
  return { pages, pointerDigits: first[1]!.length as 8 | 16 }
}

it('a line of a 6.1 kernel, read and written, is the same line', () => {
  const bytes = readFileSync(new URL('../golden/trace/kernel-6.1.txt', import.meta.url))
  expect(sameLines(bytes, {})).toBeGreaterThan(10)
})

describeShared('recorded lines of page events, read and written, are the same lines', () => {
  const files = filesBelow(`${SHARED}/truth/stock`, /\/trace\.txt(\.gz)?$/).filter(f => !f.includes('hashed'))
  for (const file of files) {
    it(file.slice(-60), () => {
      const raw = readFileSync(file)
      const bytes = file.endsWith('.gz') ? gunzipSync(raw) : raw
      expect(sameLines(bytes, pagesOf(bytes))).toBeGreaterThan(100)
    })
  }
})
