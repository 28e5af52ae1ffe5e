// Keys of kmemleak: addresses as bytes above PAGE_OFFSET, and the bytes behind them.
// Law: a key of the direct map is a physical address; all keys of blocks are exact, since those far above (5-level page
// tables) are multiples of 8.
import { type Address, address_add, address_of, format_address } from '../base/address.ts'
import type { Sys } from './mmzone.ts'
import { virt_to_page } from './page_address.ts'
import { vmalloc_to_pfn } from './pgtable_map.ts'
import { frame_bytes } from './physmem.ts'

/** Keys from here on are doubles that hold multiples of 8 only. */
const COARSE = 2 ** 53

/** The key of an address, of high ones down to a multiple of 8; below 0 = it lies below PAGE_OFFSET. @ours */
export function kmemleak_key(sys: Sys, { hi, lo }: Address): number {
  const high = (hi - sys.page_offset_hi) * 2 ** 32
  const key = high + lo - sys.page_offset_lo
  return key < COARSE ? key : high + ((lo - sys.page_offset_lo) & ~7)
}

/** The key of a page of the kernel's address space. @ours */
export function kmemleak_page_key(sys: Sys, page: number): number {
  return (page - sys.kernel.PAGE_OFFSET / sys.page_bytes) * sys.page_bytes
}

/** The address of a key. @ours */
export function kmemleak_key_address(sys: Sys, key: number): Address {
  return address_add(address_of(sys.kernel.PAGE_OFFSET), key)
}

/** The address of a key in all its digits. @ours */
export function kmemleak_address(sys: Sys, key: number): string {
  return format_address(kmemleak_key_address(sys, key), sys.kernel.BITS_PER_LONG)
}

/** The frame behind a key, in the direct map or by the page tables; -1 = nothing is there. */
function frame_of_key(sys: Sys, key: number): number {
  const direct = virt_to_page(sys, kmemleak_key_address(sys, key))
  if (direct >= 0) return direct
  return vmalloc_to_pfn(sys, sys.kernel.PAGE_OFFSET / sys.page_bytes + Math.floor(key / sys.page_bytes))
}

/** Calls for each piece of a range that lies in one frame: where its bytes are in physmem (-1 = zeros), how many. @ours */
export function for_each_piece(sys: Sys, key: number, size: number, visit: (at: number, bytes: number) => void): void {
  for (let done = 0; done < size; ) {
    const here = key + done
    const offset = here % sys.page_bytes
    const part = Math.min(sys.page_bytes - offset, size - done)
    const pfn = frame_of_key(sys, here)
    const base = pfn < 0 ? -1 : frame_bytes(sys, pfn)
    visit(base < 0 ? -1 : base + offset, part)
    done += part
  }
}
