// One run of a cache on a twin: `node slab.mjs ALLOCATOR SIZE LIVE BATCHES OPS [kmalloc]` prints { ns, sum }: the fastest batch
// per pair of one allocation and one free; sum is made of the machine's image at the end and of the place in its page of every
// object, in the order in which they were handed out. Instead of kmalloc a file: the image before all that goes there, for C;
// prints { cache, unreclaimable, events }.
import { writeImage } from '../c_layout.mjs'
import { benchMachine, DIST, imageHash } from '../machine.mjs'
import { cpuSeconds, SEED } from '../workloads.mjs'

const [allocator, sizeText, liveText, batchesText, opsText, how] = process.argv.slice(2)
const [size, live, batches, ops] = [sizeText, liveText, batchesText, opsText].map(Number)
const load = path => import(`${DIST}/${path}`)
const { GFP_KERNEL } = await load('mm/gfp.js')
const { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_init } = await load('mm/kmem_cache.js')
const { kfree, kmalloc } = await load('mm/kmalloc.js')
const { node_item, PGFREE } = await load('mm/vmstat_item.js')

const sys = await benchMachine((1 << 20) + (1 << 16), DIST, { slab: allocator, slots: 1 << 16 })
sys.printk = line => {
  throw new Error(line)
}
kmem_cache_init(sys, { cmdline: 'slab_nomerge' })
const cache = kmem_cache_create(sys, 'bench', size)
if (how !== undefined && how !== 'kmalloc') {
  writeImage(sys, how)
  const events = [...sys.pgalloc_events.subarray(0, sys.nr_zone_types), PGFREE]
  console.log(JSON.stringify({ cache, unreclaimable: node_item('nr_slab_unreclaimable'), events }))
  process.exit()
}
let sum = 0

function hot() {
  for (let i = 0; i < ops; i++) kmem_cache_free(sys, cache, kmem_cache_alloc(sys, cache, GFP_KERNEL))
}

function hotKmalloc() {
  for (let i = 0; i < ops; i++) kfree(sys, kmalloc(sys, size, GFP_KERNEL))
}

function churn(slots, random) {
  let x = random
  for (let i = 0; i < ops; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const at = (x >>> 1) % live
    kmem_cache_free(sys, cache, slots[at])
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    slots[at] = object
    sum = (Math.imul(sum, 31) + (object & 4095)) | 0
  }
  return x
}

const slots = new Float64Array(live)
for (let i = 0; i < live; i++) slots[i] = kmem_cache_alloc(sys, cache, GFP_KERNEL)
let random = SEED
let best = Infinity
for (let batch = 0; batch < batches; batch++) {
  const start = cpuSeconds()
  if (how === 'kmalloc') hotKmalloc()
  else if (live === 0) hot()
  else random = churn(slots, random)
  best = Math.min(best, cpuSeconds() - start)
}
console.log(JSON.stringify({ ns: (best / ops) * 1e9, sum: (imageHash(sys) ^ sum) >>> 0 }))
