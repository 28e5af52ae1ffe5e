import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { decompress as zstd } from 'fzstd'
import { describe, expect, it } from 'vitest'
import { type EventBatch, TraceFormatError } from '../../src/trace/batch.ts'
import { TRACEPOINT_BY_KIND } from '../../src/trace/events.ts'
import { FtraceTextReader, type TraceSummary } from '../../src/trace/ftrace_text.ts'
import { parsePrintFormat } from '../../src/trace/trace_dat/print_fmt.ts'
import { readTraceDat } from '../../src/trace/trace_dat/reader.ts'
import { type ByteSource, type Decompress, memorySource } from '../../src/trace/trace_dat/source.ts'
import { describeShared, SHARED } from '../shared.ts'
import { dumpRow } from './dump.ts'
import { type DatParts, type DatRecord, encodeDat, encodePages, Writer } from './encode_dat.ts'
import { filesBelow } from './files.ts'

const GOLDEN = new URL('../golden/trace/', import.meta.url)
const TOOLS: Decompress = {
  zlib: data => inflateSync(data),
  zstd: (data, size) => zstd(data, new Uint8Array(size)),
}

function readDat(source: ByteSource): { events: string[]; summary: TraceSummary } {
  const events: string[] = []
  const onBatch = (batch: EventBatch): void => {
    for (let row = 0; row < batch.length; row++) events.push(dumpRow(batch, row))
  }
  return { summary: readTraceDat(source, { onBatch, decompress: TOOLS }), events }
}

describe('golden: files that trace-cmd wrote', () => {
  for (const name of readdirSync(GOLDEN).filter(file => file.endsWith('.dat'))) {
    it(name, () => {
      const { events, summary } = readDat(memorySource(readFileSync(new URL(name, GOLDEN))))
      const { lines, foreign, lost, diagnostics } = summary
      const expected = JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8'))
      expect({ lines, foreign, lost, diagnostics, events }).toEqual(expected)
    })
  }
})

function format(name: string, id: number, long: number): { system: string; text: string } {
  const order = 8 + long
  const gfp = order + long
  const lines = [
    `name: ${name}`,
    `ID: ${id}`,
    'format:',
    '\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;',
    '\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;',
    '\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;',
    '\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;',
    '',
    `\tfield:unsigned long pfn;\toffset:8;\tsize:${long};\tsigned:0;`,
    `\tfield:unsigned int order;\toffset:${order};\tsize:4;\tsigned:0;`,
    `\tfield:unsigned long gfp_flags;\toffset:${gfp};\tsize:${long};\tsigned:0;`,
    `\tfield:int migratetype;\toffset:${gfp + long};\tsize:4;\tsigned:1;`,
    '',
    'print fmt: "page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s", 0, REC->pfn, REC->order, REC->migratetype, ' +
      '(REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|", {(unsigned long)((( gfp_t)(0x400u|0x800u)) | 0x40u), ' +
      '"GFP_NOIO"}, {1UL << 5, "BIT5"}, {UNKNOWN(3, 4), "NEVER"}, {0x100u, "__GFP_ZERO"}) : "none"\n',
  ]
  return { system: 'kmem', text: lines.join('\n') }
}

function allocRecord(little: boolean, long: number, pid: number, pfn: number, order: number, gfp: number): Uint8Array {
  const out = new Writer(little).number(100, 2).number(1, 1).number(0x12, 1).number(pid, 4)
  out
    .number(pfn, long)
    .number(order, 4)
    .pad(8 + long * 2)
    .number(gfp, long)
    .number(2, 4)
  return out.pad(Math.ceil(out.length / 4) * 4).done()
}

const record = fc.record({
  gap: fc.oneof({ weight: 8, arbitrary: fc.nat(1000) }, { weight: 1, arbitrary: fc.nat(2 ** 40) }),
  pid: fc.nat(5),
  pfn: fc.oneof(fc.constant(-1), fc.nat(2 ** 31 - 1)),
  order: fc.nat(10),
  gfp: fc.constantFrom(0, 0xc40, 0xd40, 0x120, 0x21),
})
const shape = fc.record({
  version: fc.constantFrom(6 as const, 7 as const),
  little: fc.boolean(),
  long: fc.constantFrom(4 as const, 8 as const),
  compression: fc.constantFrom('none' as const, 'zlib' as const, 'zstd' as const),
})
const NAMES: Record<number, string> = {
  0: 'none',
  3136: 'GFP_NOIO',
  3392: 'GFP_NOIO|__GFP_ZERO',
  288: 'BIT5|__GFP_ZERO',
  33: 'BIT5|0x1',
}

