// SLOB against its plain reference under random operations: every address, every list in its order, every free block.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { list_entries } from '../../src/image/list.ts'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kfree, kmalloc } from '../../src/mm/kmalloc.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free } from '../../src/mm/kmem_cache.ts'
import { free_blocks } from '../../src/mm/slob_page.ts'
import { slabMachine, slob_kernel } from './slab_machine.ts'
import { type RefPage, SlobReference } from './slob_reference.ts'

const CACHES = [
  [24, 8],
  [100, 0],
  [256, 64],
  [1000, 256],
  [3000, 0],
] as const

const op = fc.record({
  /** 0 … 2 = kmalloc, 3 … 7 = a cache; above = a free. */
  what: fc.nat(14),
  size: fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 4087 }),
    fc.constantFrom(8, 64, 512, 2048),
  ),
  which: fc.nat(1000),
  times: fc.integer({ min: 1, max: 20 }),
})

it('as the reference', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), ops => {
      const { sys, log, broken } = slabMachine(slob_kernel)
      const caches = CACHES.map(([size, align]) => kmem_cache_create(sys, `c${size}`, size, align))
      const reference = new SlobReference(4096)
      const live: { object: number; cache: number; size: number; page: RefPage; unit: number }[] = []
      const take = (what: number, asked: number): void => {
        const cache = what < 3 ? -1 : caches[what - 3]!
        const ahead = cache < 0 ? 8 : 0
        const size = cache < 0 ? asked + 8 : sys.kmem_cache.size[cache]!
        const natural = (asked & (asked - 1)) === 0 ? Math.max(8, asked) : 8
        const object = cache < 0 ? kmalloc(sys, asked, GFP_KERNEL) : kmem_cache_alloc(sys, cache, GFP_KERNEL)
        const align = cache < 0 ? natural : sys.kmem_cache.align[cache]!
        const { page, unit } = reference.alloc(size, align, ahead)
        const pfn = Math.floor(object / 4096)
        if (page.pfn === -1) page.pfn = pfn
        expect([pfn, object % 4096]).toEqual([page.pfn, 2 * unit + ahead])
        live.push({ object, cache, size, page, unit })
      }
      for (const { what, size, which, times } of ops) {
        for (let time = 0; time < times; time++) {
          if (what < 8) take(what, size)
          const one = what < 8 ? undefined : live.splice((which + 7 * time) % Math.max(live.length, 1), 1)[0]
          if (!one) continue
          if (one.cache < 0) kfree(sys, one.object)
          else kmem_cache_free(sys, one.cache, one.object)
          reference.free(one.page, one.unit, one.size)
        }
        const pages = reference.lists.map(list =>
          list.map(page => [page.pfn, reference.runs(page).map(([unit, units]) => [2 * unit, units])]),
        )
        const got = [0, 1, 2].map(list =>
          list_entries(sys.link.link, sys.slab_list_base + list).map(pfn => [pfn, free_blocks(sys, pfn)]),
        )
        expect(got).toEqual(pages)
        expect(broken()).toEqual([])
      }
      expect(log).toEqual([])
    }),
    { numRuns: 150 },
  )
})
