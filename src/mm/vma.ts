// The areas of an address space: a tree by address, and a list in the same order. Laws: areas do not overlap and are not
// empty; mm.map_count is their number; an area of a file is on its inode's list (i_mmap).
import { type RbForest, type RbSide, rb_erase, rb_insert, rb_propagate } from '../image/rbtree.ts'
import type { Sys } from './mmzone.ts'
import { VM_ACCOUNT, VM_EXEC, VM_GROWSDOWN, VM_SHARED, VM_WRITE } from './vm_flags.ts'
import { put_vm_row, take_vm_row } from './vm_rows.ts'
import { ROWS_VMA } from './vm_tables.ts'

/** The trees of all address spaces. @ours */
export function vma_forest(sys: Sys): RbForest {
  const { rb, red, start, end, max } = sys.vma
  return { rb, red, start, end, max, roots: sys.mm.vma_root }
}

/** The area that holds a page or, where none does, the next above; 0 = none. @kernel mm/mmap.c:find_vma */
export function find_vma(sys: Sys, mm: number, page: number): number {
  const { start, end, rb } = sys.vma
  const cached = sys.mm.vmacache[mm]!
  if (cached !== 0 && page >= start[cached]! && page < end[cached]!) return cached
  let node = sys.mm.vma_root[mm]!
  let best = 0
  // A row that is not there has no root at all: that is no area, too.
  while (node > 0) {
    if (page < end[node]!) {
      best = node
      if (page >= start[node]!) break
      node = rb[3 * node]!
    } else node = rb[3 * node + 1]!
  }
  if (best !== 0) sys.mm.vmacache[mm] = best
  return best
}

/** The area that holds a page; 0 = none. @kernel include/linux/mm.h:vma_lookup */
export function vma_lookup(sys: Sys, mm: number, page: number): number {
  const vma = find_vma(sys, mm, page)
  return vma !== 0 && page >= sys.vma.start[vma]! ? vma : 0
}

/** The first area with pages in [page, end); 0 = none. @kernel include/linux/mm.h:find_vma_intersection */
export function find_vma_intersection(sys: Sys, mm: number, page: number, end: number): number {
  const vma = find_vma(sys, mm, page)
  return vma !== 0 && sys.vma.start[vma]! < end ? vma : 0
}

/** The highest area that ends at or below a page; 0 = none. @ours */
export function vma_below(sys: Sys, mm: number, page: number): number {
  const { end, rb } = sys.vma
  let below = 0
  for (let node = sys.mm.vma_root[mm]!; node !== 0; )
    if (end[node]! <= page) {
      below = node
      node = rb[3 * node + 1]!
    } else node = rb[3 * node]!
  return below
}

/** A row for an area, in no tree. @kernel kernel/fork.c:vm_area_alloc */
export function vm_area_alloc(sys: Sys, mm: number): number {
  const vma = take_vm_row(sys, ROWS_VMA, sys.vma.next)
  sys.vma.mm[vma] = mm
  return vma
}

/** A second row with the same content; it is in no tree, on no list and has no chain. @kernel kernel/fork.c:vm_area_dup */
export function vm_area_dup(sys: Sys, from: number, mm: number): number {
  const vma = vm_area_alloc(sys, mm)
  const { start, end, flags, pgoff, file, anon_vma, policy, special, huge_used } = sys.vma
  for (const column of [start, end, flags, pgoff, file, anon_vma, policy, special, huge_used])
    column[vma] = column[from]!
  return vma
}

/** @kernel kernel/fork.c:vm_area_free */
export function vm_area_free(sys: Sys, vma: number): void {
  put_vm_row(sys, ROWS_VMA, sys.vma, sys.vma.next, vma)
}

/** Puts an area into tree, list and its file's list. @kernel mm/mmap.c:vma_mas_store */
export function vma_link(sys: Sys, mm: number, vma: number): void {
  const { start, next, prev, rb } = sys.vma
  let parent = 0
  let side: RbSide = 0
  for (let node = sys.mm.vma_root[mm]!; node !== 0; ) {
    parent = node
    side = start[vma]! < start[node]! ? 0 : 1
    node = rb[3 * node + side]!
  }
  const below = parent === 0 ? 0 : side === 1 ? parent : prev[parent]!
  const above = below === 0 ? sys.mm.mmap[mm]! : next[below]!
  rb_insert(vma_forest(sys), mm, vma, parent, side)
  prev[vma] = below
  next[vma] = above
  if (below === 0) sys.mm.mmap[mm] = vma
  else next[below] = vma
  if (above !== 0) prev[above] = vma
  sys.mm.map_count[mm]! += 1
  vma_link_file(sys, vma)
}

