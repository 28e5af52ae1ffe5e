// Pairs of calls above the page allocator: `node pairs.mjs WHAT DIST` prints { ns } of a pair, the fastest batch.
//   vmalloc1, vmalloc16   so many pages: areas, page tables, frames, and all back
//   kmap, kmap_local      a frame of high memory made visible and invisible again, 64 frames in turns
import { pathToFileURL } from 'node:url'
import { cpuSeconds } from '../workloads.mjs'

const [what, dist] = process.argv.slice(2)
const load = path => import(pathToFileURL(`${dist}/${path}`).href)
const { boot_from_description } = await load('sim/boot.js')
const { setup_address_space } = await load('arch/x86/setup_address_space.js')
const { vfree, vmalloc } = await load('mm/vmalloc.js')
const { kmap, kmap_local_page, kunmap, kunmap_local } = await load('mm/highmem.js')
const { alloc_page } = await load('mm/page_alloc/alloc_pages.js')
const { GFP_HIGHUSER } = await load('mm/gfp.js')

const [BATCHES, OPS] = [12, 20_000]
const high = what.startsWith('kmap')
const sys = boot_from_description(high ? { kernel: '6.1-i386', memory: '2G' } : { memory: '2G' })
setup_address_space(sys)
const pfns = Array.from({ length: 64 }, () => (high ? alloc_page(sys, GFP_HIGHUSER) : 0))
const pages = Number(what.slice('vmalloc'.length))
const bytes = pages * 4096

const pairs = {
  kmap: n => {
    for (let i = 0; i < n; i++) {
      kmap(sys, pfns[i & 63])
      kunmap(sys, pfns[i & 63])
    }
  },
  kmap_local: n => {
    for (let i = 0; i < n; i++) kunmap_local(sys, kmap_local_page(sys, pfns[i & 63]))
  },
}
const vmallocPairs = n => {
  for (let i = 0; i < n; i++) vfree(sys, vmalloc(sys, bytes))
}

const run = pairs[what] ?? vmallocPairs
let best = Infinity
for (let batch = 0; batch < BATCHES; batch++) {
  const start = cpuSeconds()
  run(OPS)
  best = Math.min(best, cpuSeconds() - start)
}
console.log(JSON.stringify({ ns: (best / OPS) * 1e9 }))
