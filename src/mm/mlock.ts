// Memory that must stay: areas are marked, their pages are brought in and taken off the lists that reclaim looks through.
import { populate } from './gup.ts'
import { pmd_pfn } from './huge_memory.ts'
import { count_range, mlock_allowed } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { isolate } from './mprotect.ts'
import { compound_head, compound_order, PageCompound } from './page_ref.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import {
  EAGAIN,
  EINVAL,
  ENOMEM,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
  VM_HUGETLB,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_SPECIAL,
} from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'
import { find_vma_intersection } from './vma.ts'
import { huge_zero_pfn } from './zero_page.ts'

/** Locks [page, page + pages): 0, or a negated errno. @kernel mm/mlock.c:do_mlock */
export function do_mlock(sys: Sys, mm: number, page: number, pages: number, flags = 0): number {
  if (pages === 0) return 0
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL
  const already = locked_in(sys, mm, page, page + pages)
  if (!mlock_allowed(sys, mm, pages - already)) return -ENOMEM
  const error = apply_vma_lock_flags(sys, mm, page, pages, VM_LOCKED | (flags !== 0 ? VM_LOCKONFAULT : 0))
  if (error !== 0) return error
  return flags !== 0 ? 0 : populate(sys, mm, page, page + pages) === 0 ? 0 : -EAGAIN
}

/** @kernel mm/mlock.c:munlock */
export function do_munlock(sys: Sys, mm: number, page: number, pages: number): number {
  return apply_vma_lock_flags(sys, mm, page, pages, 0)
}

function locked_in(sys: Sys, mm: number, page: number, end: number): number {
  let pages = 0
  for (
    let vma = find_vma_intersection(sys, mm, page, end);
    vma !== 0 && sys.vma.start[vma]! < end;
    vma = sys.vma.next[vma]!
  )
    if ((sys.vma.flags[vma]! & VM_LOCKED) !== 0)
      pages += Math.min(end, sys.vma.end[vma]!) - Math.max(page, sys.vma.start[vma]!)
  return pages
}

/** @kernel mm/mlock.c:apply_vma_lock_flags */
function apply_vma_lock_flags(sys: Sys, mm: number, page: number, pages: number, lock: number): number {
  const end = page + pages
  if (count_range(sys, mm, page, end) < pages) return -ENOMEM
  for (let at = page; at < end; ) {
    const vma = find_vma_intersection(sys, mm, at, end)
    const next = Math.min(end, sys.vma.end[vma]!)
    const error = mlock_fixup(sys, mm, vma, at, next, lock)
    if (error < 0) return error
    at = next
  }
  return 0
}

/** @kernel mm/mlock.c:mlock_fixup */
function mlock_fixup(sys: Sys, mm: number, vma: number, start: number, end: number, lock: number): number {
  const old = sys.vma.flags[vma]!
  const flags = ((old & ~(VM_LOCKED | VM_LOCKONFAULT)) | lock) >>> 0
  if (flags === old || (old & (VM_SPECIAL | VM_HUGETLB)) !== 0) return 0
  const area = isolate(sys, mm, vma, start, end, flags)
  if (area < 0) return area
  const was = (old & VM_LOCKED) !== 0
  const is = (flags & VM_LOCKED) !== 0
  sys.mm.locked_vm[mm]! += (Number(is) - Number(was)) * (end - start)
  if (was !== is) mlock_vma_pages(sys, area, start, end, is)
  return 0
}

/** Moves the pages that are there already. @kernel mm/mlock.c:mlock_vma_pages_range */
function mlock_vma_pages(sys: Sys, vma: number, start: number, end: number, lock: boolean): void {
  lru_add_drain(sys)
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  const pages = 2 ** pmd_order(sys)
  for (let at = start; at < end; ) {
    const next = Math.min(Math.floor(at / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, pgd, at)
    if (pmd !== -1 && !pmd_none(sys, pmd)) {
      // The area's borders have split what lies across them.
      if (!pmd_trans_huge(sys, pmd)) mlock_pte_range(sys, pmd, at, next, lock)
      else if (pmd_pfn(sys, pmd) !== huge_zero_pfn(sys)) lock_folio(sys, pmd_pfn(sys, pmd), lock)
    }
    at = next
  }
  lru_add_drain(sys)
}

function lock_folio(sys: Sys, head: number, lock: boolean): void {
  const { lru } = sys.seams
  if (lock) lru?.mlock_folio?.(sys, head)
  else lru?.munlock_folio?.(sys, head)
}

/** @kernel mm/mlock.c:mlock_pte_range */
function mlock_pte_range(sys: Sys, pmd: number, page: number, end: number, lock: boolean): void {
  const parts = !sys.kernel.reclaim.mlocks_huge_mappings
  for (let at = page; at < end; at++) {
    const pte = pte_offset(sys, pmd, at)
    if (!pte_present(sys, pte) || (sys.physmem_words[pte]! & sys.kernel.pgtable.SPECIAL) !== 0) continue
    const pfn = pte_pfn(sys, pte)
    if (!PageCompound(sys, pfn)) {
      lock_folio(sys, pfn, lock)
      continue
    }
    if (!parts) continue
    const run = run_of_block(sys, pmd, at, end, pfn)
    // Locked only where the range maps all of it; unlocked in any case.
    const whole = run === 2 ** compound_order(sys, compound_head(sys, pfn))
    if (!lock || whole) lock_folio(sys, compound_head(sys, pfn), lock)
    at += run - 1
  }
}

/** Entries from `page` on that map frames of one block in a row. @kernel mm/mlock.c:folio_mlock_step */
function run_of_block(sys: Sys, pmd: number, page: number, end: number, pfn: number): number {
  const head = compound_head(sys, pfn)
  const most = Math.min(end - page, head + 2 ** compound_order(sys, head) - pfn)
  let run = 1
  while (run < most && pte_present(sys, pte_offset(sys, pmd, page + run))) {
    if (pte_pfn(sys, pte_offset(sys, pmd, page + run)) !== pfn + run) break
    run++
  }
  return run
}

/** Locks everything that is mapped, or will be: 0, or a negated errno. @kernel mm/mlock.c:mlockall */
export function do_mlockall(sys: Sys, mm: number, flags: number): number {
  if (flags === 0 || flags === MCL_ONFAULT || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) return -EINVAL
  if (!mlock_allowed(sys, mm, sys.mm.total_vm[mm]! - sys.mm.locked_vm[mm]!)) return -ENOMEM
  const lock = VM_LOCKED | ((flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0)
  if ((flags & MCL_FUTURE) !== 0) sys.mm.def_flags[mm]! |= lock
  if ((flags & MCL_CURRENT) === 0) return 0
  lock_all(sys, mm, lock)
  if ((flags & MCL_ONFAULT) === 0) populate(sys, mm, 0, sys.mm.task_size[mm]!)
  return 0
}

/** @kernel mm/mlock.c:munlockall */
export function do_munlockall(sys: Sys, mm: number): number {
  sys.mm.def_flags[mm] = sys.mm.def_flags[mm]! & ~(VM_LOCKED | VM_LOCKONFAULT)
  lock_all(sys, mm, 0)
  return 0
}

function lock_all(sys: Sys, mm: number, lock: number): void {
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; ) {
    const end = sys.vma.end[vma]!
    mlock_fixup(sys, mm, vma, sys.vma.start[vma]!, end, lock)
    vma = find_vma_intersection(sys, mm, end, sys.mm.task_size[mm]!)
  }
}
