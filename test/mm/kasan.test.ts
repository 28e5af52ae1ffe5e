// KASAN over the real allocators: each mistake that the kernel's own tests make is reported, each right use is not.
import { describe, expect, it } from 'vitest'
import { address_add, address_of } from '../../src/base/address.ts'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kasan_init } from '../../src/mm/kasan.ts'
import { kasan_enter_frame, kasan_leave_frame } from '../../src/mm/kasan_frames.ts'
import { kasan_quarantine_remove_cache, kasan_quarantine_size } from '../../src/mm/kasan_quarantine.ts'
import { kasan_check_range } from '../../src/mm/kasan_report.ts'
import { direct_address, page_start } from '../../src/mm/kasan_shadow.ts'
import { kasan_slab_free } from '../../src/mm/kasan_slab.ts'
import { kasan_set_stack, kasan_set_task } from '../../src/mm/kasan_stack.ts'
import { kfree, kmalloc, krealloc } from '../../src/mm/kmalloc.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_shrink } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { pgtable_init } from '../../src/mm/pgtable_map.ts'
import { slab_allocator } from '../../src/mm/slab_allocators.ts'
import { SLAB_TYPESAFE_BY_RCU } from '../../src/mm/slab_flags.ts'
import { vfree, vmalloc, vmalloc_init } from '../../src/mm/vmalloc.ts'
import { vm_map_ram, vm_unmap_ram } from '../../src/mm/vmap_block.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'

const KASAN = slubKernel('6.1', { KASAN: true })

const titleOf = (said: readonly string[]): string => /KASAN: (\S+) in/.exec(said[1] ?? '')?.[1] ?? ''

/** A machine with KASAN. */
class Driver {
  readonly sys: Sys
  readonly said: string[]

  constructor(kernel = KASAN) {
    const { sys, said } = slubMachine(kernel)
    this.sys = sys
    this.said = said
    kasan_init(sys, 'kasan_multi_shot')
    kasan_set_task(sys, 'test', 7)
  }

  kmalloc(size: number): number {
    return kmalloc(this.sys, size, GFP_KERNEL)
  }

  cacheAlloc(cache: number): number {
    return kmem_cache_alloc(this.sys, cache, GFP_KERNEL)
  }

  /** Gives an object back; the kind of mistake that this is, '' = none. */
  free(object: number): string {
    this.said.length = 0
    kfree(this.sys, object)
    return titleOf(this.said)
  }

  /** The kind of mistake that an access is; '' = none. */
  access(paddr: number, size = 1, write = false): string {
    return this.accessAt(direct_address(this.sys, paddr), size, write)
  }

  accessAt(address: { hi: number; lo: number }, size = 1, write = false): string {
    this.said.length = 0
    const sound = kasan_check_range(this.sys, address, size, write, 'test')
    expect(sound).toBe(this.said.length === 0)
    return titleOf(this.said)
  }
}

