// The mixed churn on npm's `malloc` 1.1.0: blocks of 64 << order bytes in an ArrayBuffer; prints { ns } per pair.
import Malloc from 'malloc'
import { cpuSeconds, SEED, WORKLOADS } from '../workloads.mjs'

const { live, frames } = WORKLOADS.mixed
const OPS = 20_000
const heap = new Malloc(new ArrayBuffer(frames * 64))
const slots = Array.from({ length: live }, () => heap.alloc(64))
let x = SEED
let best = Infinity
for (let batch = 0; batch < 6; batch++) {
  const start = cpuSeconds()
  for (let i = 0; i < OPS; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const at = (x >>> 1) % live
    heap.free(slots[at])
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const bits = (x >>> 8) | 1024
    slots[at] = heap.alloc(64 << (31 - Math.clz32(bits & -bits)))
  }
  best = Math.min(best, cpuSeconds() - start)
}
console.log(JSON.stringify({ ns: (best / OPS) * 1e9 }))
