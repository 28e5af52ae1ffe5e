// SLUB's caches: how an object is laid out with its free pointer, red zones and records, and how many pages a slab has.
// Law: the free pointer lies in the middle of a free object, unless the object must keep its bytes while it is free.
import { clamp, ilog2 } from '../base/bits.ts'
import { __GFP_COMP } from './gfp.ts'
import { kasan_cache_size } from './kasan_cache.ts'
import type { Kernel } from './kernel.ts'
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
  SLAB_CONSISTENCY_CHECKS,
  SLAB_DEBUG_FLAGS,
  SLAB_KASAN,
  SLAB_KMALLOC,
  SLAB_POISON,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TRACE,
  SLAB_TYPESAFE_BY_RCU,
} from './slab_flags.ts'
import { kmem_cache_flags } from './slab_options.ts'

/** Free objects are poisoned: nobody needs their bytes. @kernel mm/slub.c:__OBJECT_POISON */
export const __OBJECT_POISON = 0x80000000
/** The processor swaps two words at once. @kernel mm/slub.c:__CMPXCHG_DOUBLE */
export const __CMPXCHG_DOUBLE = 0x40000000
const SLAB_NO_CMPXCHG = SLAB_CONSISTENCY_CHECKS | SLAB_STORE_USER | SLAB_TRACE
/** Flags that make objects larger. */
const DEBUG_METADATA_FLAGS = SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER

/** Objects that a slab's counter can count. */
const MAX_OBJS_PER_PAGE = 32767
const [MIN_PARTIAL, MAX_PARTIAL] = [5, 10]

/** A cache of SLUB. */
export interface SlubGeometry extends CacheGeometry {
  /** Bytes up to the records: the object and its right red zone. */
  readonly inuse: number
  /** Of the free pointer, from the object's start. */
  readonly offset: number
  /** Bytes before the object. */
  readonly red_left_pad: number
  /** Of a slab as it should be, and objects in it. */
  readonly order: number
  readonly objects: number
  /** Of a slab when memory is short, and objects in it. */
  readonly min_order: number
  readonly min_objects: number
  /** Partial slabs that a node keeps even if they are empty. */
  readonly min_partial: number
  /** GFP bits that slabs are allocated with. */
  readonly allocflags: number
  /** Objects and slabs that a CPU keeps in partial slabs; 0 in kernels without them. */
  readonly cpu_partial: number
  readonly cpu_partial_slabs: number
}

/** The cache that a request becomes under SLUB; null where no block of pages holds an object.
 * @kernel mm/slub.c:kmem_cache_open */
export function slub_geometry(setup: SlabSetup, request: CacheRequest): SlubGeometry | null {
  const align = calculate_alignment(setup, request.flags, request.align, request.size)
  const flags = kmem_cache_flags(setup, request.flags, request.name)
  let layout = calculate_sizes(setup, request, flags, align)
  const higher = size_order(setup.kernel, layout.size) > size_order(setup.kernel, request.size)
  if (setup.disable_higher_order_debug && higher)
    layout = calculate_sizes(setup, request, flags & ~DEBUG_METADATA_FLAGS, align)
  const { size } = layout
  const order = calculate_order(setup, size)
  if (order < 0) return null
  const min_order = size_order(setup.kernel, size)
  const objects = order_objects(setup.kernel, order, size)
  return {
    ...layout,
    object_size: request.size,
    align,
    order,
    objects,
    min_order,
    min_objects: order_objects(setup.kernel, min_order, size),
    min_partial: clamp(ilog2(size) >> 1, MIN_PARTIAL, MAX_PARTIAL),
    allocflags: slab_allocflags(layout.flags) | (order > 0 ? __GFP_COMP : 0),
    ...cpu_partial(setup.kernel, layout.flags, size, objects),
  }
}

type Layout = Pick<SlubGeometry, 'size' | 'inuse' | 'offset' | 'red_left_pad' | 'flags'>

