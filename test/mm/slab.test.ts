// SLAB: the life of objects and slabs as lectures draw it, what the reaper takes, nodes, debugging, and wrong use.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { list_entries } from '../../src/image/list.ts'
import { __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL, GFP_NOWAIT } from '../../src/mm/gfp.ts'
import {
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_alloc_node,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_shrink,
} from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { __alloc_pages, __free_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { drain_local_pages } from '../../src/mm/page_alloc/pcp.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { slab_allocator } from '../../src/mm/slab.ts'
import { alien_array, cpu_cache_get, shared_array } from '../../src/mm/slab_array_cache.ts'
import { slab_pfn, virt_to_slab } from '../../src/mm/slab_desc.ts'
import { cache_reap, REAPTIMEOUT_NODE } from '../../src/mm/slab_drain.ts'
import { SLAB_HWCACHE_ALIGN, SLAB_RECLAIM_ACCOUNT, SLAB_TYPESAFE_BY_RCU } from '../../src/mm/slab_flags.ts'
import { get_node, SLABS_FREE, SLABS_FULL, SLABS_PARTIAL, slab_list_head } from '../../src/mm/slab_node.ts'
import { restoreSys, snapshotSys } from '../../src/sim/state.ts'
import { slab_32_kernel, slab_debug_kernel, slab_kernel, slab_numa_kernel, slabMachine } from './slab_machine.ts'

/** `partial/full/free | array`: slabs on the lists and objects in the CPU's array. */
function shape(sys: Sys, cache: number): string {
  const node = get_node(sys, cache, 0)
  const lists = [SLABS_PARTIAL, SLABS_FULL, SLABS_FREE]
  const counts = lists.map(list => list_entries(sys.link.link, slab_list_head(sys, node, list)).length)
  return `${counts.join('/')} | ${sys.slab_array.avail[cpu_cache_get(sys, cache)]}`
}

const many = (sys: Sys, cache: number, count: number): number[] =>
  Array.from({ length: count }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))

