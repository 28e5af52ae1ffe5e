// Single pages gathered into a huge one: by khugepaged, which looks through address spaces a few pages at a time, or when
// a process asks for it. Law: what is gathered is copied; nobody may hold the old pages meanwhile.

import { GFP_TRANSHUGE } from './gfp.ts'
import { faultin_page } from './gup.ts'
import { hugepage_vma_check, map_huge_anon, transhuge_vma_suitable } from './huge_fault.ts'
import { add_mm_counter } from './mm_counter.ts'
import { PG, PG_anon_exclusive } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages } from './page_alloc/alloc_pages.ts'
import { PageAnon, PageCompound, put_page } from './page_ref.ts'
import { entry_clear, entry_pfn } from './pgtable.ts'
import { clear_pte, is_swap_pte, pte_none, pte_pfn } from './pte.ts'
import { page_remove_rmap } from './rmap.ts'
import { pmd_is_table, pmd_none, pmd_offset, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { alloc_anon_folio, clear_highpage, copy_user_highpage } from './vm_alloc.ts'
import { EBUSY, EINVAL, ENOMEM, MM_ANONPAGES } from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'
import { find_vma } from './vma.ts'
import { vm_event } from './vmstat_item.ts'

const THP_COLLAPSE_ALLOC: number = vm_event('thp_collapse_alloc')
const THP_COLLAPSE_ALLOC_FAILED: number = vm_event('thp_collapse_alloc_failed')
/** Share of pages that may be missing, in swap, or shared. @kernel mm/khugepaged.c:khugepaged_max_ptes_none */
const max_ptes_none = (pages: number): number => pages - 1
const max_ptes_swap = (pages: number): number => pages / 8
const max_ptes_shared = (pages: number): number => pages / 2

/** What stands in the way of gathering the pages of an entry; '' = nothing. @kernel mm/khugepaged.c:hpage_collapse_scan_pmd */
function scan(sys: Sys, pmd: number, first: number, asked: boolean): string {
  const pages = 2 ** sys.kernel.huge_order
  const { flags, _refcount, _mapcount } = sys.page
  let [none, swapped, shared] = [0, 0, 0]
  for (let i = 0; i < pages; i++) {
    const at = pte_offset(sys, pmd, first + i)
    const special = (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0
    if (is_swap_pte(sys, at)) {
      if (++swapped > max_ptes_swap(pages) && !asked) return 'swap'
    } else if (pte_none(sys, at) || special) {
      if (++none > max_ptes_none(pages) && !asked) return 'none'
    } else {
      const pfn = pte_pfn(sys, at)
      if (!PageAnon(sys, pfn) || PageCompound(sys, pfn)) return 'compound'
      if (_mapcount[pfn]! > 1 && ++shared > max_ptes_shared(pages) && !asked) return 'shared'
      const cached = (flags[pfn]! & PG.owner_priv_1) !== 0 ? 1 : 0
      // What waits for its list is held by a batch; without lists nothing waits.
      const waits = sys.seams.lru !== undefined && (flags[pfn]! & PG.lru) === 0
      if (waits || _refcount[pfn]! !== _mapcount[pfn]! + cached) return 'held'
    }
  }
  return ''
}

/** Gathers the pages around `page` of an area: 0, or a negated errno. @kernel mm/khugepaged.c:collapse_huge_page */
export function collapse_huge_page(sys: Sys, vma: number, page: number, asked: boolean): number {
  const pages = 2 ** sys.kernel.huge_order
  const first = page - (page % pages)
  const mm = sys.vma.mm[vma]!
  let pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, first)
  if (pmd === -1 || pmd_none(sys, pmd)) return -EINVAL
  if (pmd_trans_huge(sys, pmd) || !pmd_is_table(sys, pmd)) return 0
  lru_add_drain(sys)
  if (scan(sys, pmd, first, asked) !== '') return -EBUSY
  for (let i = 0; i < pages; i++)
    if (is_swap_pte(sys, pte_offset(sys, pmd, first + i)) && faultin_page(sys, mm, vma, first + i, false) !== 0)
      return -ENOMEM
  const pfn = alloc_anon_folio(sys, GFP_TRANSHUGE, sys.kernel.huge_order, vma, first)
  sys.vm_event.count[pfn < 0 ? THP_COLLAPSE_ALLOC_FAILED : THP_COLLAPSE_ALLOC]! += 1
  if (pfn < 0) return -ENOMEM
  // Making room for the block may have changed everything.
  pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, first)
  if (pmd === -1 || !pmd_is_table(sys, pmd) || scan(sys, pmd, first, asked) !== '') {
    __free_pages(sys, pfn, sys.kernel.huge_order)
    return -EBUSY
  }
  gather(sys, mm, vma, pmd, first, pfn)
  sys.vm_state.khugepaged_pages_collapsed[0]! += 1
  return 0
}

