// Caches of the three allocators: laws that hold for every request, and the cases that lectures draw.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernels, with_config, with_slab } from '../../src/kernels/index.ts'
import type { Kernel } from '../../src/mm/kernel.ts'
import { type Cache, cache_geometry, create_cache, release_cache } from '../../src/mm/slab_caches.ts'
import {
  type CacheRequest,
  calculate_alignment,
  find_mergeable,
  type SlabSetup,
  slab_setup,
} from '../../src/mm/slab_common.ts'
import {
  SLAB_CONSISTENCY_CHECKS,
  SLAB_HWCACHE_ALIGN,
  SLAB_NOLEAKTRACE,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TYPESAFE_BY_RCU,
} from '../../src/mm/slab_flags.ts'
import { type SlabGeometry, slab_geometry } from '../../src/mm/slab_geometry.ts'
import { kmem_cache_flags } from '../../src/mm/slab_options.ts'
import { slob_geometry } from '../../src/mm/slob_geometry.ts'
import { type SlubGeometry, slub_geometry } from '../../src/mm/slub_geometry.ts'

const slub = kernels['6.1-x86_64']!
const slab = with_slab(slub, 'SLAB')
const slab_debug = with_config(slab, { DEBUG_SLAB: true }, { name: 'slab-debug' })
const slab_32 = with_slab(kernels['6.1-i386']!, 'SLAB')
const slob = with_slab(slub, 'SLOB')
const kasan = with_config(slub, { KASAN: true }, { name: 'kasan' })

const setup = (kernel: Kernel, nr_cpus = 1, cmdline = ''): SlabSetup => slab_setup(kernel, { nr_cpus, cmdline })
const request = (size: number, more: Partial<CacheRequest> = {}): CacheRequest => ({
  name: 'test',
  size,
  align: 0,
  flags: 0,
  ctor: false,
  usersize: 0,
  ...more,
})

const flags = fc
  .subarray([
    SLAB_HWCACHE_ALIGN,
    SLAB_TYPESAFE_BY_RCU,
    SLAB_RECLAIM_ACCOUNT,
    SLAB_NOLEAKTRACE,
    SLAB_RED_ZONE,
    SLAB_POISON,
    SLAB_STORE_USER,
    SLAB_CONSISTENCY_CHECKS,
  ])
  .map(all => all.reduce((sum, flag) => sum | flag, 0))
const requests = fc
  .record({
    size: fc.integer({ min: 1, max: 20000 }),
    shift: fc.integer({ min: 0, max: 12 }),
    flags,
    ctor: fc.boolean(),
  })
  .map(({ shift, ...rest }) => request(rest.size, { ...rest, align: shift < 3 ? 0 : 2 ** shift }))
const cpus = fc.integer({ min: 1, max: 256 })

/** What holds of every cache. */
function common(made: { size: number; align: number; object_size: number }, { size, align }: CacheRequest): void {
  expect(made.object_size).toBe(size)
  expect(made.size).toBeGreaterThanOrEqual(size)
  expect(made.align).toBeGreaterThanOrEqual(Math.max(align, 8))
}