describe('the life of objects', () => {
  it('slabs go from free to partial to full and back, and arrays keep what was used last', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'inode', 1024)
    expect(shape(sys, cache)).toBe('0/0/0 | 0')
    const objects = many(sys, cache, 1)
    // An array that nobody used takes few objects at first: here all four of the slab.
    expect(shape(sys, cache)).toBe('0/1/0 | 3')
    objects.push(...many(sys, cache, 29))
    expect(shape(sys, cache)).toBe('0/8/0 | 2')
    kmem_cache_free(sys, cache, objects[29]!)
    expect(kmem_cache_alloc(sys, cache, GFP_KERNEL)).toBe(objects[29])
    for (const object of objects) kmem_cache_free(sys, cache, object)
    expect(shape(sys, cache)).toBe('0/8/0 | 32')
    expect(slab_allocator.slabinfo(sys, cache)).toMatchObject({ active_objs: 32, num_objs: 32, active_slabs: 8 })
    expect(kmem_cache_shrink(sys, cache)).toBe(0)
    expect(shape(sys, cache)).toBe('0/0/0 | 0')
    expect(broken()).toEqual([])
  })

  it('a node keeps free slabs up to its limit; above it the oldest go to the page allocator', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'buffer', 1024)
    const objects = many(sys, cache, 200)
    const limit = sys.slab_node.free_limit[get_node(sys, cache, 0)]!
    expect(limit).toBe(2 * 27 + 4)
    for (const object of objects) kmem_cache_free(sys, cache, object)
    const free = sys.slab_node.free_objects[get_node(sys, cache, 0)]!
    expect(free).toBeLessThanOrEqual(limit)
    expect(shape(sys, cache)).toMatch(/^\d+\/\d+\/1[0-9] \| \d+$/)
    expect(broken()).toEqual([])
  })

  it('colours: first objects of slabs lie at different cache lines, in turn', () => {
    const { sys } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'coloured', 700)
    const { colour, colour_off, num } = sys.slab_cache
    expect([colour[cache], colour_off[cache], num[cache]]).toEqual([7, 64, 11])
    const slabs = new Set(many(sys, cache, 99).map(object => virt_to_slab(sys, object)))
    const offsets = [...slabs].map(slab => sys.slab_desc.s_mem[slab]! % 8192)
    expect(offsets).toEqual([64, 128, 192, 256, 320, 384, 0, 64, 128])
  })

  it('the list of free objects lies on the slab, in kmalloc memory, or in a free object', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const ctor = { name: 'nothing', construct: () => {} }
    const on = kmem_cache_create(sys, 'on', 200, 0, 0, ctor)
    const off = kmem_cache_create(sys, 'off', 256, 0, 0, ctor)
    const obj = kmem_cache_create(sys, 'obj', 256)
    const where = [on, off, obj].map(cache => {
      const slab = virt_to_slab(sys, kmem_cache_alloc(sys, cache, GFP_KERNEL))
      const list = virt_to_slab(sys, sys.slab_desc.freelist[slab]!)
      return sys.slab_desc.freelist[slab] === 0 ? 'nowhere' : list === slab ? 'slab' : 'elsewhere'
    })
    // All objects of the third are in the array: its list lay in the last of them.
    expect(where).toEqual(['slab', 'elsewhere', 'nowhere'])
    expect(broken()).toEqual([])
    for (const cache of [on, off, obj]) kmem_cache_shrink(sys, cache)
    expect(broken()).toEqual([])
  })

  it('constructors run once an object, when its slab is made', () => {
    const { sys } = slabMachine(slab_kernel)
    let made = 0
    const construct = (machine: Sys, object: number): void => {
      write_u8(machine, object, ++made)
    }
    const cache = kmem_cache_create(sys, 'made', 1000, 0, 0, { name: 'count_made', construct })
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    expect(made).toBe(sys.slab_cache.num[cache])
    expect(read_u8(sys, object)).toBe(made)
    kmem_cache_free(sys, cache, object)
    expect(read_u8(sys, kmem_cache_alloc(sys, cache, GFP_KERNEL))).toBe(made)
  })

  it('a constructor that throws leaves nothing behind', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const construct = (): void => {
      throw new RangeError('no')
    }
    const before = sys.node_stat.vm_stat.slice()
    const cache = kmem_cache_create(sys, 'throws', 256, 0, 0, { name: 'throws', construct })
    expect(() => kmem_cache_alloc(sys, cache, GFP_KERNEL)).toThrow('no')
    expect(shape(sys, cache)).toBe('0/0/0 | 0')
    kmem_cache_shrink(sys, sys.kmalloc_cache.cache[5]! - 1)
    expect(sys.node_stat.vm_stat).toEqual(before)
    expect(broken()).toEqual([])
  })

  it('__GFP_ZERO gives zeros; pages count as reclaimable where the cache says so', () => {
    const { sys } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'zeros', 64, 0, SLAB_RECLAIM_ACCOUNT)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    write_u8(sys, object + 63, 7)
    kmem_cache_free(sys, cache, object)
    expect(kmem_cache_alloc(sys, cache, GFP_KERNEL | __GFP_ZERO)).toBe(object)
    expect(read_u8(sys, object + 63)).toBe(0)
    expect([...sys.node_stat.vm_stat].filter(count => count > 0)).toContain(1)
  })

  it('bulk: all or none', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'bulk', 4096)
    const objects = new Float64Array(2000)
    expect(kmem_cache_alloc_bulk(sys, cache, GFP_KERNEL, 100, objects)).toBe(100)
    kmem_cache_free_bulk(sys, cache, 100, objects)
    expect(kmem_cache_alloc_bulk(sys, cache, GFP_KERNEL | __GFP_NOWARN, 2000, objects)).toBe(0)
    expect(kmem_cache_shrink(sys, cache)).toBe(0)
    expect(broken()).toEqual([])
  })

  it('without memory an allocation fails and nothing changes', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'hungry', 256, 0, 0, { name: 'nothing', construct: () => {} })
    const blocks: number[] = []
    for (let pfn = __alloc_pages(sys, GFP_NOWAIT, 0, 0); pfn >= 0; pfn = __alloc_pages(sys, GFP_NOWAIT, 0, 0))
      blocks.push(pfn)
    expect(kmem_cache_alloc(sys, cache, GFP_NOWAIT)).toBe(0)
    const give = (pfn: number): void => {
      __free_pages(sys, pfn, 0)
      // Pages that a CPU keeps do not count as free.
      drain_local_pages(sys)
    }
    // A page for the slab, none for the list of its free objects.
    give(blocks[0]!)
    expect(kmem_cache_alloc(sys, cache, GFP_NOWAIT)).toBe(0)
    expect(shape(sys, cache)).toBe('0/0/0 | 0')
    drain_local_pages(sys)
    give(blocks[1]!)
    expect(kmem_cache_alloc(sys, cache, GFP_NOWAIT)).toBeGreaterThan(0)
    expect(broken()).toEqual([])
  })

  it('a fork and a snapshot have the same slabs', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'forked', 96)
    const before = many(sys, cache, 70)
    const snapshot = snapshotSys(sys)
    const [a, b] = [many(sys, cache, 30), shape(sys, cache)]
    restoreSys(sys, snapshot)
    expect(broken()).toEqual([])
    expect([many(sys, cache, 30), shape(sys, cache)]).toEqual([a, b])
    expect(new Set([...a, ...before]).size).toBe(100)
  })
})

