// kmalloc over SLUB: where each size comes from is what kmalloc_place says, which recordings prove; and the family.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { __GFP_RECLAIMABLE, __GFP_ZERO, GFP_KERNEL } from '../../src/mm/gfp.ts'
import {
  kcalloc,
  kfree,
  kfree_sensitive,
  kmalloc,
  kmalloc_array,
  kmalloc_node,
  krealloc,
  ksize,
  kzalloc,
  ZERO_SIZE_PTR,
} from '../../src/mm/kmalloc.ts'
import { KMALLOC_MAX_SIZE, kmalloc_place } from '../../src/mm/kmalloc_caches.ts'
import { kmem_cache_create, kmem_cache_destroy, kmem_cache_named } from '../../src/mm/kmem_cache.ts'
import { cache_rows, kmem_cache_name } from '../../src/mm/kmem_cache_rows.ts'
import { mempool_alloc, mempool_free } from '../../src/mm/mempool.ts'
import { mempool_create_kmalloc_pool } from '../../src/mm/mempool_ready.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { slab_allocator } from '../../src/mm/slab_allocators.ts'
import { NODE_STAT_ITEMS, node_item } from '../../src/mm/vmstat_item.ts'
import { laws, numaMachine, slubMachine } from './slub_machine.ts'

it('every size gets the cache and the bytes that it should', () => {
  const { sys, said } = slubMachine()
  const cacheName = (object: number): string | null => {
    const cache = slab_allocator(sys).cache_of(sys, object)
    return cache < 0 ? null : kmem_cache_name(sys, cache)
  }
  for (const gfp of [GFP_KERNEL, GFP_KERNEL | __GFP_RECLAIMABLE])
    for (const size of [1, 8, 9, 16, 64, 65, 96, 97, 128, 129, 192, 193, 4096, 8192, 8193, 20000, 2 ** 20]) {
      const object = kmalloc(sys, size, gfp)
      const place = kmalloc_place(sys.kernel, size, gfp)
      expect([size, cacheName(object), ksize(sys, object)]).toEqual([size, place.cache, place.ksize])
      kfree(sys, object)
    }
  expect(said).toEqual([])
  expect(laws(sys)).toEqual([])
})

it('nothing, too much, and what cannot be counted', () => {
  const { sys, said } = slubMachine()
  expect(kmalloc(sys, 0, GFP_KERNEL)).toBe(ZERO_SIZE_PTR)
  expect(ksize(sys, ZERO_SIZE_PTR)).toBe(0)
  expect(ksize(sys, 0)).toBe(0)
  kfree(sys, 0)
  kfree(sys, ZERO_SIZE_PTR)
  expect(said).toEqual([])
  expect(kmalloc(sys, KMALLOC_MAX_SIZE(sys.kernel) + 1, GFP_KERNEL)).toBe(0)
  expect(kmalloc(sys, -1, GFP_KERNEL)).toBe(0)
  expect(kmalloc_array(sys, 2 ** 40, 2 ** 40, GFP_KERNEL)).toBe(0)
  expect(said.length).toBe(2)
  expect(() => kmalloc(sys, 1.5, GFP_KERNEL)).toThrow(RangeError)
  expect(laws(sys)).toEqual([])
})

