// kmalloc and its family: memory by the byte, contiguous in physical memory. Small sizes come from caches, one for each
// power of two and two between; large ones are blocks of pages.
// Law: the caller gets at least what it asked for, or 0. ZERO_SIZE_PTR is what nothing at all is asked with.
import type { Gfp, Paddr } from '../base/units.ts'
import {
  __GFP_ACCOUNT,
  __GFP_COMP,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_HIGHMEM,
  __GFP_RECLAIMABLE,
  __GFP_ZERO,
} from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import {
  kasan_check_byte,
  kasan_kfree_large,
  kasan_kmalloc_large,
  kasan_krealloc_large,
  kasan_unpoison_range,
} from './kasan.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { kasan_kmalloc, kasan_krealloc } from './kasan_slab.ts'
import { warn } from './kernel_taint.ts'
import { KMALLOC_MAX_CACHE_SIZE, kmalloc_index } from './kmalloc_caches.ts'
import { KMALLOC_TYPE_NUMBERS } from './kmalloc_types.ts'
import { trace_address } from './kmem_cache.ts'
import { kmemleak_alloc, kmemleak_alloc_recursive, kmemleak_free } from './kmemleak.ts'
import { might_alloc } from './might_alloc.ts'
import { PAGE_USED, PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { __free_pages, alloc_pages_node } from './page_alloc/alloc_pages.ts'
import { memset, read_u8, write_u8 } from './physmem.ts'
import { type DirectKmalloc, NO_CACHE, NUMA_NO_NODE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'
import { size_order } from './slab_common.ts'
import { SLAB_RED_ZONE } from './slab_flags.ts'
import { KMALLOC_INDEXES } from './slab_tables.ts'
import { slab_alloc_node, slab_free } from './slub.ts'
import { get_orig_size, SLUB_RED_ACTIVE, set_orig_size, slub_debug_orig_size } from './slub_debug.ts'
import { slub_fast_path } from './slub_fast.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'

/** What a request for no bytes gets: an address that nobody may use, and that kfree takes.
 * @kernel include/linux/slab.h:ZERO_SIZE_PTR */
export const ZERO_SIZE_PTR = 16

/** Bits that no slab can have. @kernel mm/internal.h:GFP_SLAB_BUG_MASK */
const GFP_SLAB_BUG_MASK = __GFP_DMA32 | __GFP_HIGHMEM
const UNRECLAIMABLE = node_item('nr_slab_unreclaimable')
const [NORMAL, CGROUP, RECLAIM, DMA] = [
  KMALLOC_TYPE_NUMBERS.normal,
  KMALLOC_TYPE_NUMBERS.cgroup,
  KMALLOC_TYPE_NUMBERS.reclaim,
  KMALLOC_TYPE_NUMBERS.dma,
]

const is_nothing = (object: number): boolean => object <= ZERO_SIZE_PTR

/** Row of the cache that serves a size, which is above 0 and not too large. @kernel mm/slab_common.c:kmalloc_slab */
function kmalloc_slab(sys: Sys, size: number, gfp: number): number {
  const { config } = sys.kernel
  let type = NORMAL
  if ((gfp & (__GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT)) !== 0) {
    if ((gfp & __GFP_DMA) !== 0 && config.ZONE_DMA) type = DMA
    else if ((gfp & __GFP_RECLAIMABLE) !== 0) type = RECLAIM
    else if ((gfp & __GFP_ACCOUNT) !== 0 && config.MEMCG_KMEM) type = CGROUP
  }
  return sys.kmalloc_cache.cache[type * KMALLOC_INDEXES + kmalloc_index(sys.kernel, size)]! - 1
}

/** Memory of at least `size` bytes; 0 where there is none. @kernel include/linux/slab.h:kmalloc */
export function kmalloc(sys: Sys, size: number, gfp: Gfp): Paddr {
  const object = sys.slub_fast_path === null ? 0 : sys.slub_fast_path.kmalloc(size, gfp)
  return object !== 0 ? object : kmalloc_node(sys, size, gfp, NUMA_NO_NODE)
}

/** The same on a node, if it can be. @kernel mm/slab_common.c:__kmalloc_node */
export function kmalloc_node(sys: Sys, size: number, gfp: Gfp, node: number): Paddr {
  if (!Number.isInteger(size)) throw new RangeError(`kmalloc of ${size} bytes`)
  if (sys.slub_fast_path === null) slub_fast_path(sys)
  const allocator = slab_allocator(sys)
  might_alloc(sys, gfp)
  if (size === 0) return ZERO_SIZE_PTR
  if (allocator.kmalloc !== null && size > 0) return kmalloc_direct(sys, allocator.kmalloc, size, gfp, node)
  if (size < 0 || size > KMALLOC_MAX_CACHE_SIZE(sys.kernel)) return kmalloc_large(sys, size, gfp, node)
  const cache = kmalloc_slab(sys, size, gfp)
  if (cache === NO_CACHE) return 0
  const object =
    sys.kernel.slab === 'SLUB' ? slab_alloc_node(sys, cache, gfp, node, size) : allocator.alloc(sys, cache, gfp, node)
  kasan_kmalloc(sys, cache, object, size)
  if (sys.debug_kmemleak) kmemleak_alloc_recursive(sys, cache, object, '__kmem_cache_alloc_node')
  const bytes = sys.kmem_cache.size[cache]!
  sys.trace.kmalloc?.(sys.slab_state.caller[0]!, trace_address(sys, object), size, bytes, gfp, node)
  return object
}

/** Memory of an allocator that has no caches for it. @kernel mm/slob.c:__do_kmalloc_node */
function kmalloc_direct(sys: Sys, { kmalloc: take }: DirectKmalloc, size: number, gfp: Gfp, node: number): Paddr {
  const object = take(sys, size, gfp, node)
  if (sys.debug_kmemleak && object !== 0) kmemleak_alloc(sys, object, size, 1, '__kmalloc')
  return object
}

/** Memory from where the caller must not wait and may have interrupted an allocation. @kernel mm/slub.c:kmalloc_nolock
 * @differs nothing runs at the same time in the model, so no lock is ever held by somebody else */
export function kmalloc_nolock(sys: Sys, size: number, gfp: Gfp, node: number): Paddr {
  return kmalloc_node(sys, size, gfp & (__GFP_ACCOUNT | __GFP_ZERO), node)
}

/** A block of pages. @kernel mm/slab_common.c:__kmalloc_large_node */
function kmalloc_large(sys: Sys, size: number, gfp: number, node: number): number {
  // A negative size is a huge one to the kernel, whose sizes have no sign.
  const order = size < 0 ? sys.kernel.BITS_PER_LONG - sys.kernel.PAGE_SHIFT : size_order(sys.kernel, size)
  const pfn = alloc_pages_node(sys, node, kmalloc_fix_flags(sys, gfp) | __GFP_COMP, order)
  const object = pfn < 0 ? 0 : pfn * 2 ** sys.kernel.PAGE_SHIFT
  if (pfn >= 0) {
    account_large(sys, pfn, 2 ** order)
    if (sys.debug_kmemleak) kmemleak_alloc(sys, object, size, 1, '__kmalloc_large_node')
    if ((gfp & __GFP_ZERO) !== 0) memset(sys, object, 0, 2 ** (sys.kernel.PAGE_SHIFT + order))
    kasan_kmalloc_large(sys, object, size)
  }
  const bytes = 2 ** (sys.kernel.PAGE_SHIFT + order)
  sys.trace.kmalloc?.(sys.slab_state.caller[0]!, trace_address(sys, object), size, bytes, gfp, node)
  return object
}

/** Drops bits that no slab can have, with a word about it. @kernel mm/slab_common.c:kmalloc_fix_flags */
function kmalloc_fix_flags(sys: Sys, gfp: number): number {
  const invalid = gfp & GFP_SLAB_BUG_MASK
  if (invalid === 0) return gfp
  const fixed = gfp & ~GFP_SLAB_BUG_MASK & sys.kernel.gfp.GFP_BITS_MASK
  const text = (mask: number): string => `0x${mask.toString(16)} (${format_gfp(sys.kernel.gfp, mask)})`
  sys.printk?.(`Unexpected gfp: ${text(invalid)}. Fixing up to gfp: ${text(fixed)}. Fix your code!`)
  return fixed
}

function account_large(sys: Sys, pfn: number, pages: number): void {
  const node = sys.zone_to_nid[page_zone(sys, pfn)]!
  sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + UNRECLAIMABLE]! += pages
}

/** Memory of zeros. @kernel include/linux/slab.h:kzalloc */
export function kzalloc(sys: Sys, size: number, gfp: Gfp): Paddr {
  return kmalloc(sys, size, gfp | __GFP_ZERO)
}

/** Memory for `n` elements of `size` bytes; 0 also where that is more than an address can count.
 * @kernel include/linux/slab.h:kmalloc_array */
export function kmalloc_array(sys: Sys, n: number, size: number, gfp: Gfp): Paddr {
  return n * size >= 2 ** sys.kernel.BITS_PER_LONG ? 0 : kmalloc(sys, n * size, gfp)
}

/** The same, of zeros. @kernel include/linux/slab.h:kcalloc */
export function kcalloc(sys: Sys, n: number, size: number, gfp: Gfp): Paddr {
  return kmalloc_array(sys, n, size, gfp | __GFP_ZERO)
}

/** The block of pages that an address of large kmalloc lies in; -1 = it lies in none. */
function large_block(sys: Sys, object: number): number {
  const pfn = Math.floor(object * sys.frames_per_byte)
  if (!(pfn >= 0 && pfn < sys.nr_frames)) return -1
  const head = (sys.page.flags[pfn]! & PG.tail) !== 0 ? sys.page.index[pfn]! : pfn
  const used = sys.page.state[head]! >= PAGE_USED
  return used && (sys.page.flags[head]! & (PG.head | PG.slab)) === PG.head ? head : -1
}

const block_order = (sys: Sys, head: number): number => (sys.page.state[head]! & ~PAGE_USED) - 1

/** Bytes of some memory of kmalloc, which its owner may use from now on, where the kernel says so; 0 for nothing.
 * @kernel mm/slab_common.c:ksize */
export function ksize(sys: Sys, object: Paddr): number {
  if (is_nothing(object) || !kasan_check_byte(sys, object)) return 0
  const bytes = __ksize(sys, object)
  if (sys.kernel.kasan.ksize_unpoisons) kasan_unpoison_range(sys, object, bytes)
  return bytes
}

/** The same, which leaves everything as it is. @kernel mm/slab_common.c:__ksize */
export function __ksize(sys: Sys, object: Paddr): number {
  if (is_nothing(object)) return 0
  const head = large_block(sys, object)
  return head < 0 ? slab_allocator(sys).ksize(sys, object) : 2 ** (sys.kernel.PAGE_SHIFT + block_order(sys, head))
}

/** Gives memory of kmalloc back; 0 and ZERO_SIZE_PTR are nothing to give. What never came from kmalloc is reported.
 * @kernel mm/slab_common.c:kfree */
export function kfree(sys: Sys, object: Paddr): void {
  if (sys.slub_fast_path === null || !sys.slub_fast_path.kfree(object)) kfree_general(sys, object)
}

function kfree_general(sys: Sys, object: Paddr): void {
  sys.trace.kfree?.(sys.slab_state.caller[0]!, trace_address(sys, object))
  if (object === 0 || object === ZERO_SIZE_PTR) return
  if (sys.debug_kmemleak) kmemleak_free(sys, object)
  const allocator = slab_allocator(sys)
  const cache = allocator.cache_of(sys, object)
  if (cache !== NO_CACHE) {
    if (sys.kernel.slab === 'SLUB') slab_free(sys, cache, object)
    else allocator.free(sys, cache, object)
    return
  }
  const head = large_block(sys, object)
  if (head >= 0) {
    if (kasan_kfree_large(sys, object)) return
    account_large(sys, head, -(2 ** block_order(sys, head)))
    __free_pages(sys, head, block_order(sys, head))
  } else if (allocator.kmalloc !== null) allocator.kmalloc.kfree(sys, object)
  else {
    warn(sys, 'free_large_kmalloc', `object pointer: 0x${object.toString(16)}`)
    kasan_kfree_large(sys, object)
  }
}

/** Memory with the content of `object` and at least `size` bytes: the same where it has them, else new memory, and the
 * old goes. 0 where there is none; then the old stays. @kernel mm/slab_common.c:krealloc */
export function krealloc(sys: Sys, object: Paddr, size: number, gfp: Gfp): Paddr {
  if (size === 0) {
    kfree(sys, object)
    return ZERO_SIZE_PTR
  }
  if (!is_nothing(object) && !kasan_check_byte(sys, object)) return 0
  const bytes = __ksize(sys, object)
  const kept = is_nothing(object) ? 0 : user_bytes(sys, object, bytes)
  if (bytes >= size) return resized(sys, object, size, gfp, kept, bytes)
  const moved = kmalloc(sys, size, gfp)
  if (moved === 0) return 0
  copy(sys, object, moved, kept)
  if (!is_nothing(object)) kfree(sys, object)
  return moved
}

/** Bytes of some memory that its owner asked for, where the kernel knows it; else all that there are. */
function user_bytes(sys: Sys, object: number, bytes: number): number {
  if (sys.kernel.slab !== 'SLUB' || !sys.kernel.config.SLUB_KMALLOC_REDZONE) return bytes
  const cache = slab_allocator(sys).cache_of(sys, object)
  return cache !== NO_CACHE && slub_debug_orig_size(sys, cache) ? get_orig_size(sys, cache, object) : bytes
}

/** The same memory for another number of bytes: those that are new are zeroed where asked for, and the red zone moves. */
function resized(sys: Sys, object: number, size: number, gfp: number, kept: number, bytes: number): number {
  if (kasan_enabled(sys)) kasan_resized(sys, object, size)
  if (!sys.kernel.config.SLUB_KMALLOC_REDZONE) return object
  if ((gfp & __GFP_ZERO) !== 0) memset(sys, object + Math.min(kept, size), 0, zeroed(kept, size, bytes))
  const cache = slab_allocator(sys).cache_of(sys, object)
  if (cache === NO_CACHE || !slub_debug_orig_size(sys, cache)) return object
  set_orig_size(sys, cache, object, size)
  if ((sys.kmem_cache.flags[cache]! & SLAB_RED_ZONE) !== 0) memset(sys, object + size, SLUB_RED_ACTIVE, bytes - size)
  return object
}

/** @kernel mm/kasan/common.c:__kasan_krealloc */
function kasan_resized(sys: Sys, object: number, size: number): void {
  const cache = slab_allocator(sys).cache_of(sys, object)
  if (cache === NO_CACHE) kasan_krealloc_large(sys, object, size)
  else kasan_krealloc(sys, cache, object, size)
}

const zeroed = (kept: number, size: number, bytes: number): number => (kept < size ? size - kept : bytes - size)

function copy(sys: Sys, from: number, to: number, bytes: number): void {
  for (let at = 0; at < bytes; at++) write_u8(sys, to + at, read_u8(sys, from + at))
}

/** Gives memory back after it was overwritten with zeros. @kernel mm/slab_common.c:kfree_sensitive */
export function kfree_sensitive(sys: Sys, object: Paddr): void {
  const bytes = ksize(sys, object)
  if (bytes > 0) kasan_unpoison_range(sys, object, bytes)
  if (bytes > 0) memset(sys, object, 0, bytes)
  kfree(sys, object)
}
