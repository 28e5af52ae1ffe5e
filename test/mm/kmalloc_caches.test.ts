// Where kmalloc's memory comes from: never less than asked, from the smallest cache that fits.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernels, with_config, with_slab } from '../../src/kernels/index.ts'
import { __GFP_RECLAIMABLE, GFP_ATOMIC, GFP_DMA, GFP_KERNEL, GFP_KERNEL_ACCOUNT } from '../../src/mm/gfp.ts'
import {
  KMALLOC_MAX_SIZE,
  kmalloc_cache_request,
  kmalloc_index,
  kmalloc_indexes,
  kmalloc_name,
  kmalloc_place,
  kmalloc_size,
  kmalloc_size_roundup,
  kmalloc_types,
} from '../../src/mm/kmalloc_caches.ts'

const slub = kernels['6.1-x86_64']!
const slab = with_slab(slub, 'SLAB')
const slob = with_slab(slub, 'SLOB')

describe.each([slub, slab, slob])('$name', kernel => {
  it('never less than asked, and more only to the next size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: KMALLOC_MAX_SIZE(kernel) }), size => {
        const { ksize } = kmalloc_place(kernel, size, GFP_KERNEL)
        expect(ksize).toBeGreaterThanOrEqual(size)
        expect(kmalloc_place(kernel, ksize, GFP_KERNEL).ksize).toBe(ksize)
        expect(ksize).toBeLessThanOrEqual(Math.max(2 * size, 32))
        expect(kmalloc_size_roundup(kernel, size)).toBeLessThanOrEqual(Math.max(ksize, size + 7))
      }),
    )
  })

  it('too much is refused', () => {
    expect(() => kmalloc_place(kernel, KMALLOC_MAX_SIZE(kernel) + 1, GFP_KERNEL)).toThrow(RangeError)
  })
})

it('caches in the order of their making', () => {
  const sizes = (kernel: typeof slub): string => kmalloc_indexes(kernel).map(kmalloc_size).join(' ')
  expect(sizes(slub)).toBe('8 16 32 64 96 128 192 256 512 1024 2048 4096 8192')
  expect(sizes(slab)).toBe('32 64 96 128 192 256 512 1024 2048 4096 8192')
})

it('every index is that of its own size', () => {
  for (const index of kmalloc_indexes(slub)) expect(kmalloc_index(slub, kmalloc_size(index))).toBe(index)
})

it('kinds of caches by mask', () => {
  const cache = (gfp: number): string | null => kmalloc_place(slub, 1000, gfp).cache
  expect([GFP_KERNEL, GFP_ATOMIC, GFP_KERNEL | __GFP_RECLAIMABLE, GFP_KERNEL_ACCOUNT].map(cache)).toEqual([
    'kmalloc-1k',
    'kmalloc-1k',
    'kmalloc-rcl-1k',
    'kmalloc-cg-1k',
  ])
  expect(cache(GFP_DMA | __GFP_RECLAIMABLE)).toBe('dma-kmalloc-1k')
  expect(kmalloc_types(slub)).toEqual(['normal', 'reclaim', 'cgroup', 'dma'])
  expect(kmalloc_types(with_config(slub, { MEMCG_KMEM: false }))).toEqual(['normal', 'reclaim', 'dma'])
  expect(kmalloc_name('normal', 21)).toBe('kmalloc-2M')
})

it('the request of a cache: powers of two are aligned to themselves', () => {
  expect(kmalloc_cache_request(slub, 33, GFP_KERNEL)).toMatchObject({
    name: 'kmalloc-64',
    size: 64,
    align: 64,
    flags: 0x1000,
  })
  expect(kmalloc_cache_request(slub, 80, GFP_KERNEL | __GFP_RECLAIMABLE)).toMatchObject({ align: 8, flags: 0x21000 })
  expect(kmalloc_cache_request(slab, 8, GFP_KERNEL)).toMatchObject({ name: 'kmalloc-32', flags: 0x3000 })
  expect(() => kmalloc_cache_request(slub, 0, GFP_KERNEL)).toThrow(RangeError)
  expect(() => kmalloc_cache_request(slub, 8193, GFP_KERNEL)).toThrow(RangeError)
})
