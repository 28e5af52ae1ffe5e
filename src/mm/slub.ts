// SLUB: objects in slabs of pages. The fast paths take from and give to the running CPU's lockless list; what they
// cannot do the slow paths do with the CPU's slab, its partial slabs, the node's, and the page allocator, in that order.
// Law: an object that is handed out has its bit in `slub_object.live`, which no kernel has: a wrong free is reported and
// changes nothing, where a kernel without slub_debug would tie its lists in a knot.
import { __GFP_ZERO } from './gfp.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { kasan_slab_alloc, kasan_slab_free } from './kasan_slab.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { memset } from './physmem.ts'
import { SLAB_CONSISTENCY_CHECKS, SLAB_STORE_USER } from './slab_flags.ts'
import { cpu_freelist, deactivate_slab, put_cpu_partial, set_cpu_freelist } from './slub_cpu.ts'
import { free_debug_processing, set_track, slub_debug_orig_size, TRACK_ALLOC, TRACK_FREE } from './slub_debug.ts'
import {
  add_partial,
  alloc_single_from_new_slab,
  get_partial,
  on_partial_list,
  type PartialSlab,
  remove_full,
  remove_partial,
} from './slub_lists.ts'
import { get_freepointer, set_freepointer } from './slub_pointer.ts'
import { cache_from_obj, object_err, report_wrong_free, slab_fix, slab_out_of_memory } from './slub_report.ts'
import {
  dec_slabs_node,
  discard_slab,
  free_slab,
  inc_slabs_node,
  kmem_cache_debug,
  kmem_cache_has_cpu_partial,
  new_slab,
  set_slab_counters,
  set_slab_freelist,
  set_slab_inuse,
  slab_address,
  slab_bytes,
  slab_freelist,
  slab_inuse,
  slab_node,
  slab_objects,
  virt_to_slab,
} from './slub_slab.ts'

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const SLAB: number = PG.slab
const TAIL: number = PG.tail
const ZERO: number = __GFP_ZERO

/** orig_size of who takes an object as it is. */
export const ALL_BYTES = 0

/** What get_partial took; used within one allocation only. */
const taken: PartialSlab = { slab: 0, object: 0 }

/**
 * An object of a cache, 0 = there is no memory. `node` -1 = any; `orig_size` = bytes that kmalloc was asked for.
 * The way most objects go: the CPU's list has one in the slab's first frame, whose free pointer points into it, too.
 * @kernel mm/slub.c:slab_alloc_node
 */
export function slab_alloc_node(sys: Sys, cache: number, gfp: number, node: number, orig_size: number): number {
  const { freelist, slab } = sys.slub_cpu
  const { page_bytes, page_shift } = sys
  const c = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
  const first = freelist[c]! - 1
  const pointer = first + sys.slub_cache.fast_offset[cache]!
  if (first < 0 || pointer >= page_bytes || node !== -1) return slab_alloc_slow(sys, cache, gfp, node, orig_size, c)
  const pfn = slab[c]! - 1
  // Object and pointer lie in the slab's first frame, which has bytes.
  const bytes = (sys.page.data[pfn]! - 1) << page_shift
  const words = sys.physmem_words
  const low = words[(bytes + pointer) >>> 2]! | 0
  const high = words[(bytes + pointer + 4) >>> 2]! | 0
  const { live } = sys.slub_object
  const before = live[(bytes + first) >>> 8]!
  const bit = 1 << ((first >>> 3) & 31)
  const near = (low ^ (pfn << page_shift)) >>> page_shift === 0
  if (!near || high !== high_word(sys, pfn) || (before & bit) !== 0)
    return slab_alloc_slow(sys, cache, gfp, node, orig_size, c)
  freelist[c] = (low & (page_bytes - 1)) + 1
  live[(bytes + first) >>> 8] = before | bit
  const object = pfn * page_bytes + first
  if ((gfp & ZERO) !== 0) memset(sys, object, 0, zero_size(sys, cache, orig_size))
  return object
}

