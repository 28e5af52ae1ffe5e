// Faulting pages in for the kernel: before a process touches them (MAP_POPULATE, mlock, MADV_POPULATE_*), or from outside.
import { handle_mm_fault } from './memory.ts'
import type { Sys } from './mmzone.ts'
import { compound_head } from './page_ref.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { pmd_is_table, pmd_none, pmd_offset, pmd_trans_huge, pte_lookup, pte_offset } from './user_pgtable.ts'
import {
  EFAULT,
  ENOMEM,
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  VM_EXEC,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_IO,
  VM_LOCKONFAULT,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from './vm_flags.ts'
import { folio_mark_accessed } from './vm_lru.ts'
import { find_vma } from './vma.ts'

/** Whether a page can be reached so already. @kernel mm/gup.c:follow_page_mask */
function follow_page(sys: Sys, mm: number, page: number, write: boolean): boolean {
  const pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, page)
  if (pmd === -1 || pmd_none(sys, pmd)) return false
  const { RW } = sys.kernel.pgtable
  if (pmd_trans_huge(sys, pmd)) return !write || (sys.physmem_words[pmd]! & RW) !== 0
  if (!pmd_is_table(sys, pmd)) return false
  const at = pte_offset(sys, pmd, page)
  return pte_present(sys, at) && (!write || (sys.physmem_words[at]! & RW) !== 0)
}

/** Makes one page reachable; 0, or a negated errno. @kernel mm/gup.c:faultin_page */
export function faultin_page(sys: Sys, mm: number, vma: number, page: number, write: boolean): number {
  let flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY | (write ? FAULT_FLAG_WRITE : 0)
  for (let tries = 0; tries < 8 && !follow_page(sys, mm, page, write); tries++) {
    const ret = handle_mm_fault(sys, vma, page, flags)
    if ((ret & VM_FAULT_RETRY) !== 0) flags |= FAULT_FLAG_TRIED
    else if ((ret & VM_FAULT_ERROR) !== 0) return (ret & VM_FAULT_OOM) !== 0 ? -ENOMEM : -EFAULT
  }
  mark_touched(sys, mm, page)
  return 0
}

/** Who faults a page in for a process counts as its user. @kernel mm/gup.c:follow_page_pte */
function mark_touched(sys: Sys, mm: number, page: number): void {
  const at = pte_lookup(sys, sys.mm.pgd[mm]! - 1, page)
  if (at === -1 || !pte_present(sys, at) || (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0) return
  folio_mark_accessed(sys, compound_head(sys, pte_pfn(sys, at)))
}

/** Faults in what areas map of [page, end), as far as it goes. @kernel mm/gup.c:__mm_populate */
export function populate(sys: Sys, mm: number, page: number, end: number): number {
  for (let at = page; at < end; ) {
    const vma = find_vma(sys, mm, at)
    if (vma === 0 || sys.vma.start[vma]! >= end) return 0
    const flags = sys.vma.flags[vma]!
    // Writing breaks the sharing of private pages now; nobody wants that for shared ones.
    const write = (flags & (VM_WRITE | VM_SHARED)) === VM_WRITE
    const last = Math.min(end, sys.vma.end[vma]!)
    at = Math.max(at, sys.vma.start[vma]!)
    // Areas that lock what is touched wait for the touch.
    if ((flags & (VM_READ | VM_WRITE | VM_EXEC)) === 0 || (flags & (VM_LOCKONFAULT | VM_IO | VM_PFNMAP)) !== 0) {
      at = last
      continue
    }
    for (; at < last; at++) {
      const error = faultin_page(sys, mm, vma, at, write)
      if (error !== 0) return error
    }
  }
  return 0
}
