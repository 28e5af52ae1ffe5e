// The common way of an object of SLUB and of its return, each in one flat function: the CPU's list has an object whose free
// pointer is a plain word in the slab's first frame; who gives back gives to the CPU's own slab. Everything else is refused
// before anything is changed, and goes the general way (slub.ts).
// Law: who comes through here leaves every column and byte as the general way would.
// The functions are bound to their machine, as those of page_alloc/fast_path.ts are, and for the same reason.
import { __GFP_ACCOUNT, __GFP_DIRECT_RECLAIM, __GFP_DMA, __GFP_RECLAIMABLE, __GFP_ZERO } from './gfp.ts'
import { KMALLOC_MAX_CACHE_SIZE, kmalloc_index } from './kmalloc_caches.ts'
import { KMALLOC_TYPE_NUMBERS } from './kmalloc_types.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { KMALLOC_INDEXES } from './slab_tables.ts'

/** The functions for one machine. */
export interface SlubFastPath {
  /** An object from the running CPU's list; 0 = this is not a common case, nothing was done. */
  alloc(cache: number, gfp: number): number
  /** Gives an object back to the running CPU's slab; false = this is not a common case, nothing was done. */
  free(cache: number, object: number): boolean
  /** An object of at least `size` bytes from kmalloc's caches; 0 = as alloc. */
  kmalloc(size: number, gfp: number): number
  /** Gives back what may be an object of any cache; false = as free. */
  kfree(object: number): boolean
}

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const SLAB_OR_TAIL: number = PG.slab | PG.tail
const SLAB: number = PG.slab
/** Bits that choose another kind of kmalloc's caches. */
const TYPES: number = __GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT
const ZERO: number = __GFP_ZERO
const DIRECT: number = __GFP_DIRECT_RECLAIM

/** The machine's fast path, made at its first use. @ours */
export function slub_fast_path(sys: Sys): SlubFastPath {
  return sys.slub_fast_path ?? (sys.slub_fast_path = usable(sys) ? bind_slub_fast_path(sys) : NONE)
}

/** Machines that do more for each object: every request goes the general way. */
const NONE: SlubFastPath = { alloc: () => 0, free: () => false, kmalloc: () => 0, kfree: () => false }

function usable({ kernel, debug_kmemleak }: Sys): boolean {
  return kernel.slab === 'SLUB' && kernel.BITS_PER_LONG === 64 && !kernel.config.KASAN && !debug_kmemleak
}

function bind_slub_fast_path(sys: Sys): SlubFastPath {
  const { freelist, slab: cpu_slab } = sys.slub_cpu
  const { fast_offset } = sys.slub_cache
  const { live } = sys.slub_object
  const { data, flags, mapping } = sys.page
  const { in_atomic, irqs_disabled, this_cpu } = sys.machine
  const words = sys.physmem_words
  const { nr_cpus, page_bytes, page_shift, frames_per_byte, page_offset_word } = sys
  const in_page = page_bytes - 1
  const high_shift = 32 - page_shift
  const memory = sys.nr_frames * page_bytes

  // What follows from a CPU having a slab is not asked again: that the cache is there, that the frame is a slab of that cache,
  // and that it has bytes. A cache that does not exist has no slab.

  /** @kernel mm/slub.c:slab_alloc_node, its common way */
  function alloc(cache: number, gfp: number): number {
    const c = cache * nr_cpus + this_cpu[0]!
    const first = (freelist[c]! | 0) - 1
    const pointer = first + fast_offset[cache]!
    if (first < 0 || pointer >= page_bytes || (gfp & ZERO) !== 0 || sys.trace.kmem_cache_alloc !== undefined) return 0
    if ((gfp & DIRECT) !== 0 && (in_atomic[0]! | irqs_disabled[0]!) !== 0) return 0
    const pfn = cpu_slab[c]! - 1
    const bytes = (data[pfn]! - 1) << page_shift
    const word = (bytes + pointer) >>> 2
    const next = words[word]! ^ (pfn << page_shift)
    const at = (bytes + first) >>> 8
    const before = live[at]!
    const bit = 1 << (first >>> 3)
    if ((next & ~in_page) !== 0 || (before & bit) !== 0) return 0
    if ((words[word + 1]! | 0) !== ((page_offset_word + (pfn >>> high_shift)) | 0)) return 0
    freelist[c] = next + 1
    live[at] = before | bit
    return pfn * page_bytes + first
  }

  /** @kernel mm/slub.c:slab_free, its common way */
  function free(cache: number, object: number): boolean {
    // Both parts of an address come of it directly, not one of the other: the processor does both at once.
    const pfn = (object * frames_per_byte) | 0
    const first = object & in_page
    const c = cache * nr_cpus + this_cpu[0]!
    const pointer = first + fast_offset[cache]!
    if (cpu_slab[c] !== pfn + 1 || pointer >= page_bytes || (first & 7) !== 0 || !(object < memory)) return false
    const bytes = (data[pfn]! - 1) << page_shift
    const at = (bytes + first) >>> 8
    const before = live[at]! | 0
    const bit = 1 << (first >>> 3)
    if ((before & bit) === 0 || sys.trace.kmem_cache_free !== undefined) return false
    const next = freelist[c]!
    const word = (bytes + pointer) >>> 2
    live[at] = before & ~bit
    words[word] = next === 0 ? 0 : (pfn << page_shift) + next - 1
    words[word + 1] = next === 0 ? 0 : page_offset_word + (pfn >>> high_shift)
    freelist[c] = first + 1
    return true
  }

  const { cache: kmalloc_cache } = sys.kmalloc_cache
  const row_of_size = kmalloc_rows(sys)
  const largest = 8 * (row_of_size.length - 1)

  /** @kernel mm/slab_common.c:__kmalloc, its common way */
  function kmalloc(size: number, gfp: number): number {
    if (!(size > 0 && size <= largest) || size !== (size | 0) || (gfp & TYPES) !== 0) return 0
    return sys.trace.kmalloc === undefined ? alloc(kmalloc_cache[row_of_size[(size + 7) >>> 3]!]! - 1, gfp) : 0
  }

  /** @kernel mm/slab_common.c:kfree, its common way */
  function kfree(object: number): boolean {
    if (!(object < memory) || sys.trace.kfree !== undefined) return false
    const pfn = (object * frames_per_byte) | 0
    return (flags[pfn]! & SLAB_OR_TAIL) === SLAB && free(mapping[pfn]! - 1, object)
  }

  return { alloc, free, kmalloc, kfree }
}

/** Row of `kmalloc_cache` of a size in steps of 8 bytes, rounded up. */
function kmalloc_rows({ kernel }: Sys): Int32Array {
  const rows = new Int32Array(KMALLOC_MAX_CACHE_SIZE(kernel) / 8 + 1)
  const first = KMALLOC_TYPE_NUMBERS.normal * KMALLOC_INDEXES
  for (let at = 1; at < rows.length; at++) rows[at] = first + kmalloc_index(kernel, 8 * at)
  return rows
}
