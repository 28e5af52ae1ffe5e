// SLAB against its plain reference under random operations: every object, every list in its order, every count.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import type { Kernel } from '../../src/mm/kernel.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_shrink } from '../../src/mm/kmem_cache.ts'
import { cache_reap, REAPTIMEOUT_NODE } from '../../src/mm/slab_drain.ts'
import type { Row } from '../../src/verify/slab_script.ts'
import { objectNumbers, slabStateRow } from '../../src/verify/slab_state.ts'
import { slab_32_kernel, slab_debug_kernel, slab_kernel, slabMachine } from './slab_machine.ts'
import { type RefObject, type RefSlab, SlabReference } from './slab_reference.ts'

type Op = { do: 'alloc' | 'free' | 'shrink' | 'reap'; cpu: number; which: number; times: number }

const op = fc.record({
  do: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('alloc', 'free') },
    { weight: 1, arbitrary: fc.constantFrom('shrink', 'reap') },
  ) as fc.Arbitrary<Op['do']>,
  cpu: fc.nat(2),
  which: fc.nat(1000),
  times: fc.integer({ min: 1, max: 150 }),
})

/** The reference's state as the recordings have it. */
function referenceRows(reference: SlabReference, colour_off: number): Row[] {
  const entries = (objects: readonly RefObject[]): unknown => objects.map(({ slab, index }) => [slab.pfn, index])
  const list = (slabs: readonly RefSlab[]): unknown =>
    slabs.map(({ pfn, colour, free }) => ({
      pfn,
      active: reference.cache.num - free.length,
      s_mem: colour * colour_off,
      free,
    }))
  const { partial, full, empty, shared } = reference
  const node = {
    free_objects: reference.freeObjects,
    colour_next: reference.colour,
    total_slabs: partial.length + full.length + empty.length,
    free_slabs: empty.length,
    free_touched: Number(reference.looked),
    partial: list(partial),
    full: list(full),
    free: list(empty),
    ...(shared && { shared: entries(shared.objects) }),
  }
  return [...reference.arrays.map(array => ({ e: entries(array.objects), touched: Number(array.touched) })), node]
}

function play(kernel: Kernel, cpus: number, size: number, ctor: boolean, ops: readonly Op[]): void {
  const { sys, log, broken } = slabMachine(kernel, new Array<number>(cpus).fill(0), 2)
  const cache = kmem_cache_create(sys, 'tried', size, 0, 0, ctor ? { name: 'nothing', construct: () => {} } : null)
  const { num, colour, colour_off, limit, batchcount, shared, obj_offset } = sys.slab_cache
  const reference = new SlabReference({
    num: num[cache]!,
    colours: colour[cache]!,
    limit: limit[cache]!,
    batch: batchcount[cache]!,
    sharedLimit: shared[cache]! * batchcount[cache]!,
    cpus,
  })
  const live: { object: number; ref: RefObject }[] = []
  const allocate = (cpu: number): void => {
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    const ref = reference.alloc(cpu)
    const [pfn, index] = objectNumbers(sys, object - obj_offset[cache]!)
    if (ref.slab.pfn === -1) ref.slab.pfn = pfn
    expect([pfn, index]).toEqual([ref.slab.pfn, ref.index])
    live.push({ object, ref })
  }
  const release = (cpu: number, which: number): void => {
    const at = which % Math.max(live.length, 1)
    const one = live.splice(at, 1)[0]
    if (!one) return
    kmem_cache_free(sys, cache, one.object)
    reference.free(cpu, one.ref)
  }
  const state = (): Row[] => {
    const rows = Array.from({ length: cpus }, (_, cpu) => slabStateRow(sys, cache, { t: 'ac', cpu }))
    const { free_limit: _, shared: some, ...node } = slabStateRow(sys, cache, { t: 'node', n: 0 })
    expect(_).toBe(reference.freeLimit)
    const pick = ({ e, touched }: Row): Row => ({ e, touched })
    const { t: _t, n: _n, ...rest } = node
    return [...rows.map(pick), { ...rest, ...(some ? { shared: (some as Row).e } : {}) }]
  }
  for (const { do: what, cpu: any, which, times } of ops) {
    const cpu = any % cpus
    sys.machine.this_cpu[0] = cpu
    for (let time = 0; time < times; time++) {
      if (what === 'alloc' && live.length * size < 3 << 20) allocate(cpu)
      if (what === 'free') release(cpu, which + 7 * time)
    }
    if (what === 'shrink') {
      kmem_cache_shrink(sys, cache)
      reference.shrink()
    }
    if (what === 'reap') {
      sys.machine.jiffies[0]! += 3 * REAPTIMEOUT_NODE
      cache_reap(sys)
      reference.reap(cpu)
    }
    expect(state()).toEqual(referenceRows(reference, colour_off[cache]!))
    expect(broken()).toEqual([])
  }
  expect(log).toEqual([])
}

it.each([
  ['one CPU', slab_kernel, 1],
  ['three CPUs', slab_kernel, 3],
  ['debugging', slab_debug_kernel, 2],
  ['32 bits', slab_32_kernel, 1],
] as const)('%s: as the reference', (_, kernel, cpus) => {
  const sizes = fc.constantFrom(8, 32, 100, 192, 256, 700, 1024, 2000, 4096, 5000)
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.array(op, { maxLength: 25 }), (size, ctor, ops) =>
      play(kernel, cpus, size, ctor, ops),
    ),
    { numRuns: 60 },
  )
})
