// What the three allocators of objects share: what a request for a cache becomes, alignment, and which
// caches are one (merging). All of it is pure arithmetic on numbers that boot fixes (`SlabSetup`).
// Law: sizes and alignments are bytes.
import { get_order } from '../base/bits.ts'
import { __GFP_RECLAIMABLE, GFP_DMA, GFP_DMA32 } from './gfp.ts'
import type { Kernel } from './kernel.ts'
import {
  SLAB_ACCOUNT,
  SLAB_CACHE_DMA,
  SLAB_CACHE_DMA32,
  SLAB_CORE_FLAGS,
  SLAB_DEBUG_FLAGS,
  SLAB_HWCACHE_ALIGN,
  SLAB_MEM_SPREAD,
  SLAB_MERGE_SAME,
  SLAB_NEVER_MERGE,
  SLAB_NO_USER_FLAGS,
  SLAB_NOLEAKTRACE,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
} from './slab_flags.ts'
import { kmem_cache_flags, type SlabOptions, slab_options } from './slab_options.ts'

/** Alignment that every object has. @kernel include/linux/slab.h:ARCH_SLAB_MINALIGN */
export const ARCH_SLAB_MINALIGN = 8

/** What a machine's caches depend on besides the request; fixed at boot. */
export interface SlabSetup extends SlabOptions {
  readonly kernel: Kernel
  /** CPUs that the machine can have (nr_cpu_ids). */
  readonly nr_cpus: number
  /** Bytes; the processor says it. */
  readonly cache_line_size: number
}

/** What a setup is made of. */
export interface SlabSetupInput {
  readonly nr_cpus: number
  /** Boot command line; default: none. */
  readonly cmdline?: string
  /** Pages of memory; default: more than 32 MiB, below which SLAB avoids pairs of pages. */
  readonly totalram_pages?: number
  /** Bytes; default: 64, and 32 on 32-bit processors, as an unknown one has it. */
  readonly cache_line_size?: number
}

/** The setup of a machine. Options that are no numbers are as if they were not there. @ours */
export function slab_setup(kernel: Kernel, input: SlabSetupInput): SlabSetup {
  const cache_line_size = input.cache_line_size ?? (kernel.BITS_PER_LONG === 32 ? 32 : 64)
  const options = slab_options(kernel, input.cmdline ?? '', input.totalram_pages ?? Number.POSITIVE_INFINITY)
  return { kernel, nr_cpus: input.nr_cpus, cache_line_size, ...options }
}

/** A request for a cache, as `kmem_cache_create_usercopy` takes it. */
export interface CacheRequest {
  readonly name: string
  /** Bytes of an object. */
  readonly size: number
  /** Bytes; 0 = whatever suits the allocator. */
  readonly align: number
  readonly flags: number
  /** Objects have a constructor. */
  readonly ctor: boolean
  /** Bytes of an object that user space may see; 0 = none. */
  readonly usersize: number
}

/** What every cache has, whatever its allocator. */
export interface CacheGeometry {
  readonly object_size: number
  /** Bytes from one object to the next. */
  readonly size: number
  readonly align: number
  readonly flags: number
}

/** Bytes of a word. @ours */
export const word_size = (kernel: Kernel): number => kernel.BITS_PER_LONG / 8
/** `value` rounded up to a multiple of a power of two. @kernel include/linux/align.h:ALIGN */
export const ALIGN = (value: number, to: number): number => Math.ceil(value / to) * to

/** Smallest order whose block holds `size` bytes. @ours get_order of its pages */
export function size_order(kernel: Kernel, size: number): number {
  return get_order(Math.ceil(size / 2 ** kernel.PAGE_SHIFT))
}

/** Alignment of a cache's objects, in bytes: no object of a cache with SLAB_HWCACHE_ALIGN crosses a cache line that it
 * could stay within. @kernel mm/slab_common.c:calculate_alignment */
export function calculate_alignment(setup: SlabSetup, flags: number, align: number, size: number): number {
  let least = Math.max(align, ARCH_SLAB_MINALIGN)
  if ((flags & SLAB_HWCACHE_ALIGN) !== 0) {
    let line = setup.cache_line_size
    while (size <= line / 2) line /= 2
    least = Math.max(least, line)
  }
  return ALIGN(least, word_size(setup.kernel))
}

/** GFP bits that a cache's flags ask for. @kernel mm/slub.c:calculate_sizes, mm/slab.c:__kmem_cache_create */
export function slab_allocflags(flags: number): number {
  const dma = (flags & SLAB_CACHE_DMA) !== 0 ? GFP_DMA : 0
  const dma32 = (flags & SLAB_CACHE_DMA32) !== 0 ? GFP_DMA32 : 0
  return dma | dma32 | ((flags & SLAB_RECLAIM_ACCOUNT) !== 0 ? __GFP_RECLAIMABLE : 0)
}

/** Flags of a request that its allocator knows; the others are dropped. @kernel mm/slab.h:CACHE_CREATE_MASK */
export function cache_create_mask({ slab, config }: Kernel): number {
  switch (slab) {
    case 'SLOB':
      return SLAB_CORE_FLAGS
    case 'SLAB': {
      const debug = config.DEBUG_SLAB ? SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER : 0
      return SLAB_CORE_FLAGS | debug | SLAB_MEM_SPREAD | SLAB_NOLEAKTRACE | SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT
    }
    case 'SLUB': {
      const debug = config.SLUB_DEBUG ? SLAB_DEBUG_FLAGS : 0
      return SLAB_CORE_FLAGS | debug | SLAB_NOLEAKTRACE | SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT | SLAB_NO_USER_FLAGS
    }
  }
}

/** What a cache that exists looks like to a request that may join it. */
export interface MergeCandidate extends CacheGeometry {
  /** Users of the cache; below 0 = one of the allocator's own, which nobody joins. */
  readonly refcount: number
  readonly ctor: boolean
  readonly usersize: number
}

/** Whether nobody may join a cache. @kernel mm/slab_common.c:slab_unmergeable */
export function slab_unmergeable(setup: SlabSetup, cache: MergeCandidate): boolean {
  const alone = cache.ctor || cache.usersize !== 0 || cache.refcount < 0
  return setup.slab_nomerge || alone || (cache.flags & SLAB_NEVER_MERGE) !== 0
}

/**
 * Index of the cache that a request joins, -1 = none. `caches` lie in the order of their creation, and the oldest that
 * fits is taken. Flags are those that `cache_create_mask` leaves.
 * @kernel mm/slab_common.c:find_mergeable
 */
export function find_mergeable(setup: SlabSetup, caches: readonly MergeCandidate[], request: CacheRequest): number {
  if (setup.slab_nomerge || setup.kernel.slab === 'SLOB' || request.ctor || request.usersize !== 0) return -1
  const word = word_size(setup.kernel)
  const bare = ALIGN(request.size, word)
  const align = calculate_alignment(setup, request.flags, request.align, bare)
  const size = ALIGN(bare, align)
  const flags = kmem_cache_flags(setup, request.flags, request.name)
  if ((flags & SLAB_NEVER_MERGE) !== 0) return -1
  return caches.findIndex(cache => {
    if (slab_unmergeable(setup, cache) || size > cache.size || cache.size - size >= word) return false
    if ((flags & SLAB_MERGE_SAME) !== (cache.flags & SLAB_MERGE_SAME) || cache.size % align !== 0) return false
    return setup.kernel.slab !== 'SLAB' || (align <= cache.align && cache.align % align === 0)
  })
}
