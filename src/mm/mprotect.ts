// Changing what areas allow. Law: entries follow their area: what it forbids no entry allows; what it allows an entry may
// still forbid, until a fault has looked.
import { change_huge_pmd, split_huge_pmd } from './huge_memory.ts'
import { PG_anon_exclusive } from './mm_types.ts'
import { may_expand_vm } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory } from './overcommit.ts'
import { PageAnon } from './page_ref.ts'
import { is_swap_pte, pte_modify, pte_none, pte_pfn, pte_present } from './pte.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { vma_wants_writenotify } from './vm_file_ops.ts'
import { EACCES, EINVAL, ENOMEM, VM_ACCOUNT, VM_HUGETLB, VM_NORESERVE, VM_SHARED, VM_WRITE } from './vm_flags.ts'
import { find_vma_intersection, vm_stat_account } from './vma.ts'
import { split_vma, vma_merge } from './vma_merge.ts'

/** Sets what [page, page + pages) allows: 0, or a negated errno. @kernel mm/mprotect.c:do_mprotect_pkey */
export function do_mprotect(sys: Sys, mm: number, page: number, pages: number, prot: number): number {
  const end = page + pages
  if (pages < 0 || (prot & ~7) !== 0) return -EINVAL
  if (pages === 0) return 0
  let vma = find_vma_intersection(sys, mm, page, end)
  for (let at = page; at < end; ) {
    // A hole, or the end: what lies before it has been changed.
    if (vma === 0 || sys.vma.start[vma]! > at) return -ENOMEM
    const flags = sys.vma.flags[vma]!
    const wanted = ((flags & ~7) | prot) >>> 0
    if (((wanted >>> 4) & prot) !== prot) return -EACCES
    const next = Math.min(end, sys.vma.end[vma]!)
    const fixed = mprotect_fixup(sys, mm, vma, at, next, wanted)
    if (fixed < 0) return fixed
    at = next
    vma = find_vma_intersection(sys, mm, at, end)
  }
  return 0
}

/** The part [start, end) of an area gets other flags; returns the area that holds it then. @kernel mm/mprotect.c:mprotect_fixup */
function mprotect_fixup(sys: Sys, mm: number, vma: number, start: number, end: number, wanted: number): number {
  const old = sys.vma.flags[vma]!
  if (old === wanted) return vma
  let flags = wanted
  const pages = end - start
  if ((flags & VM_WRITE) !== 0) {
    if (!may_expand_vm(sys, mm, flags, pages) && may_expand_vm(sys, mm, old, pages)) return -ENOMEM
    // Private memory that becomes writable is promised now.
    if ((old & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE)) === 0) {
      if (__vm_enough_memory(sys, mm, pages) !== 0) return -ENOMEM
      flags = (flags | VM_ACCOUNT) >>> 0
    }
  }
  const area = isolate(sys, mm, vma, start, end, flags)
  if (area < 0) {
    if (((flags ^ old) & VM_ACCOUNT) !== 0) sys.vm_state.vm_committed_as[0]! -= pages
    return area
  }
  change_protection(sys, area, start, end)
  vm_stat_account(sys, mm, old, -pages)
  vm_stat_account(sys, mm, flags, pages)
  return area
}

/** An area that is exactly [start, end), with its new flags: merged with a neighbour, or cut out. @ours */
export function isolate(sys: Sys, mm: number, vma: number, start: number, end: number, flags: number): number {
  const { start: starts, end: ends, pgoff, prev, file, policy } = sys.vma
  const before = starts[vma]! < start ? vma : prev[vma]!
  const offset = pgoff[vma]! + (start - starts[vma]!)
  const merged = vma_merge(sys, mm, before, start, end, flags, vma, file[vma]!, offset, policy[vma]!)
  if (merged !== 0) return merged
  if (start > starts[vma]!) {
    const error = split_vma(sys, vma, start, true)
    if (error !== 0) return error
  }
  if (end < ends[vma]!) {
    const error = split_vma(sys, vma, end, false)
    if (error !== 0) return error
  }
  set_flags(sys, vma, flags)
  return vma
}

/** A file counts the areas that may write to it. */
function set_flags(sys: Sys, vma: number, flags: number): void {
  const file = sys.vma.file[vma]!
  const writes = (bits: number): number => Number((bits & VM_SHARED) !== 0 && (bits & VM_WRITE) !== 0)
  if (file !== 0) sys.inode.i_mmap_writable[sys.file.inode[file]!]! += writes(flags) - writes(sys.vma.flags[vma]!)
  sys.vma.flags[vma] = flags
}

/** Makes the entries of a range follow their area. @kernel mm/mprotect.c:change_protection */
export function change_protection(sys: Sys, vma: number, start: number, end: number): void {
  const flags = sys.vma.flags[vma]!
  const notify = vma_wants_writenotify(sys, vma)
  const prot = sys.kernel.pgtable.protection_map[(notify ? flags & ~VM_SHARED : flags) & 15]!
  const pages = 2 ** pmd_order(sys)
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  for (let page = start; page < end; ) {
    const next = Math.min(Math.floor(page / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, pgd, page)
    if (pmd !== -1 && !pmd_none(sys, pmd)) {
      if (pmd_trans_huge(sys, pmd) && next - page < pages && (flags & VM_HUGETLB) === 0)
        split_huge_pmd(sys, vma, pmd, page)
      if (pmd_trans_huge(sys, pmd)) change_huge_pmd(sys, vma, pmd, prot)
      else change_pte_range(sys, vma, pmd, page, next, prot)
    }
    page = next
  }
}

/** @kernel mm/mprotect.c:change_pte_range */
function change_pte_range(
  sys: Sys,
  vma: number,
  pmd: number,
  page: number,
  end: number,
  prot: { readonly lo: number; readonly hi: number },
): void {
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  const first = pte_offset(sys, pmd, page)
  const { RW } = sys.kernel.pgtable
  for (let at = first; at < first + (end - page) * step; at += step) {
    if (pte_none(sys, at) || is_swap_pte(sys, at) || !pte_present(sys, at)) continue
    pte_modify(sys, at, prot)
    if (can_write(sys, vma, at)) sys.physmem_words[at] = (sys.physmem_words[at]! | RW) >>> 0
  }
}

/** Whether an entry may allow writes at once, without a fault that looks. @kernel mm/mprotect.c:can_change_pte_writable */
function can_write(sys: Sys, vma: number, at: number): boolean {
  const { DIRTY, SPECIAL, RW } = sys.kernel.pgtable
  const flags = sys.vma.flags[vma]!
  const lo = sys.physmem_words[at]!
  if ((flags & VM_WRITE) === 0 || (lo & RW) !== 0 || (lo & 1) === 0) return false
  // A write would have to be noticed.
  if (sys.kernel.config.MEM_SOFT_DIRTY && (lo & 0x800) === 0 && !vma_soft_dirty(sys, vma)) return false
  if ((lo & SPECIAL) !== 0) return false
  if ((flags & VM_SHARED) !== 0) return (lo & DIRTY) !== 0
  const pfn = pte_pfn(sys, at)
  return (lo & DIRTY) !== 0 && PageAnon(sys, pfn) && (sys.page.flags[pfn]! & PG_anon_exclusive) !== 0
}

const vma_soft_dirty = (sys: Sys, vma: number): boolean => (sys.vma.flags[vma]! & 0x8000000) !== 0