/** Takes an area out of everything that vma_link put it into. @kernel mm/mmap.c:vma_mas_remove */
export function vma_unlink(sys: Sys, mm: number, vma: number): void {
  const { next, prev } = sys.vma
  vma_unlink_file(sys, vma)
  rb_erase(vma_forest(sys), mm, vma)
  const [below, above] = [prev[vma]!, next[vma]!]
  if (below === 0) sys.mm.mmap[mm] = above
  else next[below] = above
  if (above !== 0) prev[above] = below
  next[vma] = prev[vma] = 0
  sys.mm.map_count[mm]! -= 1
  if (sys.mm.vmacache[mm] === vma) sys.mm.vmacache[mm] = 0
}

/** Moves an area's edges; the order of areas must stay. @kernel mm/mmap.c:__vma_adjust */
export function vma_set_range(sys: Sys, vma: number, start: number, end: number, pgoff: number): void {
  sys.vma.start[vma] = start
  sys.vma.end[vma] = end
  sys.vma.pgoff[vma] = pgoff
  rb_propagate(vma_forest(sys), vma)
}

/** Inode of an area's file; 0 = it is anonymous. @ours */
export function vma_inode(sys: Sys, vma: number): number {
  const file = sys.vma.file[vma]!
  return file === 0 ? 0 : sys.file.inode[file]!
}

/** @kernel mm/mmap.c:__vma_link_file */
export function vma_link_file(sys: Sys, vma: number): void {
  const inode = vma_inode(sys, vma)
  if (inode === 0) return
  const { i_mmap_next, i_mmap_prev, flags } = sys.vma
  const { i_mmap, i_mmap_writable } = sys.inode
  if ((flags[vma]! & VM_SHARED) !== 0 && (flags[vma]! & VM_WRITE) !== 0) i_mmap_writable[inode]! += 1
  const first = i_mmap[inode]!
  i_mmap_next[vma] = first
  i_mmap_prev[vma] = 0
  if (first !== 0) i_mmap_prev[first] = vma
  i_mmap[inode] = vma
}

/** @kernel mm/mmap.c:__remove_shared_vm_struct */
export function vma_unlink_file(sys: Sys, vma: number): void {
  const inode = vma_inode(sys, vma)
  if (inode === 0) return
  const { i_mmap_next, i_mmap_prev, flags } = sys.vma
  if ((flags[vma]! & VM_SHARED) !== 0 && (flags[vma]! & VM_WRITE) !== 0) sys.inode.i_mmap_writable[inode]! -= 1
  const [before, after] = [i_mmap_prev[vma]!, i_mmap_next[vma]!]
  if (before === 0) sys.inode.i_mmap[inode] = after
  else i_mmap_next[before] = after
  if (after !== 0) i_mmap_prev[after] = before
  i_mmap_next[vma] = i_mmap_prev[vma] = 0
}

/** Offset of a page of an area in its file, or the number that anonymous pages are found by.
 * @kernel include/linux/pagemap.h:linear_page_index */
export function linear_page_index(sys: Sys, vma: number, page: number): number {
  return page - sys.vma.start[vma]! + sys.vma.pgoff[vma]!
}

/** Counts an area's pages into the sums of its address space; `pages` may be negative. @kernel mm/mmap.c:vm_stat_account */
export function vm_stat_account(sys: Sys, mm: number, flags: number, pages: number): void {
  const { total_vm, exec_vm, stack_vm, data_vm, hiwater_vm } = sys.mm
  total_vm[mm]! += pages
  if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC) exec_vm[mm]! += pages
  else if ((flags & VM_GROWSDOWN) !== 0) stack_vm[mm]! += pages
  else if (is_data_mapping(flags)) data_vm[mm]! += pages
  if (total_vm[mm]! > hiwater_vm[mm]!) hiwater_vm[mm] = total_vm[mm]!
}

/** @kernel mm/internal.h:is_data_mapping */
export function is_data_mapping(flags: number): boolean {
  return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE
}

/** Whether an area's pages count as promised memory. @kernel mm/mmap.c:accountable_mapping */
export function accountable(flags: number): boolean {
  return (flags & VM_ACCOUNT) !== 0
}
