// SLUB's free pointers: words inside free objects that hold the virtual address of the next free one, mixed with a
// number of the cache and with their own address where the kernel is hardened.
// Law: what a pointer says is what its bytes say; whoever overwrites them changes the list. Inside the model a pointer
// is a physical address, 0 = the list ends, BAD_POINTER = the bytes are no address of this machine's memory.
import { type Address, address_add, address_of } from '../base/address.ts'
import type { Sys } from './mmzone.ts'
import { frame_bytes_for_write } from './physmem.ts'

/** Bytes that are no address of memory in the direct map. */
export const BAD_POINTER = -1

const HALF = 4294967296

/** The virtual address of a physical one in the direct map; NULL for 0. @kernel arch/x86/include/asm/page.h:__va */
export function object_address(sys: Sys, object: number): Address {
  return object === 0 ? address_of(0) : address_add(address_of(sys.kernel.PAGE_OFFSET), object)
}

/** Word of `sys.physmem_words` of an address; -1 where its frame has no bytes. */
function word_of(sys: Sys, paddr: number): number {
  const pfn = (paddr * sys.frames_per_byte) >>> 0
  const slot = sys.page.data[pfn]!
  if (slot === 0) return -1
  const shift = sys.kernel.PAGE_SHIFT
  return ((slot - 1) << (shift - 2)) + ((paddr & ((1 << shift) - 1)) >>> 2)
}

const swab32 = (x: number): number =>
  (((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0

/** What the pointer at an address is mixed with: high and low word. @kernel mm/slub.c:freelist_ptr */
function mixed_with(sys: Sys, cache: number, paddr: number): [number, number] {
  const { random } = sys.slub_cache
  const { hi, lo } = object_address(sys, paddr)
  if (sys.kernel.BITS_PER_LONG === 32) return [0, random[2 * cache]! ^ swab32(lo)]
  return [random[2 * cache + 1]! ^ swab32(lo), random[2 * cache]! ^ swab32(hi)]
}

/** The pointer's virtual address as it stands in the object, made plain. */
function read_pointer(sys: Sys, cache: number, object: number): [number, number] {
  const at = object + sys.slub_cache.offset[cache]!
  const word = word_of(sys, at)
  if (word < 0) return [0, 0]
  const words = sys.physmem_words
  const [hi, lo] = [sys.kernel.BITS_PER_LONG === 32 ? 0 : words[word + 1]!, words[word]!]
  if (sys.slub_cache.random[2 * cache] === 0) return [hi, lo]
  const [mix_hi, mix_lo] = mixed_with(sys, cache, at)
  return [(hi ^ mix_hi) >>> 0, (lo ^ mix_lo) >>> 0]
}

/** Where the free pointer of an object points, as an address that can be printed. @ours */
export function freepointer_address(sys: Sys, cache: number, object: number): Address {
  const [hi, lo] = read_pointer(sys, cache, object)
  return { hi, lo }
}

/** The object that follows a free one; 0 = none, BAD_POINTER = it was overwritten. @kernel mm/slub.c:get_freepointer */
export function get_freepointer(sys: Sys, cache: number, object: number): number {
  const { offset, random } = sys.slub_cache
  if (random[2 * cache] !== 0 || sys.kernel.BITS_PER_LONG === 32) return get_mixed_freepointer(sys, cache, object)
  const word = word_of(sys, object + offset[cache]!)
  if (word < 0) return 0
  const words = sys.physmem_words
  return paddr_of(sys, words[word + 1]!, words[word]!)
}

function get_mixed_freepointer(sys: Sys, cache: number, object: number): number {
  const [hi, lo] = read_pointer(sys, cache, object)
  return paddr_of(sys, hi, lo)
}

function paddr_of(sys: Sys, hi: number, lo: number): number {
  const paddr = (hi - sys.page_offset_hi) * HALF + (lo - sys.page_offset_lo)
  if (paddr > 0 && paddr * sys.frames_per_byte < sys.nr_frames) return paddr
  return hi === 0 && lo === 0 ? 0 : BAD_POINTER
}

/** Lets a free object point to `next`, 0 = the list ends. @kernel mm/slub.c:set_freepointer */
export function set_freepointer(sys: Sys, cache: number, object: number, next: number): void {
  const at = object + sys.slub_cache.offset[cache]!
  let word = word_of(sys, at)
  if (word < 0) {
    frame_bytes_for_write(sys, (at * sys.frames_per_byte) >>> 0)
    word = word_of(sys, at)
  }
  const words = sys.physmem_words
  const high = next < HALF ? 0 : Math.floor(next / HALF)
  const hi = next === 0 ? 0 : (sys.page_offset_hi + high) >>> 0
  const lo = next === 0 ? 0 : sys.page_offset_lo + (next - high * HALF)
  if (sys.slub_cache.random[2 * cache] !== 0) {
    const [mix_hi, mix_lo] = mixed_with(sys, cache, at)
    write_pointer(sys, word, hi ^ mix_hi, lo ^ mix_lo)
  } else if (sys.kernel.BITS_PER_LONG === 32) words[word] = lo
  else {
    words[word] = lo
    words[word + 1] = hi
  }
}

function write_pointer(sys: Sys, word: number, hi: number, lo: number): void {
  sys.physmem_words[word] = lo
  if (sys.kernel.BITS_PER_LONG === 64) sys.physmem_words[word + 1] = hi
}
