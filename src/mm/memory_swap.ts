// Faults at entries that say where a page was swapped to. Law: an entry's user count goes down by one when the page is
// mapped; the page stays in the swap cache while swap is not short and the fault was a read.

import { anon_vma_prepare } from './anon_vma.ts'
import { do_wp_page } from './memory_wp.ts'
import { add_mm_counter_fast } from './mm_counter.ts'
import { PG, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import { massaged_hi, set_pte } from './pte.ts'
import { page_add_anon_rmap } from './rmap.ts'
import { soft_dirty } from './soft_dirty.ts'
import { MAX_SWAPFILES, swap_entry_exclusive, swap_entry_offset, swap_entry_type } from './swapops.ts'
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  MM_SWAPENTS,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_LOCKED,
  VM_WRITE,
} from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'
import { vm_event } from './vmstat_item.ts'

const PGMAJFAULT: number = vm_event('pgmajfault')

/** @kernel mm/memory.c:do_swap_page */
export function do_swap_page(sys: Sys, vma: number, page: number, at: number, flags: number): number {
  const swap = sys.seams.swap
  const type = swap_entry_type(sys, at)
  // What waits for its move to another frame is moved at once here: nobody can meet it.
  if (swap === undefined || type >= MAX_SWAPFILES) return VM_FAULT_SIGBUS
  const offset = swap_entry_offset(sys, at)
  let ret = 0
  let pfn = swap.lookup_swap_cache(sys, type, offset, vma, page)
  const cached = pfn >= 0
  if (!cached) {
    pfn = swap.swapin_readahead(sys, type, offset, vma, page)
    if (pfn < 0) return is_still(sys, at, type, offset) ? VM_FAULT_OOM : 0
    ret = VM_FAULT_MAJOR
    sys.vm_event.count[PGMAJFAULT]! += 1
    if ((flags & FAULT_FLAG_ALLOW_RETRY) !== 0 && (flags & FAULT_FLAG_TRIED) === 0) {
      // The address space is not kept locked while the disk reads: all of it is asked anew.
      put_page(sys, pfn)
      return ret | VM_FAULT_RETRY
    }
  }
  if (!is_still(sys, at, type, offset)) {
    put_page(sys, pfn)
    return ret
  }
  if ((sys.page.flags[pfn]! & PG.uptodate) === 0) {
    // The device could not read it: the process that needs the page gets a signal, nobody else loses anything.
    put_page(sys, pfn)
    return VM_FAULT_SIGBUS
  }
  return ret | map_swapped(sys, vma, page, at, pfn, flags)
}

const is_still = (sys: Sys, at: number, type: number, offset: number): boolean =>
  (sys.physmem_words[at]! & 0x101) === 0 &&
  sys.physmem_words[at] !== 0 &&
  swap_entry_type(sys, at) === type &&
  swap_entry_offset(sys, at) === offset

/** The second half: the page is there and the entry is still the same. */
function map_swapped(sys: Sys, vma: number, page: number, at: number, pfn: number, flags: number): number {
  const { pgtable } = sys.kernel
  const { flags: bits, _refcount } = sys.page
  const write = (flags & FAULT_FLAG_WRITE) !== 0
  const type = swap_entry_type(sys, at)
  const offset = swap_entry_offset(sys, at)
  const swap = sys.seams.swap!
  // A write wants the page for itself: what holds it for a while only must let go.
  if (write && (bits[pfn]! & PG.lru) === 0) lru_add_drain(sys)
  let exclusive = swap_entry_exclusive(sys, at)
  if ((bits[pfn]! & PG_swapcache) === 0) exclusive = true
  else if (exclusive && (bits[pfn]! & PG.writeback) !== 0 && sys.seams.swap?.stable_pages?.(sys, type))
    exclusive = false
  anon_vma_prepare(sys, vma)
  swap.swap_free(sys, type, offset)
  if (should_try_to_free_swap(sys, vma, pfn, write)) swap.folio_free_swap(sys, pfn)
  const mm = sys.vma.mm[vma]!
  add_mm_counter_fast(sys, mm, MM_ANONPAGES, 1)
  add_mm_counter_fast(sys, mm, MM_SWAPENTS, -1)
  const vm_flags = sys.vma.flags[vma]!
  const prot = pgtable.protection_map[vm_flags & 15]!
  let low = prot.lo
  let left = flags
  if (exclusive || _refcount[pfn] === 1) {
    exclusive = true
    if (write) {
      low |= pgtable.DIRTY | soft_dirty(sys) | ((vm_flags & VM_WRITE) !== 0 ? pgtable.RW : 0)
      left &= ~FAULT_FLAG_WRITE
    }
  }
  page_add_anon_rmap(sys, pfn, vma, page, exclusive)
  set_pte(sys, at, pfn, low, massaged_hi(sys, prot.hi))
  return (left & FAULT_FLAG_WRITE) !== 0 ? do_wp_page(sys, vma, page, at, flags) : 0
}

/** @kernel mm/memory.c:should_try_to_free_swap */
function should_try_to_free_swap(sys: Sys, vma: number, pfn: number, write: boolean): boolean {
  const { flags, _refcount } = sys.page
  if ((flags[pfn]! & PG_swapcache) === 0) return false
  if (sys.seams.swap!.vm_swap_full(sys) || (sys.vma.flags[vma]! & VM_LOCKED) !== 0) return true
  // Else only what is about to be written, and by whom alone has it.
  return write && _refcount[pfn] === 2
}
