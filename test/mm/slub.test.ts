// SLUB under random use against the simplest reference there is (a set of objects that are handed out), with all laws
// after every step, on kernels that differ in everything that SLUB depends on.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernels, with_config } from '../../src/kernels/index.ts'
import { __GFP_ZERO, GFP_KERNEL } from '../../src/mm/gfp.ts'
import type { Kernel } from '../../src/mm/kernel.ts'
import {
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_alloc_node,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_shrink,
  kmem_cache_zalloc,
} from '../../src/mm/kmem_cache.ts'
import { attach_sys } from '../../src/mm/machine_image.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { SLAB_HWCACHE_ALIGN, SLAB_TYPESAFE_BY_RCU } from '../../src/mm/slab_flags.ts'
import { get_slabinfo } from '../../src/mm/slub_info.ts'
import { freepointer_address, get_freepointer, object_address } from '../../src/mm/slub_pointer.ts'
import { virt_to_slab } from '../../src/mm/slub_slab.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { laws, numaMachine, type SlubMachine, slubKernel, slubMachine } from './slub_machine.ts'

const i386: Kernel = with_config(
  kernels['6.1-i386']!,
  { SLUB_DEBUG: true, SLUB_CPU_PARTIAL: true, SLAB_FREELIST_HARDENED: false, SLAB_FREELIST_RANDOM: false },
  { slab: 'SLUB', name: 'slub-i386', counterfactual: true },
)

const MACHINES: Readonly<Record<string, () => SlubMachine>> = {
  'one CPU': () => slubMachine(),
  'four CPUs': () => slubMachine(slubKernel(), [0, 0, 0, 0]),
  'two nodes': () => numaMachine(),
  'no partial slabs per CPU': () => slubMachine(slubKernel('6.1', { SLUB_CPU_PARTIAL: false }), [0, 0]),
  'hardened and random': () =>
    slubMachine(slubKernel('6.1', { SLAB_FREELIST_HARDENED: true, SLAB_FREELIST_RANDOM: true }), [0, 0]),
  slub_debug: () => slubMachine(slubKernel(), [0, 0], { cmdline: 'slub_debug' }),
  'slub_debug=Z': () => slubMachine(slubKernel('6.12'), [0, 0], { cmdline: 'slub_debug=Z' }),
  '32 bits': () => slubMachine(i386, [0, 0]),
}

const freePages = (sys: Sys): number =>
  Array.from({ length: sys.nr_zones }, (_, z) => sys.zone_stat.vm_stat[z * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]!)
    .concat(
      [...sys.pcp.count],
      [...sys.zone_stat_diff.vm_stat_diff.filter((_, at) => at % NR_VM_ZONE_STAT_ITEMS === NR_FREE_PAGES)],
    )
    .reduce((sum, pages) => sum + pages, 0)

/** A step: what, on which CPU, which object of those there are, how many. */
type Step = readonly [
  op: 'alloc' | 'free' | 'bulk' | 'free bulk' | 'shrink' | 'node',
  cpu: number,
  pick: number,
  count: number,
]

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('alloc', 'alloc', 'alloc', 'free', 'free', 'free', 'bulk', 'free bulk', 'shrink', 'node'),
  fc.nat(3),
  fc.nat(),
  fc.integer({ min: 1, max: 40 }),
)

/** A cache and the objects of it that are handed out, each filled with a byte of its own. */
class Users {
  readonly objects: number[] = []
  readonly sys: Sys
  readonly cache: number
  readonly size: number

  constructor(sys: Sys, cache: number, size: number) {
    this.sys = sys
    this.cache = cache
    this.size = size
  }

  take(object: number): void {
    expect(object).toBeGreaterThan(0)
    expect(this.objects.filter(other => Math.abs(other - object) < this.size)).toEqual([])
    for (let at = 0; at < this.size; at++) write_u8(this.sys, object + at, this.byteOf(object))
    this.objects.push(object)
  }

  give(pick: number): number {
    const [object] = this.objects.splice(pick % this.objects.length, 1)
    const wrong = (at: number): boolean => read_u8(this.sys, object! + at) !== this.byteOf(object!)
    expect(Array.from({ length: this.size }, (_, at) => at).filter(wrong)).toEqual([])
    return object!
  }

  private byteOf(object: number): number {
    return (object / 8) % 251
  }

  run([op, cpu, pick, count]: Step): void {
    const { sys, cache, objects } = this
    sys.machine.this_cpu[0] = cpu % sys.nr_cpus
    const many = new Float64Array(count)
    if (op === 'alloc') for (let i = 0; i < count; i++) this.take(kmem_cache_alloc(sys, cache, GFP_KERNEL))
    else if (op === 'node') this.take(kmem_cache_alloc_node(sys, cache, GFP_KERNEL, pick % sys.nr_nodes))
    else if (op === 'bulk') {
      expect(kmem_cache_alloc_bulk(sys, cache, GFP_KERNEL, count, many)).toBe(count)
      for (const object of many) this.take(object)
    } else if (op === 'shrink') kmem_cache_shrink(sys, cache)
    else if (op === 'free')
      for (let i = 0; i < count && objects.length > 0; i++) kmem_cache_free(sys, cache, this.give(pick))
    else {
      const given = Array.from({ length: Math.min(count, objects.length) }, () => this.give(pick))
      kmem_cache_free_bulk(sys, cache, given.length, Float64Array.from(given))
    }
  }
}

