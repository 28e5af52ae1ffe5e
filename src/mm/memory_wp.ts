// Writes to pages that an entry forbids to write: shared after a fork, the page of zeros, a file's page in a private area,
// a clean page of a shared file. Law: a page that this process alone has is written in place (reuse), any other is copied.
import { anon_vma_prepare } from './anon_vma.ts'
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { add_mm_counter_fast, mm_counter_file } from './mm_counter.ts'
import { PG, PG_anon_exclusive, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageAnon, put_page } from './page_ref.ts'
import { massaged_hi, pte_pfn, set_pte } from './pte.ts'
import { page_add_new_anon_rmap, page_remove_rmap } from './rmap.ts'
import { soft_dirty } from './soft_dirty.ts'
import { alloc_anon_folio, clear_highpage, copy_user_highpage } from './vm_alloc.ts'
import { do_page_mkwrite, fault_dirty_shared_page, has_page_mkwrite } from './vm_file_ops.ts'
import { FAULT_FLAG_UNSHARE, MM_ANONPAGES, VM_FAULT_OOM, VM_SHARED, VM_WRITE } from './vm_flags.ts'
import { lru_add_drain, lru_cache_add_inactive_or_unevictable } from './vm_lru.ts'
import { vm_event } from './vmstat_item.ts'
import { is_zero_pfn } from './zero_page.ts'

const PGREUSE: number = vm_event('pgreuse')
const SHARED_WRITABLE: number = VM_SHARED | VM_WRITE

/** @kernel mm/memory.c:do_wp_page */
export function do_wp_page(sys: Sys, vma: number, page: number, at: number, flags: number): number {
  const unshare = (flags & FAULT_FLAG_UNSHARE) !== 0
  const shared = (sys.vma.flags[vma]! & SHARED_WRITABLE) === SHARED_WRITABLE
  const pfn = pte_pfn(sys, at)
  if ((sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0) {
    if (!shared) return wp_page_copy(sys, vma, page, at, pfn, true, flags)
    return wp_page_reuse(sys, vma, at)
  }
  if (PageAnon(sys, pfn)) {
    if (!can_reuse(sys, vma, pfn)) return wp_page_copy(sys, vma, page, at, pfn, false, flags)
    return unshare ? 0 : wp_page_reuse(sys, vma, at)
  }
  if (shared && !unshare) return wp_page_shared(sys, vma, at, pfn)
  return wp_page_copy(sys, vma, page, at, pfn, false, flags)
}

/** Whether an anonymous page may be written in place: nobody else has it or can get it from the swap cache. */
function can_reuse(sys: Sys, vma: number, pfn: number): boolean {
  const { flags, _refcount } = sys.page
  if ((flags[pfn]! & PG_anon_exclusive) !== 0) return true
  const head = compound_head(sys, pfn)
  const swapcache = (): number => ((flags[head]! & PG_swapcache) !== 0 ? 1 : 0)
  if (_refcount[head]! > 3) return false
  // A page that waits for its list is held by the CPU's batch.
  if ((flags[head]! & PG.lru) === 0) lru_add_drain(sys)
  if (_refcount[head]! > 1 + swapcache()) return false
  if (swapcache() === 1) sys.seams.swap?.folio_free_swap(sys, head)
  if (_refcount[head] !== 1) return false
  // From now on the page is found through this area's own anon_vma.
  sys.page.mapping[head] = -sys.vma.anon_vma[vma]!
  flags[pfn] = flags[pfn]! | PG_anon_exclusive
  return true
}

/** @kernel mm/memory.c:wp_page_reuse */
export function wp_page_reuse(sys: Sys, vma: number, at: number): number {
  const { ACCESSED, DIRTY, RW } = sys.kernel.pgtable
  const writable = (sys.vma.flags[vma]! & VM_WRITE) !== 0 ? RW : 0
  sys.physmem_words[at] = (sys.physmem_words[at]! | ACCESSED | DIRTY | soft_dirty(sys) | writable) >>> 0
  sys.vm_event.count[PGREUSE]! += 1
  return 0
}

/** The first write to a clean page of a shared file: whoever writes it back must know. @kernel mm/memory.c:wp_page_shared */
function wp_page_shared(sys: Sys, vma: number, at: number, pfn: number): number {
  if (has_page_mkwrite(sys, vma)) {
    const error = do_page_mkwrite(sys, vma, pfn)
    if (error !== 0) return error
  }
  wp_page_reuse(sys, vma, at)
  fault_dirty_shared_page(sys, vma, pfn)
  return 0
}

/** @kernel mm/memory.c:wp_page_copy */
function wp_page_copy(
  sys: Sys,
  vma: number,
  page: number,
  at: number,
  old: number,
  special: boolean,
  flags: number,
): number {
  anon_vma_prepare(sys, vma)
  const zero = special && is_zero_pfn(sys, old)
  if (!special) sys.page._refcount[compound_head(sys, old)]! += 1
  const lo = sys.physmem_words[at]!
  const pfn = alloc_anon_folio(sys, GFP_HIGHUSER_MOVABLE, 0, vma, page)
  // Reclaim may have taken the page away meanwhile: then the fault comes again.
  if (pfn < 0 || sys.physmem_words[at] !== lo) {
    if (pfn >= 0) put_page(sys, pfn)
    if (!special) put_page(sys, old)
    return pfn < 0 ? VM_FAULT_OOM : 0
  }
  if (zero) clear_highpage(sys, pfn)
  else copy_user_highpage(sys, pfn, old)
  sys.page.flags[pfn]! |= PG.uptodate
  install_copy(sys, vma, page, at, pfn, (flags & FAULT_FLAG_UNSHARE) !== 0)
  if (special) {
    add_mm_counter_fast(sys, sys.vma.mm[vma]!, MM_ANONPAGES, 1)
    return 0
  }
  count_copy(sys, vma, old)
  page_remove_rmap(sys, old, vma)
  free_swap_cache(sys, old)
  put_page(sys, old)
  put_page(sys, old)
  return 0
}

function count_copy(sys: Sys, vma: number, old: number): void {
  if (PageAnon(sys, old)) return
  const mm = sys.vma.mm[vma]!
  add_mm_counter_fast(sys, mm, mm_counter_file(sys, old), -1)
  add_mm_counter_fast(sys, mm, MM_ANONPAGES, 1)
}

/** The copy takes the old page's place. */
function install_copy(sys: Sys, vma: number, page: number, at: number, pfn: number, unshare: boolean): void {
  const { pgtable } = sys.kernel
  const vm_flags = sys.vma.flags[vma]!
  const prot = pgtable.protection_map[vm_flags & 15]!
  let low = prot.lo | pgtable.ACCESSED
  if (!unshare) low |= pgtable.DIRTY | soft_dirty(sys) | ((vm_flags & VM_WRITE) !== 0 ? pgtable.RW : 0)
  page_add_new_anon_rmap(sys, pfn, vma, page)
  lru_cache_add_inactive_or_unevictable(sys, pfn, vma)
  set_pte(sys, at, pfn, low, massaged_hi(sys, prot.hi))
}

/** A page that nobody maps any more needs no swap. @kernel mm/swap_state.c:free_swap_cache */
export function free_swap_cache(sys: Sys, pfn: number): void {
  const { flags, _mapcount } = sys.page
  if ((flags[pfn]! & (PG_swapcache | PG.swapbacked)) !== (PG_swapcache | PG.swapbacked)) return
  if (_mapcount[pfn] === 0) sys.seams.swap?.folio_free_swap(sys, pfn)
}
