// Memory pools against a reference of a few lines, and over the page allocator.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernels } from '../../src/kernels/index.ts'
import { __GFP_ZERO, GFP_ATOMIC, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { attach_sys, create_sys } from '../../src/mm/machine_image.ts'
import {
  MEMPOOL_WOULD_WAIT,
  type MempoolFunctions,
  mempool_alloc,
  mempool_alloc_again,
  mempool_check,
  mempool_create,
  mempool_destroy,
  mempool_free,
  mempool_resize,
  mempool_text,
} from '../../src/mm/mempool.ts'
import {
  mempool_create_kmalloc_pool,
  mempool_create_page_pool,
  mempool_create_slab_pool,
} from '../../src/mm/mempool_ready.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { zone_row } from '../../src/mm/zone_setup.ts'
import { oneZone } from './machine.ts'

const empty = (more: Partial<Parameters<typeof create_sys>[1]> = {}): Sys =>
  create_sys(kernels['6.1-x86_64']!, { max_pfn: 1, nr_nodes: 1, nr_cpus: 1, ...more }, false)

/** An allocator of numbers from 1 on, of which `left` are to be had. */
function numbers(left: number): MempoolFunctions & { left: number; out: Set<number> } {
  let next = 1
  const it = {
    name: 'numbers',
    nil: 0,
    left,
    out: new Set<number>(),
    alloc: (): number => {
      if (it.left === 0) return 0
      it.left--
      it.out.add(next)
      return next++
    },
    free: (_sys: Sys, element: number): void => {
      expect(it.out.delete(element)).toBe(true)
      it.left++
    },
  }
  return it
}

const elements = (sys: Sys, pool: number): number[] => {
  const first = sys.mempool.elements[pool]!
  return [...sys.mempool_element.element.subarray(first, first + sys.mempool.curr_nr[pool]!)]
}

describe('mempool', () => {
  it('the reserve is a stack that serves when the allocator fails, and is refilled first', () => {
    const sys = empty()
    const below = numbers(3)
    const pool = mempool_create(sys, 2, below, 0)
    expect(elements(sys, pool)).toEqual([1, 2])
    expect([1, 2, 3].map(() => mempool_alloc(sys, pool, GFP_ATOMIC))).toEqual([3, 2, 1])
    expect(mempool_alloc(sys, pool, GFP_ATOMIC)).toBe(0)
    for (const element of [3, 0, 1, 2]) mempool_free(sys, element, pool)
    expect(elements(sys, pool)).toEqual([3, 1])
    expect(below.left).toBe(1)
    mempool_destroy(sys, pool)
    expect(below.out.size).toBe(0)
    expect(mempool_check(sys)).toEqual([])
  })

  it('who may wait waits for an element', () => {
    const sys = empty()
    const below = numbers(1)
    const pool = mempool_create(sys, 1, below, 0)
    const one = mempool_alloc(sys, pool, GFP_KERNEL)
    expect(mempool_alloc(sys, pool, GFP_KERNEL)).toBe(MEMPOOL_WOULD_WAIT)
    const given: number[] = []
    const wait = (_: Sys, of: number, seconds: number): boolean => {
      given.push(seconds)
      if (given.length === 3) mempool_free(sys, one, of)
      return true
    }
    expect(mempool_alloc(sys, pool, GFP_KERNEL, wait)).toBe(one)
    expect(given).toEqual([5, 5, 5])
    expect(sys.mempool.waits[pool]).toBe(4)
    mempool_free(sys, one, pool)
    expect(mempool_alloc_again(sys, pool, GFP_KERNEL)).toBe(one)
  })

  it('a pool that cannot be filled is none, and leaves nothing', () => {
    const sys = empty()
    const below = numbers(3)
    expect(mempool_create(sys, 4, below, 0)).toBe(-1)
    expect([below.left, sys.mempool.used[0], mempool_check(sys)]).toEqual([3, 0, []])
  })

  it('resizing: a larger reserve moves and is filled as far as it goes, a smaller one gives back', () => {
    const sys = empty()
    const below = numbers(6)
    const pool = mempool_create(sys, 2, below, 0)
    const other = mempool_create(sys, 1, below, 0)
    expect(mempool_resize(sys, pool, 9)).toBe(0)
    expect([sys.mempool.min_nr[pool], elements(sys, pool), elements(sys, other)]).toEqual([9, [1, 2, 4, 5, 6], [3]])
    expect(mempool_resize(sys, pool, 1)).toBe(0)
    expect([elements(sys, pool), below.left]).toEqual([[1], 4])
    expect(mempool_check(sys)).toEqual([])
  })

  it('misuse and full tables are told with the numbers', () => {
    const sys = empty({ nr_mempools: 2, nr_mempool_elements: 8 })
    const below = numbers(100)
    expect(() => mempool_create(sys, -1, below, 0)).toThrow(/-1/)
    expect(() => mempool_create(sys, 9, below, 0)).toThrow(/9 elements of 8.*nr_mempool_elements/)
    const pool = mempool_create(sys, 4, below, 0)
    expect(() => mempool_resize(sys, pool, 0)).toThrow(RangeError)
    expect(() => mempool_resize(sys, pool, 5)).toThrow(/nr_mempool_elements/)
    expect(() => mempool_alloc(sys, 1, GFP_KERNEL)).toThrow(/no memory pool 1/)
    mempool_create(sys, 0, below, 0)
    expect(() => mempool_create(sys, 0, below, 0)).toThrow(/all 2 memory pools.*nr_mempools/)
    mempool_destroy(sys, pool)
    expect(() => mempool_destroy(sys, pool)).toThrow(RangeError)
    expect(mempool_check(sys)).toEqual([])
  })

  it('__GFP_ZERO is warned of', () => {
    const sys = empty()
    const said: string[] = []
    sys.printk = line => said.push(line)
    const pool = mempool_create(sys, 1, numbers(2), 0)
    mempool_alloc(sys, pool, GFP_KERNEL | __GFP_ZERO)
    expect(said).toHaveLength(1)
  })

  it('a request that may sleep is reported where nobody may sleep, and served', () => {
    const sys = empty()
    const said: string[] = []
    sys.printk = line => said.push(line)
    const pool = mempool_create(sys, 1, numbers(2), 0)
    sys.machine.in_atomic[0] = 1
    expect(mempool_alloc(sys, pool, GFP_ATOMIC)).toBe(2)
    expect(said).toEqual([])
    expect(mempool_alloc(sys, pool, GFP_KERNEL)).toBe(1)
    expect(said[0]).toMatch(/^BUG: sleeping function called from invalid context/)
  })

  it('a pool lies in the image: who attaches goes on with it', () => {
    const sys = empty()
    const below = numbers(2)
    const pool = mempool_create(sys, 2, below, 0)
    const copy = attach_sys(sys.kernel, sys.image.buffer.slice(0))
    expect(mempool_alloc(copy, pool, GFP_ATOMIC)).toBe(2)
    expect(elements(sys, pool)).toEqual([1, 2])
    expect(mempool_text(below)).toBe(sys.mempool.text[pool])
  })

  it('is a reserve in front of an allocator, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('alloc' as const), fails: fc.boolean() }),
      fc.record({ op: fc.constant('free' as const), pick: fc.nat() }),
      fc.record({ op: fc.constant('resize' as const), to: fc.integer({ min: 1, max: 12 }), left: fc.nat(12) }),
    )
    fc.assert(
      fc.property(fc.nat(8), fc.array(step, { maxLength: 60, size: '+1' }), (min, steps) => {
        const sys = empty()
        const below = numbers(Number.POSITIVE_INFINITY)
        const pool = mempool_create(sys, min, below, 0)
        let [stack, most, next] = [Array.from({ length: min }, (_, at) => at + 1), min, min + 1]
        const out: number[] = []
        for (const each of steps) {
          if (each.op === 'alloc') {
            below.left = each.fails ? 0 : 1
            const expected = each.fails ? (stack.pop() ?? 0) : next++
            expect(mempool_alloc(sys, pool, GFP_ATOMIC)).toBe(expected)
            if (expected !== 0) out.push(expected)
          } else if (each.op === 'free' && out.length > 0) {
            const [element] = out.splice(each.pick % out.length, 1)
            mempool_free(sys, element!, pool)
            if (stack.length < most) stack.push(element!)
          } else if (each.op === 'resize') {
            below.left = each.left
            mempool_resize(sys, pool, each.to)
            const grows = each.to > most
            most = each.to
            if (grows) for (let left = each.left; left > 0 && stack.length < most; left--) stack.push(next++)
            stack = stack.slice(0, most)
          }
          expect(elements(sys, pool)).toEqual(stack)
          expect(mempool_check(sys)).toEqual([])
          expect(below.out.size).toBe(stack.length + out.length)
        }
      }),
    )
  })
})