describe('slab objects', () => {
  it.each([1, 7, 8, 13, 100, 123, 128, 2048])('kmalloc(%i): the bytes asked for and no other', size => {
    const driver = new Driver()
    driver.kmalloc(size)
    const object = driver.kmalloc(size)
    for (const at of [0, size >> 1, size - 1]) expect(driver.access(object + at)).toBe('')
    expect(driver.access(object, size)).toBe('')
    expect(driver.access(object + size)).toBe('slab-out-of-bounds')
    expect(driver.access(object, size + 1, true)).toBe('slab-out-of-bounds')
    expect(driver.access(object - 1)).toBe('slab-out-of-bounds')
  })

  it('after kfree: use-after-free, double-free, and who did it', () => {
    const driver = new Driver()
    kasan_set_stack(driver.sys, ['kmalloc+0x1/0x2', 'maker+0x3/0x4'])
    const object = driver.kmalloc(100)
    kasan_set_stack(driver.sys, ['kfree+0x1/0x2'])
    expect(driver.free(object)).toBe('')
    expect(driver.access(object + 50)).toBe('use-after-free')
    const text = driver.said.join('\n')
    expect(text).toContain(
      'Allocated by task 7:\n kmalloc+0x1/0x2\n maker+0x3/0x4\n\nFreed by task 7:\n kfree+0x1/0x2\n',
    )
    expect(text).toContain('The buggy address is located 50 bytes inside of\n 128-byte region [')
    expect(driver.free(object)).toBe('double-free')
    expect(driver.free(driver.kmalloc(100) + 8)).toBe('invalid-free')
  })

  it('krealloc moves the red zone', () => {
    const driver = new Driver()
    const object = driver.kmalloc(100)
    expect(krealloc(driver.sys, object, 120, GFP_KERNEL)).toBe(object)
    expect(driver.access(object + 119)).toBe('')
    expect(driver.access(object + 120)).toBe('slab-out-of-bounds')
    expect(krealloc(driver.sys, object, 17, GFP_KERNEL)).toBe(object)
    expect(driver.access(object + 16)).toBe('')
    expect(driver.access(object + 17)).toBe('slab-out-of-bounds')
  })

  it('a cache whose objects outlive their free is not guarded against it', () => {
    const driver = new Driver()
    const cache = kmem_cache_create(driver.sys, 'rcu', 40, 0, SLAB_TYPESAFE_BY_RCU)
    const object = driver.cacheAlloc(cache)
    expect(driver.access(object + 40)).toBe('slab-out-of-bounds')
    expect(driver.free(object)).toBe('')
    expect(driver.access(object)).toBe('')
  })
})

describe('the quarantine', () => {
  it('keeps objects until their cache asks for them', () => {
    const driver = new Driver()
    const cache = kmem_cache_create(driver.sys, 'waiting', 200)
    const objects = Array.from({ length: 20 }, () => driver.cacheAlloc(cache))
    const other = driver.kmalloc(64)
    for (const object of [...objects, other]) expect(driver.free(object)).toBe('')
    const before = kasan_quarantine_size(driver.sys)
    kasan_quarantine_remove_cache(driver.sys, cache)
    expect(kasan_quarantine_size(driver.sys)).toBe(before - 20 * driver.sys.kmem_cache.size[cache]!)
    expect(driver.access(objects[3]!)).toBe('use-after-free')
    expect(driver.said.join('\n')).not.toContain('Freed by')
    expect(kmem_cache_shrink(driver.sys, cache)).toBe(0)
    expect(laws(driver.sys)).toEqual([])
  })

  it('gives the oldest back when it is full', () => {
    const driver = new Driver()
    driver.sys.kasan_state.max_size[0] = 0
    const seen: number[] = []
    for (let at = 0; at < 700; at++) {
      const object = driver.kmalloc(2048)
      seen.push(object)
      driver.free(object)
    }
    expect(new Set(seen).size).toBeLessThan(seen.length)
    expect(kasan_quarantine_size(driver.sys)).toBeLessThan(3 << 20)
    expect(laws(driver.sys)).toEqual([])
  })

  it('a link that was overwritten is reported and ends the queue', () => {
    const driver = new Driver()
    const objects = Array.from({ length: 3 }, () => driver.kmalloc(64))
    for (const object of objects) driver.free(object)
    const pfn = Math.floor(objects[0]! / 4096)
    const at = (driver.sys.page.data[pfn]! - 1) * 4096 + (objects[0]! % 4096)
    driver.sys.physmem.bytes.fill(0x41, at, at + 8)
    kasan_quarantine_remove_cache(driver.sys, slab_allocator(driver.sys).cache_of(driver.sys, objects[0]!))
    expect(driver.said.join('\n')).toContain('a link of the quarantine was overwritten')
    expect(laws(driver.sys)).toEqual([])
  })
})