/** The high word of the virtual address of a frame, signed. */
function high_word(sys: Sys, pfn: number): number {
  return (sys.page_offset_word + (pfn >>> (32 - sys.page_shift))) | 0
}

/** The same for all other objects: of an empty list, at a list's end, across frames, with mixed pointers. */
function slab_alloc_slow(sys: Sys, cache: number, gfp: number, node: number, orig_size: number, c: number): number {
  const bytes = orig_size === ALL_BYTES ? sys.kmem_cache.object_size[cache]! : orig_size
  let object = cpu_freelist(sys, c)
  if (object === 0 || node !== -1) {
    object = __slab_alloc(sys, cache, gfp, node, c, bytes)
    if (object === 0) return 0
  } else load_freelist(sys, cache, c, object)
  if (!mark_live(sys, object)) return refuse_live_object(sys, cache, object, c)
  kasan_slab_alloc(sys, cache, object, gfp)
  if ((gfp & ZERO) !== 0) memset(sys, object, 0, zero_size(sys, cache, orig_size))
  return object
}

/** Bytes that are zeroed: a red zone that begins behind what kmalloc was asked for stays.
 * @kernel mm/slab.h:slab_post_alloc_hook */
function zero_size(sys: Sys, cache: number, orig_size: number): number {
  const exact = sys.kernel.config.SLUB_KMALLOC_REDZONE && slub_debug_orig_size(sys, cache)
  return exact && orig_size !== ALL_BYTES ? orig_size : sys.kmem_cache.object_size[cache]!
}

/** Notes that an object is handed out; false = it was already, or is none: its list was overwritten. */
function mark_live(sys: Sys, object: number): boolean {
  const { live } = sys.slub_object
  const shift = sys.kernel.PAGE_SHIFT
  const pfn = (object * sys.frames_per_byte) >>> 0
  const slot = sys.page.data[pfn]!
  if (slot === 0 || (sys.page.flags[pfn]! & (SLAB | TAIL)) === 0) return false
  const at = ((slot - 1) << (shift - 3)) + ((object & ((1 << shift) - 1)) >>> 3)
  const word = live[at >>> 5]!
  const bit = 1 << (at & 31)
  live[at >>> 5] = word | bit
  return (word & bit) === 0
}

/** Whether an object that is handed out begins at an address; it is not any more if `clear`. */
function test_live(sys: Sys, object: number, clear: boolean): boolean {
  const { live } = sys.slub_object
  const shift = sys.kernel.PAGE_SHIFT
  const slot = sys.page.data[(object * sys.frames_per_byte) >>> 0]!
  if (slot === 0 || (object & 7) !== 0) return false
  const at = ((slot - 1) << (shift - 3)) + ((object & ((1 << shift) - 1)) >>> 3)
  const bit = 1 << (at & 31)
  const found = (live[at >>> 5]! & bit) !== 0
  if (clear) live[at >>> 5]! &= ~bit
  return found
}

/** Whether an object that is handed out begins at an address. @ours */
export function is_live(sys: Sys, object: number): boolean {
  return test_live(sys, object, false)
}

/** A free list led to an object that is in use: somebody wrote over a free pointer. The kernel would hand it out twice;
 * here the rest of the list is dropped. */
function refuse_live_object(sys: Sys, cache: number, object: number, c: number): number {
  report_wrong_free(sys, cache, object, 'Freelist Pointer check fails')
  sys.slub_cpu.freelist[c] = 0
  return 0
}

/** An object from where there is one. @kernel mm/slub.c:___slab_alloc */
function __slab_alloc(sys: Sys, cache: number, gfp: number, node: number, c: number, orig_size: number): number {
  const { freelist, slab, partial } = sys.slub_cpu
  const wanted = node !== -1 && node_has_memory(sys, node) ? node : -1
  while (slab[c] !== 0 || partial[c] !== 0) {
    if (slab[c] === 0) take_cpu_partial(sys, c)
    const own = slab[c]! - 1
    if (wanted !== -1 && slab_node(sys, cache, own) !== cache * sys.nr_nodes + wanted) {
      const objects = cpu_freelist(sys, c)
      slab[c] = freelist[c] = 0
      deactivate_slab(sys, cache, own, objects)
    } else {
      const first = freelist[c] !== 0 ? cpu_freelist(sys, c) : get_freelist(sys, own)
      if (first !== 0) return load_freelist(sys, cache, c, first)
      slab[c] = 0
    }
  }
  return new_objects(sys, cache, gfp, wanted, c, orig_size)
}

