// A replay goes through its trace twice. `node second_reading.mjs FILE again|kept` prints { ns, sum } per event of the
// second time: parsing the text again, or taking what the first reading kept (and keeping it).
import { readFileSync } from 'node:fs'
import { EventSpool } from '../../dist/node/event_spool.js'
import { FtraceTextReader } from '../../dist/trace/ftrace_text.js'
import { cpuSeconds } from '../workloads.mjs'

const ROUNDS = 5
const PIECE = 1 << 20
const [file, how] = process.argv.slice(2)
const bytes = readFileSync(file)

function parse(onBatch) {
  const reader = new FtraceTextReader({ onBatch })
  for (let at = 0; at < bytes.length; at += PIECE) reader.push(bytes.subarray(at, at + PIECE))
  return reader.end().events
}

let best = Infinity
let sum = 0
for (let round = 0; round < ROUNDS; round++) {
  let took = 0
  let events = 0
  const add = batch => {
    for (let row = 0; row < batch.length; row++) sum = Math.imul(sum ^ batch.a[row], 0x01000193)
  }
  sum = 0
  if (how === 'again') {
    parse(() => {})
    const start = cpuSeconds()
    events = parse(add)
    took = cpuSeconds() - start
  } else {
    const spool = new EventSpool()
    events = parse(batch => {
      const start = cpuSeconds()
      spool.write(batch)
      took += cpuSeconds() - start
    })
    const start = cpuSeconds()
    await spool.read(add, {})
    took += cpuSeconds() - start
    spool.close()
  }
  best = Math.min(best, took / events)
}
console.log(JSON.stringify({ ns: best * 1e9, sum }))
