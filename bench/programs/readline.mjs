// The same trace through node:readline, which only finds the lines: `node readline.mjs FILE` prints { ns } per line.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { cpuSeconds } from '../workloads.mjs'

const start = cpuSeconds()
let lines = 0
for await (const line of createInterface({ input: createReadStream(process.argv[2], { highWaterMark: 1 << 20 }) }))
  if (line.charCodeAt(0) !== 35) lines++
console.log(JSON.stringify({ ns: ((cpuSeconds() - start) / lines) * 1e9 }))