describe('SLUB', () => {
  it.each([slub, kasan, kernels['6.1-i386']!])(
    '$name: an object and all that belongs to it lie within its size',
    kernel => {
      fc.assert(
        fc.property(requests, cpus, (each, nr_cpus) => {
          const word = kernel.BITS_PER_LONG / 8
          const made = slub_geometry(setup(kernel, nr_cpus), each)!
          common(made, each)
          expect(made.size % made.align).toBe(0)
          expect(made.inuse).toBeGreaterThanOrEqual(each.size)
          expect(made.offset % word).toBe(0)
          const free_end = Math.max(made.offset + word, made.inuse)
          expect(made.red_left_pad + free_end).toBeLessThanOrEqual(made.size)
          // Who keeps its bytes has its free pointer outside.
          if (each.ctor || (each.flags & (SLAB_TYPESAFE_BY_RCU | SLAB_POISON)) !== 0)
            expect(made.offset).toBeGreaterThanOrEqual(each.size)
        }),
      )
    },
  )

  it('a slab holds its objects, and more CPUs never have smaller slabs', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 64 }), (each, nr_cpus) => {
        const made = slub_geometry(setup(slub, nr_cpus), each)!
        expect(made.objects).toBe(Math.floor((4096 * 2 ** made.order) / made.size))
        expect(made.min_objects).toBeGreaterThan(0)
        expect(made.min_order).toBeLessThanOrEqual(made.order)
        expect(slub_geometry(setup(slub, 4 * nr_cpus), each)!.order).toBeGreaterThanOrEqual(made.order)
      }),
    )
  })

  it('options of the command line', () => {
    const order = (cmdline: string, size = 700): number => slub_geometry(setup(slub, 1, cmdline), request(size))!.order
    expect(order('')).toBe(1)
    expect(order('slub_min_order=2')).toBe(2)
    expect(order('slub_max_order=0')).toBe(0)
    expect(order('slub_min_objects=40')).toBe(3)
    expect(order('slub_min_order=nonsense')).toBe(1)
  })

  it('slub_debug: for all caches, for some, and without what makes slabs larger', () => {
    const debug = (cmdline: string, name: string, more = 0): number =>
      kmem_cache_flags(setup(slub, 1, cmdline), more, name)
    expect(debug('slub_debug', 'a')).toBe(0x10d00)
    expect(debug('slub_debug=-', 'a')).toBe(0)
    expect(debug('slub_debug=P', 'a')).toBe(SLAB_POISON)
    expect(debug('slub_debug=,dentry', 'dentry')).toBe(0x10d00)
    expect(debug('slub_debug=Z,kmalloc-*', 'kmalloc-96')).toBe(SLAB_RED_ZONE)
    expect(debug('slub_debug=Z,kmalloc-*', 'dentry')).toBe(0)
    expect(debug('slub_debug=F;U,dentry', 'dentry')).toBe(SLAB_STORE_USER)
    expect(debug('slub_debug=F;U,dentry', 'inode')).toBe(SLAB_CONSISTENCY_CHECKS)
    expect(debug('slub_debug=U', 'a', SLAB_NOLEAKTRACE)).toBe(SLAB_NOLEAKTRACE)
    expect(slub_geometry(setup(slub, 1, 'slub_debug=FZPU'), request(4096))!.size).toBeGreaterThan(4096)
    expect(slub_geometry(setup(slub, 1, 'slub_debug=FZPUO'), request(4096))!.size).toBe(4096)
  })
})

describe('SLAB', () => {
  it.each([slab, slab_debug, slab_32])('$name: objects and the free list share the slab', kernel => {
    fc.assert(
      fc.property(requests, cpus, (each, nr_cpus) => {
        const made = slab_geometry(setup(kernel, nr_cpus), each)!
        common(made, each)
        const bytes = 4096 * 2 ** made.gfporder
        const list = made.freelist === 'on' ? made.freelist_size : 0
        const used = made.num * made.size + list
        expect(used).toBeLessThanOrEqual(bytes)
        expect(made.colour).toBe(Math.floor((bytes - used) / made.colour_off))
        expect(made.colour_off % made.align).toBe(0)
        expect(made.num).toBeLessThanOrEqual(255)
        expect(made.batchcount).toBeLessThanOrEqual(made.limit)
        if (made.freelist === 'obj') expect(made.freelist_size).toBeLessThanOrEqual(each.size)
        if (made.freelist === 'obj') expect(each.ctor || (each.flags & SLAB_TYPESAFE_BY_RCU) !== 0).toBe(false)
      }),
    )
  })

  it('where the list of free objects lies', () => {
    const place = (size: number, ctor = false): SlabGeometry['freelist'] =>
      slab_geometry(setup(slab), request(size, { ctor }))!.freelist
    // Tiny objects have no room for it, large ones have; who keeps its bytes has it off the slab or, with room, on it.
    expect([place(32), place(256), place(4096)]).toEqual(['on', 'obj', 'obj'])
    expect([place(32, true), place(200, true), place(4096, true)]).toEqual(['on', 'on', 'off'])
  })

  it('machines with little memory have slabs of single pages', () => {
    const order = (totalram_pages: number): number =>
      slab_geometry(slab_setup(slab, { nr_cpus: 1, totalram_pages }), request(1280))!.gfporder
    expect([order(4096), order(65536)]).toEqual([0, 0])
    const large = (cmdline: string, totalram_pages: number): number =>
      slab_geometry(slab_setup(slab, { nr_cpus: 1, totalram_pages, cmdline }), request(2304))!.gfporder
    expect([large('', 4096), large('', 65536), large('slab_max_order=3', 4096)]).toEqual([0, 1, 2])
  })
})

