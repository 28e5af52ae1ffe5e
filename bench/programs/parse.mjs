// Parses a trace on the twin's reader: `node parse.mjs FILE ROUNDS` prints { ns, sum, events } per event, the file
// being in memory. The sum is made in the first round, which is not measured.
import { readFileSync } from 'node:fs'
import { KIND } from '../../dist/trace/events.js'
import { FtraceTextReader } from '../../dist/trace/ftrace_text.js'
import { cpuSeconds } from '../workloads.mjs'

const PIECE = 1 << 22
/** Kinds as the C parser numbers them. */
const NUMBER = new Map([
  [KIND.mm_page_alloc, 1],
  [KIND.mm_page_free, 2],
  [KIND.mm_page_alloc_zone_locked, 3],
  [KIND.mm_page_pcpu_drain, 4],
])

function parse(bytes, onBatch) {
  const reader = new FtraceTextReader({ onBatch })
  for (let at = 0; at < bytes.length; at += PIECE) reader.push(bytes.subarray(at, at + PIECE))
  return reader.end()
}

function fnv(text) {
  let h = 0x811c9dc5 | 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

function sumOf(bytes) {
  let h = 0x811c9dc5 | 0
  const texts = new Map()
  const textHash = (strings, id) => {
    if (!texts.has(id)) texts.set(id, fnv(strings.get(id)))
    return texts.get(id)
  }
  parse(bytes, batch => {
    for (let i = 0; i < batch.length; i++) {
      const text = batch.text[i] < 0 ? 0 : textHash(batch.strings, batch.text[i])
      const { kind, cpu, pid, time, a, b, c } = batch
      const micros = Math.round(time[i] * 1e6)
      for (const value of [NUMBER.get(kind[i]), cpu[i], pid[i], micros, a[i], b[i], c[i], text])
        h = Math.imul(h ^ value, 0x01000193)
    }
  })
  return h >>> 0
}

const [file, rounds] = process.argv.slice(2)
const bytes = readFileSync(file)
const sum = sumOf(bytes)
let best = Infinity
let events = 0
for (let round = 0; round < Number(rounds); round++) {
  const start = cpuSeconds()
  const summary = parse(bytes, () => {})
  best = Math.min(best, cpuSeconds() - start)
  events = summary.events
  if (summary.diagnostics !== 0) throw new Error(summary.first[0].message)
}
console.log(JSON.stringify({ ns: (best / events) * 1e9, sum, events }))
