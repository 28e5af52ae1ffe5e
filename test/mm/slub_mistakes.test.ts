// What validation finds after one mistake each, and how many errors it counts: a byte behind an object in use, a byte of
// a freed object (its first, one in its middle, one behind it), the link to the next free object, a cache that is
// destroyed with an object in it.
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_destroy, kmem_cache_free } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { SLAB_NO_USER_FLAGS, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from '../../src/mm/slab_flags.ts'
import { validate_slab_cache } from '../../src/mm/slub_validate.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'

const SIZE = 96

/** Errors counted since the last time. */
function counted(sys: Sys): number {
  const errors = sys.slab_state.slab_errors[0]!
  sys.slab_state.slab_errors[0] = 0
  return errors
}

function validated(sys: Sys, cache: number): number {
  validate_slab_cache(sys, cache)
  return counted(sys)
}

/** A cache with one object; `flip` changes a byte of it. */
function oneObject(sys: Sys, flags: number): { cache: number; object: number; flip: (offset: number) => void } {
  const cache = kmem_cache_create(sys, 'mistakes', SIZE, 0, flags | SLAB_NO_USER_FLAGS)
  const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
  return { cache, object, flip: offset => write_u8(sys, object + offset, read_u8(sys, object + offset) ^ 0xff) }
}

describe.each(['6.1', '6.12'] as const)('one mistake on %s', release => {
  it('a byte behind an object in use: 2 errors', () => {
    const { sys } = slubMachine(slubKernel(release))
    const { cache, object, flip } = oneObject(sys, SLAB_RED_ZONE)
    flip(SIZE)
    expect(validated(sys, cache)).toBe(2)
    kmem_cache_free(sys, cache, object)
    kmem_cache_destroy(sys, cache)
    expect(laws(sys)).toEqual([])
  })

  it.each([
    ['its first byte', SLAB_POISON, 0],
    ['a byte in its middle', SLAB_POISON, SIZE / 2 + 5],
    ['a byte behind it', SLAB_RED_ZONE, SIZE],
  ])('of a freed object %s: 2 errors', (_where, flags, offset) => {
    const { sys } = slubMachine(slubKernel(release))
    const { cache, object, flip } = oneObject(sys, flags)
    kmem_cache_free(sys, cache, object)
    flip(offset)
    expect(validated(sys, cache)).toBe(2)
    kmem_cache_destroy(sys, cache)
    expect(laws(sys)).toEqual([])
  })

  it('the link of a freed object: 3 errors', () => {
    const { sys } = slubMachine(slubKernel(release))
    const { cache, object, flip } = oneObject(sys, SLAB_POISON)
    kmem_cache_free(sys, cache, object)
    flip(sys.slub_cache.offset[cache]!)
    expect(validated(sys, cache)).toBe(3)
    kmem_cache_destroy(sys, cache)
    expect(laws(sys)).toEqual([])
  })

  it('a cache destroyed with an object in it: 2 errors', () => {
    const { sys } = slubMachine(slubKernel(release))
    const { cache } = oneObject(sys, SLAB_STORE_USER)
    kmem_cache_destroy(sys, cache)
    expect(counted(sys)).toBe(2)
    expect(laws(sys)).toEqual([])
  })
})
