// What a process says about its memory. Some advice changes areas (they are cut and joined like by mprotect), some changes
// what is mapped now.

import { filemap_get_entry } from './filemap.ts'
import { truncate_inode_pages } from './files.ts'
import { faultin_page } from './gup.ts'
import { hugepage_madvise_collapse } from './khugepaged.ts'
import { khugepaged_enter_vma } from './khugepaged_list.ts'
import { madvise_cold_or_pageout, madvise_free } from './madvise_pages.ts'
import { unmap_mapping_pages, zap_page_range } from './memory_zap.ts'
import type { Sys } from './mmzone.ts'
import { isolate } from './mprotect.ts'
import { read_page } from './readahead.ts'
import { fault_in_swap } from './swap_willneed.ts'
import * as F from './vm_flags.ts'
import { find_vma_intersection, linear_page_index, vma_inode } from './vma.ts'

/** @kernel include/uapi/asm-generic/mman-common.h */
export const MADV = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  DODUMP: 17,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  COLLAPSE: 25,
} as const

export type MadviseName = keyof typeof MADV

/** Advice for [page, page + pages): 0, or a negated errno. Holes are passed over and told at the end.
 * @kernel mm/madvise.c:do_madvise */
export function do_madvise(sys: Sys, mm: number, page: number, pages: number, advice: number): number {
  if (!Object.values(MADV).includes(advice as (typeof MADV)[MadviseName]) || pages < 0) return -F.EINVAL
  const end = page + pages
  let unmapped = 0
  for (let at = page; at < end; ) {
    const vma = find_vma_intersection(sys, mm, at, end)
    if (vma === 0) return -F.ENOMEM
    if (sys.vma.start[vma]! > at) {
      // Who fills memory cannot pass over a hole.
      if (advice === MADV.POPULATE_READ || advice === MADV.POPULATE_WRITE) return -F.ENOMEM
      unmapped = -F.ENOMEM
      at = sys.vma.start[vma]!
    }
    const next = Math.min(end, sys.vma.end[vma]!)
    const error = advise_area(sys, mm, vma, at, next, advice)
    if (error !== 0) return error
    at = next
  }
  return unmapped
}

/** @kernel mm/madvise.c:madvise_vma_behavior */
function advise_area(sys: Sys, mm: number, vma: number, start: number, end: number, advice: number): number {
  const flags = sys.vma.flags[vma]!
  const pinned = (flags & (F.VM_LOCKED | F.VM_PFNMAP | F.VM_HUGETLB)) !== 0
  switch (advice) {
    case MADV.DONTNEED:
      if ((flags & (F.VM_LOCKED | F.VM_PFNMAP)) !== 0) return -F.EINVAL
      zap_page_range(sys, vma, start, end)
      return 0
    case MADV.FREE:
      if (sys.vma.file[vma] !== 0 || pinned) return -F.EINVAL
      madvise_free(sys, vma, start, end)
      return 0
    case MADV.COLD:
    case MADV.PAGEOUT:
      if (pinned) return -F.EINVAL
      madvise_cold_or_pageout(sys, vma, start, end, advice === MADV.PAGEOUT)
      return 0
    case MADV.POPULATE_READ:
    case MADV.POPULATE_WRITE:
      return fill(sys, mm, vma, start, end, advice === MADV.POPULATE_WRITE)
    case MADV.WILLNEED:
      return willneed(sys, vma, start, end)
    case MADV.REMOVE:
      return remove(sys, vma, start, end)
    case MADV.COLLAPSE:
      return hugepage_madvise_collapse(sys, vma, start, end)
    default:
      return change_flags(sys, mm, vma, start, end, advice)
  }
}

/** Advice that becomes a flag of the area. */
function change_flags(sys: Sys, mm: number, vma: number, start: number, end: number, advice: number): number {
  const old = sys.vma.flags[vma]!
  const flags = new_flags(sys, vma, old, advice)
  if (flags < 0) return flags
  if (flags === old) return 0
  const area = isolate(sys, mm, vma, start, end, flags)
  if (area < 0) return area
  if (advice === MADV.HUGEPAGE) khugepaged_enter_vma(sys, area)
  return 0
}

function new_flags(sys: Sys, vma: number, old: number, advice: number): number {
  const set = (clear: number, bits: number): number => ((old & ~clear) | bits) >>> 0
  switch (advice) {
    case MADV.NORMAL:
      return set(F.VM_RAND_READ | F.VM_SEQ_READ, 0)
    case MADV.RANDOM:
      return set(F.VM_SEQ_READ, F.VM_RAND_READ)
    case MADV.SEQUENTIAL:
      return set(F.VM_RAND_READ, F.VM_SEQ_READ)
    case MADV.DONTFORK:
      return set(0, F.VM_DONTCOPY)
    case MADV.DOFORK:
      return (old & F.VM_IO) !== 0 ? -F.EINVAL : set(F.VM_DONTCOPY, 0)
    case MADV.WIPEONFORK:
      return sys.vma.file[vma] !== 0 || (old & F.VM_SHARED) !== 0 ? -F.EINVAL : set(0, F.VM_WIPEONFORK)
    case MADV.KEEPONFORK:
      return set(F.VM_WIPEONFORK, 0)
    case MADV.DONTDUMP:
      return set(0, F.VM_DONTDUMP)
    case MADV.DODUMP:
      return set(F.VM_DONTDUMP, 0)
    case MADV.HUGEPAGE:
      return sys.kernel.config.TRANSPARENT_HUGEPAGE ? set(F.VM_NOHUGEPAGE, F.VM_HUGEPAGE) : -F.EINVAL
    default:
      return sys.kernel.config.TRANSPARENT_HUGEPAGE ? set(F.VM_HUGEPAGE, F.VM_NOHUGEPAGE) : -F.EINVAL
  }
}

/** @kernel mm/madvise.c:madvise_populate */
function fill(sys: Sys, mm: number, vma: number, start: number, end: number, write: boolean): number {
  const need = write ? F.VM_WRITE : F.VM_READ
  if ((sys.vma.flags[vma]! & need) === 0) return -F.EINVAL
  for (let page = start; page < end; page++) {
    const error = faultin_page(sys, mm, vma, page, write)
    if (error !== 0) return error
  }
  return 0
}

/** Reads ahead what is on a disk. @kernel mm/madvise.c:madvise_willneed */
function willneed(sys: Sys, vma: number, start: number, end: number): number {
  const inode = vma_inode(sys, vma)
  if (inode === 0) return fault_in_swap(sys, vma, start, end)
  if (sys.inode.kind[inode] !== F.INODE_REGULAR) return 0
  const last = Math.ceil(sys.inode.size[inode]! / sys.page_bytes)
  for (let page = start; page < end; page++) {
    const index = linear_page_index(sys, vma, page)
    if (index < last && filemap_get_entry(sys, inode, index) <= 0 && read_page(sys, inode, index) < 0) return 0
  }
  return 0
}

/** Punches a hole into a shared file. @kernel mm/madvise.c:madvise_remove */
function remove(sys: Sys, vma: number, start: number, end: number): number {
  const inode = vma_inode(sys, vma)
  const flags = sys.vma.flags[vma]!
  if ((flags & F.VM_LOCKED) !== 0 || inode === 0) return -F.EINVAL
  if ((flags & (F.VM_SHARED | F.VM_WRITE)) !== (F.VM_SHARED | F.VM_WRITE)) return -F.EACCES
  const first = linear_page_index(sys, vma, start)
  const last = first + (end - start) - 1
  unmap_mapping_pages(sys, inode, first, last, false)
  truncate_inode_pages(sys, inode, first, last)
  return 0
}