/** The first of the CPU's partial slabs becomes its slab. */
function take_cpu_partial(sys: Sys, c: number): void {
  const { slab, partial } = sys.slub_cpu
  slab[c] = partial[c]!
  partial[c] = sys.link.link[2 * (slab[c]! - 1)]! + 1
}

/** Objects of a slab that the CPU did not own, from the node or the page allocator. */
function new_objects(sys: Sys, cache: number, gfp: number, node: number, c: number, orig_size: number): number {
  const debug = kmem_cache_debug(sys, cache)
  for (;;) {
    if (get_partial(sys, cache, node, gfp, orig_size, taken)) {
      if (debug) return tracked(sys, cache, taken.object)
      sys.slub_cpu.slab[c] = taken.slab + 1
      return load_freelist(sys, cache, c, taken.object)
    }
    const slab = new_slab(sys, cache, gfp, node)
    if (slab < 0) {
      slab_out_of_memory(sys, cache, gfp, node)
      return 0
    }
    if (debug) {
      const object = alloc_single_from_new_slab(sys, cache, slab, orig_size)
      if (object !== 0) return tracked(sys, cache, object)
      continue
    }
    const first = slab_freelist(sys, slab)
    const objects = slab_objects(sys, slab)
    set_slab_freelist(sys, slab, 0)
    set_slab_counters(sys, slab, objects, objects, true)
    inc_slabs_node(sys, cache, slab)
    sys.slub_cpu.slab[c] = slab + 1
    return load_freelist(sys, cache, c, first)
  }
}

function tracked(sys: Sys, cache: number, object: number): number {
  if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) !== 0) set_track(sys, cache, object, TRACK_ALLOC)
  return object
}

/** Hands the first object of a list out; the others become the CPU's lockless list. A pointer that leads out of the slab
 * was written over: the list ends there. @kernel mm/slub.c:freelist_corrupted @differs looks at all caches */
function load_freelist(sys: Sys, cache: number, c: number, first: number): number {
  if (!set_cpu_freelist(sys, c, get_freepointer(sys, cache, first))) {
    object_err(sys, cache, sys.slub_cpu.slab[c]! - 1, first, 'Freechain corrupt')
    slab_fix(sys, cache, 'Isolate corrupted freechain')
  }
  return first
}

/** Objects that were freed into the CPU's slab by others, or while it was on a partial list; 0 = it is full, and is not
 * the CPU's any more. @kernel mm/slub.c:get_freelist */
function get_freelist(sys: Sys, slab: number): number {
  const first = slab_freelist(sys, slab)
  const objects = slab_objects(sys, slab)
  set_slab_counters(sys, slab, objects, objects, first !== 0)
  set_slab_freelist(sys, slab, 0)
  return first
}

function node_has_memory(sys: Sys, node: number): boolean {
  return node >= 0 && node < sys.nr_nodes && sys.node.present_pages[node]! > 0
}

/**
 * Gives an object of a cache back. What is no object that is in use is reported and left alone.
 * @kernel mm/slub.c:slab_free
 */