it('zeros and copies', () => {
  const { sys } = slubMachine()
  const fill = (object: number, bytes: number, value: number): void => {
    for (let at = 0; at < bytes; at++) write_u8(sys, object + at, value)
  }
  const values = (object: number, bytes: number): number[] => [
    ...new Set(Array.from({ length: bytes }, (_, at) => read_u8(sys, object + at))),
  ]
  const dirty = kmalloc(sys, 500, GFP_KERNEL)
  fill(dirty, 500, 7)
  kfree(sys, dirty)
  expect(values(kzalloc(sys, 500, GFP_KERNEL), 500)).toEqual([0])
  expect(values(kcalloc(sys, 9, 1000, GFP_KERNEL), 9000)).toEqual([0])
  let object = kmalloc(sys, 60, GFP_KERNEL)
  fill(object, 60, 9)
  expect(krealloc(sys, object, 64, GFP_KERNEL)).toBe(object)
  object = krealloc(sys, object, 3000, GFP_KERNEL | __GFP_ZERO)
  expect(values(object, 60)).toEqual([9])
  object = krealloc(sys, object, 30000, GFP_KERNEL)
  expect(values(object, 60)).toEqual([9])
  kfree_sensitive(sys, object)
  expect(krealloc(sys, 0, 10, GFP_KERNEL)).toBeGreaterThan(ZERO_SIZE_PTR)
  expect(krealloc(sys, kmalloc(sys, 10, GFP_KERNEL), 0, GFP_KERNEL)).toBe(ZERO_SIZE_PTR)
  expect(laws(sys)).toEqual([])
})

it('any order of sizes: memory is nobody else’s and all pages come back', () => {
  const property = fc.property(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 40000 }), fc.boolean(), fc.nat(1)), { size: '+1', maxLength: 150 }),
    steps => {
      const { sys } = numaMachine()
      const owned: [at: number, end: number][] = []
      for (const [size, frees, node] of steps) {
        sys.machine.this_cpu[0] = node
        if (frees && owned.length > 0) kfree(sys, owned.splice(size % owned.length, 1)[0]![0])
        else {
          const at = kmalloc_node(sys, size, GFP_KERNEL, node - 1)
          expect(ksize(sys, at)).toBeGreaterThanOrEqual(size)
          expect(owned.filter(([from, to]) => at < to && from < at + size)).toEqual([])
          owned.push([at, at + size])
        }
      }
      expect(laws(sys)).toEqual([])
      for (const [at] of owned) kfree(sys, at)
      for (const cache of cache_rows(sys)) slab_allocator(sys).shrink(sys, cache)
      for (const item of ['nr_slab_unreclaimable', 'nr_slab_reclaimable'] as const)
        for (let nid = 0; nid < 2; nid++)
          expect(sys.node_stat.vm_stat[nid * NODE_STAT_ITEMS.length + node_item(item)]).toBe(0)
    },
  )
  fc.assert(property, { numRuns: 10 })
})

it('caches that fit are one, and go with their last user', () => {
  const { sys } = slubMachine()
  const first = kmem_cache_create(sys, 'first', 100)
  const second = kmem_cache_create(sys, 'second', 104)
  expect(second).toBe(first)
  expect(kmem_cache_named(sys, 'second')).toBe(-1)
  expect(sys.kmem_cache.refcount[first]).toBe(2)
  expect(sys.kmem_cache.object_size[first]).toBe(104)
  kmem_cache_destroy(sys, first)
  expect(kmem_cache_named(sys, 'first')).toBe(first)
  kmem_cache_destroy(sys, second)
  expect(kmem_cache_named(sys, 'first')).toBe(-1)
  const alone = slubMachine(undefined, [0], { cmdline: 'quiet slab_nomerge' }).sys
  expect(kmem_cache_create(alone, 'first', 100)).not.toBe(kmem_cache_create(alone, 'second', 100))
})

it('a machine with too few rows says which option to raise', () => {
  const { sys } = slubMachine()
  const fill = (): void => {
    for (let at = 0; at < 300; at++)
      kmem_cache_create(sys, `cache${at}`, 1000 + 8 * at, 0, 0, { name: 'c', construct: () => {} })
  }
  expect(fill).toThrow(/nr_kmem_caches/)
  expect(laws(sys)).toEqual([])
})

it('a memory pool over kmalloc', () => {
  const { sys } = slubMachine()
  const pool = mempool_create_kmalloc_pool(sys, 4, 300, { kmalloc, kfree })
  const object = mempool_alloc(sys, pool, GFP_KERNEL)
  expect(ksize(sys, object)).toBe(512)
  mempool_free(sys, object, pool)
  expect(laws(sys)).toEqual([])
})