describe('several CPUs and nodes', () => {
  it('what one CPU frees too much of, another takes from the shared array', () => {
    const { sys, broken } = slabMachine(slab_kernel, [0, 0])
    const cache = kmem_cache_create(sys, 'shared', 256)
    const objects = many(sys, cache, 300)
    sys.machine.this_cpu[0] = 1
    for (const object of objects) kmem_cache_free(sys, cache, object)
    const shared = shared_array(sys, cache, 0)
    expect(sys.slab_array.avail[shared]).toBe(180)
    sys.machine.this_cpu[0] = 0
    many(sys, cache, sys.slab_array.avail[cpu_cache_get(sys, cache)]! + 1)
    expect(sys.slab_array.avail[shared]).toBe(120)
    expect(sys.slab_array.touched[shared]).toBe(1)
    expect(broken()).toEqual([])
    expect(slab_allocator.slabinfo(sys, cache).shared_avail).toBe(120)
  })

  it('objects of another node wait in its alien array and go home together', () => {
    const { sys, broken } = slabMachine(slab_numa_kernel, [0, 1])
    const cache = kmem_cache_create(sys, 'alien', 512)
    const objects = Array.from({ length: 13 }, () => kmem_cache_alloc_node(sys, cache, GFP_KERNEL, 1))
    for (const object of objects) expect(slab_pfn(sys, virt_to_slab(sys, object))).toBeGreaterThanOrEqual(2048)
    const alien = alien_array(sys, cache, 0, 1)
    for (const object of objects.slice(0, 12)) kmem_cache_free(sys, cache, object)
    expect(sys.slab_array.avail[alien]).toBe(12)
    kmem_cache_free(sys, cache, objects[12]!)
    expect(sys.slab_array.avail[alien]).toBe(1)
    expect(sys.slab_array.avail[shared_array(sys, cache, 1)]).toBe(12)
    expect(broken()).toEqual([])
    // The reaper of CPU 0 looks at one other node at each visit.
    cache_reap(sys)
    expect(sys.slab_array.avail[alien]).toBe(0)
    expect(kmem_cache_shrink(sys, cache)).toBe(0)
    expect(broken()).toEqual([])
  })

  it('a node without memory left is helped by the others, unless the mask forbids', () => {
    const { sys, broken } = slabMachine(slab_numa_kernel, [0, 1])
    const cache = kmem_cache_create(sys, 'fallback', 2048)
    const all: number[] = []
    for (let object = 1; object !== 0; ) {
      object = kmem_cache_alloc_node(sys, cache, GFP_NOWAIT, 0)
      if (object !== 0) all.push(object)
    }
    const nodes = new Set(all.map(object => (object / 4096 >= 2048 ? 1 : 0)))
    expect([...nodes]).toEqual([0, 1])
    expect(broken()).toEqual([])
    for (const object of all) kmem_cache_free(sys, cache, object)
    expect(kmem_cache_shrink(sys, cache)).toBe(0)
    expect(broken()).toEqual([])
  })
})