describe('encoded files: both versions, byte orders, sizes of long, compressions', () => {
  it('give the records of all CPUs in the order of time', () => {
    fc.assert(
      fc.property(shape, fc.array(fc.array(record, { size: '+1' }), { minLength: 1, maxLength: 4 }), (how, cpus) => {
        const formats = [format('mm_page_alloc', 100, how.long)]
        const expected: { time: number; cpu: number; line: string }[] = []
        const data = cpus.map((records, cpu) => {
          let time = 1000
          const list: DatRecord[] = records.map(({ gap, pid, pfn, order, gfp }) => {
            time += gap
            const line = `${time / 1e9} ${cpu} ${pid ? '<...>' : '<idle>'}-${pid} 1201 mm_page_alloc pfn=${pfn} order=${order} migratetype=2 gfp_flags=${gfp}"${NAMES[gfp]}"`
            expected.push({ time, cpu, line })
            return { time, data: allocRecord(how.little, how.long, pid, pfn, order, gfp) }
          })
          return encodePages(list, { ...how, pageSize: 1024 })
        })
        expected.sort((x, y) => x.time - y.time || x.cpu - y.cpu)
        const file = encodeDat({
          ...how,
          pageSize: 1024,
          formats,
          kallsyms: '',
          comms: '',
          cpus: data,
        })
        const { events, summary } = readDat(memorySource(file))
        expect(events.map(e => e.replace(/^\d+ /, ''))).toEqual(expected.map(e => e.line))
        expect(summary).toMatchObject({ diagnostics: 0, foreign: 0, lost: 0 })
      }),
      { numRuns: 60 },
    )
  })

  it('count lost events and other records', () => {
    const file = sample()
    const at = file.length - 1024
    const view = new DataView(file.buffer)
    view.setUint32(at + 8, (view.getUint32(at + 8, true) | 0xc0000000) >>> 0, true)
    const used = view.getUint32(at + 8, true) & 0xfffff
    view.setUint32(at + 16 + used, 77, true)
    expect(readDat(memorySource(file)).summary).toMatchObject({ lost: 77, foreign: 1, events: 3 })
  })
})

/** A version 6 file of four records, one of them of an event that is not described. */
function sample(change: Partial<DatParts> = {}): Uint8Array {
  const parts = { little: true, long: 8 as const, pageSize: 1024 }
  const data = [1, 2, 3].map(pfn => ({ time: pfn, data: allocRecord(true, 8, 9, pfn, 0, 0) }))
  const other = new Writer(true).number(7, 2).number(0, 2).number(9, 4).done()
  const cpus = [encodePages([...data, { time: 9, data: other }], parts)]
  const formats = [format('mm_page_alloc', 100, 8)]
  return encodeDat({ ...parts, version: 6, compression: 'none', formats, kallsyms: '', comms: '', cpus, ...change })
}

