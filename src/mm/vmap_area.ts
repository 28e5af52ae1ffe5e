// Ranges of the vmalloc address space: found, cut, freed, merged. Law: the lowest address wins among the free ranges
// that the walk down the tree meets; because it follows "is there a range of size + align - 1 below", a range that is
// only large enough by luck of its alignment may be passed over.
import { INIT_LIST_HEAD, list_add, list_del } from '../image/list.ts'
import { type RbSide, rb_erase, rb_insert, rb_left, rb_parent, rb_propagate, rb_right } from '../image/rbtree.ts'
import type { Sys } from './mmzone.ts'
import { BUSY, FREE, PURGING, take_row, ULONG_MAX_PAGE, vmap_forest, vmap_list } from './vmalloc_types.ts'

/** A fresh row for an area. @ours */
export function vmap_area_row(sys: Sys): number {
  const { unused_area, used_areas } = sys.vmalloc
  const row = take_row(unused_area, used_areas, sys.vmap_area.rb, 3, vmap_list(sys, 0))
  sys.vmap_area.vm[row] = 0
  sys.vmap_area.block[row] = 0
  return row
}

/** Gives a row back. @ours */
export function put_vmap_area_row(sys: Sys, row: number): void {
  sys.vmap_area.rb[3 * row] = sys.vmalloc.unused_area[0]!
  sys.vmalloc.unused_area[0] = row
}

/** Empty lists, and one free range over all addresses. @kernel mm/vmalloc.c:vmap_init_free_space */
export function vmap_init_free_space(sys: Sys): void {
  for (let list = 0; list <= PURGING; list++) INIT_LIST_HEAD(sys.vmap_area.link, vmap_list(sys, list))
  const row = vmap_area_row(sys)
  sys.vmap_area.va_start[row] = 0
  sys.vmap_area.va_end[row] = ULONG_MAX_PAGE(sys)
  link_va(sys, FREE, row, 0)
}

/** Sets all free ranges, ascending, each [first, behind]. The highest is what boot's first range was cut down to, the
 * others were cut off below it: so they stand in the tree as after a boot. @ours */
export function vmap_free_ranges_set(sys: Sys, ranges: readonly (readonly [number, number])[]): void {
  sys.vmalloc.roots[FREE] = 0
  INIT_LIST_HEAD(sys.vmap_area.link, vmap_list(sys, FREE))
  for (const [start, end] of [...ranges.slice(-1), ...ranges.slice(0, -1)]) {
    const row = vmap_area_row(sys)
    sys.vmap_area.va_start[row] = start
    sys.vmap_area.va_end[row] = end
    link_va(sys, FREE, row, 0)
  }
}

/** Puts an area into a tree and its list, looking for its place from `from` down (0 = from the root). Returns false
 * where it overlaps one that is there. @kernel mm/vmalloc.c:find_va_links */
function link_va(sys: Sys, tree: number, row: number, from: number): boolean {
  const place = find_va_links(sys, tree, row, from)
  if (place === null) return false
  link_at(sys, tree, row, place.parent, place.side)
  return true
}

interface Place {
  readonly parent: number
  readonly side: RbSide
}

function find_va_links(sys: Sys, tree: number, row: number, from: number): Place | null {
  const { va_start, va_end, rb } = sys.vmap_area
  const [start, end] = [va_start[row]!, va_end[row]!]
  let parent = from === 0 ? sys.vmalloc.roots[tree]! : from
  if (parent === 0) return { parent: 0, side: 0 }
  for (;;) {
    const below = end <= va_start[parent]!
    if (!below && start < va_end[parent]!) return null
    const next = below ? rb_left(rb, parent) : rb_right(rb, parent)
    if (next === 0) return { parent, side: below ? 0 : 1 }
    parent = next
  }
}

/** @kernel mm/vmalloc.c:__link_va */
function link_at(sys: Sys, tree: number, row: number, parent: number, side: RbSide): void {
  const { link } = sys.vmap_area
  const before = parent === 0 ? vmap_list(sys, tree) : side === 1 ? parent : link[2 * parent + 1]!
  rb_insert(vmap_forest(sys), tree, row, parent, side)
  list_add(link, row, before)
}

/** @kernel mm/vmalloc.c:unlink_va */
export function unlink_va(sys: Sys, tree: number, row: number): void {
  rb_erase(vmap_forest(sys), tree, row)
  list_del(sys.vmap_area.link, row)
}

/** Enters an area into the busy tree. @kernel mm/vmalloc.c:insert_vmap_area */
export function insert_vmap_area(sys: Sys, row: number): boolean {
  return link_va(sys, BUSY, row, 0)
}

/** Enters a range into a tree where it grows together with neighbours that touch it. Returns the row that has it now;
 * 0 = it overlaps one that is there. @kernel mm/vmalloc.c:merge_or_add_vmap_area */
