// Unmapping: entries are emptied, pages lose a mapping and a reference, tables that map nothing more go back.
// Law: what an entry said about its page (dirty, used) is told to the page before the entry goes.
import { folio_mark_dirty } from './filemap.ts'
import { split_huge_pmd, zap_huge_pmd } from './huge_memory.ts'
import { unmap_hugepage_range } from './hugetlb.ts'
import { free_swap_cache } from './memory_wp.ts'
import { add_mm_rss_vec, mm_counter_file } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageAnon, put_page } from './page_ref.ts'
import { clear_pte, pte_none, pte_pfn, pte_present } from './pte.ts'
import { page_remove_rmap } from './rmap.ts'
import { MAX_SWAPFILES, swap_entry_offset, swap_entry_type } from './swapops.ts'
import { free_pgd_range, pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { MM_SWAPENTS, VM_HUGETLB, VM_SEQ_READ } from './vm_flags.ts'
import { folio_mark_accessed, lru_add_drain } from './vm_lru.ts'

const rss = new Int32Array(4)

/** Unmaps what an area maps of [page, end). @kernel mm/memory.c:unmap_page_range */
export function unmap_page_range(sys: Sys, vma: number, page: number, end: number): void {
  if ((sys.vma.flags[vma]! & VM_HUGETLB) !== 0) {
    unmap_hugepage_range(sys, vma, page, end)
    return
  }
  const mm = sys.vma.mm[vma]!
  const pgd = sys.mm.pgd[mm]! - 1
  const pages = 2 ** pmd_order(sys)
  for (let at = page; at < end; ) {
    const next = Math.min(Math.floor(at / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, pgd, at)
    if (pmd === -1) {
      at = next_table(sys, at, end)
      continue
    }
    if (!pmd_none(sys, pmd)) {
      if (pmd_trans_huge(sys, pmd) && next - at < pages) split_huge_pmd(sys, vma, pmd, at)
      if (pmd_trans_huge(sys, pmd)) zap_huge_pmd(sys, vma, pmd)
      else if (!pmd_none(sys, pmd)) zap_pte_range(sys, mm, vma, pmd, at, next)
    }
    at = next
  }
}

/** First page whose pmd-level table can be another than that of `page`, which is missing. */
function next_table(sys: Sys, page: number, end: number): number {
  const { levels } = sys.kernel.pgtable
  const above = levels.length > 2 ? levels.at(-3)!.shift : levels[0]!.shift
  const pages = 2 ** (above - sys.kernel.PAGE_SHIFT)
  return Math.min(Math.floor(page / pages + 1) * pages, end)
}

/** @kernel mm/memory.c:zap_pte_range */
function zap_pte_range(sys: Sys, mm: number, vma: number, pmd: number, page: number, end: number): void {
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  const words = sys.physmem_words
  const first = pte_offset(sys, pmd, page)
  rss.fill(0)
  for (let at = first; at < first + (end - page) * step; at += step) {
    if (words[at] === 0 && (step === 1 || words[at + 1] === 0)) continue
    if (!pte_present(sys, at)) zap_not_present(sys, at)
    else zap_present(sys, vma, at)
  }
  add_mm_rss_vec(sys, mm, rss)
}

function zap_present(sys: Sys, vma: number, at: number): void {
  const { pgtable } = sys.kernel
  const lo = sys.physmem_words[at]!
  const pfn = pte_pfn(sys, at)
  clear_pte(sys, at)
  if ((lo & pgtable.SPECIAL) !== 0) return
  const anon = PageAnon(sys, pfn)
  if (!anon) {
    const head = compound_head(sys, pfn)
    if ((lo & pgtable.DIRTY) !== 0) folio_mark_dirty(sys, head)
    if ((lo & pgtable.ACCESSED) !== 0 && (sys.vma.flags[vma]! & VM_SEQ_READ) === 0) folio_mark_accessed(sys, head)
  }
  const member = anon ? 1 : mm_counter_file(sys, compound_head(sys, pfn))
  rss[member] = rss[member]! - 1
  page_remove_rmap(sys, pfn, vma)
  free_swap_cache(sys, compound_head(sys, pfn))
  put_page(sys, pfn)
}

function zap_not_present(sys: Sys, at: number): void {
  const type = swap_entry_type(sys, at)
  if (!pte_none(sys, at) && type < MAX_SWAPFILES) {
    rss[MM_SWAPENTS] = rss[MM_SWAPENTS]! - 1
    sys.seams.swap?.free_swap_and_cache(sys, type, swap_entry_offset(sys, at))
  }
  clear_pte(sys, at)
}

/** Unmaps a range of an area, batches emptied first. @kernel mm/memory.c:zap_page_range */
export function zap_page_range(sys: Sys, vma: number, page: number, end: number): void {
  lru_add_drain(sys)
  unmap_page_range(sys, vma, page, end)
}

/** Unmaps pages of a file from all areas that map them; `even_cows`: copies in private areas, too.
 * @kernel mm/memory.c:unmap_mapping_pages */
export function unmap_mapping_pages(sys: Sys, inode: number, first: number, last: number, even_cows: boolean): void {
  const { start, end, pgoff, i_mmap_next } = sys.vma
  for (let vma = sys.inode.i_mmap[inode]!; vma !== 0; vma = i_mmap_next[vma]!) {
    const from = Math.max(start[vma]!, start[vma]! + first - pgoff[vma]!)
    const to = Math.min(end[vma]!, start[vma]! + last - pgoff[vma]! + 1)
    if (from < to) zap_file_pages(sys, vma, from, to, even_cows)
  }
}

function zap_file_pages(sys: Sys, vma: number, from: number, to: number, even_cows: boolean): void {
  if (even_cows) {
    unmap_page_range(sys, vma, from, to)
    return
  }
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  for (let page = from; page < to; page++) {
    const pmd = pmd_offset(sys, pgd, page)
    if (pmd === -1 || pmd_none(sys, pmd) || pmd_trans_huge(sys, pmd)) continue
    const at = pte_offset(sys, pmd, page)
    if (pte_present(sys, at) && PageAnon(sys, pte_pfn(sys, at))) continue
    unmap_page_range(sys, vma, page, page + 1)
  }
}

/** Gives back the tables of areas that are gone; `floor` and `ceiling`: what lies below and above them.
 * @kernel mm/memory.c:free_pgtables */
export function free_pgtables(
  sys: Sys,
  mm: number,
  ranges: readonly (readonly [number, number])[],
  floor: number,
  ceiling: number,
): void {
  for (const [i, [start, end]] of ranges.entries())
    free_pgd_range(sys, mm, start, end, floor, ranges[i + 1]?.[0] ?? ceiling)
}
