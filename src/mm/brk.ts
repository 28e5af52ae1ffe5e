// The heap: its end moves, the area behind it grows and shrinks. Units: bytes, as the caller gives them.
import { populate } from './gup.ts'
import { do_munmap, may_expand_vm, mlock_allowed, vm_start_gap } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory, vm_unacct_memory } from './overcommit.ts'
import {
  RLIMIT_DATA,
  VM_ACCOUNT,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_READ,
  VM_SOFTDIRTY,
  VM_WRITE,
} from './vm_flags.ts'
import { find_vma, vm_area_alloc, vm_stat_account, vma_below, vma_link } from './vma.ts'
import { vma_merge } from './vma_merge.ts'

/** Sets the heap's end; returns where it is now (unchanged where that cannot be). @kernel mm/mmap.c:brk */
export function brk(sys: Sys, mm: number, end: number): number {
  const { start_brk, brk: brks } = sys.mm
  const old = brks[mm]!
  const owner = sys.mm.owner[mm]!
  if (end < start_brk[mm]!) return old
  const data = end - start_brk[mm]! + (sys.mm.end_data[mm]! - sys.mm.start_data[mm]!)
  if (owner !== 0 && data > sys.task.rlim[8 * owner + RLIMIT_DATA]!) return old
  const [from, to] = [Math.ceil(old / sys.page_bytes), Math.ceil(end / sys.page_bytes)]
  if (to < from && do_munmap(sys, mm, to, from - to) !== 0) return old
  if (to > from && !grow(sys, mm, from, to)) return old
  brks[mm] = end
  return end
}

/** @kernel mm/mmap.c:do_brk_flags */
function grow(sys: Sys, mm: number, from: number, to: number): boolean {
  const above = find_vma(sys, mm, from)
  if (above !== 0 && to + 1 > vm_start_gap(sys, above)) return false
  const base = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT
  const flags = (base | sys.mm.def_flags[mm]!) >>> 0
  const pages = to - from
  if ((flags & VM_LOCKED) !== 0 && !mlock_allowed(sys, mm, pages)) return false
  if (!may_expand_vm(sys, mm, flags, pages) || __vm_enough_memory(sys, mm, pages) !== 0) return false
  try {
    map_heap(sys, mm, from, to, flags)
  } catch (error) {
    vm_unacct_memory(sys, pages)
    throw error
  }
  vm_stat_account(sys, mm, flags, pages)
  if ((flags & VM_LOCKED) !== 0) {
    sys.mm.locked_vm[mm]! += pages
    populate(sys, mm, from, to)
  }
  return true
}

function map_heap(sys: Sys, mm: number, from: number, to: number, flags: number): void {
  // What lies wholly below the heap is no part of it: not the memory behind a program's data.
  const below = vma_below(sys, mm, from)
  const heap = below !== 0 && sys.vma.end[below]! * sys.page_bytes > sys.mm.start_brk[mm]!
  if (heap && vma_merge(sys, mm, below, from, to, flags, 0, 0, from, 0) !== 0) return
  const vma = vm_area_alloc(sys, mm)
  sys.vma.start[vma] = from
  sys.vma.end[vma] = to
  sys.vma.pgoff[vma] = from
  sys.vma.flags[vma] = (flags | (sys.kernel.config.MEM_SOFT_DIRTY ? VM_SOFTDIRTY : 0)) >>> 0
  vma_link(sys, mm, vma)
}
