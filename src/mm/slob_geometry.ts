// SLOB's caches: a cache is little more than a size, since objects of all caches lie side by side in the same pages.
import {
  ALIGN,
  type CacheGeometry,
  type CacheRequest,
  calculate_alignment,
  type SlabSetup,
  word_size,
} from './slab_common.ts'
import { SLAB_TYPESAFE_BY_RCU } from './slab_flags.ts'

/** Bytes of SLOB's unit: the smallest number that can address a page's units. @kernel mm/slob.c:SLOB_UNIT */
export const SLOB_UNIT = 2

/** Bytes behind an object that waits for readers: a callback of two words, and the size, in a whole word. */
const slob_rcu_size = (word: number): number => 3 * word

/** The cache that a request becomes under SLOB. @kernel mm/slob.c:__kmem_cache_create */
export function slob_geometry(setup: SlabSetup, request: CacheRequest): CacheGeometry {
  const { flags, size } = request
  const footer = (flags & SLAB_TYPESAFE_BY_RCU) !== 0 ? slob_rcu_size(word_size(setup.kernel)) : 0
  return {
    object_size: size,
    size: ALIGN(size + footer, SLOB_UNIT),
    align: calculate_alignment(setup, flags, request.align, size),
    flags,
  }
}
