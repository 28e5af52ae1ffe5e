// MADV_WILLNEED on anonymous memory: what is in swap is read into the swap cache.
import type { Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import { is_swap_pte } from './pte.ts'
import { MAX_SWAPFILES, swap_entry_offset, swap_entry_type } from './swapops.ts'
import { pte_lookup } from './user_pgtable.ts'

/** @kernel mm/madvise.c:swapin_walk_pmd_entry */
export function fault_in_swap(sys: Sys, vma: number, start: number, end: number): number {
  const { swap } = sys.seams
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  for (let page = start; swap !== undefined && page < end; page++) {
    const at = pte_lookup(sys, pgd, page)
    if (at === -1 || !is_swap_pte(sys, at)) continue
    const type = swap_entry_type(sys, at)
    if (type >= MAX_SWAPFILES) continue
    const pfn = swap.swapin_readahead(sys, type, swap_entry_offset(sys, at), vma, page)
    if (pfn >= 0) put_page(sys, pfn)
  }
  return 0
}
