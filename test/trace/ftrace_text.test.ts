import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TraceFormatError } from '../../src/trace/batch.ts'
import { FtraceTextReader } from '../../src/trace/ftrace_text.ts'
import { describeShared, SHARED } from '../shared.ts'
import { readText } from './dump.ts'
import { filesBelow } from './files.ts'

const GOLDEN = new URL('../golden/trace/', import.meta.url)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const golden = (name: string): Uint8Array => readFileSync(new URL(name, GOLDEN))

describe('golden: adding a case is dropping NAME.txt and NAME.json', () => {
  for (const name of readdirSync(GOLDEN).filter(file => file.endsWith('.txt'))) {
    it(name, () => {
      const expected = JSON.parse(golden(name.replace(/txt$/, 'json')).toString())
      for (const piece of [1 << 20, 97, 1]) {
        const { events, summary } = readText(golden(name), piece)
        const { lines, foreign, lost, first } = summary
        const diagnostics = first.map(({ line, message }) => `${line}: ${message}`)
        expect({ lines, foreign, lost, diagnostics, events }).toEqual(expected)
      }
    })
  }
})

const FREE = 'mm_page_free: page=ffffea00001b1a80 pfn=0x6c6a order=1'
const LINE = `            init-1       [000] d..3.    10.310909: ${FREE}\n`

describe('the fast road and the general parser', () => {
  // The fast road needs 1 KiB after a line: pieces of one byte always take the general parser.
  it('give the same events, whatever the pieces', () => {
    const text = golden('kernel-6.1.txt')
    const long = Buffer.concat(Array(20).fill(text))
    const fast = readText(long, 1 << 20)
    expect(fast.events.length).toBe(20 * readText(text).events.length)
    for (const piece of [1, 7, 1500, 4096]) expect(readText(long, piece)).toEqual(fast)
  })

  it('agree on lines with any one byte changed', () => {
    const filler = bytes(LINE.repeat(30))
    const names = ['kernel-6.1.txt', 'perf-script.txt', 'forms.txt', 'damaged.txt']
    const lines = names.flatMap(name => golden(name).toString().split('\n'))
    const pick = fc.tuple(fc.constantFrom(...lines), fc.nat(), fc.integer({ min: 32, max: 126 }))
    fc.assert(
      fc.property(fc.array(pick, { minLength: 1, size: '+1' }), changes => {
        const text = changes.map(([line, at, c]) => {
          const i = at % (line.length + 1)
          return `${line.slice(0, i)}${String.fromCharCode(c)}${line.slice(i + 1)}\n`
        })
        const all = Buffer.concat([filler, bytes(text.join('')), filler])
        expect(readText(all, 1 << 20)).toEqual(readText(all, 3))
      }),
      { numRuns: 300 },
    )
  })
})

