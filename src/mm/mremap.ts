// Moving and resizing mappings. Law: pages keep their content and their number within their owner; an anonymous area that
// moves before its first page was touched is as if it had been mapped there.
import { anon_vma_clone, anon_vma_prepare } from './anon_vma.ts'
import { get_file } from './files.ts'
import { populate } from './gup.ts'
import { move_huge_pmd, split_huge_pmd } from './huge_memory.ts'
import { do_munmap, get_unmapped_area, may_expand_vm, mlock_allowed } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory, vm_unacct_memory } from './overcommit.ts'
import { clear_pte } from './pte.ts'
import { pmd_alloc, pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_alloc, pte_offset } from './user_pgtable.ts'
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_LOCKED,
  VM_PFNMAP,
} from './vm_flags.ts'
import { find_vma, vm_area_dup, vm_stat_account, vma_below, vma_link, vma_lookup, vma_set_range } from './vma.ts'
import { vma_merge } from './vma_merge.ts'

/** Moves or resizes [page, page + old): the first page then, or a negated errno. @kernel mm/mremap.c:mremap */
export function do_mremap(
  sys: Sys,
  mm: number,
  page: number,
  old: number,
  pages: number,
  flags: number,
  to = 0,
): number {
  if (pages <= 0 || old < 0) return -EINVAL
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0 && (flags & MREMAP_MAYMOVE) === 0) return -EINVAL
  if ((flags & MREMAP_DONTUNMAP) !== 0 && old !== pages) return -EINVAL
  const vma = vma_lookup(sys, mm, page)
  if (vma === 0) return -EFAULT
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremap_to(sys, mm, page, old, pages, flags, to)
  if (old >= pages) {
    if (old === pages) return page
    const error = do_munmap(sys, mm, page + pages, old - pages)
    return error === 0 ? page : error
  }
  const error = may_grow(sys, mm, vma, page, old, pages)
  if (error !== 0) return error
  if (page + old === sys.vma.end[vma] && grow_in_place(sys, mm, vma, pages - old)) return page
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM
  const target = get_unmapped_area(sys, mm, 0, pages)
  return target < 0 ? target : move_vma(sys, mm, vma, page, old, pages, target, flags)
}

