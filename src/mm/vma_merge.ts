// Areas cut in two, and joined with neighbours of the same kind. Law: after a change no two neighbours are left that could
// be one, as far as the kernel joins them at that place.
import { anon_vma_clone, unlink_anon_vmas } from './anon_vma.ts'
import { fput, get_file } from './files.ts'
import { split_huge_pmd } from './huge_memory.ts'
import type { Sys } from './mmzone.ts'
import { pmd_none, pmd_offset } from './user_pgtable.ts'
import { EINVAL, ENOMEM, VM_SOFTDIRTY, VM_SPECIAL } from './vm_flags.ts'
import { free_vm_rows } from './vm_rows.ts'
import { ROWS_VMA } from './vm_tables.ts'
import { vm_area_dup, vm_area_free, vma_link, vma_set_range, vma_unlink } from './vma.ts'

/** Areas that an address space may have. @kernel include/linux/mm.h:DEFAULT_MAX_MAP_COUNT */
export const DEFAULT_MAX_MAP_COUNT = 65530

/** Whether a change of an area's edge goes through a huge page, which must then be split.
 * @kernel mm/huge_memory.c:split_huge_pmd_if_needed */
function split_huge_at(sys: Sys, vma: number, page: number): void {
  const pages = 2 ** sys.kernel.huge_order
  if (page % pages === 0 || !sys.kernel.config.TRANSPARENT_HUGEPAGE) return
  const pmd = pmd_offset(sys, sys.mm.pgd[sys.vma.mm[vma]!]! - 1, page)
  if (pmd !== -1 && !pmd_none(sys, pmd)) split_huge_pmd(sys, vma, pmd, page)
}

/** Cuts an area at a page: 0, or a negated errno. The upper part is the new one unless `new_below`.
 * @kernel mm/mmap.c:__split_vma */
export function split_vma(sys: Sys, vma: number, page: number, new_below: boolean): number {
  const mm = sys.vma.mm[vma]!
  if (sys.mm.map_count[mm]! >= DEFAULT_MAX_MAP_COUNT || free_vm_rows(sys, ROWS_VMA, sys.vma.next) < 1) return -ENOMEM
  const { start, end, pgoff } = sys.vma
  const [first, last, offset] = [start[vma]!, end[vma]!, pgoff[vma]!]
  if (page <= first || page >= last) return -EINVAL
  split_huge_at(sys, vma, page)
  const part = vm_area_dup(sys, vma, mm)
  anon_vma_clone(sys, part, vma)
  if (sys.vma.file[part] !== 0) get_file(sys, sys.vma.file[part]!)
  if (new_below) {
    sys.vma.end[part] = page
    vma_set_range(sys, vma, page, last, offset + (page - first))
  } else {
    sys.vma.start[part] = page
    pgoff[part] = offset + (page - first)
    vma_set_range(sys, vma, first, page, offset)
  }
  vma_link(sys, mm, part)
  return 0
}

/** Whether two anon_vmas may be one: one of them is not there yet, or both areas never shared theirs by a fork.
 * @kernel mm/mmap.c:is_mergeable_anon_vma */
function is_mergeable_anon_vma(sys: Sys, one: number, other: number, vma: number): boolean {
  if (one === other) return true
  if (one !== 0 && other !== 0) return false
  return vma === 0 || sys.anon_vma_chain.same_vma[sys.vma.chain[vma]!] === 0 || sys.vma.chain[vma] === 0
}

/** Whether an area could be a part of a neighbour. @kernel mm/mmap.c:is_mergeable_vma */
function is_mergeable(sys: Sys, other: number, flags: number, file: number, policy: number): boolean {
  return (
    other !== 0 &&
    ((sys.vma.flags[other]! ^ flags) & ~VM_SOFTDIRTY) === 0 &&
    sys.vma.file[other] === file &&
    sys.vma.policy[other] === policy &&
    sys.vma.special[other] === 0
  )
}

