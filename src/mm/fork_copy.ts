// A fork's copy of page tables. Law: after it no page that both processes may write is exclusive to one of them, and no
// entry of a private page allows a write.

import { copy_huge_pmd, split_huge_pmd } from './huge_memory.ts'
import { copy_hugetlb_page_range } from './hugetlb_fork.ts'
import { add_mm_rss_vec, mm_counter_file } from './mm_counter.ts'
import { PG_anon_exclusive } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { get_page, PageAnon } from './page_ref.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { _PAGE_SWP_EXCLUSIVE, MAX_SWAPFILES, swap_entry_offset, swap_entry_type } from './swapops.ts'
import { pmd_alloc, pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_alloc, pte_offset } from './user_pgtable.ts'
import { MM_ANONPAGES, MM_SWAPENTS, VM_HUGETLB, VM_MAYWRITE, VM_MIXEDMAP, VM_PFNMAP, VM_SHARED } from './vm_flags.ts'

const rss = new Int32Array(4)

/** Whether a private area's entries must not be written in place. @kernel include/linux/mm.h:is_cow_mapping */
export function is_cow_mapping(flags: number): boolean {
  return (flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE
}

/** Copies what `src` maps into the same area of the child; false = no memory. @kernel mm/memory.c:copy_page_range */
export function copy_page_range(sys: Sys, dst: number, src: number): boolean {
  const flags = sys.vma.flags[src]!
  // Faults can fill what holds nothing of its own.
  if ((flags & (VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB)) === 0 && sys.vma.anon_vma[src] === 0) return true
  if ((flags & VM_HUGETLB) !== 0) return copy_hugetlb_page_range(sys, dst, src)
  const [start, end] = [sys.vma.start[src]!, sys.vma.end[src]!]
  const pages = 2 ** pmd_order(sys)
  const from = sys.mm.pgd[sys.vma.mm[src]!]! - 1
  for (let page = start; page < end; ) {
    const next = Math.min(Math.floor(page / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, from, page)
    if (pmd !== -1 && !pmd_none(sys, pmd) && !copy_pmd(sys, dst, src, pmd, page, next)) return false
    page = next
  }
  return true
}

function copy_pmd(sys: Sys, dst: number, src: number, pmd: number, page: number, end: number): boolean {
  const mm = sys.vma.mm[dst]!
  const to = pmd_alloc(sys, mm, page)
  if (to < 0) return false
  if (pmd_trans_huge(sys, pmd)) {
    if (end - page === 2 ** pmd_order(sys)) return copy_huge_pmd(sys, dst, to, pmd)
    split_huge_pmd(sys, src, pmd, page)
  }
  if (!pte_alloc(sys, mm, to)) return false
  copy_pte_range(sys, dst, src, to, pmd, page, end)
  return true
}

/** @kernel mm/memory.c:copy_pte_range */
function copy_pte_range(sys: Sys, dst: number, src: number, to: number, from: number, page: number, end: number): void {
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  const words = sys.physmem_words
  const target = pte_offset(sys, to, page)
  const source = pte_offset(sys, from, page)
  rss.fill(0)
  for (let i = 0; i < (end - page) * step; i += step) {
    if (words[source + i] === 0 && (step === 1 || words[source + i + 1] === 0)) continue
    if (pte_present(sys, source + i)) copy_present_pte(sys, src, target + i, source + i)
    else copy_nonpresent_pte(sys, target + i, source + i)
  }
  add_mm_rss_vec(sys, sys.vma.mm[dst]!, rss)
}

/** @kernel mm/memory.c:copy_present_pte */
function copy_present_pte(sys: Sys, src: number, to: number, from: number): void {
  const words = sys.physmem_words
  const { SPECIAL, RW, ACCESSED, DIRTY, entry_bytes } = sys.kernel.pgtable
  const vm_flags = sys.vma.flags[src]!
  let lo = words[from]!
  if ((lo & SPECIAL) === 0) {
    const pfn = pte_pfn(sys, from)
    get_page(sys, pfn)
    sys.page._mapcount[pfn] = sys.page._mapcount[pfn]! + 1
    const anon = PageAnon(sys, pfn)
    if (anon) sys.page.flags[pfn] = sys.page.flags[pfn]! & ~PG_anon_exclusive
    const member = anon ? MM_ANONPAGES : mm_counter_file(sys, pfn)
    rss[member] = rss[member]! + 1
  }
  if (is_cow_mapping(vm_flags) && (lo & RW) !== 0) {
    lo = (lo & ~RW) >>> 0
    words[from] = lo
  }
  // What the child has not written or read itself does not count as its doing.
  if ((vm_flags & VM_SHARED) !== 0) lo = (lo & ~DIRTY) >>> 0
  words[to] = (lo & ~ACCESSED) >>> 0
  if (entry_bytes === 8) words[to + 1] = words[from + 1]!
}

/** @kernel mm/memory.c:copy_nonpresent_pte */
function copy_nonpresent_pte(sys: Sys, to: number, from: number): void {
  const words = sys.physmem_words
  const wide = sys.kernel.pgtable.entry_bytes === 8
  const type = swap_entry_type(sys, from)
  if (type < MAX_SWAPFILES) {
    if (sys.seams.swap && sys.seams.swap.swap_duplicate(sys, type, swap_entry_offset(sys, from)) < 0) return
    if (wide) words[from] = (words[from]! & ~_PAGE_SWP_EXCLUSIVE) >>> 0
    rss[MM_SWAPENTS] = rss[MM_SWAPENTS]! + 1
  }
  words[to] = words[from]!
  if (wide) words[to + 1] = words[from + 1]!
}
