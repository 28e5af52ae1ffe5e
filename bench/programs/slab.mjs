// One run of a cache on a twin: `node slab.mjs ALLOCATOR SIZE LIVE BATCHES OPS [kmalloc]` prints { ns, sum, order, cpuPartial }:
// the fastest batch per pair of one allocation and one free. sum is made of the place of every object in its slab, in the order
// in which they were handed out, and of the number of slabs at the end.
import { benchMachine, DIST } from '../machine.mjs'
import { cpuSeconds, SEED } from '../workloads.mjs'

const [allocator, sizeText, liveText, batchesText, opsText, how] = process.argv.slice(2)
const [size, live, batches, ops] = [sizeText, liveText, batchesText, opsText].map(Number)
const load = path => import(`${DIST}/${path}`)
const { GFP_KERNEL } = await load('mm/gfp.js')
const { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_init } = await load('mm/kmem_cache.js')
const { kfree, kmalloc } = await load('mm/kmalloc.js')
const { slab_allocator } = await load('mm/slab_allocators.js')

const sys = await benchMachine((1 << 20) + (1 << 16), DIST, { slab: allocator, slots: 1 << 16 })
sys.printk = line => {
  throw new Error(line)
}
kmem_cache_init(sys, { cmdline: 'slab_nomerge' })
const cache = kmem_cache_create(sys, 'bench', size)
const bytes = allocator === 'SLUB' ? 4096 * 2 ** (sys.slub_cache.oo[cache] >>> 16) : 4096
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
    sum = (Math.imul(sum, 31) + (object & (bytes - 1))) | 0
  }
  return x
}

const slots = new Float64Array(live)
for (let i = 0; i < live; i++) {
  slots[i] = kmem_cache_alloc(sys, cache, GFP_KERNEL)
  sum = (Math.imul(sum, 31) + (slots[i] & (bytes - 1))) | 0
}
let random = SEED
let best = Infinity
for (let batch = 0; batch < batches; batch++) {
  const start = cpuSeconds()
  if (how === 'kmalloc') hotKmalloc()
  else if (live === 0) hot()
  else random = churn(slots, random)
  best = Math.min(best, cpuSeconds() - start)
}
const slabs = allocator === 'SLOB' ? 0 : slab_allocator(sys).slabinfo(sys, cache).num_slabs
const slub =
  allocator === 'SLUB'
    ? { order: sys.slub_cache.oo[cache] >>> 16, cpuPartial: sys.slub_cache.cpu_partial_slabs[cache] }
    : {}
console.log(JSON.stringify({ ns: (best / ops) * 1e9, sum: (Math.imul(sum, 31) + slabs) >>> 0, ...slub }))
