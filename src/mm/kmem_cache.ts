// Caches of objects, whatever allocator serves them: they are made, joined (merging), used and destroyed.
// Law: a cache is a row; it goes with its last user, unless objects remain: then it stays, with no user.
// @differs a kernel keeps the cache itself in an object of the cache `kmem_cache`; here that cache exists, but is empty.
import type { Gfp, Paddr } from '../base/units.ts'
import { NIL } from '../base/units.ts'
import { __GFP_ZERO } from './gfp.ts'
import { kasan_quarantine_remove_cache } from './kasan_quarantine.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { dump_stack, warn } from './kernel_taint.ts'
import { type Constructor, constructor_text, symbol_name } from './kernel_text.ts'
import {
  KMALLOC_MAX_SIZE,
  kmalloc_cache_request,
  kmalloc_indexes,
  kmalloc_size,
  kmalloc_types,
} from './kmalloc_caches.ts'
import { KMALLOC_TYPE_GFP, KMALLOC_TYPE_NUMBERS } from './kmalloc_types.ts'
import { forget_aliases, note_alias } from './kmem_alias.ts'
import {
  cache_rows,
  is_cache_name,
  kmem_cache_name,
  note_slab_setup,
  set_kmem_cache_name,
  slab_setup_of,
} from './kmem_cache_rows.ts'
import { kmemleak_alloc_recursive, kmemleak_free } from './kmemleak.ts'
import { rcu_barrier } from './kvfree_rcu.ts'
import { might_alloc } from './might_alloc.ts'
import type { Sys } from './mmzone.ts'
import { type KmemCache, NO_CACHE, NUMA_NO_NODE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'
import { cache_geometry } from './slab_caches.ts'
import { type CacheRequest, cache_create_mask, find_mergeable, type MergeCandidate, word_size } from './slab_common.ts'
import {
  SLAB_ACCOUNT,
  SLAB_CORE_FLAGS,
  SLAB_DEBUG_FLAGS,
  SLAB_HWCACHE_ALIGN,
  SLAB_MEM_SPREAD,
  SLAB_NO_USER_FLAGS,
  SLAB_NOLEAKTRACE,
  SLAB_PANIC,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_TYPESAFE_BY_RCU,
} from './slab_flags.ts'
import { KMALLOC_INDEXES } from './slab_tables.ts'
import { ALL_BYTES, slab_alloc_node, slab_free } from './slub.ts'
import { slub_fast_path } from './slub_fast.ts'

/** Errors of the kernel, as it returns them. */
const EINVAL = 22
const ENOMEM = 12

/** Flags that a user may ask for. @kernel mm/slab.h:SLAB_FLAGS_PERMITTED */
const SLAB_FLAGS_PERMITTED =
  SLAB_CORE_FLAGS |
  SLAB_DEBUG_FLAGS |
  SLAB_MEM_SPREAD |
  SLAB_NOLEAKTRACE |
  SLAB_RECLAIM_ACCOUNT |
  SLAB_ACCOUNT |
  SLAB_NO_USER_FLAGS

/** What boot says of caches. */
export interface SlabBoot {
  /** Default: none. */
  readonly cmdline?: string
  /** CPUs that the machine can have; default: those it has. */
  readonly nr_cpu_ids?: number
  /** Bytes; default: the processor's usual line. */
  readonly cache_line_size?: number
  /** Pages of memory; default: many. */
  readonly totalram_pages?: number
}

/** Makes caches possible: those of boot, then those of kmalloc. @kernel mm/slub.c:kmem_cache_init */
export function kmem_cache_init(sys: Sys, boot: SlabBoot = {}): void {
  note_slab_setup(sys, {
    cmdline: boot.cmdline ?? '',
    nr_cpus: boot.nr_cpu_ids ?? sys.nr_cpus,
    cache_line_size: boot.cache_line_size ?? 0,
    totalram_pages: boot.totalram_pages ?? 0,
  })
  slab_allocator(sys).init(sys)
  create_boot_caches(sys)
  sys.slab_state.slab_state[0] = 1
  create_kmalloc_caches(sys)
  sys.slab_state.slab_state[0] = 2
}

/** The caches of caches, which nobody joins. @kernel mm/slab_common.c:create_boot_cache */
function create_boot_caches(sys: Sys): void {
  const { kernel, nr_nodes } = sys
  const wide = word_size(kernel) === 8
  const cache_bytes = (wide ? 192 : 120) + (kernel.config.NUMA ? word_size(kernel) : 0) + nr_nodes * word_size(kernel)
  const request = { align: 0, flags: SLAB_HWCACHE_ALIGN, ctor: false, usersize: 0 }
  if (kernel.slab === 'SLUB') {
    const size = wide ? (kernel.config.SMP ? 64 : 56) : 28
    sys.slab_state.node_cache[0] = 1 + new_cache(sys, { ...request, name: 'kmem_cache_node', size }, 0, -1)
  }
  sys.slab_state.boot_cache[0] = 1 + new_cache(sys, { ...request, name: 'kmem_cache', size: cache_bytes }, 0, -1)
}

/** @kernel mm/slab_common.c:create_kmalloc_caches */
function create_kmalloc_caches(sys: Sys): void {
  const { kernel } = sys
  if (slab_allocator(sys).kmalloc !== null) return
  const types = kmalloc_types(kernel)
  const early = types.filter(type => type !== 'dma')
  const make = (type: (typeof types)[number], index: number): void => {
    const request = kmalloc_cache_request(kernel, kmalloc_size(index), KMALLOC_TYPE_GFP[type])
    const row = KMALLOC_TYPE_NUMBERS[type] * KMALLOC_INDEXES + index
    sys.kmalloc_cache.cache[row] = 1 + new_cache(sys, request, 0, 1)
  }
  for (const type of early) for (const index of kmalloc_indexes(kernel)) make(type, index)
  if (types.includes('dma')) for (const index of kmalloc_indexes(kernel)) make('dma', index)
}

/** A cache in a free row; NO_CACHE where no slab holds an object. @kernel mm/slab_common.c:create_cache */
function new_cache(sys: Sys, request: CacheRequest, ctor: number, refcount: number): KmemCache {
  const geometry = cache_geometry(slab_setup_of(sys), request)
  if (geometry === null) return NO_CACHE
  const { kmem_cache, slab_state } = sys
  const cache = kmem_cache.used.indexOf(0)
  if (cache < 0)
    throw new RangeError(`all ${kmem_cache.used.length} caches are in use; raise the shape's nr_kmem_caches`)
  kmem_cache.used[cache] = 1
  set_kmem_cache_name(sys, cache, request.name)
  kmem_cache.object_size[cache] = geometry.object_size
  kmem_cache.size[cache] = geometry.size
  kmem_cache.align[cache] = geometry.align
  kmem_cache.flags[cache] = geometry.flags
  kmem_cache.refcount[cache] = refcount
  kmem_cache.ctor[cache] = ctor
  kmem_cache.usersize[cache] = request.usersize
  slab_state.created[0]! += 1
  kmem_cache.seq[cache] = slab_state.created[0]!
  if (slab_allocator(sys).create(sys, cache, geometry) === 0) return cache
  forget_cache(sys, cache)
  return NO_CACHE
}

function forget_cache(sys: Sys, cache: number): void {
  forget_aliases(sys, cache)
  const rows = sys.kmem_cache.used.length
  for (const column of Object.values(sys.kmem_cache)) {
    const width = column.length / rows
    column.fill(0, cache * width, (cache + 1) * width)
  }
}

/**
 * A cache of objects of `size` bytes, new or one that exists already and fits; NO_CACHE where it cannot be made, which
 * is reported. `align` 0 = whatever suits; `ctor` makes objects ready when their slab is made.
 * @kernel mm/slab_common.c:kmem_cache_create
 */
export function kmem_cache_create(
  sys: Sys,
  name: string,
  size: number,
  align = 0,
  flags = 0,
  ctor: Constructor | null = null,
): KmemCache {
  return kmem_cache_create_usercopy(sys, { name, size, align, flags, ctor: ctor !== null, usersize: 0 }, ctor)
}

/** The same with a part of objects that user space may see. @kernel mm/slab_common.c:kmem_cache_create_usercopy */
export function kmem_cache_create_usercopy(
  sys: Sys,
  request: CacheRequest,
  ctor: Constructor | null = null,
): KmemCache {
  if (!is_cache_name(request.name))
    throw new RangeError(`a cache's name has 1 … 63 printable characters, not "${request.name}"`)
  const flags = (request.flags & cache_create_mask(sys.kernel)) >>> 0
  const known = { ...request, flags }
  if ((request.flags & ~SLAB_FLAGS_PERMITTED) !== 0 || !sane(sys, known)) return refused(sys, request, EINVAL)
  const joined = merged(sys, known)
  if (joined !== NO_CACHE) return joined
  const cache = new_cache(sys, known, constructor_text(ctor), 1)
  return cache === NO_CACHE ? refused(sys, request, ENOMEM) : cache
}

/** Whether the kernel would look at a request at all. @kernel mm/slab_common.c:kmem_cache_sanity_check */
function sane(sys: Sys, { size, align, usersize }: CacheRequest): boolean {
  const whole = [size, align, usersize].every(value => Number.isInteger(value) && value >= 0)
  const power = align === 0 || 2 ** Math.round(Math.log2(align)) === align
  return whole && power && size > 0 && size <= KMALLOC_MAX_SIZE(sys.kernel) && usersize <= size
}

function refused(sys: Sys, { name, flags }: CacheRequest, error: number): KmemCache {
  if ((flags & SLAB_PANIC) !== 0)
    sys.printk?.(
      `Kernel panic - not syncing: kmem_cache_create_usercopy: Failed to create slab '${name}'. Error -${error}`,
    )
  else {
    sys.printk?.(`kmem_cache_create_usercopy(${name}) failed with error -${error}`)
    dump_stack(sys)
  }
  return NO_CACHE
}

/** The cache that a request joins; NO_CACHE = none. @kernel mm/slab_common.c:__kmem_cache_alias */
function merged(sys: Sys, request: CacheRequest): KmemCache {
  const { kmem_cache } = sys
  const rows = cache_rows(sys)
  const candidates = rows.map(
    (row): MergeCandidate => ({
      object_size: kmem_cache.object_size[row]!,
      size: kmem_cache.size[row]!,
      align: kmem_cache.align[row]!,
      flags: kmem_cache.flags[row]!,
      refcount: kmem_cache.refcount[row]!,
      ctor: kmem_cache.ctor[row] !== 0,
      usersize: kmem_cache.usersize[row]!,
    }),
  )
  const cache = rows[find_mergeable(slab_setup_of(sys), candidates, request)]
  if (cache === undefined) return NO_CACHE
  kmem_cache.refcount[cache]! += 1
  kmem_cache.object_size[cache] = Math.max(kmem_cache.object_size[cache]!, request.size)
  slab_allocator(sys).alias(sys, cache, request.size)
  note_alias(sys, cache, request.name)
  return cache
}

/** Whether a row holds a cache; a caller who uses one that is gone is told. */
function exists(sys: Sys, cache: KmemCache, where: string): boolean {
  if (sys.kmem_cache.used[cache] === 1) return true
  warn(sys, where, `${where}: there is no cache ${cache}: it was destroyed, or never created`)
  return false
}

/** Drops a user of a cache; with the last one it goes. Objects that remain are reported, and the cache stays.
 * NO_CACHE is nothing to destroy. @kernel mm/slab_common.c:kmem_cache_destroy
 * @differs a cache of kmalloc stays; a kernel would lose it, and end soon */
export function kmem_cache_destroy(sys: Sys, cache: KmemCache): void {
  if (cache === NO_CACHE || !exists(sys, cache, 'kmem_cache_destroy')) return
  const { refcount } = sys.kmem_cache
  if (refcount[cache]! <= 0) {
    warn(sys, 'kmem_cache_destroy', `kmem_cache_destroy ${kmem_cache_name(sys, cache)}: the cache has no user`)
    return
  }
  if (refcount[cache] === 1 && sys.kmalloc_cache.cache.includes(cache + 1)) {
    const name = kmem_cache_name(sys, cache)
    warn(sys, 'kmem_cache_destroy', `kmem_cache_destroy ${name}: kmalloc has no other cache of that size`)
    return
  }
  refcount[cache]! -= 1
  if (refcount[cache] !== 0) return
  const allocator = slab_allocator(sys)
  if (kasan_enabled(sys) && (sys.kmem_cache.flags[cache]! & SLAB_TYPESAFE_BY_RCU) !== 0) rcu_barrier(sys)
  kasan_quarantine_remove_cache(sys, cache)
  if (allocator.shutdown(sys, cache) !== 0) {
    const caller = symbol_name(sys.slab_state.caller[0]!)
    const name = kmem_cache_name(sys, cache)
    const what = `kmem_cache_destroy ${name}: Slab cache still has objects when called from ${caller}`
    warn(sys, 'kmem_cache_destroy', what)
    return
  }
  allocator.release(sys, cache)
  forget_cache(sys, cache)
}

/** An object of a cache, 0 = there is no memory. @kernel mm/slub.c:kmem_cache_alloc */
export function kmem_cache_alloc(sys: Sys, cache: KmemCache, gfp: Gfp): Paddr {
  const object = sys.slub_fast_path === null ? 0 : sys.slub_fast_path.alloc(cache, gfp)
  return object !== 0 ? object : kmem_cache_alloc_node(sys, cache, gfp, NUMA_NO_NODE)
}

/** An object on a node, if it can be; NUMA_NO_NODE = the running CPU's. @kernel mm/slub.c:kmem_cache_alloc_node */
export function kmem_cache_alloc_node(sys: Sys, cache: KmemCache, gfp: Gfp, node: number): Paddr {
  if (sys.kmem_cache.used[cache] !== 1) {
    exists(sys, cache, 'kmem_cache_alloc')
    return 0
  }
  if (sys.slub_fast_path === null) slub_fast_path(sys)
  might_alloc(sys, gfp)
  const object =
    sys.kernel.slab === 'SLUB'
      ? slab_alloc_node(sys, cache, gfp, node, ALL_BYTES)
      : slab_allocator(sys).alloc(sys, cache, gfp, node)
  if (sys.debug_kmemleak) kmemleak_alloc_recursive(sys, cache, object, 'kmem_cache_alloc')
  if (sys.trace.kmem_cache_alloc !== undefined) trace_alloc(sys, cache, object, gfp, node)
  return object
}

/** Address as tracepoints have it: of the direct map, signed. @ours */
export function trace_address(sys: Sys, object: Paddr): number {
  const { PAGE_OFFSET, BITS_PER_LONG } = sys.kernel
  return object === 0 ? 0 : (BITS_PER_LONG === 64 ? PAGE_OFFSET - 2 ** 64 : PAGE_OFFSET) + object
}

function trace_alloc(sys: Sys, cache: number, object: number, gfp: number, node: number): void {
  const { object_size, size } = sys.kmem_cache
  const ptr = trace_address(sys, object)
  sys.trace.kmem_cache_alloc?.(sys.slab_state.caller[0]!, ptr, object_size[cache]!, size[cache]!, gfp, node)
}

/** An object of zeros. @kernel include/linux/slab.h:kmem_cache_zalloc */
export function kmem_cache_zalloc(sys: Sys, cache: KmemCache, gfp: Gfp): Paddr {
  return kmem_cache_alloc(sys, cache, gfp | __GFP_ZERO)
}

/** Gives an object back; what is none of the cache is reported. @kernel mm/slub.c:kmem_cache_free */
export function kmem_cache_free(sys: Sys, cache: KmemCache, object: Paddr): void {
  if (sys.slub_fast_path === null || !sys.slub_fast_path.free(cache, object)) free_general(sys, cache, object)
}

function free_general(sys: Sys, cache: KmemCache, object: Paddr): void {
  if (sys.kmem_cache.used[cache] !== 1) {
    exists(sys, cache, 'kmem_cache_free')
    return
  }
  sys.trace.kmem_cache_free?.(sys.slab_state.caller[0]!, trace_address(sys, object))
  if (sys.debug_kmemleak) kmemleak_free(sys, object)
  if (sys.kernel.slab === 'SLUB') slab_free(sys, cache, object)
  else slab_allocator(sys).free(sys, cache, object)
}

/** `count` objects at once, all or none: how many. `objects` has room for them. @kernel mm/slub.c:kmem_cache_alloc_bulk */
export function kmem_cache_alloc_bulk(
  sys: Sys,
  cache: KmemCache,
  gfp: Gfp,
  count: number,
  objects: Float64Array,
): number {
  if (!(count >= 0 && count <= objects.length))
    throw new RangeError(`${count} objects asked for, with room for ${objects.length}`)
  if (!exists(sys, cache, 'kmem_cache_alloc_bulk')) return 0
  const got = slab_allocator(sys).alloc_bulk(sys, cache, gfp & sys.machine.gfp_allowed_mask[0]!, count, objects)
  if (sys.debug_kmemleak)
    for (let at = 0; at < got; at++) kmemleak_alloc_recursive(sys, cache, objects[at]!, 'kmem_cache_alloc_bulk')
  return got
}

/** Gives the first `count` objects back at once. @kernel mm/slub.c:kmem_cache_free_bulk */
export function kmem_cache_free_bulk(sys: Sys, cache: KmemCache, count: number, objects: Float64Array): void {
  if (!(count >= 0 && count <= objects.length))
    throw new RangeError(`${count} objects to free, ${objects.length} are given`)
  if (!exists(sys, cache, 'kmem_cache_free_bulk')) return
  if (sys.debug_kmemleak) for (let at = 0; at < count; at++) kmemleak_free(sys, objects[at]!)
  slab_allocator(sys).free_bulk(sys, cache, count, objects)
}

/** Gives the pages of empty slabs back; 0 = the cache has no slab left. @kernel mm/slab_common.c:kmem_cache_shrink */
export function kmem_cache_shrink(sys: Sys, cache: KmemCache): number {
  if (!exists(sys, cache, 'kmem_cache_shrink')) return 0
  kasan_quarantine_remove_cache(sys, cache)
  return slab_allocator(sys).shrink(sys, cache)
}

/** Bytes of an object that its user may use. @kernel mm/slab_common.c:kmem_cache_size */
export function kmem_cache_size(sys: Sys, cache: KmemCache): number {
  return sys.kmem_cache.object_size[cache] ?? 0
}

/** The oldest cache of that name, NO_CACHE where there is none. @ours */
export function kmem_cache_named(sys: Sys, name: string): KmemCache {
  return cache_rows(sys).find(cache => kmem_cache_name(sys, cache) === name) ?? NIL
}

/** All broken laws of a machine's caches and their objects. @ours */
export function slab_check(sys: Sys): string[] {
  const broken: string[] = []
  const { used, size, object_size } = sys.kmem_cache
  for (let cache = 0; cache < used.length; cache++)
    if (used[cache] === 1 && size[cache]! < object_size[cache]!)
      broken.push(`cache ${cache}: objects of ${object_size[cache]} bytes every ${size[cache]} bytes`)
  for (const [at, row] of sys.kmalloc_cache.cache.entries())
    if (row !== 0 && used[row - 1] !== 1) broken.push(`kmalloc cache ${at}: cache ${row - 1} does not exist`)
  return [...broken, ...slab_allocator(sys).check(sys)]
}