/** Joins [start, end) with its neighbours where they are of one kind; `vma` is the area that lies there now (0 = none
 * yet). Returns the area that holds the range, or 0 where nothing was joined. @kernel mm/mmap.c:vma_merge */
export function vma_merge(
  sys: Sys,
  mm: number,
  prev: number,
  start: number,
  end: number,
  flags: number,
  vma: number,
  file: number,
  pgoff: number,
  policy: number,
): number {
  if ((flags & VM_SPECIAL) !== 0) return 0
  const { start: starts, end: ends, pgoff: offsets, anon_vma } = sys.vma
  const own = vma === 0 ? 0 : anon_vma[vma]!
  let next = prev === 0 ? sys.mm.mmap[mm]! : sys.vma.next[prev]!
  if (next !== 0 && next === vma && ends[next] === end) next = sys.vma.next[next]!
  else if (next === vma) next = 0
  const below =
    is_mergeable(sys, prev, flags, file, policy) &&
    ends[prev] === start &&
    is_mergeable_anon_vma(sys, own, anon_vma[prev]!, prev) &&
    offsets[prev]! + (ends[prev]! - starts[prev]!) === pgoff
  const above =
    is_mergeable(sys, next, flags, file, policy) &&
    starts[next] === end &&
    is_mergeable_anon_vma(sys, own, anon_vma[next]!, next) &&
    offsets[next] === pgoff + (end - start)
  if (below && above && is_mergeable_anon_vma(sys, anon_vma[prev]!, anon_vma[next]!, 0)) {
    absorb(sys, mm, prev, [vma, next], starts[prev]!, ends[next]!, offsets[prev]!)
    return prev
  }
  if (below) {
    absorb_part(sys, mm, prev, vma, starts[prev]!, end, offsets[prev]!)
    return prev
  }
  if (above) {
    absorb_part(sys, mm, next, vma, start, ends[next]!, pgoff)
    return next
  }
  return 0
}

/** `into` takes the range of the whole of others, which go. */
function absorb(
  sys: Sys,
  mm: number,
  into: number,
  others: readonly number[],
  start: number,
  end: number,
  pgoff: number,
): void {
  for (const other of others) {
    if (other === 0) continue
    take_anon_vma(sys, into, other)
    vma_unlink(sys, mm, other)
    if (sys.vma.file[other] !== 0) fput(sys, sys.vma.file[other]!)
    unlink_anon_vmas(sys, other)
    vm_area_free(sys, other)
  }
  vma_set_range(sys, into, start, end, pgoff)
}

/** `into` takes a range that is all of `vma`, or the part of it next to `into`. */
function absorb_part(sys: Sys, mm: number, into: number, vma: number, start: number, end: number, pgoff: number): void {
  const { start: starts, end: ends, pgoff: offsets } = sys.vma
  if (vma === 0 || (starts[vma]! >= start && ends[vma]! <= end)) {
    absorb(sys, mm, into, [vma], start, end, pgoff)
    return
  }
  take_anon_vma(sys, into, vma)
  const edge = start < starts[vma]! ? end : start
  split_huge_at(sys, vma, edge)
  if (start < starts[vma]!) {
    vma_set_range(sys, vma, end, ends[vma]!, offsets[vma]! + (end - starts[vma]!))
    vma_set_range(sys, into, start, end, pgoff)
  } else {
    vma_set_range(sys, vma, starts[vma]!, start, offsets[vma]!)
    vma_set_range(sys, into, start, end, pgoff)
  }
}

/** An area that has no own pages yet takes over where the other's pages are found. */
function take_anon_vma(sys: Sys, into: number, other: number): void {
  if (sys.vma.anon_vma[other] === 0 || sys.vma.anon_vma[into] !== 0) return
  sys.vma.anon_vma[into] = sys.vma.anon_vma[other]!
  anon_vma_clone(sys, into, other)
}
