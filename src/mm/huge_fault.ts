// Faults where a huge page may serve: the pmd-level entry is empty, or maps a huge page already. What cannot be served so
// falls back to a single page, after a huge entry was split.
import { anon_vma_prepare } from './anon_vma.ts'
import { __GFP_DIRECT_RECLAIM, __GFP_KSWAPD_RECLAIM, __GFP_NORETRY, GFP_TRANSHUGE, GFP_TRANSHUGE_LIGHT } from './gfp.ts'
import { pgtable_trans_huge_deposit, pmd_pfn, split_huge_pmd } from './huge_memory.ts'
import { khugepaged_enter_vma } from './khugepaged_list.ts'
import { add_mm_counter } from './mm_counter.ts'
import { PG, PG_anon_exclusive, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { check_stable_address_space } from './oom_reaper.ts'
import { PageAnon, put_page } from './page_ref.ts'
import { massaged_hi, set_pte } from './pte.ts'
import { page_add_new_anon_rmap } from './rmap.ts'
import { soft_dirty } from './soft_dirty.ts'
import {
  THP_DEFRAG_ALWAYS,
  THP_DEFRAG_DEFER,
  THP_DEFRAG_DEFER_MADVISE,
  THP_DEFRAG_MADVISE,
  thp_always,
  thp_enabled,
} from './thp_settings.ts'
import { pmd_none, pte_alloc_one, pte_free } from './user_pgtable.ts'
import { alloc_anon_folio, clear_highpage } from './vm_alloc.ts'
import {
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  MMF_DISABLE_THP,
  VM_FAULT_FALLBACK,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_HUGEPAGE,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_WRITE,
} from './vm_flags.ts'
import { lru_add_drain, lru_cache_add_inactive_or_unevictable } from './vm_lru.ts'
import { vm_event } from './vmstat_item.ts'
import { huge_zero_pfn, mm_get_huge_zero_page } from './zero_page.ts'

const THP_FAULT_ALLOC: number = vm_event('thp_fault_alloc')
const THP_FAULT_FALLBACK: number = vm_event('thp_fault_fallback')

/** A fault at an entry that points to no table: FALLBACK = single pages must serve. @kernel mm/memory.c:create_huge_pmd */
export function handle_huge_pmd(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  if (pmd_none(sys, pmd)) {
    if (!hugepage_vma_check(sys, vma)) return VM_FAULT_FALLBACK
    return do_huge_pmd_anonymous_page(sys, vma, page, pmd, flags)
  }
  const { RW, ACCESSED, DIRTY } = sys.kernel.pgtable
  const write = (flags & FAULT_FLAG_WRITE) !== 0
  const lo = sys.physmem_words[pmd]!
  if ((flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0 && (lo & RW) === 0)
    return wp_huge_pmd(sys, vma, page, pmd, flags)
  sys.physmem_words[pmd] = (lo | ACCESSED | (write ? DIRTY | soft_dirty(sys) : 0)) >>> 0
  return 0
}

/** Whether faults in an area may be served by huge pages. @kernel mm/huge_memory.c:hugepage_vma_check */
export function hugepage_vma_check(sys: Sys, vma: number): boolean {
  const flags = sys.vma.flags[vma]!
  if (!thp_enabled(sys) || sys.vma.file[vma] !== 0 || (flags & (VM_NOHUGEPAGE | VM_SHARED)) !== 0) return false
  if ((sys.mm.flags[sys.vma.mm[vma]!]! & MMF_DISABLE_THP) !== 0) return false
  return (flags & VM_HUGEPAGE) !== 0 || thp_always(sys)
}

/** Whether a whole huge page around `page` lies in an area. @kernel include/linux/huge_mm.h:transhuge_vma_suitable */
export function transhuge_vma_suitable(sys: Sys, vma: number, page: number): boolean {
  const pages = 2 ** sys.kernel.huge_order
  const first = page - (page % pages)
  return first >= sys.vma.start[vma]! && first + pages <= sys.vma.end[vma]!
}

/** How hard a huge page is looked for. @kernel mm/huge_memory.c:vma_thp_gfp_mask */
export function vma_thp_gfp_mask(sys: Sys, vma: number): number {
  const madvised = (sys.vma.flags[vma]! & VM_HUGEPAGE) !== 0
  const defrag = sys.vm_state.thp_defrag[0]
  if (defrag === THP_DEFRAG_ALWAYS) return GFP_TRANSHUGE | (madvised ? 0 : __GFP_NORETRY)
  if (defrag === THP_DEFRAG_DEFER) return GFP_TRANSHUGE_LIGHT | __GFP_KSWAPD_RECLAIM
  if (defrag === THP_DEFRAG_DEFER_MADVISE)
    return GFP_TRANSHUGE_LIGHT | (madvised ? __GFP_DIRECT_RECLAIM : __GFP_KSWAPD_RECLAIM)
  if (defrag === THP_DEFRAG_MADVISE) return GFP_TRANSHUGE_LIGHT | (madvised ? __GFP_DIRECT_RECLAIM : 0)
  return GFP_TRANSHUGE_LIGHT
}

/** @kernel mm/huge_memory.c:do_huge_pmd_anonymous_page */
function do_huge_pmd_anonymous_page(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  if (!transhuge_vma_suitable(sys, vma, page)) return VM_FAULT_FALLBACK
  anon_vma_prepare(sys, vma)
  khugepaged_enter_vma(sys, vma)
  if ((flags & FAULT_FLAG_WRITE) === 0 && sys.vm_state.thp_use_zero_page[0] !== 0) return map_huge_zero(sys, vma, pmd)
  const pfn = alloc_anon_folio(sys, vma_thp_gfp_mask(sys, vma), sys.kernel.huge_order, vma, page)
  if (pfn < 0) {
    sys.vm_event.count[THP_FAULT_FALLBACK]! += 1
    return VM_FAULT_FALLBACK
  }
  const table = pte_alloc_one(sys, sys.vma.mm[vma]!)
  const stable = check_stable_address_space(sys, sys.vma.mm[vma]!)
  if (table < 0 || !stable) {
    if (table >= 0) pte_free(sys, sys.vma.mm[vma]!, table)
    put_page(sys, pfn)
    return stable ? VM_FAULT_OOM : VM_FAULT_SIGBUS
  }
  for (let i = 0; i < 2 ** sys.kernel.huge_order; i++) clear_highpage(sys, pfn + i)
  map_huge_anon(sys, vma, page, pmd, pfn, table)
  sys.vm_event.count[THP_FAULT_ALLOC]! += 1
  return 0
}

/** Maps a new huge page as written. @kernel mm/huge_memory.c:__do_huge_pmd_anonymous_page */
export function map_huge_anon(sys: Sys, vma: number, page: number, pmd: number, pfn: number, table: number): void {
  const { pgtable, huge_order } = sys.kernel
  const pages = 2 ** huge_order
  const vm_flags = sys.vma.flags[vma]!
  const prot = pgtable.protection_map[vm_flags & 15]!
  sys.page.flags[pfn]! |= PG.uptodate
  page_add_new_anon_rmap(sys, pfn, vma, page - (page % pages), huge_order)
  lru_cache_add_inactive_or_unevictable(sys, pfn, vma)
  // A huge page does not wait in a batch.
  lru_add_drain(sys)
  pgtable_trans_huge_deposit(sys, pmd, table)
  const writable = (vm_flags & VM_WRITE) !== 0 ? pgtable.RW : 0
  set_pte(sys, pmd, pfn, prot.lo | pgtable.PSE | pgtable.DIRTY | soft_dirty(sys) | writable, massaged_hi(sys, prot.hi))
  add_mm_counter(sys, sys.vma.mm[vma]!, MM_ANONPAGES, pages)
}

/** @kernel mm/huge_memory.c:set_huge_zero_page */
function map_huge_zero(sys: Sys, vma: number, pmd: number): number {
  const mm = sys.vma.mm[vma]!
  const table = pte_alloc_one(sys, mm)
  if (table < 0) return VM_FAULT_OOM
  const zero = mm_get_huge_zero_page(sys, mm)
  if (zero < 0) {
    pte_free(sys, mm, table)
    sys.vm_event.count[THP_FAULT_FALLBACK]! += 1
    return VM_FAULT_FALLBACK
  }
  const { pgtable } = sys.kernel
  const prot = pgtable.protection_map[sys.vma.flags[vma]! & 15]!
  pgtable_trans_huge_deposit(sys, pmd, table)
  set_pte(sys, pmd, zero, prot.lo | pgtable.PSE, massaged_hi(sys, prot.hi))
  return 0
}

/** A write to a huge page that is mapped read-only: written in place by whom has it alone, else split, and one page of it
 * is copied. @kernel mm/huge_memory.c:do_huge_pmd_wp_page */
function wp_huge_pmd(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  const pfn = pmd_pfn(sys, pmd)
  if (pfn !== huge_zero_pfn(sys) && PageAnon(sys, pfn) && is_alone(sys, vma, pfn)) {
    if ((flags & FAULT_FLAG_UNSHARE) !== 0) return 0
    const { ACCESSED, DIRTY, RW } = sys.kernel.pgtable
    const writable = (sys.vma.flags[vma]! & VM_WRITE) !== 0 ? RW : 0
    sys.physmem_words[pmd] = (sys.physmem_words[pmd]! | ACCESSED | DIRTY | soft_dirty(sys) | writable) >>> 0
    return 0
  }
  split_huge_pmd(sys, vma, pmd, page)
  return VM_FAULT_FALLBACK
}

function is_alone(sys: Sys, vma: number, pfn: number): boolean {
  const { flags, _refcount } = sys.page
  if ((flags[pfn]! & PG_anon_exclusive) !== 0) return true
  const cached = (flags[pfn]! & PG_swapcache) !== 0 ? 2 ** sys.kernel.huge_order : 0
  if (_refcount[pfn]! > 1 + cached) return false
  if (cached > 0) sys.seams.swap?.folio_free_swap(sys, pfn)
  if (_refcount[pfn] !== 1) return false
  sys.page.mapping[pfn] = -sys.vma.anon_vma[vma]!
  flags[pfn]! |= PG_anon_exclusive
  return true
}