/** @kernel mm/khugepaged.c:__collapse_huge_page_copy */
function gather(sys: Sys, mm: number, vma: number, pmd: number, first: number, pfn: number): void {
  const pages = 2 ** sys.kernel.huge_order
  const table = entry_pfn(sys, pmd)
  let moved = 0
  for (let i = 0; i < pages; i++) {
    const at = pte_offset(sys, pmd, first + i)
    const special = (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0
    if (pte_none(sys, at) || special) clear_highpage(sys, pfn + i)
    else {
      const old = pte_pfn(sys, at)
      copy_user_highpage(sys, pfn + i, old)
      page_remove_rmap(sys, old, vma)
      put_page(sys, old)
      moved++
    }
    clear_pte(sys, at)
  }
  entry_clear(sys, pmd)
  add_mm_counter(sys, mm, MM_ANONPAGES, -moved)
  map_huge_anon(sys, vma, first, pmd, pfn, table)
  sys.page.flags[pfn]! |= PG_anon_exclusive
}

/** MADV_COLLAPSE: 0, or a negated errno. @kernel mm/khugepaged.c:madvise_collapse */
export function hugepage_madvise_collapse(sys: Sys, vma: number, start: number, end: number): number {
  const pages = 2 ** sys.kernel.huge_order
  if (!sys.kernel.config.TRANSPARENT_HUGEPAGE || sys.vma.file[vma] !== 0) return -EINVAL
  if ((sys.vma.flags[vma]! & 0x40000000) !== 0) return -EINVAL
  let error = 0
  for (let page = Math.ceil(start / pages) * pages; page + pages <= end; page += pages) {
    const one = collapse_huge_page(sys, vma, page, true)
    if (one !== 0) error = one
  }
  return error
}

/** One step of khugepaged: looks at `count` pages, going on where it was; returns how many blocks it gathered.
 * @kernel mm/khugepaged.c:khugepaged_do_scan */
export function khugepaged_step(sys: Sys, count: number): number {
  const { khugepaged_mm, khugepaged_address, khugepaged_full_scans } = sys.vm_state
  const pages = 2 ** sys.kernel.huge_order
  let gathered = 0
  for (let left = count; left > 0 && khugepaged_mm[0] !== 0; left -= pages) {
    const mm = khugepaged_mm[0]!
    const at = khugepaged_address[0]!
    const vma = find_vma(sys, mm, at)
    if (vma === 0) {
      next_mm(sys, mm)
      if (khugepaged_mm[0] === mm) khugepaged_full_scans[0]! += 1
      continue
    }
    const first = Math.ceil(Math.max(at, sys.vma.start[vma]!) / pages) * pages
    const fits = first + pages <= sys.vma.end[vma]!
    khugepaged_address[0] = fits ? first + pages : sys.vma.end[vma]!
    const usable = fits && hugepage_vma_check(sys, vma) && transhuge_vma_suitable(sys, vma, first)
    if (usable && has_table(sys, mm, first) && collapse_huge_page(sys, vma, first, false) === 0) gathered++
  }
  return gathered
}

const has_table = (sys: Sys, mm: number, first: number): boolean => {
  const pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, first)
  return pmd !== -1 && pmd_is_table(sys, pmd)
}

/** The scan goes on with the next address space; the one that is through goes to the end of the list. */
function next_mm(sys: Sys, mm: number): void {
  sys.vm_state.khugepaged_address[0] = 0
  const next = sys.mm.khugepaged[mm]!
  if (next === 0) return
  sys.mm.khugepaged[mm] = 0
  sys.vm_state.khugepaged_mm[0] = next
  let last = next
  while (sys.mm.khugepaged[last] !== 0) last = sys.mm.khugepaged[last]!
  sys.mm.khugepaged[last] = mm
}
