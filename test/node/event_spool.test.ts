// What goes into a spool of events comes out: every column that the events use, batch by batch.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { EventSpool } from '../../src/node/event_spool.ts'
import { EventBatch, StringTable } from '../../src/trace/batch.ts'
import { TRACEPOINT_BY_KIND, TRACEPOINTS } from '../../src/trace/events.ts'

const number = fc.oneof(
  fc.integer(),
  fc.constantFrom(Number.NaN, -1, 0, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, -0.5, -0x0000_7000_0000_1000),
)
const event = fc.record({
  kind: fc.constantFrom(...TRACEPOINTS.map(({ kind }) => kind)),
  cpu: fc.nat(65535),
  irq: fc.nat(65535),
  pid: fc.integer(),
  comm: fc.nat(1 << 20),
  text: fc.integer({ min: -1, max: 3 }),
  text2: fc.integer({ min: -1, max: 0 }),
  time: fc.double({ min: 0, max: 1e9, noNaN: true }),
  line: fc.integer({ min: 1, max: 2 ** 40 }),
  args: fc.array(number, { minLength: 12, maxLength: 12 }),
})
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never

function fill(batch: EventBatch, events: readonly Event[]): void {
  events.forEach((each, row) => {
    for (const name of ['kind', 'cpu', 'irq', 'pid', 'comm', 'text', 'text2', 'time', 'line'] as const)
      batch[name][row] = each[name]
    each.args.forEach((value, i) => {
      batch.args[i]![row] = value
    })
  })
  batch.length = events.length
}

/** What a batch tells: the columns that its events use. */
function told(batch: EventBatch): unknown[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const used = TRACEPOINT_BY_KIND[batch.kind[row]!]!.fields.filter(field => field.column >= 0)
    const args = used.map(({ column }) => batch.args[column]![row]! + 0)
    const { kind, cpu, irq, pid, comm, text, text2, time, line } = batch
    return [kind, cpu, irq, pid, comm, text, text2, time, line].map(column => column[row]).concat(args)
  })
}

it('gives out what it took', async () => {
  const batches = fc.array(fc.array(event, { maxLength: 30, size: '+1' }), { maxLength: 6, size: '+1' })
  await fc.assert(
    fc.asyncProperty(batches, async all => {
      const spool = new EventSpool()
      try {
        const expected: unknown[] = []
        const batch = new EventBatch(30, new StringTable())
        for (const events of all) {
          fill(batch, events)
          expected.push(...told(batch))
          spool.write(batch)
        }
        const got: unknown[] = []
        await spool.read(read => got.push(...told(read)), {})
        expect(spool.whole).toBe(true)
        expect(spool.events).toBe(expected.length)
        expect(got).toEqual(expected)
      } finally {
        spool.close()
      }
    }),
    { numRuns: 60 },
  )
})

it('says how far it is, and can be stopped', async () => {
  const spool = new EventSpool()
  const batch = new EventBatch(4, new StringTable())
  batch.kind.fill(TRACEPOINTS[0]!.kind)
  batch.length = 4
  for (let i = 0; i < 40; i++) spool.write(batch)
  const steps: number[] = []
  await spool.read(() => {}, { onProgress: (done, total) => steps.push(done / total) })
  expect(steps.length).toBeGreaterThan(1)
  expect(steps).toEqual(steps.toSorted((x, y) => x - y))
  const stop = new AbortController()
  let batches = 0
  const reading = spool.read(
    () => {
      if (++batches === 20) stop.abort()
    },
    { signal: stop.signal },
  )
  await expect(reading).rejects.toThrow(/abort/)
  expect(batches).toBeLessThan(40)
  spool.close()
})
