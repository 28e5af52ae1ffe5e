// kmalloc's caches: which cache serves a size and a mask, how many bytes the caller really gets, and from which size on
// the page allocator serves.
// Law: a request gets at least what it asks for; sizes above KMALLOC_MAX_CACHE_SIZE are whole blocks of pages.
import { ilog2 } from '../base/bits.ts'
import { __GFP_ACCOUNT, __GFP_DMA, __GFP_RECLAIMABLE } from './gfp.ts'
import type { Kernel } from './kernel.ts'
import { ALIGN, ARCH_SLAB_MINALIGN, type CacheRequest, size_order } from './slab_common.ts'
import { SLAB_ACCOUNT, SLAB_CACHE_DMA, SLAB_HWCACHE_ALIGN, SLAB_KMALLOC, SLAB_RECLAIM_ACCOUNT } from './slab_flags.ts'
import { SLOB_UNIT } from './slob_geometry.ts'

/** Bytes that every address of kmalloc is a multiple of. @kernel include/linux/slab.h:ARCH_KMALLOC_MINALIGN */
export const ARCH_KMALLOC_MINALIGN = 8

/** Kinds of kmalloc caches: rows of caches of all sizes. @kernel include/linux/slab.h:enum kmalloc_cache_type */
export type KmallocType = 'normal' | 'cgroup' | 'reclaim' | 'dma'

/** Kinds that a kernel has, in the order in which they are made. @kernel mm/slab_common.c:create_kmalloc_caches */
export function kmalloc_types({ config }: Kernel): readonly KmallocType[] {
  const cgroup: readonly KmallocType[] = config.MEMCG_KMEM ? ['cgroup'] : []
  return ['normal', 'reclaim', ...cgroup, ...(config.ZONE_DMA ? (['dma'] as const) : [])]
}

/** log2 of the smallest cache's size. @kernel include/linux/slab.h:KMALLOC_SHIFT_LOW */
export const KMALLOC_SHIFT_LOW = (kernel: Kernel): number => (kernel.slab === 'SLAB' ? 5 : 3)
/** log2 of the largest cache's size. SLOB has no caches: up to a page it serves itself.
 * @kernel include/linux/slab.h:KMALLOC_SHIFT_HIGH */
export const KMALLOC_SHIFT_HIGH = (kernel: Kernel): number => kernel.PAGE_SHIFT + (kernel.slab === 'SLOB' ? 0 : 1)
/** Bytes of the smallest cache's objects. @kernel include/linux/slab.h:KMALLOC_MIN_SIZE */
export const KMALLOC_MIN_SIZE = (kernel: Kernel): number => 1 << KMALLOC_SHIFT_LOW(kernel)
/** Bytes above which the page allocator serves. @kernel include/linux/slab.h:KMALLOC_MAX_CACHE_SIZE */
export const KMALLOC_MAX_CACHE_SIZE = (kernel: Kernel): number => 1 << KMALLOC_SHIFT_HIGH(kernel)
/** Bytes above which nobody serves. @kernel include/linux/slab.h:KMALLOC_MAX_SIZE */
export const KMALLOC_MAX_SIZE = (kernel: Kernel): number => 2 ** (kernel.PAGE_SHIFT + kmalloc_max_order(kernel))
/** The order of that. @kernel include/linux/slab.h:KMALLOC_MAX_ORDER */
export const kmalloc_max_order = (kernel: Kernel): number => kernel.NR_PAGE_ORDERS - 1

/** Indexes of the two caches between powers of two. */
const INDEX_96 = 1
const INDEX_192 = 2

/** Kind of cache for a mask: DMA before reclaimable before charged. @kernel include/linux/slab.h:kmalloc_type */
export function kmalloc_type({ config }: Kernel, gfp: number): KmallocType {
  if (config.ZONE_DMA && (gfp & __GFP_DMA) !== 0) return 'dma'
  if ((gfp & __GFP_RECLAIMABLE) !== 0) return 'reclaim'
  return config.MEMCG_KMEM && (gfp & __GFP_ACCOUNT) !== 0 ? 'cgroup' : 'normal'
}

/** Index of the cache for `size` bytes: 1 = 96, 2 = 192, else log2 of its size; 0 for no bytes, -1 where the page
 * allocator serves. @kernel include/linux/slab.h:__kmalloc_index */
export function kmalloc_index(kernel: Kernel, size: number): number {
  if (size === 0) return 0
  if (size > KMALLOC_MAX_CACHE_SIZE(kernel)) return -1
  const low = KMALLOC_SHIFT_LOW(kernel)
  if (low <= 5 && size > 64 && size <= 96) return INDEX_96
  if (low <= 6 && size > 128 && size <= 192) return INDEX_192
  return Math.max(ilog2(size - 1) + 1, low)
}