describe('ready pools', () => {
  it('pages: the reserve survives when memory is out', () => {
    const sys = oneZone(64)
    const counter = zone_row(sys, 0, 'Normal') * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES
    const free = (): number => sys.zone_stat.vm_stat[counter]!
    const pool = mempool_create_page_pool(sys, 2, 1)
    expect(free()).toBe(60)
    while (alloc_pages(sys, GFP_ATOMIC, 0) >= 0);
    const kept = elements(sys, pool)
    const got = [mempool_alloc(sys, pool, GFP_ATOMIC), mempool_alloc(sys, pool, GFP_ATOMIC)]
    expect(got).toEqual([...kept].reverse())
    expect(mempool_alloc(sys, pool, GFP_ATOMIC)).toBe(-1)
    for (const pfn of got) mempool_free(sys, pfn, pool)
    mempool_destroy(sys, pool)
    expect(free()).toBe(4)
  })

  it('kmalloc and caches: the functions get size and cache', () => {
    const sys = empty()
    const asked: (number | string)[][] = []
    const kmalloc = mempool_create_kmalloc_pool(sys, 1, 100, {
      kmalloc: (_sys, size, gfp) => asked.push(['kmalloc', size, gfp]) * 4096,
      kfree: (_sys, address) => asked.push(['kfree', address]),
    })
    const slab = mempool_create_slab_pool(sys, 1, 7, {
      kmem_cache_alloc: (_sys, cache, gfp) => asked.push(['alloc', cache, gfp]) * 4096,
      kmem_cache_free: (_sys, cache, address) => asked.push(['free', cache, address]),
    })
    mempool_destroy(sys, slab)
    mempool_destroy(sys, kmalloc)
    expect(asked).toEqual([
      ['kmalloc', 100, GFP_KERNEL],
      ['alloc', 7, GFP_KERNEL],
      ['free', 7, 8192],
      ['kfree', 4096],
    ])
  })
})
