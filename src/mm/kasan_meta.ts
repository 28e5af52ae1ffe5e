// What KASAN keeps of a slab object: a record of its allocation behind the object, and one of its free, which lies in the
// object's own bytes where these are free to use. Both are bytes of the slab.
// Law: alloc record = process, stack, two auxiliary stacks (4 bytes each); free record = link of the quarantine (8),
// process, stack (4 each).
import { direct_address, direct_paddr } from './kasan_shadow.ts'
import { kasan_save_stack } from './kasan_stack.ts'
import type { Sys } from './mmzone.ts'
import { memset, read_u32, write_u32 } from './physmem.ts'
import { SLAB_TYPESAFE_BY_RCU } from './slab_flags.ts'
import { metadata_end } from './slub_debug.ts'

/** Bytes of each record. @kernel mm/kasan/kasan.h:struct kasan_alloc_meta, struct kasan_free_meta */
export const KASAN_ALLOC_META = 16
export const KASAN_FREE_META = 16

/** Who allocated or freed an object. @kernel mm/kasan/kasan.h:struct kasan_track */
export interface KasanTrack {
  readonly pid: number
  /** Handle of kasan_stack.ts; 0 = the record is empty. */
  readonly stack: number
}

/** Bytes from an object's start to its alloc record. @kernel mm/kasan/generic.c:kasan_cache_create */
export function alloc_meta_offset(sys: Sys, cache: number): number {
  const slub = sys.kernel.slab === 'SLUB'
  return slub ? metadata_end(sys, cache) : Math.ceil(sys.kmem_cache.object_size[cache]! / 8) * 8
}

/** Bytes from an object's start to its free record: 0 = in the object. @kernel mm/kasan/generic.c:kasan_cache_create */
export function free_meta_offset(sys: Sys, cache: number): number {
  const { flags, ctor, object_size } = sys.kmem_cache
  const outside = (flags[cache]! & SLAB_TYPESAFE_BY_RCU) !== 0 || ctor[cache] !== 0
  return outside || object_size[cache]! < KASAN_FREE_META ? alloc_meta_offset(sys, cache) + KASAN_ALLOC_META : 0
}

/** Bytes of records behind an object. @kernel mm/kasan/generic.c:kasan_metadata_size */
export function kasan_metadata_size(sys: Sys, cache: number): number {
  if (!sys.kernel.config.KASAN) return 0
  return KASAN_ALLOC_META + (free_meta_offset(sys, cache) === 0 ? 0 : KASAN_FREE_META)
}

/** Empties the alloc record of an object of a new slab. @kernel mm/kasan/generic.c:kasan_init_object_meta */
export function kasan_init_object_meta(sys: Sys, cache: number, object: number): void {
  memset(sys, object + alloc_meta_offset(sys, cache), 0, KASAN_ALLOC_META)
}

function set_track(sys: Sys, at: number): void {
  write_u32(sys, at, sys.kasan_state.pid[0]!)
  write_u32(sys, at + 4, kasan_save_stack(sys))
}

const get_track = (sys: Sys, at: number): KasanTrack => ({ pid: read_u32(sys, at), stack: read_u32(sys, at + 4) })

/** Notes who allocates an object. @kernel mm/kasan/generic.c:kasan_save_alloc_info */
export function kasan_save_alloc_info(sys: Sys, cache: number, object: number): void {
  const at = object + alloc_meta_offset(sys, cache)
  memset(sys, at, 0, KASAN_ALLOC_META)
  set_track(sys, at)
}

/** Notes who frees an object. @kernel mm/kasan/generic.c:kasan_save_free_info */
export function kasan_save_free_track(sys: Sys, cache: number, object: number): void {
  set_track(sys, object + free_meta_offset(sys, cache) + 8)
}

/** Notes a stack that made work with an object (call_rcu, queue_work): the latest two are kept.
 * @kernel mm/kasan/generic.c:__kasan_record_aux_stack */
export function kasan_record_aux_stack(sys: Sys, cache: number, object: number): void {
  const at = object + alloc_meta_offset(sys, cache) + 8
  write_u32(sys, at + 4, read_u32(sys, at))
  write_u32(sys, at, kasan_save_stack(sys))
}

/** @kernel mm/kasan/generic.c:kasan_get_alloc_track */
export function kasan_get_alloc_track(sys: Sys, cache: number, object: number): KasanTrack {
  return get_track(sys, object + alloc_meta_offset(sys, cache))
}

/** @kernel mm/kasan/generic.c:kasan_get_free_track */
export function kasan_get_free_track(sys: Sys, cache: number, object: number): KasanTrack {
  return get_track(sys, object + free_meta_offset(sys, cache) + 8)
}

/** Handles of the auxiliary stacks, the latest first. @ours */
export function kasan_aux_stacks(sys: Sys, cache: number, object: number): [number, number] {
  const at = object + alloc_meta_offset(sys, cache) + 8
  return [read_u32(sys, at), read_u32(sys, at + 4)]
}

/** The free record that follows in a queue of the quarantine; 0 = none, -1 = its bytes are no address of memory. @ours */
export function qlink_next(sys: Sys, meta: number): number {
  const address = { hi: read_u32(sys, meta + 4), lo: read_u32(sys, meta) }
  return address.hi === 0 && address.lo === 0 ? 0 : direct_paddr(sys, address)
}

/** @ours */
export function set_qlink_next(sys: Sys, meta: number, next: number): void {
  const { hi, lo } = next === 0 ? { hi: 0, lo: 0 } : direct_address(sys, next)
  write_u32(sys, meta, lo)
  write_u32(sys, meta + 4, hi)
}
