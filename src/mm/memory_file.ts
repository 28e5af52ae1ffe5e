// First touches of a file's pages: a read maps the cached page and its cached neighbours (fault-around), a write to a
// private area copies, a write to a shared one tells the file.
import { anon_vma_prepare } from './anon_vma.ts'
import { filemap_get_entry } from './filemap.ts'
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { add_mm_counter_fast, mm_counter_file } from './mm_counter.ts'
import { PG, PG_readahead } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { check_stable_address_space } from './oom_reaper.ts'
import { compound_head, put_page } from './page_ref.ts'
import { massaged_hi, pte_none, set_pte } from './pte.ts'
import { page_add_file_rmap, page_add_new_anon_rmap } from './rmap.ts'
import { soft_dirty } from './soft_dirty.ts'
import { pmd_none, pte_alloc, pte_offset } from './user_pgtable.ts'
import { alloc_anon_folio, copy_user_highpage } from './vm_alloc.ts'
import {
  do_page_mkwrite,
  fault_dirty_shared_page,
  file_fault,
  has_page_mkwrite,
  vma_wants_writenotify,
} from './vm_file_ops.ts'
import { FAULT_FLAG_WRITE, MM_ANONPAGES, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_SHARED, VM_WRITE } from './vm_flags.ts'
import { lru_cache_add_inactive_or_unevictable } from './vm_lru.ts'
import { linear_page_index, vma_inode } from './vma.ts'

/** What a fault found on its way; made anew by each. */
const found = new Int32Array(1)

/** @kernel mm/memory.c:do_fault */
export function do_fault(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  found[0] = 0
  if ((flags & FAULT_FLAG_WRITE) === 0) return do_read_fault(sys, vma, page, pmd, flags)
  if ((sys.vma.flags[vma]! & VM_SHARED) === 0) return do_cow_fault(sys, vma, page, pmd, flags)
  return do_shared_fault(sys, vma, page, pmd, flags)
}

/** @kernel mm/memory.c:do_read_fault */
function do_read_fault(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  if (fault_around_pages(sys) > 1 && do_fault_around(sys, vma, page, pmd)) return 0
  const pfn = file_fault(sys, vma, linear_page_index(sys, vma, page), flags, found)
  if (pfn < 0) return -pfn
  return finish_fault(sys, vma, page, pmd, pfn, flags) | found[0]!
}

/** Pages that a read fault maps at once. @kernel mm/memory.c:fault_around_bytes */
function fault_around_pages(sys: Sys): number {
  return 65536 >>> sys.page_shift
}

/** Maps the cached pages of the window in which a page lies: as large as the window is, and aligned, but within the area
 * and one table. True = the page is mapped now. @kernel mm/memory.c:do_fault_around */
function do_fault_around(sys: Sys, vma: number, page: number, pmd: number): boolean {
  const { start, end, pgoff } = sys.vma
  const window = fault_around_pages(sys)
  const ptrs = sys.kernel.pgtable.levels.at(-1)!.ptrs
  const index = linear_page_index(sys, vma, page)
  const first = Math.max(page - (page % window), start[vma]!)
  const off = Math.min(page - first, page % ptrs)
  const start_pgoff = index - off
  const last_of_table = start_pgoff - ((page - off) % ptrs) + ptrs - 1
  const last_of_area = end[vma]! - start[vma]! + pgoff[vma]! - 1
  const end_pgoff = Math.min(last_of_table, last_of_area, start_pgoff + window - 1)
  if (pmd_none(sys, pmd) && !pte_alloc(sys, sys.vma.mm[vma]!, pmd)) return false
  return filemap_map_pages(sys, vma, page, pmd, index, start_pgoff, end_pgoff)
}

