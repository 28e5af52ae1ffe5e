// KASAN's shadow: a byte for every eight bytes of kernel address space, with the kernel's values. What may not be used is
// poisoned, what may be used is unpoisoned; nothing else is known about an address.
// Law: an address outside the direct map whose shadow was never written reads as 0, as the kernel's early shadow does;
// of the vmalloc space as KASAN_VMALLOC_INVALID. @differs the kernel has no shadow there, and faults.
import { type Address, address_add, address_distance, address_of, format_address } from '../base/address.ts'
import { KASAN_GRANULE_SIZE, KASAN_SHADOW_PAGE, KASAN_SHADOW_SCALE_SHIFT } from './kasan_tables.ts'
import type { Sys } from './mmzone.ts'

/** Values of the shadow. @kernel mm/kasan/kasan.h */
export const KASAN_PAGE_FREE = 0xff
export const KASAN_PAGE_REDZONE = 0xfe
export const KASAN_SLAB_REDZONE = 0xfc
export const KASAN_SLAB_FREE = 0xfb
/** First byte of a freed object that still has its free record. */
export const KASAN_SLAB_FREETRACK = 0xfa
export const KASAN_GLOBAL_REDZONE = 0xf9
export const KASAN_VMALLOC_INVALID = 0xf8
export const KASAN_STACK_LEFT = 0xf1
export const KASAN_STACK_MID = 0xf2
export const KASAN_STACK_RIGHT = 0xf3
export const KASAN_STACK_PARTIAL = 0xf4
export const KASAN_ALLOCA_LEFT = 0xca
export const KASAN_ALLOCA_RIGHT = 0xcb

const OFFSET_BITS = 15
const OFFSET_MASK = KASAN_SHADOW_PAGE - 1

/** Whether a machine's kernel has KASAN. @kernel include/linux/kasan-enabled.h:kasan_enabled */
export function kasan_enabled(sys: Sys): boolean {
  return sys.kasan_shadow.bytes.length > 0
}

/** The virtual address of a physical one. @ours */
export function direct_address(sys: Sys, paddr: number): Address {
  return address_add({ hi: sys.page_offset_hi, lo: sys.page_offset_lo }, paddr)
}

/** The physical address of an address of the direct map; -1 = it lies elsewhere. @ours */
export function direct_paddr(sys: Sys, address: Address): number {
  const paddr = address_distance({ hi: sys.page_offset_hi, lo: sys.page_offset_lo }, address)
  return paddr >= 0 && paddr < sys.nr_frames * 2 ** sys.kernel.PAGE_SHIFT ? paddr : -1
}

const page_key = ({ hi, lo }: Address): number => hi * 2 ** (32 - OFFSET_BITS) + (lo >>> OFFSET_BITS) + 1

/** Row of kasan_page of a key: where it is, or would be. */
function page_row(sys: Sys, key: number): number {
  const { key: keys } = sys.kasan_page
  let row = (Math.imul(key % 2 ** 31, 0x9e3779b1) >>> 0) % keys.length
  while (keys[row] !== 0 && keys[row] !== key) row = (row + 1) % keys.length
  return row
}

const first_page = (sys: Sys): number => sys.nr_frames * 2 ** (sys.kernel.PAGE_SHIFT - KASAN_SHADOW_SCALE_SHIFT)
const offset_in_page = ({ lo }: Address): number => (lo >>> KASAN_SHADOW_SCALE_SHIFT) & OFFSET_MASK

/** Index of an address's byte in `sys.kasan_shadow.bytes`; -1 where there is none yet.
 * @kernel include/linux/kasan.h:kasan_mem_to_shadow */
export function kasan_mem_to_shadow(sys: Sys, address: Address): number {
  const paddr = direct_paddr(sys, address)
  if (paddr >= 0) return Math.floor(paddr / KASAN_GRANULE_SIZE)
  const row = page_row(sys, page_key(address))
  if (sys.kasan_page.key[row] === 0) return -1
  return first_page(sys) + sys.kasan_page.slot[row]! * KASAN_SHADOW_PAGE + offset_in_page(address)
}

/** The same; a page of shadow is made where there is none. */
function shadow_for_write(sys: Sys, address: Address): number {
  const index = kasan_mem_to_shadow(sys, address)
  if (index >= 0) return index
  const { pages } = sys.kasan_state
  const { key, slot } = sys.kasan_page
  if (pages[0]! >= key.length / 2)
    throw new RangeError(`all ${pages[0]} pages of shadow are in use; raise the shape's nr_kasan_shadow_pages`)
  const row = page_row(sys, page_key(address))
  key[row] = page_key(address)
  slot[row] = pages[0]!
  pages[0]! += 1
  const start = first_page(sys) + slot[row]! * KASAN_SHADOW_PAGE
  sys.kasan_shadow.bytes.fill(unwritten(sys, address), start, start + KASAN_SHADOW_PAGE)
  return start + offset_in_page(address)
}

/** Pages of shadow outside the direct map that can still be made. @ours */
export function kasan_shadow_room(sys: Sys): number {
  return sys.kasan_page.key.length / 2 - sys.kasan_state.pages[0]!
}

/** Makes the page of shadow of an address where there is none. @ours */
export function kasan_make_shadow(sys: Sys, address: Address): void {
  shadow_for_write(sys, address)
}

