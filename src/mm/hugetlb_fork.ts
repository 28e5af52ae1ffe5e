// A fork's copy of huge pages of the pool: shared by both, written by neither, until one writes and gets its own.

import { is_cow_mapping } from './fork_copy.ts'
import { pmd_pfn } from './huge_memory.ts'
import { PG_anon_exclusive } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { pmd_alloc, pmd_none, pmd_offset } from './user_pgtable.ts'

/** @kernel mm/hugetlb.c:copy_hugetlb_page_range */
export function copy_hugetlb_page_range(sys: Sys, dst: number, src: number): boolean {
  const [start, end] = [sys.vma.start[src]!, sys.vma.end[src]!]
  const pages = 2 ** sys.kernel.huge_order
  const words = sys.physmem_words
  const { RW, ACCESSED, entry_bytes } = sys.kernel.pgtable
  for (let page = start; page < end; page += pages) {
    const from = pmd_offset(sys, sys.mm.pgd[sys.vma.mm[src]!]! - 1, page)
    if (from === -1 || pmd_none(sys, from)) continue
    const to = pmd_alloc(sys, sys.vma.mm[dst]!, page)
    if (to < 0) return false
    const pfn = pmd_pfn(sys, from)
    sys.page._refcount[pfn]! += 1
    sys.page.private[pfn + 1]! += 1
    sys.page.flags[pfn]! &= ~PG_anon_exclusive
    if (is_cow_mapping(sys.vma.flags[src]!)) words[from] = (words[from]! & ~RW) >>> 0
    words[to] = (words[from]! & ~ACCESSED) >>> 0
    if (entry_bytes === 8) words[to + 1] = words[from + 1]!
  }
  return true
}