/** @kernel mm/filemap.c:filemap_map_pages */
function filemap_map_pages(
  sys: Sys,
  vma: number,
  page: number,
  pmd: number,
  index: number,
  first: number,
  last: number,
): boolean {
  const inode = vma_inode(sys, vma)
  const { flags } = sys.page
  const file = sys.vma.file[vma]!
  const max = Math.ceil(sys.inode.size[inode]! / sys.page_bytes)
  let mapped = false
  for (let at = first; at <= last && at < max; at++) {
    const entry = filemap_get_entry(sys, inode, at)
    if (entry <= 0) continue
    const pfn = entry - 1
    const bits = flags[compound_head(sys, pfn)]!
    if ((bits & (PG.locked | PG.uptodate)) !== PG.uptodate || (bits & (PG_readahead | PG.hwpoison)) !== 0) continue
    if (sys.file.mmap_miss[file]! > 0) sys.file.mmap_miss[file]! -= 1
    const pte = pte_offset(sys, pmd, page - index + at)
    if (!pte_none(sys, pte)) continue
    if (at === index) mapped = true
    sys.page._refcount[compound_head(sys, pfn)]! += 1
    do_set_pte(sys, vma, pte, pfn, page - index + at, false)
  }
  return mapped
}

/** Fills an empty entry: with a file's page, or (a write to a private area) with a copy. @kernel mm/memory.c:do_set_pte */
function do_set_pte(sys: Sys, vma: number, at: number, pfn: number, page: number, write: boolean): void {
  const { pgtable } = sys.kernel
  const vm_flags = sys.vma.flags[vma]!
  const mm = sys.vma.mm[vma]!
  const notify = vma_wants_writenotify(sys, vma)
  const prot = pgtable.protection_map[(notify ? vm_flags & ~VM_SHARED : vm_flags) & 15]!
  let low = prot.lo
  if (write) low |= pgtable.DIRTY | soft_dirty(sys) | ((vm_flags & VM_WRITE) !== 0 ? pgtable.RW : 0)
  if (write && (vm_flags & VM_SHARED) === 0) {
    add_mm_counter_fast(sys, mm, MM_ANONPAGES, 1)
    page_add_new_anon_rmap(sys, pfn, vma, page)
    lru_cache_add_inactive_or_unevictable(sys, pfn, vma)
  } else {
    add_mm_counter_fast(sys, mm, mm_counter_file(sys, pfn), 1)
    page_add_file_rmap(sys, pfn, vma)
  }
  set_pte(sys, at, pfn, low, massaged_hi(sys, prot.hi))
}

/** @kernel mm/memory.c:finish_fault */
function finish_fault(sys: Sys, vma: number, page: number, pmd: number, pfn: number, flags: number): number {
  if (!pte_alloc(sys, sys.vma.mm[vma]!, pmd)) {
    put_page(sys, pfn)
    return VM_FAULT_OOM
  }
  const mm = sys.vma.mm[vma]!
  if ((sys.vma.flags[vma]! & VM_SHARED) === 0 && !check_stable_address_space(sys, mm)) {
    put_page(sys, pfn)
    return VM_FAULT_SIGBUS
  }
  const at = pte_offset(sys, pmd, page)
  if (pte_none(sys, at)) do_set_pte(sys, vma, at, pfn, page, (flags & FAULT_FLAG_WRITE) !== 0)
  else put_page(sys, pfn)
  return 0
}

/** @kernel mm/memory.c:do_cow_fault */
function do_cow_fault(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  anon_vma_prepare(sys, vma)
  const copy = alloc_anon_folio(sys, GFP_HIGHUSER_MOVABLE, 0, vma, page)
  if (copy < 0) return VM_FAULT_OOM
  const pfn = file_fault(sys, vma, linear_page_index(sys, vma, page), flags, found)
  if (pfn < 0) {
    put_page(sys, copy)
    return -pfn
  }
  copy_user_highpage(sys, copy, pfn)
  sys.page.flags[copy]! |= PG.uptodate
  const ret = finish_fault(sys, vma, page, pmd, copy, flags) | found[0]!
  put_page(sys, pfn)
  return ret
}

/** @kernel mm/memory.c:do_shared_fault */
function do_shared_fault(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  const pfn = file_fault(sys, vma, linear_page_index(sys, vma, page), flags, found)
  if (pfn < 0) return -pfn
  const major = found[0]!
  if (has_page_mkwrite(sys, vma)) {
    const error = do_page_mkwrite(sys, vma, pfn)
    if (error !== 0) {
      put_page(sys, pfn)
      return error
    }
  }
  const ret = finish_fault(sys, vma, page, pmd, pfn, flags)
  if (ret !== 0) return ret
  fault_dirty_shared_page(sys, vma, pfn)
  return major
}
