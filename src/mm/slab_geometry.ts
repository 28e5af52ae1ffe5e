// SLAB's caches: how many objects a slab has and where the list of its free objects (its descriptors) lies: in a free
// object of the slab, at the slab's end, or in memory of kmalloc ("off-slab"); and how what is left colours slabs.
// Law: a descriptor is a byte, since no object is smaller than a 256th of a page.
import { __GFP_COMP } from './gfp.ts'
import { kasan_cache_size } from './kasan_cache.ts'
import type { Kernel } from './kernel.ts'
import { KMALLOC_MAX_CACHE_SIZE, kmalloc_cache_request, kmalloc_max_order } from './kmalloc_caches.ts'
import {
  ALIGN,
  type CacheGeometry,
  type CacheRequest,
  calculate_alignment,
  type SlabSetup,
  size_order,
  slab_allocflags,
  word_size,
} from './slab_common.ts'
import {
  SLAB_KASAN,
  SLAB_NOLEAKTRACE,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TYPESAFE_BY_RCU,
} from './slab_flags.ts'

/** The free list lies in a free object. @kernel mm/slab.c:CFLGS_OBJFREELIST_SLAB */
export const CFLGS_OBJFREELIST_SLAB = 0x40000000
/** The free list lies in memory of kmalloc. @kernel mm/slab.c:CFLGS_OFF_SLAB */
export const CFLGS_OFF_SLAB = 0x80000000

/** Bytes of an entry of the free list. @kernel mm/slab.c:freelist_idx_t */
const SIZEOF_FREELIST_IDX = 1
const SLAB_OBJ_MIN_SIZE = 16
/** Objects that a byte can name. @kernel mm/slab.c:SLAB_OBJ_MAX_NUM */
const SLAB_OBJ_MAX_NUM = 255
/** Bytes of a red zone, and its alignment. @kernel mm/slab.c:REDZONE_ALIGN */
const REDZONE_ALIGN = 8
/** Slots that CPUs share per batch, where there are several CPUs and objects are no larger than a page. */
const SHARED_FACTOR = 8

/** A cache of SLAB. */
export interface SlabGeometry extends CacheGeometry {
  /** Pages of a slab, as an order, and objects in it. */
  readonly gfporder: number
  readonly num: number
  /** Colours: different offsets of the first object. */
  readonly colour: number
  /** Bytes between colours. */
  readonly colour_off: number
  /** Bytes of the free list. */
  readonly freelist_size: number
  /** Where it lies: on the slab, off it, in an object. */
  readonly freelist: 'on' | 'off' | 'obj'
  /** Objects that a CPU keeps, and that move at once. */
  readonly limit: number
  readonly batchcount: number
  /** Batches that the CPUs of a node share. */
  readonly shared: number
  readonly allocflags: number
  /** Bytes before the object, for its left red zone. */
  readonly obj_offset: number
}

/** The cache that a request becomes under SLAB; null where no slab holds an object. @kernel mm/slab.c:__kmem_cache_create */
export function slab_geometry(setup: SlabSetup, request: CacheRequest): SlabGeometry | null {
  const layout = object_layout(setup, request)
  const colour_off = Math.max(setup.cache_line_size, layout.align)
  const place =
    objfreelist(setup, request, layout) ?? off_slab(setup, request, layout) ?? on_slab(setup, request, layout)
  if (place === null) return null
  const { freelist, gfporder, num, left } = place
  return {
    object_size: request.size,
    size: layout.size,
    align: layout.align,
    flags: (layout.flags | place.flags) >>> 0,
    gfporder,
    num,
    colour: Math.floor(left / colour_off),
    colour_off,
    freelist_size: num * SIZEOF_FREELIST_IDX,
    freelist,
    ...cpu_caches(setup, layout.size),
    allocflags: __GFP_COMP | slab_allocflags(layout.flags),
    obj_offset: layout.obj_offset,
  }
}

interface ObjectLayout {
  readonly size: number
  readonly align: number
  readonly flags: number
  readonly obj_offset: number
}

/** An object with its red zones and the record of its last user. @kernel mm/slab.c:__kmem_cache_create */
function object_layout(setup: SlabSetup, request: CacheRequest): ObjectLayout {
  const { kernel } = setup
  const word = word_size(kernel)
  const wanted = kernel.config.DEBUG_SLAB ? forced_debug(request) : request.flags
  const red = (wanted & SLAB_RED_ZONE) !== 0
  const given = calculate_alignment(setup, request.flags, request.align, request.size)
  const align = Math.max(red ? REDZONE_ALIGN : word, given)
  // Aligned objects have no room for either.
  const flags = align > REDZONE_ALIGN ? wanted & ~(SLAB_RED_ZONE | SLAB_STORE_USER) : wanted
  let size = ALIGN(ALIGN(request.size, word), red ? REDZONE_ALIGN : word)
  const zoned = (flags & SLAB_RED_ZONE) !== 0
  if (zoned) size += 2 * REDZONE_ALIGN
  if ((flags & SLAB_STORE_USER) !== 0) size += zoned ? REDZONE_ALIGN : word
  if (kernel.config.KASAN) size = kasan_cache_size(size, request)
  size = ALIGN(size, align)
  if (size < SLAB_OBJ_MIN_SIZE) size = ALIGN(SLAB_OBJ_MIN_SIZE, align)
  return { size, align, flags: flags | (kernel.config.KASAN ? SLAB_KASAN : 0), obj_offset: zoned ? REDZONE_ALIGN : 0 }
}