export function merge_or_add_vmap_area(sys: Sys, tree: number, row: number): number {
  const place = find_va_links(sys, tree, row, 0)
  if (place === null) return 0
  const { va_start, va_end, link } = sys.vmap_area
  const head = vmap_list(sys, tree)
  if (place.parent === 0) {
    link_at(sys, tree, row, 0, 0)
    return row
  }
  const next = place.side === 1 ? link[2 * place.parent]! : place.parent
  const prev = link[2 * next + 1]!
  let merged = row
  if (next !== head && va_start[next] === va_end[row]) {
    va_start[next] = va_start[row]!
    put_vmap_area_row(sys, row)
    merged = next
  }
  if (prev !== head && va_end[prev] === va_start[merged]) {
    if (merged !== row) unlink_va(sys, tree, merged)
    va_end[prev] = va_end[merged]!
    put_vmap_area_row(sys, merged)
    merged = prev
  }
  if (merged === row) link_at(sys, tree, row, place.parent, place.side)
  else rb_propagate(vmap_forest(sys), merged)
  return merged
}

const aligned = (page: number, align: number): number => Math.ceil(page / align) * align

/** First page of `size` pages in a free range, not below `vstart`; -1 = they do not fit.
 * @kernel mm/vmalloc.c:is_within_this_va */
function fit_in_va(sys: Sys, row: number, size: number, align: number, vstart: number): number {
  const start = aligned(Math.max(sys.vmap_area.va_start[row]!, vstart), align)
  return start + size <= sys.vmap_area.va_end[row]! ? start : -1
}

/** The lowest free range that the tree's walk finds; 0 = none. `length` is what a subtree must have to be entered.
 * @kernel mm/vmalloc.c:find_vmap_lowest_match */
function find_vmap_lowest_match(sys: Sys, size: number, align: number, first: number, length: number): number {
  const { rb, va_start, subtree_max_size: max } = sys.vmap_area
  let vstart = first
  let node = sys.vmalloc.roots[FREE]!
  while (node !== 0) {
    const left = rb_left(rb, node)
    if (left !== 0 && max[left]! >= length && vstart < va_start[node]!) {
      node = left
      continue
    }
    if (fit_in_va(sys, node, size, align, vstart) >= 0) return node
    const right = rb_right(rb, node)
    if (right !== 0 && max[right]! >= length) {
      node = right
      continue
    }
    // Nothing here: go up to the first range that fits, or that has a promising range to its right.
    for (node = rb_parent(rb, node); node !== 0; node = rb_parent(rb, node)) {
      if (fit_in_va(sys, node, size, align, vstart) >= 0) return node
      const other = rb_right(rb, node)
      if (other === 0 || max[other]! < length || vstart > va_start[node]!) continue
      // Never into the same subtree again.
      vstart = va_start[node]! + 1
      node = other
      break
    }
  }
  return 0
}

/** Takes [start, start + size) out of a free range. @kernel mm/vmalloc.c:adjust_va_to_fit_type */
function adjust_va_to_fit_type(sys: Sys, row: number, start: number, size: number): void {
  const { va_start, va_end } = sys.vmap_area
  const [first, behind] = [va_start[row]!, va_end[row]!]
  if (first === start && behind === start + size) {
    unlink_va(sys, FREE, row)
    put_vmap_area_row(sys, row)
    return
  }
  // A hole in the middle: the lower part becomes a range of its own, which lies below the upper in the tree.
  const lower = first === start || behind === start + size ? 0 : vmap_area_row(sys)
  if (behind === start + size) va_end[row] = start
  else va_start[row] = start + size
  rb_propagate(vmap_forest(sys), row)
  if (lower === 0) return
  va_start[lower] = first
  va_end[lower] = start
  link_va(sys, FREE, lower, row)
}

/** Takes `size` pages out of the free ranges between vstart and vend; first page, -1 = no room.
 * @kernel mm/vmalloc.c:__alloc_vmap_area */
export function __alloc_vmap_area(sys: Sys, size: number, align: number, vstart: number, vend: number): number {
  const adjust = align > 1 && vend - vstart !== size
  const row = find_vmap_lowest_match(sys, size, align, vstart, adjust ? size + align : size)
  if (row === 0) return -1
  const start = fit_in_va(sys, row, size, align, vstart)
  if (start + size > vend) return -1
  adjust_va_to_fit_type(sys, row, start, size)
  return start
}

/** Row of the busy area that holds a page; 0 = none. @kernel mm/vmalloc.c:__find_vmap_area */
export function find_vmap_area(sys: Sys, page: number): number {
  const { va_start, va_end, rb } = sys.vmap_area
  let node = sys.vmalloc.roots[BUSY]!
  while (node !== 0) {
    if (page < va_start[node]!) node = rb_left(rb, node)
    else if (page >= va_end[node]!) node = rb_right(rb, node)
    else return node
  }
  return 0
}