describe('damage', () => {
  const whole = readDat(memorySource(sample())).events

  it('a file cut at any byte gives a prefix of its events or one TraceFormatError', () => {
    for (const version of [6, 7] as const) {
      const file = sample({ version, compression: 'zlib' })
      for (let cut = 0; cut < file.length; cut++) {
        try {
          const { events } = readDat(memorySource(file.subarray(0, cut)))
          expect(events).toEqual(whole.slice(0, events.length))
        } catch (error) {
          expect(error).toBeInstanceOf(TraceFormatError)
        }
      }
    }
  })

  it('a file with any changed bytes gives events or a TraceFormatError, never another error', () => {
    const files = [sample(), sample({ version: 7, compression: 'zstd' }), sample({ version: 7, compression: 'zlib' })]
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }),
        (file, changes) => {
          const bytes = file.slice()
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          try {
            readDat(memorySource(bytes))
          } catch (error) {
            expect(error).toBeInstanceOf(TraceFormatError)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('a format that computes with what is no number is no error', () => {
    const bytes = sample()
    // Found by the property above: a name of the print format becomes one that no field has.
    bytes[589115318 % bytes.length] = 48
    bytes[119684220 % bytes.length] = 1
    expect(() => readDat(memorySource(bytes))).not.toThrow(RangeError)
  })

  it('says what is wrong', () => {
    const bytes = sample()
    expect(() => readDat(memorySource(new Uint8Array(40)))).toThrow('not a trace.dat')
    expect(() => readDat(memorySource(Buffer.concat([bytes.subarray(0, 10), Buffer.from('8\0')])))).toThrow('version 8')
    expect(() => readDat(memorySource(bytes.subarray(0, 60)))).toThrow(/cut or damaged: \d+ bytes wanted/)
  })
})

it('print formats: conversions, casts, precedence, names', () => {
  const text =
    '"a=%d b=0x%lx %s c: %s d=%s", REC->a, (1 + 2 * 3) << 1, __print_symbolic(REC->z, {0, "DMA"}, {1, "DMA32"}), ' +
    'REC->ok ? "yes" : "no", (7 && (REC->g & ~(( gfp_t)(0x1u)))) ? "true" : "false"'
  const args = parsePrintFormat(text)
  const fields: Record<string, number> = { a: 5, z: 1, ok: 0, g: 1 }
  expect(args.map(a => a.key)).toEqual(['a=', 'b=', '', 'c:', 'd='])
  expect(args.map(a => a.value?.(name => fields[name]!))).toEqual([5, 14, 'DMA32', 'no', 'false'])
  expect(parsePrintFormat('"x=%d y=%d", SOMETHING, 3').map(a => a.value?.(() => 0))).toEqual([undefined, 3])
  expect(parsePrintFormat('"x=%d", `')).toEqual([])
})

/** Columns of a row for comparing a binary file with its text: all but what only one of them can know. */
function facts(batch: EventBatch, row: number): unknown[] {
  const event = TRACEPOINT_BY_KIND[batch.kind[row]!]!
  const out: unknown[] = [
    event.name,
    batch.cpu[row],
    batch.pid[row],
    batch.strings.get(batch.comm[row]!),
    batch.irq[row],
  ]
  for (const { name, type, column, text } of event.fields) {
    // A text file has no number for what it prints as a name.
    if (column >= 0 && type !== 's' && type !== 'z' && type !== 'S') out.push(name, batch.args[column]![row])
    if (text >= 0) out.push(name, batch.strings.get((text === 0 ? batch.text : batch.text2)[row]!))
  }
  return out
}

describeShared('recorded trace.dat files give the events of the text of the same buffer', () => {
  for (const file of filesBelow(`${SHARED}/truth/stock`, /\/trace\.dat(\.gz)?$/)) {
    it(file.slice(-60), () => {
      const load = (path: string): Uint8Array => gunzipSync(readFileSync(path))
      const rows: unknown[][] = []
      const times: number[] = []
      const collect = (batch: EventBatch): void => {
        for (let row = 0; row < batch.length; row++) {
          rows.push(facts(batch, row))
          times.push(batch.time[row]!)
        }
      }
      const summary = readTraceDat(memorySource(load(file)), { onBatch: collect, decompress: TOOLS })
      expect(summary).toMatchObject({ diagnostics: 0, foreign: 0, lost: 0 })
      let at = 0
      const compare = (batch: EventBatch): void => {
        for (let row = 0; row < batch.length; row++, at++) {
          const text = facts(batch, row)
          if (JSON.stringify(text) !== JSON.stringify(rows[at])) expect(rows[at]).toEqual(text)
          // The text has microseconds, half a microsecond rounded up.
          const nanoseconds = Math.round(times[at]! * 1e9)
          expect(Math.floor((nanoseconds + 500) / 1000)).toBe(Math.round(batch.time[row]! * 1e6))
        }
      }
      const reader = new FtraceTextReader({ onBatch: compare })
      reader.push(load(file.replace('trace.dat', 'trace.txt')))
      expect(reader.end().events).toBe(rows.length)
    })
  }
})