describe('pages, vmalloc, the stack, wild addresses', () => {
  it('frames: free, allocated, freed again', () => {
    const driver = new Driver()
    const { sys } = driver
    const pfn = alloc_pages(sys, GFP_KERNEL, 1)
    expect(driver.access(pfn * 4096, 8192)).toBe('')
    expect(driver.access(pfn * 4096 + 8192)).toBe('use-after-free')
    __free_pages(sys, pfn, 1)
    expect(driver.access(pfn * 4096 + 8191)).toBe('use-after-free')
    expect(laws(sys)).toEqual([])
  })

  it('large kmalloc: the rest of the block, an inner pointer, a second free', () => {
    const driver = new Driver()
    const object = driver.kmalloc(10000)
    expect(driver.access(object + 9999)).toBe('')
    expect(driver.access(object + 10000)).toBe('slab-out-of-bounds')
    expect(driver.free(object + 1)).toBe('invalid-free')
    expect(krealloc(driver.sys, object, 16000, GFP_KERNEL)).toBe(object)
    expect(driver.access(object + 15999)).toBe('')
    expect(driver.access(object + 16000)).toBe('slab-out-of-bounds')
    expect(driver.free(object)).toBe('')
    driver.free(object)
    expect(driver.said.join('\n')).toContain('KASAN: double-free')
    expect(laws(driver.sys)).toEqual([])
  })

  it('vmalloc: what was asked for; nothing after vfree', () => {
    const driver = new Driver()
    const { sys } = driver
    pgtable_init(sys)
    vmalloc_init(sys, sys.kernel.pgtable.vmalloc!)
    const page = vmalloc(sys, 70001)
    expect(driver.accessAt(page_start(sys, page), 70001)).toBe('')
    expect(driver.accessAt(address_add(page_start(sys, page), 70001))).toBe('vmalloc-out-of-bounds')
    vfree(sys, page)
    expect(driver.accessAt(page_start(sys, page))).toBe('vmalloc-out-of-bounds')
    const map = vm_map_ram(sys, [alloc_pages(sys, GFP_KERNEL, 0)])
    expect(driver.accessAt(page_start(sys, map), 4096)).toBe('')
    expect(driver.accessAt(page_start(sys, map), 4097)).toBe('vmalloc-out-of-bounds')
    vm_unmap_ram(sys, map, 1)
    expect(driver.accessAt(page_start(sys, map))).toBe('vmalloc-out-of-bounds')
  })

  it('the stack: variables of a frame and what lies between', () => {
    const driver = new Driver()
    const { sys } = driver
    const pfn = alloc_pages(sys, GFP_KERNEL, 3)
    const frame = direct_address(sys, pfn * 4096 + 0x4000)
    const bytes = kasan_enter_frame(sys, frame, 'f+0x0/0x10', [
      { name: 'a', size: 4 },
      { name: 'b', size: 100 },
    ])
    expect(driver.accessAt(address_add(frame, 35))).toBe('')
    expect(driver.accessAt(address_add(frame, 36))).toBe('stack-out-of-bounds')
    expect(driver.said.join('\n')).toContain("This frame has 2 objects:\n [32, 36) 'a'\n [64, 164) 'b'\n")
    kasan_leave_frame(sys, frame, bytes)
    expect(driver.accessAt(address_add(frame, 36))).toBe('')
  })

  it.each([
    [address_of(8), 1, 'null-ptr-deref'],
    [address_of(0x400000), 4, 'user-memory-access'],
    [{ hi: 0x10000000, lo: 0 }, 8, 'wild-memory-access'],
    [{ hi: 0xffff8880, lo: 0x800000 }, -1, 'out-of-bounds'],
  ])('%o, %i bytes: %s', (address, size, kind) => {
    const driver = new Driver()
    expect(driver.accessAt(address, size)).toBe(kind)
    expect(driver.said[2]).toContain(`of size ${size < 0 ? '18446744073709551615' : size} at addr`)
  })

  it('costs nothing and says nothing in a kernel without KASAN', () => {
    const driver = new Driver(slubKernel())
    const { sys } = driver
    expect(sys.kasan_shadow.bytes).toHaveLength(0)
    const object = kmalloc(sys, 100, GFP_KERNEL)
    expect(kasan_slab_free(sys, 0, object)).toBe(false)
    expect(driver.access(object + 200)).toBe('')
  })
})