/** @kernel mm/mremap.c:vma_to_resize */
function may_grow(sys: Sys, mm: number, vma: number, page: number, old: number, pages: number): number {
  const flags = sys.vma.flags[vma]!
  if (page + old > sys.vma.end[vma]!) return -EFAULT
  if (pages === old) return 0
  if ((flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return -EFAULT
  if ((flags & VM_LOCKED) !== 0 && !mlock_allowed(sys, mm, pages - old)) return -EAGAIN
  return may_expand_vm(sys, mm, flags, pages - old) ? 0 : -ENOMEM
}

function grow_in_place(sys: Sys, mm: number, vma: number, more: number): boolean {
  const { start, end, next, flags, pgoff } = sys.vma
  const above = next[vma]!
  const last = end[vma]! + more
  if (last > sys.mm.task_size[mm]! || (above !== 0 && last > start[above]!)) return false
  if ((flags[vma]! & VM_ACCOUNT) !== 0 && __vm_enough_memory(sys, mm, more) !== 0) return false
  const first = end[vma]!
  const offset = pgoff[vma]! + (first - start[vma]!)
  const merged = vma_merge(sys, mm, vma, first, last, flags[vma]!, 0, sys.vma.file[vma]!, offset, sys.vma.policy[vma]!)
  if (merged === 0) vma_set_range(sys, vma, start[vma]!, last, pgoff[vma]!)
  const area = merged === 0 ? vma : merged
  vm_stat_account(sys, mm, flags[area]!, more)
  if ((flags[area]! & VM_LOCKED) !== 0) {
    sys.mm.locked_vm[mm]! += more
    populate(sys, mm, first, last)
  }
  return true
}

/** @kernel mm/mremap.c:mremap_to */
function mremap_to(sys: Sys, mm: number, page: number, old: number, pages: number, flags: number, to: number): number {
  if ((flags & MREMAP_FIXED) !== 0) {
    if (to + pages > sys.mm.task_size[mm]! || (page + old > to && to + pages > page)) return -EINVAL
    const error = do_munmap(sys, mm, to, pages)
    if (error !== 0) return error
  }
  let size = old
  if (old >= pages && old !== pages) {
    const error = do_munmap(sys, mm, page + pages, old - pages)
    if (error !== 0) return error
    size = pages
  }
  const vma = vma_lookup(sys, mm, page)
  if (vma === 0) return -EFAULT
  const error = may_grow(sys, mm, vma, page, size, pages)
  if (error !== 0) return error
  const target = (flags & MREMAP_FIXED) !== 0 ? to : get_unmapped_area(sys, mm, 0, pages)
  return target < 0 ? target : move_vma(sys, mm, vma, page, size, pages, target, flags)
}

/** @kernel mm/mremap.c:move_vma */
function move_vma(
  sys: Sys,
  mm: number,
  vma: number,
  page: number,
  old: number,
  pages: number,
  to: number,
  flags: number,
): number {
  const vm_flags = sys.vma.flags[vma]!
  const keep = (flags & MREMAP_DONTUNMAP) !== 0
  const accounted = (vm_flags & VM_ACCOUNT) !== 0
  if (accounted && __vm_enough_memory(sys, mm, keep ? pages : pages - old) !== 0) return -ENOMEM
  const pgoff = sys.vma.pgoff[vma]! + (page - sys.vma.start[vma]!)
  const target = copy_vma(sys, mm, vma, to, pages, pgoff)
  if (!move_page_tables(sys, vma, page, target, to, old)) {
    // Without tables for all of it everything goes back.
    move_page_tables(sys, target, to, vma, page, old)
    do_munmap(sys, mm, to, pages)
    return -ENOMEM
  }
  vm_stat_account(sys, mm, vm_flags, pages)
  if ((vm_flags & VM_LOCKED) !== 0) sys.mm.locked_vm[mm]! += pages
  if (!keep) {
    // The part that moved stays promised.
    if (accounted) sys.vm_state.vm_committed_as[0]! += old
    const error = do_munmap(sys, mm, page, old)
    if (error !== 0 && accounted) vm_unacct_memory(sys, old)
  }
  if ((vm_flags & VM_LOCKED) !== 0) populate(sys, mm, to, to + pages)
  return to
}

/** The area at its new place; one without own pages counts as mapped there. @kernel mm/mmap.c:copy_vma */
function copy_vma(sys: Sys, mm: number, vma: number, to: number, pages: number, pgoff: number): number {
  const { anon_vma, file, flags, policy } = sys.vma
  const untouched = file[vma] === 0 && anon_vma[vma] === 0
  const offset = untouched ? to : pgoff
  const merged = vma_merge_new(sys, mm, vma, to, pages, offset)
  if (merged !== 0) return merged
  const copy = vm_area_dup(sys, vma, mm)
  sys.vma.start[copy] = to
  sys.vma.end[copy] = to + pages
  sys.vma.pgoff[copy] = offset
  sys.vma.policy[copy] = policy[vma]!
  sys.vma.flags[copy] = flags[vma]!
  anon_vma_clone(sys, copy, vma)
  if (file[copy] !== 0) get_file(sys, file[copy]!)
  vma_link(sys, mm, copy)
  return copy
}

/** A neighbour at the new place that the area can become a part of. */
function vma_merge_new(sys: Sys, mm: number, vma: number, to: number, pages: number, offset: number): number {
  const { anon_vma, file, flags, policy } = sys.vma
  const prev = vma_below(sys, mm, to)
  const above = find_vma(sys, mm, to)
  const others = [prev, above].filter(area => area !== 0 && area !== vma && anon_vma[area] !== anon_vma[vma])
  if (anon_vma[vma] !== 0 && others.length > 0) return 0
  return vma_merge(sys, mm, prev, to, to + pages, flags[vma]!, 0, file[vma]!, offset, policy[vma]!)
}

/** Moves entries; false = no memory for tables. @kernel mm/mremap.c:move_page_tables */
function move_page_tables(sys: Sys, vma: number, page: number, target: number, to: number, count: number): boolean {
  const mm = sys.vma.mm[vma]!
  const pages = 2 ** pmd_order(sys)
  const pgd = sys.mm.pgd[mm]! - 1
  for (let done = 0; done < count; ) {
    const from = page + done
    const dest = to + done
    const run = Math.min(pages - (from % pages), pages - (dest % pages), count - done)
    const pmd = pmd_offset(sys, pgd, from)
    if (pmd !== -1 && !pmd_none(sys, pmd) && !move_run(sys, mm, vma, pmd, from, dest, run)) return false
    done += run
  }
  if (sys.vma.anon_vma[vma] !== 0) anon_vma_prepare(sys, target)
  return true
}

function move_run(sys: Sys, mm: number, vma: number, pmd: number, from: number, dest: number, run: number): boolean {
  const to = pmd_alloc(sys, mm, dest)
  if (to < 0) return false
  if (pmd_trans_huge(sys, pmd)) {
    if (run === 2 ** pmd_order(sys) && move_huge_pmd(sys, pmd, to)) return true
    if ((sys.vma.flags[vma]! & VM_HUGETLB) !== 0) return true
    split_huge_pmd(sys, vma, pmd, from)
  }
  if (!pte_alloc(sys, mm, to)) return false
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  const words = sys.physmem_words
  const source = pte_offset(sys, pmd, from)
  const target = pte_offset(sys, to, dest)
  const moved = sys.kernel.config.MEM_SOFT_DIRTY ? 0x800 : 0
  for (let i = 0; i < run * step; i += step) {
    if (words[source + i] === 0 && (step === 1 || words[source + i + 1] === 0)) continue
    // Who watches writes sees that something else is here now.
    words[target + i] = (words[source + i]! | ((words[source + i]! & 1) !== 0 ? moved : 0)) >>> 0
    if (step === 2) words[target + i + 1] = words[source + i + 1]!
    clear_pte(sys, source + i)
  }
  return true
}