describe('the reaper', () => {
  it('spares what was used since its last visit, then takes a fifth of the limit, then free slabs', () => {
    const { sys, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'reaped', 1024)
    for (const object of many(sys, cache, 54)) kmem_cache_free(sys, cache, object)
    const array = cpu_cache_get(sys, cache)
    const kept: number[] = []
    for (let visit = 0; visit < 8; visit++) {
      sys.machine.jiffies[0]! += REAPTIMEOUT_NODE + 1
      cache_reap(sys)
      kept.push(sys.slab_array.avail[array]!)
    }
    // 29 objects: untouched at the first visit, (54 + 4) / 5 = 11 at each further one, in the end a half.
    expect(kept).toEqual([29, 18, 7, 3, 1, 0, 0, 0])
    expect(broken()).toEqual([])
    for (let visit = 0; visit < 8; visit++) {
      sys.machine.jiffies[0]! += REAPTIMEOUT_NODE + 1
      cache_reap(sys)
    }
    expect(shape(sys, cache)).toBe('0/0/0 | 0')
    expect(broken()).toEqual([])
  })
})

describe('wrong use changes nothing and is told', () => {
  const CASES = [slab_kernel, slab_debug_kernel, slab_32_kernel]

  it.each(CASES)('$name: freeing twice, through another cache, an interior pointer, what is no object', kernel => {
    const { sys, log, broken } = slabMachine(kernel)
    const [a, b] = [kmem_cache_create(sys, 'right', 128), kmem_cache_create(sys, 'wrong', 128)]
    const object = kmem_cache_alloc(sys, a, GFP_KERNEL)
    const says = (act: () => void): string => {
      log.length = 0
      const before = shape(sys, a) + shape(sys, b)
      act()
      expect(shape(sys, a) + shape(sys, b)).toBe(before)
      expect(broken()).toEqual([])
      return log.join('\n')
    }
    expect(says(() => kmem_cache_free(sys, b, object))).toContain('Wrong slab cache. wrong but object is from right')
    expect(says(() => kmem_cache_free(sys, a, object + 8))).toContain('kernel BUG at mm/slab.c')
    for (const address of [0, 4096 * 1500, 1e15, -5, Number.NaN, 0.5])
      expect(says(() => kmem_cache_free(sys, a, address))).toContain('virt_to_cache: Object is not a Slab page!')
    kmem_cache_free(sys, a, object)
    const twice = says(() => kmem_cache_free(sys, a, object))
    expect(twice).toMatch(
      kernel === slab_debug_kernel
        ? /^slab error in verify_redzone_free\(\): cache `right': double free detected/
        : /^slab: double free detected in cache 'right'/,
    )
    // The same after the object went back to its slab.
    kmem_cache_shrink(sys, a)
    many(sys, a, 1)
    expect(says(() => kmem_cache_free(sys, a, object + 3 * 128)).length).toBeGreaterThan(0)
    expect(sys.slab_state.slab_errors[0]).toBeGreaterThan(8)
  })

  it('a cache with live objects is not destroyed', () => {
    const { sys, log, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'busy', 64)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    kmem_cache_destroy(sys, cache)
    expect(log.join('\n')).toContain('kmem_cache_destroy busy: Slab cache still has objects when called from')
    expect(broken()).toEqual([])
    expect(sys.kmem_cache.used[cache]).toBe(1)
    kmem_cache_free(sys, cache, object)
  })

  it('caches come and go: rows, arrays and entries are used again', () => {
    const { sys, broken } = slabMachine(slab_kernel, [0, 0])
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 9000 }), fc.boolean()), { maxLength: 30 }), steps => {
        const live: number[] = []
        for (const [size, drop] of steps) {
          const cache = kmem_cache_create(sys, `c${size}`, size, 0, size % 2 === 0 ? SLAB_HWCACHE_ALIGN : 0)
          kmem_cache_free(sys, cache, kmem_cache_alloc(sys, cache, GFP_KERNEL))
          live.push(cache)
          if (drop) kmem_cache_destroy(sys, live.shift()!)
        }
        expect(broken()).toEqual([])
        for (const cache of live) kmem_cache_destroy(sys, cache)
        expect(broken()).toEqual([])
      }),
      { numRuns: 20 },
    )
  })

  it('a list of free objects that a user overwrote is told and made anew', () => {
    const { sys, log, broken } = slabMachine(slab_kernel)
    const cache = kmem_cache_create(sys, 'victim', 32)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    const list = sys.slab_desc.freelist[virt_to_slab(sys, object)]!
    for (let at = 0; at < 124; at++) write_u8(sys, list + at, at % 2 === 0 ? 255 : 3)
    expect(broken().length).toBeGreaterThan(0)
    const rest = many(sys, cache, 123)
    expect(log[0]).toBe("slab: the list of free objects was overwritten in cache 'victim'")
    expect(new Set([object, ...rest]).size).toBe(124)
    expect(broken()).toEqual([])
  })
})

describe('DEBUG_SLAB', () => {
  it('free objects are poisoned, red zones lie around them, and both are checked', () => {
    const { sys, log, broken } = slabMachine(slab_debug_kernel)
    const cache = kmem_cache_create(sys, 'debugged', 100)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    const bytes = (from: number, count: number): string =>
      Array.from({ length: count }, (_, at) =>
        read_u8(sys, from + at)
          .toString(16)
          .padStart(2, '0'),
      ).join('')
    expect(bytes(object - 8, 8)).toBe('c0885663c55641d8')
    expect(bytes(object, 4)).toBe('5a5a5a5a')
    expect(bytes(object + 99, 1)).toBe('a5')
    write_u8(sys, object - 1, 0)
    kmem_cache_free(sys, cache, object)
    expect(log[0]).toBe("slab error in verify_redzone_free(): cache `debugged': memory outside object was overwritten")
    expect(log.join('\n')).toMatch(/: redzone 1:0x4156c5635688c0, redzone 2:0xd84156c5635688c0/)
    expect(bytes(object, 4)).toBe('6b6b6b6b')
    log.length = 0
    write_u8(sys, object + 40, 0x6a)
    expect(kmem_cache_alloc(sys, cache, GFP_KERNEL)).toBe(object)
    expect(log[0]).toMatch(/^Slab corruption \(Tainted: G {4}B.*\): debugged start=ffff8880[0-9a-f]{8}, len=100$/)
    expect(log.join('\n')).toContain('Single bit error detected. Probably bad RAM.')
    expect(log.join('\n')).toContain('Next obj: start=')
    expect(broken()).toEqual([])
  })

  it('no report without a fault, with constructors, readers and all places of the list', () => {
    const { sys, log, broken } = slabMachine(slab_debug_kernel)
    const construct = (machine: Sys, object: number): void => write_u8(machine, object, 1)
    const ctor = { name: 'first_byte', construct }
    const caches = [8, 24, 96, 100, 256, 700, 4096, 5000].flatMap(size => [
      kmem_cache_create(sys, `p${size}`, size),
      kmem_cache_create(sys, `c${size}`, size, 0, 0, ctor),
      kmem_cache_create(sys, `r${size}`, size, 64, SLAB_TYPESAFE_BY_RCU),
    ])
    for (const cache of caches) {
      const objects = many(sys, cache, 60)
      for (const object of objects) write_u8(sys, object, 9)
      for (const object of objects) kmem_cache_free(sys, cache, object)
    }
    for (const cache of caches) expect(kmem_cache_shrink(sys, cache)).toBe(0)
    expect(log).toEqual([])
    expect(broken()).toEqual([])
  })
})