export function slab_free(sys: Sys, cache: number, object: number): void {
  const { flags, index, mapping, data } = sys.page
  const { page_bytes, page_shift } = sys
  const { live } = sys.slub_object
  const pfn = (object * sys.frames_per_byte) >>> 0
  const kind = flags[pfn]! & (SLAB | TAIL)
  const slab = (kind & TAIL) === 0 ? pfn : index[pfn]!
  const in_page = (object - pfn * page_bytes) | 0
  const bytes = (data[pfn]! - 1) << page_shift
  const pointer = in_page + sys.slub_cache.fast_offset[cache]!
  const before = live[(bytes + in_page) >>> 8]! | 0
  const bit = 1 << ((in_page >>> 3) & 31)
  const whole = kind !== 0 && mapping[slab] === cache + 1 && (in_page & 7) === 0
  if (!whole || bytes < 0 || (before & bit) === 0 || pointer >= page_bytes) {
    slab_free_slow(sys, cache, object)
    return
  }
  live[(bytes + in_page) >>> 8] = before & ~bit
  const c = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
  if (sys.slub_cpu.slab[c] !== slab + 1) {
    __slab_free(sys, cache, slab, object, object, 1)
    return
  }
  const { freelist } = sys.slub_cpu
  const next = freelist[c]!
  const words = sys.physmem_words
  words[(bytes + pointer) >>> 2] = next === 0 ? 0 : (slab << page_shift) + (next - 1)
  words[(bytes + pointer + 4) >>> 2] = next === 0 ? 0 : high_word(sys, slab)
  freelist[c] = ((pfn - slab) << page_shift) + in_page + 1
}

/** The free of an object that is not the plain case: its pointer lies in another frame or is mixed, or it is wrong. */
function slab_free_slow(sys: Sys, cache: number, object: number): void {
  if (!kasan_keeps(sys, cache, object)) do_slab_free(sys, cache, object, true)
}

/** Whether KASAN keeps an object of a cache: in its quarantine, or since it must not be freed. */
function kasan_keeps(sys: Sys, cache: number, object: number): boolean {
  if (!kasan_enabled(sys)) return false
  const slab = virt_to_slab(sys, object)
  return slab >= 0 && sys.page.mapping[slab] === cache + 1 && kasan_slab_free(sys, cache, object)
}

/** Gives an object back that KASAN has let go. @kernel mm/slub.c:___cache_free */
export function ___cache_free(sys: Sys, cache: number, object: number): void {
  do_slab_free(sys, cache, object, false)
}

/** `listed`: a list of objects to free was made first, which ends with this one. @kernel mm/slub.c:do_slab_free */
function do_slab_free(sys: Sys, cache: number, object: number, listed: boolean): void {
  const slab = virt_to_slab(sys, object)
  const owned = slab >= 0 && sys.page.mapping[slab] === cache + 1 && !kmem_cache_debug(sys, cache)
  if (owned && test_live(sys, object, true)) free_one(sys, cache, slab, object)
  else slab_free_checked(sys, cache, object, listed)
}

function free_one(sys: Sys, cache: number, slab: number, object: number): void {
  const c = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
  if (sys.slub_cpu.slab[c] === slab + 1) {
    set_freepointer(sys, cache, object, cpu_freelist(sys, c))
    set_cpu_freelist(sys, c, object)
  } else __slab_free(sys, cache, slab, object, object, 1)
}

/** The free of an object that is not the plain case: of a cache that is debugged, or a wrong one. */
function slab_free_checked(sys: Sys, cache: number, object: number, listed: boolean): void {
  const slab = virt_to_slab(sys, object)
  const owner = cache_from_obj(sys, cache, slab, object)
  if (owner !== cache) {
    if (owner >= 0) slab_free(sys, owner, object)
    return
  }
  if ((sys.kmem_cache.flags[cache]! & SLAB_CONSISTENCY_CHECKS) === 0 && !test_live(sys, object, true)) {
    report_wrong_free(sys, cache, object, is_object(sys, cache, slab, object) ? 'Object already free' : null)
    return
  }
  if (listed && object + sys.slub_cache.offset[cache]! + 8 <= slab_address(sys, slab) + slab_bytes(sys, slab))
    set_freepointer(sys, cache, object, 0)
  free_to_partial_list(sys, cache, slab, object)
}

/** Whether an object begins at an address. */
function is_object(sys: Sys, cache: number, slab: number, object: number): boolean {
  const base = slab * 2 ** sys.kernel.PAGE_SHIFT + sys.slub_cache.red_left_pad[cache]!
  return object >= base && (object - base) % sys.kmem_cache.size[cache]! === 0
}

