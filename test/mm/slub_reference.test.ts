// SLUB against its plain reference under random operations on two CPUs: every address, every list in its order.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { list_entries } from '../../src/image/list.ts'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { next_partial } from '../../src/mm/slub_cpu.ts'
import { partial_list } from '../../src/mm/slub_lists.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'
import { type RefSlab, SlubReference } from './slub_reference.ts'

const op = fc.record({
  cpu: fc.nat(1),
  frees: fc.boolean(),
  which: fc.nat(1000),
  times: fc.integer({ min: 1, max: 40 }),
})

/** Slabs of a cache by their place: the CPUs' own, their lists, the node's list. */
function places(sys: Sys, cache: number): number[][] {
  const lists = [list_entries(sys.link.link, partial_list(sys, cache * sys.nr_nodes))]
  for (let c = cache * sys.nr_cpus; c < (cache + 1) * sys.nr_cpus; c++) {
    const partial: number[] = []
    for (let at = sys.slub_cpu.partial[c]! - 1; at >= 0; at = next_partial(sys, at)) partial.push(at)
    lists.push([sys.slub_cpu.slab[c]! - 1], partial)
  }
  return lists
}

const pfns = (slabs: readonly RefSlab[]): number[] => slabs.map(slab => slab.pfn)

it.each(['6.1', '6.12'] as const)('as the reference, %s', release => {
  fc.assert(
    fc.property(fc.constantFrom(200, 1000, 3000, 5000), fc.array(op, { size: '+1', maxLength: 60 }), (size, ops) => {
      const { sys, said } = slubMachine(slubKernel(release), [0, 1], { cmdline: 'quiet slab_nomerge' })
      const cache = kmem_cache_create(sys, 'tested', size)
      const { oo, min_partial, cpu_partial_slabs } = sys.slub_cache
      const step = sys.kmem_cache.size[cache]!
      const reference = new SlubReference(2, oo[cache]! & 0xffff, min_partial[cache]!, cpu_partial_slabs[cache]!)
      const live: { object: number; slab: RefSlab; index: number; mark: number }[] = []
      let marks = 0
      const take = (cpu: number): void => {
        const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
        const { slab, index } = reference.alloc(cpu)
        if (slab.pfn === -1) slab.pfn = Math.floor(object / 4096)
        expect(object).toBe(slab.pfn * 4096 + index * step)
        const mark = marks++ % 251
        for (const at of [0, size >> 1, size - 1]) write_u8(sys, object + at, mark)
        live.push({ object, slab, index, mark })
      }
      for (const { cpu, frees, which, times } of ops) {
        sys.machine.this_cpu[0] = cpu
        for (let time = 0; time < times; time++) {
          if (!frees) take(cpu)
          const [one] = frees ? live.splice((which + 7 * time) % Math.max(live.length, 1), 1) : []
          if (!one) continue
          for (const at of [0, size >> 1, size - 1]) expect(read_u8(sys, one.object + at)).toBe(one.mark)
          kmem_cache_free(sys, cache, one.object)
          reference.free(cpu, one.slab, one.index)
        }
        const owned = reference.cpus.flatMap(({ slab, partial }) => [[slab?.pfn ?? -1], pfns(partial)])
        expect(places(sys, cache)).toEqual([pfns(reference.node), ...owned])
        expect(sys.slub_node.nr_partial[cache]).toBe(reference.node.length)
        expect(sys.slub_node.nr_slabs[cache]).toBe(reference.slabs.size)
        expect(laws(sys)).toEqual([])
      }
      expect(said).toEqual([])
    }),
    { numRuns: 10 },
  )
})
