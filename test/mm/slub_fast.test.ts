// SLUB's common way against its general way: the same requests on two machines, one of which must not take the short cut,
// and the images are compared byte for byte.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { __GFP_ZERO, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kfree, kmalloc } from '../../src/mm/kmalloc.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_shrink } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { write_u32 } from '../../src/mm/physmem.ts'
import { slub_fast_path } from '../../src/mm/slub_fast.ts'
import { hashSys } from '../../src/sim/state.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'

const SIZES = [24, 64, 96, 700, 3000]
const ALLOCATIONS = ['alloc', 'alloc', 'zero', 'kmalloc'] as const

const op = fc.record({
  do: fc.constantFrom(
    ...ALLOCATIONS,
    ...ALLOCATIONS,
    'free',
    'free',
    'kfree',
    'wrong',
    'twice',
    'shrink',
    'inside',
    'far',
    'scribble',
  ),
  cache: fc.nat(SIZES.length - 1),
  cpu: fc.nat(1),
  which: fc.nat(1000),
})
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never

/** Does the requests; what every one got, and what the machine said. */
function play(ops: readonly Op[], short: boolean): { sys: Sys; got: number[]; said: string[]; common: number } {
  const { sys, said } = slubMachine(slubKernel(), [0, 0])
  const own = slub_fast_path(sys)
  let common = 0
  const counted = {
    alloc: (cache: number, gfp: number): number => {
      const object = short ? own.alloc(cache, gfp) : 0
      if (object !== 0) common++
      return object
    },
    free: (cache: number, object: number): boolean => short && own.free(cache, object),
    kmalloc: (size: number, gfp: number): number => {
      const object = short ? own.kmalloc(size, gfp) : 0
      if (object !== 0) common++
      return object
    },
    kfree: (object: number): boolean => short && own.kfree(object),
  }
  sys.slub_fast_path = counted
  const caches = SIZES.map((size, at) =>
    kmem_cache_create(sys, `c${at}`, size, 0, 0, { name: 'none', construct: () => {} }),
  )
  const live: [number, number][] = []
  const got = ops.map(({ do: what, cache, cpu, which }) => {
    sys.machine.this_cpu[0] = cpu
    if (what === 'shrink') return kmem_cache_shrink(sys, caches[cache]!)
    if (what === 'alloc' || what === 'zero') {
      const object = kmem_cache_alloc(sys, caches[cache]!, what === 'zero' ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL)
      live.push([caches[cache]!, object])
      return object
    }
    if (what === 'kmalloc') {
      const object = kmalloc(sys, SIZES[cache]! - (which % 9), GFP_KERNEL)
      live.push([-1, object])
      return object
    }
    if (live.length === 0) return 0
    const [owner, object] = live.splice(which % live.length, 1)[0]!
    if (what === 'inside' || what === 'far') {
      kmem_cache_free(sys, caches[cache]!, object + (what === 'far' ? 2 ** 44 : 8))
      kfree(sys, object + (what === 'far' ? 2 ** 44 : 8))
    }
    if (what === 'kfree' || owner < 0) kfree(sys, object)
    else kmem_cache_free(sys, what === 'wrong' ? caches[cache]! : owner, object)
    if (what === 'twice') kfree(sys, object)
    // Somebody writes to memory that is not his any more: perhaps over a free pointer.
    if (what === 'scribble') for (let at = 0; at < 24; at += 4) write_u32(sys, object + at, which)
    return object
  })
  sys.slub_fast_path = null
  return { sys, got, said, common }
}

it('both ways leave the same machine', () => {
  let common = 0
  const property = fc.property(fc.array(op, { minLength: 60, maxLength: 400, size: '+1' }), ops => {
    const [fast, general] = [play(ops, true), play(ops, false)]
    expect(fast.got).toEqual(general.got)
    expect(fast.said).toEqual(general.said)
    expect(hashSys(fast.sys)).toBe(hashSys(general.sys))
    // Laws hold unless somebody wrote where he must not.
    if (!ops.some(({ do: what }) => what === 'scribble')) expect(laws(fast.sys)).toEqual([])
    common += fast.common
  })
  fc.assert(property, { numRuns: 60 })
  expect(common).toBeGreaterThan(300)
})
