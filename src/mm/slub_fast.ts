// The common way of an object of SLUB and of its return, each in one flat function: the CPU's list has an object whose free
// pointer is a plain word in the slab's first frame; who gives back gives to the CPU's own slab. Everything else is refused
// before anything is changed, and goes the general way (slub.ts).
// Law: who comes through here leaves every column and byte as the general way would.
// The functions are bound to their machine, as those of page_alloc/fast_path.ts are, and for the same reason.
import { __GFP_DIRECT_RECLAIM, __GFP_ZERO } from './gfp.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'

/** Both functions for one machine. */
export interface SlubFastPath {
  /** An object from the running CPU's list; 0 = this is not a common case, nothing was done. */
  alloc(cache: number, gfp: number): number
  /** Gives an object back to the running CPU's slab; false = this is not a common case, nothing was done. */
  free(cache: number, object: number): boolean
}

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const SLAB_OR_TAIL: number = PG.slab | PG.tail
const SLAB: number = PG.slab
const ZERO: number = __GFP_ZERO
const DIRECT: number = __GFP_DIRECT_RECLAIM

/** The machine's fast path, made at its first use. @ours */
export function slub_fast_path(sys: Sys): SlubFastPath {
  return sys.slub_fast_path ?? (sys.slub_fast_path = usable(sys) ? bind_slub_fast_path(sys) : NONE)
}

/** Machines that do more for each object: every request goes the general way. */
const NONE: SlubFastPath = { alloc: () => 0, free: () => false }

function usable({ kernel, debug_kmemleak }: Sys): boolean {
  return kernel.slab === 'SLUB' && kernel.BITS_PER_LONG === 64 && !kernel.config.KASAN && !debug_kmemleak
}

function bind_slub_fast_path(sys: Sys): SlubFastPath {
  const { used } = sys.kmem_cache
  const { freelist, slab: cpu_slab } = sys.slub_cpu
  const { fast_offset } = sys.slub_cache
  const { live } = sys.slub_object
  const { data, flags, mapping } = sys.page
  const { in_atomic, irqs_disabled, this_cpu } = sys.machine
  const words = sys.physmem_words
  const { nr_cpus, page_bytes, page_shift, frames_per_byte, page_offset_word } = sys
  const in_page = page_bytes - 1
  const high_shift = 32 - page_shift

  /** @kernel mm/slub.c:slab_alloc_node, its common way */
  function alloc(cache: number, gfp: number): number {
    if (used[cache] !== 1 || (gfp & ZERO) !== 0 || sys.trace.kmem_cache_alloc !== undefined) return 0
    if ((gfp & DIRECT) !== 0 && (in_atomic[0]! | irqs_disabled[0]!) !== 0) return 0
    const c = cache * nr_cpus + this_cpu[0]!
    const first = freelist[c]! - 1
    const pointer = first + fast_offset[cache]!
    if (first < 0 || pointer >= page_bytes) return 0
    const pfn = cpu_slab[c]! - 1
    const bytes = (data[pfn]! - 1) << page_shift
    const word = (bytes + pointer) >>> 2
    const low = words[word]!
    const at = (bytes + first) >>> 8
    const before = live[at]!
    const bit = 1 << ((first >>> 3) & 31)
    if ((low ^ (pfn << page_shift)) >>> page_shift !== 0 || (before & bit) !== 0) return 0
    if ((words[word + 1]! | 0) !== ((page_offset_word + (pfn >>> high_shift)) | 0)) return 0
    freelist[c] = (low & in_page) + 1
    live[at] = before | bit
    return pfn * page_bytes + first
  }

  /** @kernel mm/slub.c:slab_free, its common way */
  function free(cache: number, object: number): boolean {
    if (used[cache] !== 1 || sys.trace.kmem_cache_free !== undefined) return false
    const pfn = (object * frames_per_byte) >>> 0
    const c = cache * nr_cpus + this_cpu[0]!
    if (cpu_slab[c] !== pfn + 1 || (flags[pfn]! & SLAB_OR_TAIL) !== SLAB || mapping[pfn] !== cache + 1) return false
    const first = (object - pfn * page_bytes) | 0
    const pointer = first + fast_offset[cache]!
    const bytes = (data[pfn]! - 1) << page_shift
    const at = (bytes + first) >>> 8
    const before = live[at]! | 0
    const bit = 1 << ((first >>> 3) & 31)
    if ((first & 7) !== 0 || bytes < 0 || (before & bit) === 0 || pointer >= page_bytes) return false
    const next = freelist[c]!
    live[at] = before & ~bit
    const word = (bytes + pointer) >>> 2
    words[word] = next === 0 ? 0 : (pfn << page_shift) + (next - 1)
    words[word + 1] = next === 0 ? 0 : page_offset_word + (pfn >>> high_shift)
    freelist[c] = first + 1
    return true
  }

  return { alloc, free }
}
