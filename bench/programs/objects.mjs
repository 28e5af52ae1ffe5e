// One run of a workload on the twin's allocators of objects: `node objects.mjs NAME [DIST]` prints { ns, sum }: the
// fastest batch per pair of one allocation and one free, and the hash of the machine's image at the end.
//   cache    an object of a cache, allocated and freed
//   kmalloc  128 bytes, the same
//   pages    a block of order 4, which goes the general way
//   churn    of 20 000 objects of a cache a random one is freed and another allocated
import { pathToFileURL } from 'node:url'
import { benchMachine, imageHash } from '../machine.mjs'
import { cpuSeconds, SEED } from '../workloads.mjs'

const [name, dist = new URL('../../dist', import.meta.url).pathname] = process.argv.slice(2)
const load = path => import(pathToFileURL(`${dist}/${path}`).href)
const { GFP_KERNEL } = await load('mm/gfp.js')
const { kfree, kmalloc } = await load('mm/kmalloc.js')
const { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_init } = await load('mm/kmem_cache.js')
const { __free_pages, alloc_pages } = await load('mm/page_alloc/alloc_pages.js')

const FRAMES = (1 << 20) + (1 << 16)
const LIVE = 20_000
const [BATCHES, OPS] = [20, 300_000]

const sys = await benchMachine(FRAMES, dist)
sys.printk = line => {
  throw new Error(line)
}
kmem_cache_init(sys)
const cache = kmem_cache_create(sys, 'bench', 256)
const slots = Float64Array.from({ length: name === 'churn' ? LIVE : 0 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
let random = SEED

const batches = {
  cache: () => {
    for (let i = 0; i < OPS; i++) kmem_cache_free(sys, cache, kmem_cache_alloc(sys, cache, GFP_KERNEL))
  },
  kmalloc: () => {
    for (let i = 0; i < OPS; i++) kfree(sys, kmalloc(sys, 128, GFP_KERNEL))
  },
  pages: () => {
    for (let i = 0; i < OPS; i++) __free_pages(sys, alloc_pages(sys, GFP_KERNEL, 4), 4)
  },
  churn: () => {
    let x = random
    for (let i = 0; i < OPS; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const at = (x >>> 1) % LIVE
      kmem_cache_free(sys, cache, slots[at])
      slots[at] = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    }
    random = x
  },
}

let best = Infinity
for (let batch = 0; batch < BATCHES; batch++) {
  const start = cpuSeconds()
  batches[name]()
  best = Math.min(best, cpuSeconds() - start)
}
console.log(JSON.stringify({ ns: (best / OPS) * 1e9, sum: imageHash(sys) }))
