// Writes a trace for the parsers: `node make_trace.mjs FILE` lets a twin do the mixed churn for a number of tasks and
// writes its page events as ftrace text; prints { events }.
import { closeSync, openSync, writeSync } from 'node:fs'
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_NOFS } from '../../dist/mm/gfp.js'
import { format_gfp } from '../../dist/mm/gfp_names.js'
import { __free_pages, alloc_pages } from '../../dist/mm/page_alloc/alloc_pages.js'
import { FtraceWriter, ftraceHeader } from '../../dist/trace/ftrace_writer.js'
import { RecordRing } from '../../dist/trace/record_ring.js'
import { benchMachine } from '../machine.mjs'
import { SEED } from '../workloads.mjs'

const CHUNKS = 60
const OPS = 4000
const LIVE = 20_000
const MASKS = [GFP_KERNEL, GFP_NOFS, GFP_HIGHUSER_MOVABLE, GFP_HIGHUSER_MOVABLE | 0x100]
const TASKS = ['cc1', 'ld', 'kworker/0:1', 'systemd-journal', 'bash', 'kswapd0', 'make', 'node']

const sys = await benchMachine(1 << 21)
const ring = new RecordRing(1 << 16)
sys.trace = ring.probes(['mm_page_alloc', 'mm_page_free', 'mm_page_alloc_zone_locked', 'mm_page_pcpu_drain'])
const writer = new FtraceWriter({ gfpNames: gfp => format_gfp(sys.kernel.gfp, gfp) })
const comms = TASKS.map(name => ring.rows.strings.of(name))
const slots = new Int32Array(LIVE).fill(-1)
const orders = new Uint8Array(LIVE)
const file = openSync(process.argv[2], 'w')
writeSync(file, ftraceHeader(0, 0, 2))
let x = SEED
let events = 0
for (let chunk = 0; chunk < CHUNKS; chunk++) {
  for (let i = 0; i < OPS; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const task = (x >>> 5) & 7
    Object.assign(ring.context, { cpu: task & 1, pid: 1000 + 37 * task, comm: comms[task] })
    ring.context.time = 100 + (chunk * OPS + i) * 3e-6
    const at = (x >>> 8) % LIVE
    if (slots[at] >= 0) __free_pages(sys, slots[at], orders[at])
    orders[at] = (Math.clz32((x >>> 4) | 1) >> 2) & 3
    slots[at] = alloc_pages(sys, MASKS[x & 3], orders[at])
  }
  ring.read(batch => {
    events += batch.length
    writeSync(file, writer.batch(batch))
  })
  ring.clear()
}
closeSync(file)
console.log(JSON.stringify({ events }))