it('SLOB: sizes are whole units, and nothing else', () => {
  fc.assert(
    fc.property(requests, each => {
      const made = slob_geometry(setup(slob), each)
      common(made, each)
      expect(made.size % 2).toBe(0)
    }),
  )
  expect(slob_geometry(setup(slob), request(10, { flags: SLAB_TYPESAFE_BY_RCU })).size).toBe(34)
})

it('alignment: small objects share a cache line, evenly', () => {
  const align = (size: number): number => calculate_alignment(setup(slub), SLAB_HWCACHE_ALIGN, 0, size)
  expect([1, 8, 9, 16, 17, 32, 33, 64, 65].map(align)).toEqual([8, 8, 16, 16, 32, 32, 64, 64, 64])
})

describe('merging', () => {
  const made = (kernel: Kernel, ...all: readonly CacheRequest[]): readonly Cache[] =>
    all.reduce<readonly Cache[]>((caches, each) => create_cache(setup(kernel), caches, each)!.caches, [])
  const notation = (caches: readonly Cache[]): string =>
    caches.map(({ name, refcount, object_size, size }) => `${name}×${refcount}:${object_size}/${size}`).join(' ')
  const named = (name: string, size: number, more: Partial<CacheRequest> = {}): CacheRequest =>
    request(size, { name, ...more })

  it('like sizes are one cache, whose object is as large as the largest', () => {
    expect(notation(made(slub, named('a', 60), named('b', 64), named('c', 56)))).toBe('a×2:64/64 c×1:56/56')
    const [first] = made(slub, named('a', 57), named('b', 64))
    expect((first!.geometry as SlubGeometry).inuse).toBe(64)
    expect((first!.geometry as SlubGeometry).offset).toBe(24)
  })

  it('constructors, usercopy, debugging and other kinds of pages stay alone', () => {
    for (const more of [
      { ctor: true },
      { usersize: 8 },
      { flags: SLAB_TYPESAFE_BY_RCU },
      { flags: SLAB_RED_ZONE },
      { flags: SLAB_RECLAIM_ACCOUNT },
    ]) {
      expect(made(slub, named('a', 64), named('b', 64, more))).toHaveLength(2)
      expect(made(slub, named('a', 64, more), named('b', 64))).toHaveLength(2)
    }
    expect(
      made(slub, named('a', 64, { flags: SLAB_RECLAIM_ACCOUNT }), named('b', 64, { flags: SLAB_RECLAIM_ACCOUNT })),
    ).toHaveLength(1)
  })

  it('slab_nomerge, and SLOB, merge nothing', () => {
    const [a, b] = [named('a', 64), named('b', 64)]
    const joins = (each: SlabSetup): number => find_mergeable(each, made(slub, a), b)
    expect([joins(setup(slub)), joins(setup(slub, 1, 'slub_nomerge')), joins(setup(slob))]).toEqual([0, -1, -1])
  })

  it('SLAB wants an alignment that the cache has; SLUB a size that is a multiple of it', () => {
    const all = [named('a', 128), named('b', 128, { align: 128 })]
    expect([made(slub, ...all).length, made(slab, ...all).length]).toEqual([1, 2])
  })

  it('a cache goes with its last user', () => {
    const caches = made(slub, named('a', 64), named('b', 64), named('c', 8))
    expect(notation(release_cache(caches, 0))).toBe('a×1:64/64 c×1:8/8')
    expect(notation(release_cache(release_cache(caches, 0), 0))).toBe('c×1:8/8')
  })

  it('flags that the allocator does not know are dropped', () => {
    const debug = SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER
    expect(cache_geometry(setup(slab), request(64, { flags: debug }))!.flags & debug).toBe(0)
    expect(cache_geometry(setup(slub), request(64, { flags: debug }))!.flags & debug).toBe(debug)
  })
})

it('a cache that no block of pages can hold is none', () => {
  expect(slub_geometry(setup(slub), request(5 << 20))).toBeNull()
  expect(slab_geometry(setup(slab), request(5 << 20))).toBeNull()
  expect(create_cache(setup(slub), [], request(5 << 20))).toBeNull()
})