/** Whether an address lies in the vmalloc space. @kernel mm/vmalloc.c:is_vmalloc_addr */
export function is_vmalloc_addr(sys: Sys, address: Address): boolean {
  const page = page_of_address(sys, address)
  return page >= sys.vmalloc.start[0]! && page < sys.vmalloc.end[0]!
}

/** Virtual page number of an address. @ours */
export function page_of_address(sys: Sys, { hi, lo }: Address): number {
  const shift = sys.kernel.PAGE_SHIFT
  return hi * 2 ** (32 - shift) + (lo >>> shift)
}

const unwritten = (sys: Sys, address: Address): number => (is_vmalloc_addr(sys, address) ? KASAN_VMALLOC_INVALID : 0)

/** The shadow byte of an address. @ours */
export function shadow_of(sys: Sys, address: Address): number {
  const index = kasan_mem_to_shadow(sys, address)
  return index < 0 ? unwritten(sys, address) : sys.kasan_shadow.bytes[index]!
}

/** Writes the shadow of `size` bytes from an address on, a multiple of 8 both. */
function set_shadow(sys: Sys, address: Address, size: number, value: number): void {
  const { bytes } = sys.kasan_shadow
  for (let at = 0; at < size; ) {
    const here = address_add(address, at)
    const paddr = direct_paddr(sys, here)
    const limit =
      paddr >= 0
        ? sys.nr_frames * 2 ** sys.kernel.PAGE_SHIFT - paddr
        : (KASAN_SHADOW_PAGE - offset_in_page(here)) * KASAN_GRANULE_SIZE
    const part = Math.min(limit, size - at)
    const index = shadow_for_write(sys, here)
    bytes.fill(value, index, index + part / KASAN_GRANULE_SIZE)
    at += part
  }
}

/** Forbids a range; both ends must be multiples of 8. @kernel mm/kasan/shadow.c:kasan_poison */
export function kasan_poison(sys: Sys, address: Address, size: number, value: number): void {
  if (!kasan_enabled(sys)) return
  if (address.lo % KASAN_GRANULE_SIZE !== 0 || size % KASAN_GRANULE_SIZE !== 0 || !(size >= 0))
    throw new RangeError(`kasan_poison: ${size} bytes at ${format_address(address)} are no whole granules`)
  set_shadow(sys, address, size, value)
}

/** Allows a range that begins at a multiple of 8; the rest of its last granule is not allowed.
 * @kernel mm/kasan/shadow.c:kasan_unpoison */
export function kasan_unpoison(sys: Sys, address: Address, size: number): void {
  if (!kasan_enabled(sys)) return
  kasan_poison(sys, address, round_up_granule(size), 0)
  kasan_poison_last_granule(sys, address, size)
}

/** Allows only the used bytes of the granule that a range ends in. @kernel mm/kasan/shadow.c:kasan_poison_last_granule */
export function kasan_poison_last_granule(sys: Sys, address: Address, size: number): void {
  const rest = size % KASAN_GRANULE_SIZE
  if (rest !== 0) sys.kasan_shadow.bytes[shadow_for_write(sys, address_add(address, size - rest))] = rest
}

/** Writes one byte of the shadow. @ours */
export function set_shadow_byte(sys: Sys, address: Address, value: number): void {
  sys.kasan_shadow.bytes[shadow_for_write(sys, address)] = value
}

/** Bytes rounded up to whole granules. @ours */
export function round_up_granule(size: number): number {
  return Math.ceil(size / KASAN_GRANULE_SIZE) * KASAN_GRANULE_SIZE
}

/** First byte from an address on that may not be used; the end of the range where all may, but for a part of the last
 * granule. @kernel mm/kasan/report_generic.c:kasan_find_first_bad_addr */
export function kasan_find_first_bad_addr(sys: Sys, address: Address, size: number): Address {
  let at = 0
  while (at < size && shadow_of(sys, address_add(address, at)) === 0) at += KASAN_GRANULE_SIZE
  return address_add(address, at)
}

/** Whether any byte of a range may not be used. @kernel mm/kasan/generic.c:memory_is_poisoned */
export function memory_is_poisoned(sys: Sys, address: Address, size: number): boolean {
  const last = address_add(address, size - 1)
  const granules = Math.floor(((address.lo % KASAN_GRANULE_SIZE) + size - 1) / KASAN_GRANULE_SIZE)
  for (let at = 0; at < granules; at++)
    if (shadow_of(sys, address_add(address, at * KASAN_GRANULE_SIZE)) !== 0) return true
  const shadow = shadow_of(sys, last)
  return shadow !== 0 && last.lo % KASAN_GRANULE_SIZE >= (shadow << 24) >> 24
}

/** Whether an object's first byte may be used, entirely or in part. @kernel mm/kasan/generic.c:kasan_byte_accessible */
export function kasan_byte_accessible(sys: Sys, address: Address): boolean {
  return shadow_of(sys, address) < KASAN_GRANULE_SIZE
}

/** Whether KASAN knows anything about an address. @kernel mm/kasan/kasan.h:addr_has_metadata */
export function addr_has_metadata(sys: Sys, { hi }: Address): boolean {
  return hi >= (sys.kernel.pgtable_levels === 5 ? 0xff000000 : 0xffff8000)
}

/** The address that a page of the vmalloc space begins at. @ours */
export function page_start(sys: Sys, page: number): Address {
  return address_of(page * 2 ** sys.kernel.PAGE_SHIFT)
}