/** Where everything of an object lies. @kernel mm/slub.c:calculate_sizes */
function calculate_sizes(setup: SlabSetup, request: CacheRequest, wanted: number, align: number): Layout {
  const { kernel } = setup
  const { size: object_size, ctor } = request
  const word = word_size(kernel)
  const has = (flag: number): boolean => (wanted & flag) !== 0
  let size = ALIGN(object_size, word)
  if (has(SLAB_RED_ZONE) && size === object_size) size += word
  const inuse = size
  // Who may still read a free object, or finds a constructed one there, must not find a pointer in it.
  const keeps = has(SLAB_TYPESAFE_BY_RCU | SLAB_POISON) || ctor || (has(SLAB_RED_ZONE) && object_size < word)
  const offset = keeps ? size : Math.floor(object_size / 2 / word) * word
  if (keeps) size += word
  if (has(SLAB_STORE_USER)) size += 2 * track_size(kernel) + (has(SLAB_KMALLOC) ? 4 : 0)
  if (kernel.config.KASAN) size = kasan_cache_size(size, request)
  const red_left_pad = has(SLAB_RED_ZONE) ? ALIGN(word, align) : 0
  if (has(SLAB_RED_ZONE)) size += word + red_left_pad
  return { size: ALIGN(size, align), inuse, offset, red_left_pad, flags: internal_flags(kernel, wanted, ctor) }
}

/** Bytes of a record of who allocated or freed: address, stack, CPU, process, time. @kernel mm/slub.c:struct track */
function track_size(kernel: Kernel): number {
  const word = word_size(kernel)
  return ALIGN(word + 3 * 4, word) + word
}

function internal_flags(kernel: Kernel, flags: number, ctor: boolean): number {
  const poison = (flags & SLAB_POISON) !== 0 && (flags & SLAB_TYPESAFE_BY_RCU) === 0 && !ctor ? __OBJECT_POISON : 0
  const cmpxchg = (flags & SLAB_NO_CMPXCHG) === 0 ? __CMPXCHG_DOUBLE : 0
  return (flags | poison | cmpxchg | (kernel.config.KASAN ? SLAB_KASAN : 0)) >>> 0
}

/** @kernel mm/slub.c:order_objects */
function order_objects(kernel: Kernel, order: number, size: number): number {
  return Math.floor(2 ** (kernel.PAGE_SHIFT + order) / size)
}

/**
 * Order of a slab: enough objects for the machine's CPUs with at most a sixteenth of it wasted, else an eighth, else a
 * quarter, else fewer objects. -1 where no block holds an object.
 * @kernel mm/slub.c:calculate_order
 * @differs 6.12 accepts a half of it wasted before it takes fewer objects; that matters above 10 KB a piece only
 */
export function calculate_order(setup: SlabSetup, size: number): number {
  const { kernel, slub_max_order, nr_cpus } = setup
  const wanted = setup.slub_min_objects || 4 * (ilog2(nr_cpus) + 2)
  const most = Math.min(wanted, order_objects(kernel, slub_max_order, size))
  for (let objects = most; objects > 1; objects--) {
    for (const fraction of [16, 8, 4]) {
      const order = calc_slab_order(setup, size, objects, slub_max_order, fraction)
      if (order <= slub_max_order) return order
    }
  }
  const single = calc_slab_order(setup, size, 1, slub_max_order, 1)
  if (single <= slub_max_order) return single
  const any = calc_slab_order(setup, size, 1, kernel.NR_PAGE_ORDERS, 1)
  return any < kernel.NR_PAGE_ORDERS ? any : -1
}

/** Smallest order up to `max_order` that wastes at most 1/`fraction`; above `max_order` where there is none.
 * @kernel mm/slub.c:calc_slab_order */
function calc_slab_order(setup: SlabSetup, size: number, objects: number, max_order: number, fraction: number): number {
  const { kernel, slub_min_order } = setup
  if (order_objects(kernel, slub_min_order, size) > MAX_OBJS_PER_PAGE)
    return size_order(kernel, size * MAX_OBJS_PER_PAGE) - 1
  let order = Math.max(slub_min_order, size_order(kernel, objects * size))
  while (order <= max_order) {
    const bytes = 2 ** (kernel.PAGE_SHIFT + order)
    if (bytes % size <= Math.floor(bytes / fraction)) break
    order++
  }
  return order
}

/** @kernel mm/slub.c:set_cpu_partial */
function cpu_partial(
  kernel: Kernel,
  flags: number,
  size: number,
  objects: number,
): Pick<SlubGeometry, 'cpu_partial' | 'cpu_partial_slabs'> {
  if (!kernel.config.SLUB_CPU_PARTIAL || (flags & SLAB_DEBUG_FLAGS) !== 0)
    return { cpu_partial: 0, cpu_partial_slabs: 0 }
  const kept = size >= 2 ** kernel.PAGE_SHIFT ? 6 : size >= 1024 ? 24 : size >= 256 ? 52 : 120
  return { cpu_partial: kept, cpu_partial_slabs: Math.ceil((2 * kept) / objects) }
}