/** Bytes of the objects of the cache with that index. @kernel mm/slab_common.c:kmalloc_info */
export function kmalloc_size(index: number): number {
  return index === INDEX_96 ? 96 : index === INDEX_192 ? 192 : 2 ** index
}

/** Name of a cache, `kmalloc-rcl-1k`. @kernel mm/slab_common.c:INIT_KMALLOC_INFO */
export function kmalloc_name(type: KmallocType, index: number): string {
  const size = kmalloc_size(index)
  const text = size >= 2 ** 20 ? `${size / 2 ** 20}M` : size >= 1024 ? `${size / 1024}k` : `${size}`
  return `${PREFIX[type]}-${text}`
}

const PREFIX: Readonly<Record<KmallocType, string>> = {
  normal: 'kmalloc',
  reclaim: 'kmalloc-rcl',
  cgroup: 'kmalloc-cg',
  dma: 'dma-kmalloc',
}

const TYPE_FLAGS: Readonly<Record<KmallocType, number>> = {
  normal: 0,
  reclaim: SLAB_RECLAIM_ACCOUNT,
  cgroup: SLAB_ACCOUNT,
  dma: SLAB_CACHE_DMA,
}

/** The request for the cache that serves `size` bytes with a mask: powers of two are aligned to themselves.
 * A RangeError where no cache serves. @kernel mm/slab_common.c:create_kmalloc_cache */
export function kmalloc_cache_request(kernel: Kernel, size: number, gfp: number): CacheRequest {
  const index = kmalloc_index(kernel, size)
  if (index <= 0) throw new RangeError(`no cache of kmalloc serves ${size} bytes`)
  const bytes = kmalloc_size(index)
  const type = kmalloc_type(kernel, gfp)
  const align = index > INDEX_192 ? Math.max(ARCH_SLAB_MINALIGN, bytes) : ARCH_SLAB_MINALIGN
  const flags = SLAB_KMALLOC | TYPE_FLAGS[type] | (kernel.slab === 'SLAB' ? SLAB_HWCACHE_ALIGN : 0)
  return { name: kmalloc_name(type, index), size: bytes, align, flags, ctor: false, usersize: bytes }
}

/** Indexes of a kernel's caches in the order in which they are made: the odd ones follow those that they lie between.
 * @kernel mm/slab_common.c:create_kmalloc_caches */
export function kmalloc_indexes(kernel: Kernel): readonly number[] {
  const indexes: number[] = []
  for (let index = KMALLOC_SHIFT_LOW(kernel); index <= KMALLOC_SHIFT_HIGH(kernel); index++) {
    indexes.push(index)
    if (index === 6) indexes.push(INDEX_96)
    if (index === 7) indexes.push(INDEX_192)
  }
  return indexes
}

/** Where `size` bytes of kmalloc come from, and how many they are. */
export interface KmallocPlace {
  /** Bytes that the caller may use. */
  readonly ksize: number
  /** Name of the cache; null where the page allocator serves, or SLOB's lists. */
  readonly cache: string | null
  /** Order of the block of pages; -1 where it is none. */
  readonly order: number
}

/** Where `size` > 0 bytes come from; a RangeError above KMALLOC_MAX_SIZE, which the kernel refuses with a warning.
 * @kernel mm/slab_common.c:__do_kmalloc_node */
export function kmalloc_place(kernel: Kernel, size: number, gfp: number): KmallocPlace {
  if (size > KMALLOC_MAX_SIZE(kernel))
    throw new RangeError(`kmalloc of ${size} bytes: at most ${KMALLOC_MAX_SIZE(kernel)} are served`)
  // SLOB keeps the size in front of the object.
  const small =
    kernel.slab === 'SLOB' ? 2 ** kernel.PAGE_SHIFT - ARCH_KMALLOC_MINALIGN - 1 : KMALLOC_MAX_CACHE_SIZE(kernel)
  if (size > small) {
    const order = size_order(kernel, size)
    return { ksize: 2 ** (kernel.PAGE_SHIFT + order), cache: null, order }
  }
  if (kernel.slab === 'SLOB') return { ksize: ALIGN(size, SLOB_UNIT), cache: null, order: -1 }
  const index = kmalloc_index(kernel, size)
  return { ksize: kmalloc_size(index), cache: kmalloc_name(kmalloc_type(kernel, gfp), index), order: -1 }
}

/** Bytes that a caller who asks for `size` might as well ask for. @kernel mm/slab_common.c:kmalloc_size_roundup */
export function kmalloc_size_roundup(kernel: Kernel, size: number): number {
  if (kernel.slab === 'SLOB') return ALIGN(size, ARCH_KMALLOC_MINALIGN)
  if (size > KMALLOC_MAX_CACHE_SIZE(kernel)) return 2 ** (kernel.PAGE_SHIFT + size_order(kernel, size))
  return size === 0 ? 0 : kmalloc_size(kmalloc_index(kernel, size))
}
