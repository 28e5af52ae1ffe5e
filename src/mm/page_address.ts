// Frames and their virtual addresses in the direct map: one addition each way. Law: an address is exact (base/address.ts);
// a frame without direct map (high memory) has none unless kmap shows it, and page_address gives NULL.
// The second half of the low-level API speaks in addresses: what cannot have one cannot be had through it.
import {
  type Address,
  address_add,
  address_distance,
  address_of,
  format_address,
  NULL_ADDRESS,
} from '../base/address.ts'
import type { Gfp, Order, Pfn } from '../base/units.ts'
import { NIL } from '../base/units.ts'
import { __GFP_HIGHMEM, __GFP_ZERO } from './gfp.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { pkmap_of_page } from './page_address_map.ts'
import { __free_pages, alloc_pages } from './page_alloc/alloc_pages.ts'
import { is_highmem } from './page_alloc/setup.ts'

const is_null = ({ hi, lo }: Address): boolean => hi === 0 && lo === 0

/** The kernel's address of a frame; of high memory where kmap shows it, else NULL. @kernel mm/highmem.c:page_address */
export function page_address(sys: Sys, pfn: Pfn): Address {
  if (pfn < 0 || pfn >= sys.nr_frames) return NULL_ADDRESS
  const zone = page_zone(sys, pfn)
  if (zone >= 0 && is_highmem(sys, zone)) return kmapped_address(sys, pfn)
  return address_add(address_of(sys.kernel.PAGE_OFFSET), pfn * 2 ** sys.kernel.PAGE_SHIFT)
}

function kmapped_address(sys: Sys, pfn: Pfn): Address {
  const slot = pkmap_of_page(sys, pfn)
  if (slot < 0) return NULL_ADDRESS
  return address_of((sys.pkmap_state.base[0]! + slot) * 2 ** sys.kernel.PAGE_SHIFT)
}

function is_highmem_frame(sys: Sys, pfn: Pfn): boolean {
  const zone = page_zone(sys, pfn)
  return zone >= 0 && is_highmem(sys, zone)
}

/** The frame that an address of the direct map lies in; -1 for another address. @kernel arch/x86/include/asm/page.h:virt_to_page */
export function virt_to_page(sys: Sys, address: Address): Pfn {
  const bytes = address_distance(address_of(sys.kernel.PAGE_OFFSET), address)
  const pfn = Math.floor(bytes / 2 ** sys.kernel.PAGE_SHIFT)
  const mapped = bytes >= 0 && pfn < sys.machine.max_pfn[0]! && !is_highmem_frame(sys, pfn)
  return mapped ? pfn : NIL
}

/** Physical address of an address of the direct map: PAGE_OFFSET taken off. Throws a RangeError for an address that is
 * not in it. @kernel arch/x86/include/asm/page.h:__pa */
export function __pa(sys: Sys, address: Address): number {
  const bytes = address_distance(address_of(sys.kernel.PAGE_OFFSET), address)
  if (virt_to_page(sys, address) < 0)
    throw new RangeError(`__pa: ${format_address(address, sys.kernel.BITS_PER_LONG)} is not in the direct map`)
  return bytes
}

/** Address of a physical address: PAGE_OFFSET added. Throws a RangeError for high memory, which has none.
 * @kernel arch/x86/include/asm/page.h:__va */
export function __va(sys: Sys, paddr: number): Address {
  const pfn = Math.floor(paddr / 2 ** sys.kernel.PAGE_SHIFT)
  if (!(paddr >= 0) || pfn >= sys.machine.max_pfn[0]! || is_highmem_frame(sys, pfn))
    throw new RangeError(`__va: physical address 0x${paddr.toString(16)} is not in the direct map`)
  return address_add(address_of(sys.kernel.PAGE_OFFSET), paddr)
}

/** Allocates 2^order frames; their address, or NULL. @kernel mm/page_alloc.c:__get_free_pages */
export function __get_free_pages(sys: Sys, gfp: Gfp, order: Order): Address {
  const pfn = alloc_pages(sys, gfp & ~__GFP_HIGHMEM, order)
  return pfn < 0 ? NULL_ADDRESS : page_address(sys, pfn)
}

/** @kernel include/linux/gfp.h:__get_free_page */
export function __get_free_page(sys: Sys, gfp: Gfp): Address {
  return __get_free_pages(sys, gfp, 0)
}

/** One frame of zeros. @kernel mm/page_alloc.c:get_zeroed_page */
export function get_zeroed_page(sys: Sys, gfp: Gfp): Address {
  return __get_free_pages(sys, gfp | __GFP_ZERO, 0)
}

/** Frees what __get_free_pages gave; NULL is nothing to free. @kernel mm/page_alloc.c:free_pages
 * @differs an address outside the direct map is reported and nothing is freed */
export function free_pages(sys: Sys, address: Address, order: Order): void {
  if (!is_null(address)) __free_pages(sys, virt_to_page(sys, address), order)
}

/** @kernel include/linux/gfp.h:free_page */
export function free_page(sys: Sys, address: Address): void {
  free_pages(sys, address, 0)
}
