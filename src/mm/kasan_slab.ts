// Generic KASAN for slab objects: the hooks that slab allocators call. What lies between objects is a red zone; an object
// that is given back waits in the quarantine before its allocator gets it.
// Law: kasan_slab_free says who owns the object then: true = the allocator must leave it alone.
import { __GFP_DIRECT_RECLAIM } from './gfp.ts'
import { kasan_init_object_meta, kasan_save_alloc_info, kasan_save_free_track } from './kasan_meta.ts'
import { kasan_quarantine_put, kasan_quarantine_reduce } from './kasan_quarantine.ts'
import { kasan_free_later } from './kasan_rcu.ts'
import { kasan_caller, kasan_report_invalid_free } from './kasan_report.ts'
import {
  direct_address,
  KASAN_SLAB_FREE,
  KASAN_SLAB_FREETRACK,
  KASAN_SLAB_REDZONE,
  kasan_byte_accessible,
  kasan_enabled,
  kasan_poison,
  kasan_poison_last_granule,
  kasan_unpoison,
  round_up_granule,
  set_shadow_byte,
} from './kasan_shadow.ts'
import type { Sys } from './mmzone.ts'
import { slab_allocator } from './slab_allocators.ts'
import { SLAB_KMALLOC, SLAB_TYPESAFE_BY_RCU } from './slab_flags.ts'

/** A new slab: nothing of it may be used yet. @kernel mm/kasan/common.c:__kasan_poison_slab */
export function kasan_poison_slab(sys: Sys, slab: number, order: number): void {
  if (!kasan_enabled(sys)) return
  const bytes = 2 ** sys.kernel.PAGE_SHIFT
  kasan_poison(sys, direct_address(sys, slab * bytes), bytes * 2 ** order, KASAN_SLAB_REDZONE)
}

/** An object of a new slab. @kernel mm/kasan/common.c:__kasan_init_slab_obj */
export function kasan_init_slab_obj(sys: Sys, cache: number, object: number): void {
  if (kasan_enabled(sys)) kasan_init_object_meta(sys, cache, object)
}

/** The allocator itself or a constructor is about to write into an object.
 * @kernel mm/kasan/common.c:__kasan_unpoison_object_data */
export function kasan_unpoison_object_data(sys: Sys, cache: number, object: number): void {
  kasan_unpoison(sys, direct_address(sys, object), sys.kmem_cache.object_size[cache]!)
}

/** It has written. @kernel mm/kasan/common.c:__kasan_poison_object_data */
export function kasan_poison_object_data(sys: Sys, cache: number, object: number): void {
  if (!kasan_enabled(sys)) return
  const size = round_up_granule(sys.kmem_cache.object_size[cache]!)
  kasan_poison(sys, direct_address(sys, object), size, KASAN_SLAB_REDZONE)
}

const is_kmalloc_cache = (sys: Sys, cache: number): boolean => (sys.kmem_cache.flags[cache]! & SLAB_KMALLOC) !== 0

/** An object is handed out. @kernel mm/kasan/common.c:__kasan_slab_alloc */
export function kasan_slab_alloc(sys: Sys, cache: number, object: number, gfp: number): void {
  if (!kasan_enabled(sys) || object === 0) return
  if ((gfp & __GFP_DIRECT_RECLAIM) !== 0) kasan_quarantine_reduce(sys)
  kasan_unpoison_object_data(sys, cache, object)
  if (!is_kmalloc_cache(sys, cache)) kasan_save_alloc_info(sys, cache, object)
}

/** An object is handed out by kmalloc for `size` bytes: the rest of it is a red zone.
 * @kernel mm/kasan/common.c:____kasan_kmalloc */
export function kasan_kmalloc(sys: Sys, cache: number, object: number, size: number): void {
  if (!kasan_enabled(sys) || object === 0) return
  const start = round_up_granule(size)
  const end = round_up_granule(sys.kmem_cache.object_size[cache]!)
  kasan_poison_last_granule(sys, direct_address(sys, object), size)
  kasan_poison(sys, direct_address(sys, object + start), end - start, KASAN_SLAB_REDZONE)
  if (is_kmalloc_cache(sys, cache)) kasan_save_alloc_info(sys, cache, object)
}

/** An object of kmalloc stays where it is, for another size. @kernel mm/kasan/common.c:__kasan_krealloc */
export function kasan_krealloc(sys: Sys, cache: number, object: number, size: number): void {
  if (!kasan_enabled(sys) || object === 0) return
  kasan_unpoison(sys, direct_address(sys, object), size)
  kasan_kmalloc(sys, cache, object, size)
}

/** Others may still read a freed object of such a cache. */
const outlives_free = (sys: Sys, cache: number): boolean => (sys.kmem_cache.flags[cache]! & SLAB_TYPESAFE_BY_RCU) !== 0

/** Whether an address is no object that is in use, which is reported then. */
function must_not_be_freed(sys: Sys, cache: number, object: number, ip?: string): boolean {
  const address = direct_address(sys, object)
  const inner = slab_allocator(sys).nearest_obj(sys, object) !== object
  if (!inner && (outlives_free(sys, cache) || kasan_byte_accessible(sys, address))) return false
  kasan_report_invalid_free(sys, address, inner ? 'invalid-free' : 'double-free', ip ?? kasan_caller(sys))
  return true
}

/** An object goes into a pool's reserve; false = it must not, which was reported.
 * @kernel mm/kasan/common.c:__kasan_slab_free_mempool */
export function kasan_slab_free_mempool(sys: Sys, cache: number, object: number): boolean {
  if (must_not_be_freed(sys, cache, object)) return false
  if (!outlives_free(sys, cache)) {
    const size = round_up_granule(sys.kmem_cache.object_size[cache]!)
    kasan_poison(sys, direct_address(sys, object), size, KASAN_SLAB_FREE)
  }
  return true
}

/** An object is given back; true = it waits in the quarantine or must not be given back, which was reported.
 * @kernel mm/kasan/common.c:____kasan_slab_free */
export function kasan_slab_free(sys: Sys, cache: number, object: number, ip?: string): boolean {
  if (!kasan_enabled(sys)) return false
  if (must_not_be_freed(sys, cache, object, ip)) return true
  if (outlives_free(sys, cache)) return sys.kernel.kasan.frees_after_rcu && kasan_free_later(sys, object)
  put_away(sys, cache, object)
  return true
}

/** An object that outlived its free, when the grace period is over. @kernel mm/slub.c:slab_free_after_rcu_debug */
export function kasan_free_after_rcu(sys: Sys, object: number): void {
  const cache = slab_allocator(sys).cache_of(sys, object)
  if (kasan_byte_accessible(sys, direct_address(sys, object))) put_away(sys, cache, object)
  else kasan_report_invalid_free(sys, direct_address(sys, object), 'double-free', kasan_caller(sys))
}

/** Nobody may use an object any more; it waits in the quarantine. */
function put_away(sys: Sys, cache: number, object: number): void {
  const address = direct_address(sys, object)
  kasan_poison(sys, address, round_up_granule(sys.kmem_cache.object_size[cache]!), KASAN_SLAB_FREE)
  kasan_save_free_track(sys, cache, object)
  set_shadow_byte(sys, address, KASAN_SLAB_FREETRACK)
  kasan_quarantine_put(sys, cache, object)
}