/**
 * Gives a list of objects of one slab back that is not the CPU's own: `head` … `tail`, `cnt` objects that point to one
 * another. @kernel mm/slub.c:__slab_free
 */
function __slab_free(sys: Sys, cache: number, slab: number, head: number, tail: number, cnt: number): void {
  const prior = slab_freelist(sys, slab)
  set_freepointer(sys, cache, tail, prior)
  const frozen = sys.page.private[slab]! < 0
  const inuse = slab_inuse(sys, slab) - cnt
  const cpu_partial = kmem_cache_has_cpu_partial(sys, cache)
  const freeze = !frozen && prior === 0 && cpu_partial
  set_slab_freelist(sys, slab, head)
  set_slab_counters(sys, slab, inuse, slab_objects(sys, slab), frozen || freeze)
  if (freeze) put_cpu_partial(sys, cache, slab, true)
  if (frozen || freeze || (inuse !== 0 && prior !== 0)) return
  const node = slab_node(sys, cache, slab)
  if (inuse === 0 && sys.slub_node.nr_partial[node]! >= sys.slub_cache.min_partial[cache]!) {
    if (prior !== 0) remove_partial(sys, node, slab)
    else remove_full(sys, cache, slab)
    discard_slab(sys, cache, slab)
  } else if (prior === 0) {
    remove_full(sys, cache, slab)
    add_partial(sys, node, slab, true)
  }
}

/** Gives objects of one slab back at once. The list that they make is tied together in their order, and what is no
 * object in use goes alone. @kernel mm/slub.c:slab_free */
export function slab_free_list(sys: Sys, cache: number, objects: readonly number[]): void {
  if (kasan_enabled(sys)) {
    for (const object of objects) slab_free(sys, cache, object)
    return
  }
  const slab = virt_to_slab(sys, objects[0]!)
  const plain = slab >= 0 && sys.page.mapping[slab] === cache + 1 && !kmem_cache_debug(sys, cache)
  const sound = plain ? objects.filter(object => test_live(sys, object, true)) : []
  const [head, tail] = [sound[0], sound.at(-1)]
  if (head !== undefined && tail !== undefined) {
    for (let at = 0; at + 1 < sound.length; at++) set_freepointer(sys, cache, sound[at]!, sound[at + 1]!)
    const c = cache * sys.nr_cpus + sys.machine.this_cpu[0]!
    if (sys.slub_cpu.slab[c] === slab + 1) {
      set_freepointer(sys, cache, tail, cpu_freelist(sys, c))
      set_cpu_freelist(sys, c, head)
    } else __slab_free(sys, cache, slab, head, tail, sound.length)
  }
  if (sound.length === objects.length) return
  const freed = new Set(sound)
  for (const object of objects.toReversed()) if (!freed.delete(object)) slab_free(sys, cache, object)
}

/** Gives an object of a cache that is debugged back, after it was looked at.
 * @kernel mm/slub.c:free_to_partial_list */
function free_to_partial_list(sys: Sys, cache: number, slab: number, object: number): void {
  const node = slab_node(sys, cache, slab)
  if (!free_debug_processing(sys, cache, slab, object)) return
  if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) !== 0) set_track(sys, cache, object, TRACK_FREE)
  test_live(sys, object, true)
  const prior = slab_freelist(sys, slab)
  set_slab_inuse(sys, slab, slab_inuse(sys, slab) - 1)
  set_freepointer(sys, cache, object, prior)
  set_slab_freelist(sys, slab, object)
  const surplus = slab_inuse(sys, slab) === 0 && sys.slub_node.nr_partial[node]! >= sys.slub_cache.min_partial[cache]!
  const listed = on_partial_list(sys, slab)
  if (!listed) remove_full(sys, cache, slab)
  if (!listed && !surplus) add_partial(sys, node, slab, true)
  if (listed && surplus) remove_partial(sys, node, slab)
  if (!surplus) return
  dec_slabs_node(sys, cache, slab)
  free_slab(sys, cache, slab)
}