describe('damage', () => {
  it('a text cut at any byte loses at most the cut line and never throws', () => {
    const text = golden('kernel-6.1.txt')
    const whole = readText(text).events
    for (let cut = 1; cut < text.length; cut += 1) {
      const { events, summary } = readText(text.subarray(0, cut), 333)
      expect(events).toEqual(whole.slice(0, events.length))
      const newlines = text.subarray(0, cut).filter(c => c === 10).length
      expect(events.length).toBe(Math.max(0, newlines - 12))
      expect(summary.diagnostics).toBe(text[cut - 1] === 10 ? 0 : 1)
    }
  })

  it('two lines mixed at any byte are diagnostics or the one event that is whole', () => {
    const other = LINE.replace('6c6a', '7777')
    for (let cut = 0; cut < LINE.length - 1; cut++) {
      const mixed = `${LINE.slice(0, cut)}${other}${LINE.slice(cut)}`
      const { events, summary } = readText(bytes(LINE + mixed + LINE))
      expect(summary.lines).toBe(4)
      expect(events.length + summary.diagnostics).toBeLessThanOrEqual(4)
      for (const event of events)
        expect(event).toMatch(/^\d+ 10.310909 0 .*-1 \d+ mm_page_free pfn=(27754|30583) order=1$/)
    }
  })

  it('an endless line is one diagnostic and no memory', () => {
    const found: string[] = []
    const reader = new FtraceTextReader({ onBatch: batch => found.push(String(batch.line[0])) })
    const piece = new Uint8Array(1 << 20).fill(120)
    reader.push(bytes(LINE))
    for (let i = 0; i < 2100; i++) reader.push(piece)
    reader.push(bytes(`\n${LINE}`))
    const summary = reader.end()
    expect(summary).toMatchObject({ lines: 3, events: 2, diagnostics: 1 })
    expect(summary.first[0]).toMatchObject({ line: 2, message: 'a line longer than 65536 bytes' })
  })

  it('a long line inside one piece is one diagnostic', () => {
    const { summary } = readText(bytes(`${LINE}${'y'.repeat(70000)}\n${LINE}`))
    expect(summary).toMatchObject({ lines: 3, events: 2, diagnostics: 1 })
  })

  it('zero bytes in the middle are a diagnostic of their line', () => {
    const { summary } = readText(bytes(`${LINE.repeat(100)}${'\0'.repeat(300)}\n${LINE}`))
    expect(summary).toMatchObject({ lines: 102, events: 101, diagnostics: 1 })
  })

  it('all diagnostics are counted, the first are kept', () => {
    const { summary } = readText(bytes(LINE + 'nonsense\n'.repeat(1000)), 1 << 20, { keep: 3 })
    expect(summary.diagnostics).toBe(1000)
    expect(summary.first.map(d => d.line)).toEqual([2, 3, 4])
    expect(summary.first[0]!.text).toBe('nonsense')
  })
})

describe('input that is no trace text', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /the trace is empty/],
    ['trace.dat', bytes('\x17\x08Dtracing7\0'), /a binary trace.dat/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip data/],
    ['perf.data', bytes('PERFILE2abc'), /perf script/],
    ['zero bytes', Uint8Array.of(97, 98, 0, 10), /a zero byte at offset 2/],
    ['prose', bytes('Dear reader,\nthis is no trace.\n'), /no trace event in 2 lines; the first one is “Dear reader,”/],
  ]
  for (const [name, input, message] of cases) {
    it(name, () => {
      expect(() => readText(input)).toThrow(TraceFormatError)
      expect(() => readText(input)).toThrow(message)
    })
  }

  it('a trace without events is fine', () => {
    expect(readText(bytes('# tracer: nop\n#\n')).summary).toMatchObject({ events: 0, lines: 2, diagnostics: 0 })
  })

  it('a trace of other events only is fine', () => {
    const { summary } = readText(bytes(LINE.replace('mm_page_free', 'sched_wakeup')))
    expect(summary).toMatchObject({ events: 0, foreign: 1 })
  })
})

it('strings are held once', () => {
  const reader = new FtraceTextReader({ onBatch: () => {} })
  reader.push(bytes(LINE.repeat(50_000)))
  expect(reader.batch.strings.size).toBe(1)
  expect(reader.end().events).toBe(50_000)
})

describeShared('recorded trace texts', () => {
  for (const file of filesBelow(`${SHARED}/truth/stock`, /\/trace\.txt(\.gz)?$/)) {
    it(file.slice(-60), () => {
      const raw = readFileSync(file)
      const text = file.endsWith('.gz') ? gunzipSync(raw) : raw
      let events = 0
      const reader = new FtraceTextReader({ onBatch: batch => (events += batch.length) })
      for (let p = 0; p < text.length; p += 1 << 20) reader.push(text.subarray(p, p + (1 << 20)))
      const summary = reader.end()
      expect(summary).toMatchObject({
        diagnostics: 0,
        lost: 0,
        foreign: 0,
        events: summary.written,
        lines: events + 12,
      })
    })
  }
})