/** Debugging of DEBUG_SLAB, without what would push a large object over the next power of two. */
function forced_debug({ size, flags }: CacheRequest): number {
  const grown = size - 1 + REDZONE_ALIGN + 2 * REDZONE_ALIGN
  const fits = size < 4096 || Math.clz32(size - 1) === Math.clz32(grown)
  const poison = (flags & SLAB_TYPESAFE_BY_RCU) === 0 ? SLAB_POISON : 0
  return flags | poison | (fits ? SLAB_RED_ZONE | SLAB_STORE_USER : 0)
}

interface SlabOrder {
  readonly gfporder: number
  readonly num: number
  /** Bytes of the slab that hold nothing. */
  readonly left: number
}

interface FreelistPlace extends SlabOrder {
  readonly freelist: SlabGeometry['freelist']
  readonly flags: number
}

/** @kernel mm/slab.c:set_objfreelist_slab_cache */
function objfreelist(setup: SlabSetup, request: CacheRequest, layout: ObjectLayout): FreelistPlace | null {
  if (request.ctor || (layout.flags & SLAB_TYPESAFE_BY_RCU) !== 0) return null
  const order = calculate_slab_order(setup, request, layout, 'obj')
  if (order === null || order.num * SIZEOF_FREELIST_IDX > request.size) return null
  return { ...order, freelist: 'obj', flags: CFLGS_OBJFREELIST_SLAB }
}

/** @kernel mm/slab.c:set_off_slab_cache */
function off_slab(setup: SlabSetup, request: CacheRequest, layout: ObjectLayout): FreelistPlace | null {
  if ((layout.flags & SLAB_NOLEAKTRACE) !== 0) return null
  const order = calculate_slab_order(setup, request, layout, 'off')
  if (order === null || order.left >= order.num * SIZEOF_FREELIST_IDX) return null
  return { ...order, freelist: 'off', flags: CFLGS_OFF_SLAB }
}

/** @kernel mm/slab.c:set_on_slab_cache */
function on_slab(setup: SlabSetup, request: CacheRequest, layout: ObjectLayout): FreelistPlace | null {
  const order = calculate_slab_order(setup, request, layout, 'on')
  return order && { ...order, freelist: 'on', flags: 0 }
}

/** Smallest order that wastes at most an eighth, or that larger ones would only make worse. @kernel mm/slab.c:calculate_slab_order */
function calculate_slab_order(
  setup: SlabSetup,
  request: CacheRequest,
  { size, flags }: ObjectLayout,
  freelist: SlabGeometry['freelist'],
): SlabOrder | null {
  const { kernel } = setup
  const each = size + (freelist === 'on' ? SIZEOF_FREELIST_IDX : 0)
  let best: SlabOrder | null = null
  for (let gfporder = 0; gfporder <= kmalloc_max_order(kernel); gfporder++) {
    const bytes = 2 ** (kernel.PAGE_SHIFT + gfporder)
    const num = Math.floor(bytes / each)
    if (num === 0) continue
    if (num > SLAB_OBJ_MAX_NUM) break
    if (freelist === 'off' && !off_slab_pays(setup, request, num)) continue
    const left = bytes % each
    best = { gfporder, num, left }
    // Memory that is shrunk on demand had better come as single pages, and very large slabs are hard to get.
    if ((flags & SLAB_RECLAIM_ACCOUNT) !== 0 || gfporder >= setup.slab_max_order || left * 8 <= bytes) break
  }
  return best
}

/** Whether the memory of an off-slab free list is small against an object. */
function off_slab_pays(setup: SlabSetup, request: CacheRequest, num: number): boolean {
  const bytes = freelist_memory(setup, num * SIZEOF_FREELIST_IDX)
  return bytes !== null && bytes <= Math.floor(request.size / 2)
}

/** Bytes that a free list takes from kmalloc; null where its cache has off-slab free lists itself. */
function freelist_memory(setup: SlabSetup, size: number): number | null {
  const { kernel } = setup
  if (size > KMALLOC_MAX_CACHE_SIZE(kernel)) return 2 ** (kernel.PAGE_SHIFT + size_order(kernel, size))
  const cache = slab_geometry(setup, kmalloc_cache_request(kernel, size, 0))
  return cache === null || cache.freelist === 'off' ? null : cache.size
}

/** @kernel mm/slab.c:enable_cpucache */
function cpu_caches(setup: SlabSetup, size: number): Pick<SlabGeometry, 'limit' | 'batchcount' | 'shared'> {
  const { kernel, nr_cpus } = setup
  const most = cpu_cache_limit(kernel, size)
  const limit = kernel.config.DEBUG_SLAB ? Math.min(most, 32) : most
  const shared = size <= 2 ** kernel.PAGE_SHIFT && nr_cpus > 1 ? SHARED_FACTOR : 0
  return { limit, batchcount: (limit + 1) >> 1, shared }
}

function cpu_cache_limit(kernel: Kernel, size: number): number {
  if (size > 131072) return 1
  if (size > 2 ** kernel.PAGE_SHIFT) return 8
  if (size > 1024) return 24
  return size > 256 ? 54 : 120
}