describe.each(Object.entries(MACHINES))('%s', (_, boot) => {
  it('objects are nobody else’s, laws hold after each step, and everything comes back', () => {
    const property = fc.property(
      fc.array(step, { size: '+1', maxLength: 40 }),
      fc.constantFrom(8, 24, 96, 200, 700, 2000, 5000),
      fc.constantFrom(0, SLAB_HWCACHE_ALIGN, SLAB_TYPESAFE_BY_RCU),
      (steps, size, flags) => {
        const { sys, said } = boot()
        const before = freePages(sys)
        const cache = kmem_cache_create(sys, 'random', size, 0, flags, { name: 'nothing', construct: () => {} })
        const users = new Users(sys, cache, size)
        for (const each of steps) {
          users.run(each)
          expect(laws(sys)).toEqual([])
          const { active_objs, num_objs } = get_slabinfo(sys, cache)
          expect(active_objs).toBeGreaterThanOrEqual(users.objects.length)
          expect(num_objs).toBeGreaterThanOrEqual(active_objs)
        }
        while (users.objects.length > 0) kmem_cache_free(sys, cache, users.give(0))
        kmem_cache_destroy(sys, cache)
        expect(said).toEqual([])
        expect(laws(sys)).toEqual([])
        expect(freePages(sys)).toBe(before)
      },
    )
    fc.assert(property, { numRuns: 8 })
  })
})

it('a free pointer is the virtual address of the next object, in the bytes of the object', () => {
  const { sys } = slubMachine()
  const cache = kmem_cache_create(sys, 'plain', 64, 0, SLAB_TYPESAFE_BY_RCU)
  const [a, b] = [kmem_cache_alloc(sys, cache, GFP_KERNEL), kmem_cache_alloc(sys, cache, GFP_KERNEL)]
  kmem_cache_free(sys, cache, b)
  kmem_cache_free(sys, cache, a)
  expect(get_freepointer(sys, cache, a)).toBe(b)
  expect(freepointer_address(sys, cache, a)).toEqual(object_address(sys, b))
  const at = a + sys.slub_cache.offset[cache]!
  const { hi, lo } = object_address(sys, b)
  expect([0, 1, 2, 3].map(i => read_u8(sys, at + i))).toEqual([0, 8, 16, 24].map(shift => (lo >>> shift) & 255))
  expect([4, 5, 6, 7].map(i => read_u8(sys, at + i))).toEqual([0, 8, 16, 24].map(shift => (hi >>> shift) & 255))
})

it('a hardened pointer is not what lies in the object, and a random list is not in order', () => {
  const { sys } = slubMachine(slubKernel('6.1', { SLAB_FREELIST_HARDENED: true, SLAB_FREELIST_RANDOM: true }))
  const cache = kmem_cache_create(sys, 'hard', 64, 0, SLAB_TYPESAFE_BY_RCU)
  const objects = Array.from({ length: 20 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
  expect(objects).not.toEqual(objects.toSorted((x, y) => x - y))
  const [a, b] = objects as [number, number]
  kmem_cache_free(sys, cache, b)
  kmem_cache_free(sys, cache, a)
  expect(get_freepointer(sys, cache, a)).toBe(b)
  const { lo } = object_address(sys, b)
  const at = a + sys.slub_cache.offset[cache]!
  expect([0, 1, 2, 3].map(i => read_u8(sys, at + i))).not.toEqual([0, 8, 16, 24].map(shift => (lo >>> shift) & 255))
})

it('objects of zeros, on the node that was asked for', () => {
  const { sys } = numaMachine()
  const cache = kmem_cache_create(sys, 'zeros', 256, 0, SLAB_TYPESAFE_BY_RCU)
  for (const node of [1, 0, 1]) {
    const object = kmem_cache_alloc_node(sys, cache, GFP_KERNEL | __GFP_ZERO, node)
    expect(virt_to_slab(sys, object) >= 4096).toBe(node === 1)
    for (let at = 0; at < 256; at++) write_u8(sys, object + at, 0xff)
    kmem_cache_free(sys, cache, object)
  }
  const object = kmem_cache_zalloc(sys, cache, GFP_KERNEL)
  for (let at = 0; at < 256; at++) expect(read_u8(sys, object + at)).toBe(0)
  expect(laws(sys)).toEqual([])
})

it('an image says everything: a machine that attaches to it goes on the same way', () => {
  const { sys } = slubMachine()
  const cache = kmem_cache_create(sys, 'image', 100, 0, SLAB_TYPESAFE_BY_RCU)
  const objects = Array.from({ length: 100 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
  for (const object of objects.slice(30, 80)) kmem_cache_free(sys, cache, object)
  const copy = attach_sys(sys.kernel, sys.image.buffer.slice(0))
  const go = (on: Sys): number[] => Array.from({ length: 80 }, () => kmem_cache_alloc(on, cache, GFP_KERNEL))
  expect(go(copy)).toEqual(go(sys))
  expect(laws(copy)).toEqual([])
})

it('without memory there is no object, and the kernel says so', () => {
  const { sys, said } = slubMachine()
  const cache = kmem_cache_create(sys, 'greedy', 4096, 0, SLAB_TYPESAFE_BY_RCU)
  const objects: number[] = []
  for (let object = kmem_cache_alloc(sys, cache, GFP_KERNEL); object !== 0; ) {
    objects.push(object)
    object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
  }
  expect(objects.length).toBeGreaterThan(5000)
  expect(said.some(line => line.startsWith('SLUB: Unable to allocate memory on node -1, gfp=0xcc0(GFP_KERNEL)'))).toBe(
    true,
  )
  expect(said.some(line => line.startsWith('  cache: greedy, object size: 4096, buffer size: '))).toBe(true)
  expect(kmem_cache_alloc_bulk(sys, cache, GFP_KERNEL, 3, new Float64Array(3))).toBe(0)
  for (const object of objects) kmem_cache_free(sys, cache, object)
  kmem_cache_destroy(sys, cache)
  expect(laws(sys)).toEqual([])
})
