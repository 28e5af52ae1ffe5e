// Advice about pages that are mapped now: not needed (MADV_FREE), cold, or to be written out.
import { split_huge_pmd } from './huge_memory.ts'
import { add_mm_counter, sync_mm_rss } from './mm_counter.ts'
import { PG, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head } from './page_ref.ts'
import { clear_pte, pte_none, pte_pfn, pte_present } from './pte.ts'
import { page_mapcount } from './rmap.ts'
import { MAX_SWAPFILES, swap_entry_offset, swap_entry_type } from './swapops.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { MM_SWAPENTS } from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'

/** Calls `one` with every entry of a range; huge entries are split first. */
function each_pte(sys: Sys, vma: number, start: number, end: number, one: (at: number) => void): void {
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  const pages = 2 ** pmd_order(sys)
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  for (let page = start; page < end; ) {
    const next = Math.min(Math.floor(page / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, pgd, page)
    if (pmd !== -1 && !pmd_none(sys, pmd)) {
      if (pmd_trans_huge(sys, pmd)) split_huge_pmd(sys, vma, pmd, page)
      if (!pmd_none(sys, pmd)) {
        const first = pte_offset(sys, pmd, page)
        for (let i = 0; i < next - page; i++) if (!pte_none(sys, first + i * step)) one(first + i * step)
      }
    }
    page = next
  }
}

/** Frame of an entry's page; -1 = the page of zeros, or none. */
function normal_page(sys: Sys, at: number): number {
  if (!pte_present(sys, at) || (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0) return -1
  return pte_pfn(sys, at)
}

/** The content is not needed: pages may go without being written, unless they are written again.
 * @kernel mm/madvise.c:madvise_free_pte_range @differs a huge page is split, also where all of it is named */
export function madvise_free(sys: Sys, vma: number, start: number, end: number): void {
  const mm = sys.vma.mm[vma]!
  const { ACCESSED, DIRTY } = sys.kernel.pgtable
  let swapped = 0
  lru_add_drain(sys)
  each_pte(sys, vma, start, end, at => {
    if (!pte_present(sys, at)) {
      swapped += free_entry(sys, at)
      return
    }
    const pfn = normal_page(sys, at)
    if (pfn < 0 || !clean_page(sys, pfn)) return
    sys.physmem_words[at] = (sys.physmem_words[at]! & ~(ACCESSED | DIRTY)) >>> 0
    sys.seams.lru?.folio_mark_lazyfree?.(sys, compound_head(sys, pfn))
  })
  if (swapped === 0) return
  sync_mm_rss(sys, mm)
  add_mm_counter(sys, mm, MM_SWAPENTS, -swapped)
}

function free_entry(sys: Sys, at: number): number {
  const type = swap_entry_type(sys, at)
  if (type >= MAX_SWAPFILES) return 0
  sys.seams.swap?.free_swap_and_cache(sys, type, swap_entry_offset(sys, at))
  clear_pte(sys, at)
  return 1
}

/** A page of the swap cache, or one known to be dirty, must first be this process's alone and clean. */
function clean_page(sys: Sys, pfn: number): boolean {
  const { flags } = sys.page
  const head = compound_head(sys, pfn)
  if ((flags[head]! & (PG_swapcache | PG.dirty)) === 0) return true
  if (page_mapcount(sys, pfn) !== 1) return false
  if ((flags[head]! & PG_swapcache) !== 0 && !sys.seams.swap?.folio_free_swap(sys, head)) return false
  flags[head]! &= ~PG.dirty
  return true
}

/** Pages that are not needed soon go to the inactive list, or out at once.
 * @kernel mm/madvise.c:madvise_cold_or_pageout_pte_range */
export function madvise_cold_or_pageout(sys: Sys, vma: number, start: number, end: number, pageout: boolean): void {
  const { ACCESSED } = sys.kernel.pgtable
  const { flags } = sys.page
  const { lru } = sys.seams
  const victims: number[] = []
  lru_add_drain(sys)
  each_pte(sys, vma, start, end, at => {
    const pfn = normal_page(sys, at)
    if (pfn < 0 || (flags[pfn]! & PG.lru) === 0 || page_mapcount(sys, pfn) !== 1) return
    sys.physmem_words[at] = (sys.physmem_words[at]! & ~ACCESSED) >>> 0
    flags[pfn]! &= ~PG.referenced
    if (!pageout) lru?.deactivate_page?.(sys, pfn)
    else if ((flags[pfn]! & PG.unevictable) === 0) victims.push(pfn)
  })
  if (victims.length > 0) lru?.reclaim_pages?.(sys, victims)
}
