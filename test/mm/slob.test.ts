// SLOB: objects of all caches in the same pages, what is a page or more, constructors, and wrong use.
import { describe, expect, it } from 'vitest'
import { list_entries } from '../../src/image/list.ts'
import { __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL, GFP_NOWAIT } from '../../src/mm/gfp.ts'
import { kfree, kmalloc, ksize } from '../../src/mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
} from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { memset, read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { slob_allocator } from '../../src/mm/slob.ts'
import { restoreSys, snapshotSys } from '../../src/sim/state.ts'
import { slabMachine, slob_kernel } from './slab_machine.ts'

/** Pages of the three lists with their free units. */
function lists(sys: Sys): string {
  const units = (list: number): string =>
    list_entries(sys.link.link, sys.slab_list_base + list)
      .map(pfn => sys.page.private[pfn])
      .join(',')
  return [0, 1, 2].map(units).join('/')
}

describe('objects', () => {
  it('small, medium and large ones have pages of their own, which all caches share', () => {
    const { sys, broken } = slabMachine(slob_kernel)
    const [a, b] = [kmem_cache_create(sys, 'a', 100), kmem_cache_create(sys, 'b', 100)]
    const objects = [kmem_cache_alloc(sys, a, GFP_KERNEL), kmem_cache_alloc(sys, b, GFP_KERNEL)]
    expect(objects[1]! - objects[0]!).toBe(104)
    expect(lists(sys)).toBe('1948//')
    const [medium, large] = [kmalloc(sys, 600, GFP_KERNEL), kmalloc(sys, 2000, GFP_KERNEL)]
    expect(lists(sys)).toBe('1948/1744/1044')
    kmem_cache_free(sys, a, objects[0]!)
    kmem_cache_free(sys, b, objects[1]!)
    kfree(sys, medium)
    expect(lists(sys)).toBe('//1044')
    kfree(sys, large)
    expect(lists(sys)).toBe('//')
    expect(broken()).toEqual([])
  })

  it('kmalloc: powers of two are aligned to themselves, pages come from the page allocator, sizes are remembered', () => {
    const { sys, log, broken } = slabMachine(slob_kernel)
    for (const size of [8, 64, 1024, 2048]) expect(kmalloc(sys, size, GFP_KERNEL) % size).toBe(0)
    const objects = [1, 100, 4087, 4088, 4096, 5000, 20000].map(size => kmalloc(sys, size, GFP_KERNEL))
    expect(objects.map(object => ksize(sys, object))).toEqual([2, 100, 4088, 4096, 4096, 8192, 32768])
    for (const object of objects) kfree(sys, object)
    expect(kmalloc(sys, 1e12, GFP_KERNEL | __GFP_NOWARN)).toBe(0)
    expect(log).toEqual([])
    expect(broken()).toEqual([])
  })

  it('constructors run at every allocation; __GFP_ZERO gives zeros', () => {
    const { sys } = slabMachine(slob_kernel)
    let made = 0
    const construct = (machine: Sys, object: number): void => write_u8(machine, object, ++made)
    const cache = kmem_cache_create(sys, 'made', 64, 0, 0, { name: 'slob_made', construct })
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    kmem_cache_free(sys, cache, object)
    expect(read_u8(sys, kmem_cache_alloc(sys, cache, GFP_KERNEL))).toBe(2)
    const block = kmalloc(sys, 50, GFP_KERNEL)
    memset(sys, block, 7, 50)
    kfree(sys, block)
    const again = kmalloc(sys, 50, GFP_KERNEL | __GFP_ZERO)
    expect([again, read_u8(sys, again), read_u8(sys, again + 49)]).toEqual([block, 0, 0])
    expect(ksize(sys, again)).toBe(50)
  })

  it('bulk, large caches, and running out of memory', () => {
    const { sys, broken } = slabMachine(slob_kernel)
    const cache = kmem_cache_create(sys, 'large', 6000)
    const objects = new Float64Array(600)
    expect(kmem_cache_alloc_bulk(sys, cache, GFP_NOWAIT | __GFP_NOWARN, 600, objects)).toBe(0)
    expect(kmem_cache_alloc_bulk(sys, cache, GFP_NOWAIT, 100, objects)).toBe(100)
    kmem_cache_free_bulk(sys, cache, 100, objects)
    kmem_cache_destroy(sys, cache)
    let pages = 0
    while (kmalloc(sys, 3000, GFP_NOWAIT | __GFP_NOWARN) !== 0) pages++
    expect(pages).toBeGreaterThan(900)
    expect([...sys.node_stat.vm_stat].reduce((sum, count) => sum + count, 0)).toBe(pages)
    expect(broken()).toEqual([])
  })

  it('a snapshot has the same free blocks', () => {
    const { sys, broken } = slabMachine(slob_kernel)
    const take = (): number[] => [30, 300, 900, 16].map(size => kmalloc(sys, size, GFP_KERNEL))
    kfree(sys, take()[1]!)
    const snapshot = snapshotSys(sys)
    const first = take()
    restoreSys(sys, snapshot)
    expect(broken()).toEqual([])
    expect(take()).toEqual(first)
  })
})

describe('wrong use changes nothing and is told', () => {
  it.each([
    ['twice', (sys: Sys, object: number, gone: number) => kfree(sys, gone - 0 * object), 'Object already free'],
    ['an interior pointer', (sys: Sys, object: number) => kfree(sys, object + 8), 'invalid free of'],
    ['an odd address', (sys: Sys, object: number) => kfree(sys, object + 1), 'it points into an object'],
    ['no memory', (sys: Sys) => kfree(sys, 1e14), 'it is no memory of this machine'],
    ['no page of objects', (sys: Sys) => kfree(sys, 4096 * 1999), 'Object is not a Slab page!'],
    ['a whole page', (sys: Sys, object: number) => kfree(sys, object - (object % 4096)), 'invalid free of'],
  ])('%s', (_, act, says) => {
    const { sys, log, broken } = slabMachine(slob_kernel)
    const [object, gone, kept] = [100, 200, 40].map(size => kmalloc(sys, size, GFP_KERNEL)) as [number, number, number]
    kfree(sys, gone)
    const before = lists(sys)
    act(sys, object, gone)
    expect(log.join('\n')).toContain(says)
    expect(lists(sys)).toBe(before)
    expect(broken()).toEqual([])
    kfree(sys, object)
    kfree(sys, kept)
    expect(lists(sys)).toBe('//')
  })

  it('through a cache of another size; a size that was overwritten', () => {
    const { sys, log, broken } = slabMachine(slob_kernel)
    const [a, b, large] = [100, 120, 8192].map(size => kmem_cache_create(sys, `c${size}`, size)) as [
      number,
      number,
      number,
    ]
    const object = kmem_cache_alloc(sys, a, GFP_KERNEL)
    kmem_cache_alloc(sys, a, GFP_KERNEL)
    kmem_cache_free(sys, b, object)
    expect(log.join('\n')).toContain('of 120 bytes: the object has another size')
    kmem_cache_free(sys, large, object)
    kmem_cache_free(sys, a, kmem_cache_alloc(sys, large, GFP_KERNEL))
    const block = kmalloc(sys, 30, GFP_KERNEL)
    write_u8(sys, block - 8, 31)
    log.length = 0
    kfree(sys, block)
    expect(log.join('\n')).toContain('slob: invalid free of')
    expect(broken()).toEqual([])
  })

  it('free bytes that a user overwrote end the list of free blocks: nothing hangs', () => {
    const { sys } = slabMachine(slob_kernel)
    const objects = Array.from({ length: 20 }, () => kmalloc(sys, 100, GFP_KERNEL))
    for (const object of objects.filter((_, at) => at % 2 === 0)) kfree(sys, object)
    for (const object of objects.filter((_, at) => at % 2 === 0)) memset(sys, object - 8, 0xff, 108)
    for (let time = 0; time < 50; time++) expect(kmalloc(sys, 60, GFP_KERNEL)).toBeGreaterThan(0)
    expect(slob_allocator.check(sys).length).toBeGreaterThan(0)
  })
})
