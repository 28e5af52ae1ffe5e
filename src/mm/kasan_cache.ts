// Room that generic KASAN takes behind every slab object: its records, and a red zone that grows with the object.
import type { CacheRequest } from './slab_common.ts'
import { SLAB_TYPESAFE_BY_RCU } from './slab_flags.ts'

/** Bytes of the record of an allocation: process and stack of it, and two more stacks. */
const ALLOC_META = 16
/** Bytes of the record of a free: a link of the quarantine, process and stack. */
const FREE_META = 16

/** Red zones in bytes for objects that, with it, are not above a size. @kernel mm/kasan/common.c:optimal_redzone */
const REDZONES: readonly (readonly [most: number, redzone: number])[] = [
  [64, 16],
  [128, 32],
  [512, 64],
  [4096, 128],
  [1 << 14, 256],
  [1 << 15, 512],
  [1 << 16, 1024],
]

function optimal_redzone(object_size: number): number {
  return REDZONES.find(([most, redzone]) => object_size <= most - redzone)?.[1] ?? 2048
}

/** Bytes of an object with KASAN's records: the free record lies in the object itself where its bytes are free to use.
 * `size` is what the object takes without. @kernel mm/kasan/common.c:__kasan_cache_create */
export function kasan_cache_size(size: number, { size: object_size, flags, ctor }: CacheRequest): number {
  const outside = (flags & SLAB_TYPESAFE_BY_RCU) !== 0 || ctor || object_size < FREE_META
  const records = size + ALLOC_META + (outside ? FREE_META : 0)
  return Math.max(records, object_size + optimal_redzone(object_size))
}
