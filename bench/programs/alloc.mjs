// One run of a workload on the twin: `node alloc.mjs NAME [DIST] [on|two]` prints { ns, sum }: the fastest batch per
// pair, and the hash of the machine's whole image at the end. DIST: the compiled twin to use; `on`: tracepoints into a
// ring; `two`: another machine has been used before.
import { pathToFileURL } from 'node:url'
import { benchMachine, imageHash } from '../machine.mjs'
import { cpuSeconds, SEED, WORKLOADS } from '../workloads.mjs'

const [name, dist = new URL('../../dist', import.meta.url).pathname, how] = process.argv.slice(2)
const load = path => import(pathToFileURL(`${dist}/${path}`).href)
const { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, __GFP_RECLAIMABLE } = await load('mm/gfp.js')
const { __free_pages, alloc_pages } = await load('mm/page_alloc/alloc_pages.js')
const { RecordRing } = await load('trace/record_ring.js')

/** Masks by two random bits. */
const MASKS = Int32Array.of(GFP_KERNEL, GFP_KERNEL | __GFP_RECLAIMABLE, GFP_HIGHUSER_MOVABLE, GFP_HIGHUSER_MOVABLE)

function hot(sys, ops) {
  for (let i = 0; i < ops; i++) __free_pages(sys, alloc_pages(sys, GFP_KERNEL, 0), 0)
}

function churn(sys, slots, random, ops) {
  const live = slots.length
  let x = random
  for (let i = 0; i < ops; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const at = (x >>> 1) % live
    __free_pages(sys, slots[at], 0)
    slots[at] = alloc_pages(sys, GFP_KERNEL, 0)
  }
  return x
}

function churnMixed(sys, slots, orders, random, ops) {
  const live = slots.length
  let x = random
  for (let i = 0; i < ops; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const at = (x >>> 1) % live
    __free_pages(sys, slots[at], orders[at])
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const bits = (x >>> 8) | 1024
    const order = 31 - Math.clz32(bits & -bits)
    orders[at] = order
    slots[at] = alloc_pages(sys, MASKS[x & 3], order)
  }
  return x
}

function run(sys) {
  const { live, mixed, batches, ops } = WORKLOADS[name]
  const slots = new Int32Array(live)
  const orders = new Uint8Array(live)
  for (let i = 0; i < live; i++) slots[i] = alloc_pages(sys, GFP_KERNEL, 0)
  let random = SEED
  let best = Infinity
  for (let batch = 0; batch < batches; batch++) {
    const start = cpuSeconds()
    if (live === 0) hot(sys, ops)
    else if (mixed) random = churnMixed(sys, slots, orders, random, ops)
    else random = churn(sys, slots, random, ops)
    best = Math.min(best, cpuSeconds() - start)
  }
  return (best / ops) * 1e9
}

const sys = await benchMachine(WORKLOADS[name].frames, dist)
sys.printk = line => {
  throw new Error(line)
}
if (how === 'on') {
  const pageEvents = [
    'mm_page_alloc',
    'mm_page_free',
    'mm_page_alloc_zone_locked',
    'mm_page_pcpu_drain',
    'mm_page_alloc_extfrag',
  ]
  sys.trace = new RecordRing(1 << 16).probes(pageEvents)
}
if (how === 'two') hot(await benchMachine(WORKLOADS[name].frames, dist), 300_000)
const ns = run(sys)
console.log(JSON.stringify({ ns, sum: imageHash(sys) }))
