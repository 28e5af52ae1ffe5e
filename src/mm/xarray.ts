// Trees of page caches: nodes of 64 slots, as many levels as the largest index needs. An entry of a slot: 0 = empty,
// > 0 = frame + 1 (above the lowest level the node below), < 0 = a value (-1 - value: a shadow, a swap entry).
// Laws: a node that holds nothing is not there; count and nr_values say what the slots hold.
import type { Sys } from './mmzone.ts'
import { put_xa_row, take_vm_row } from './vm_rows.ts'
import { ROWS_XA, XA_CHUNK } from './vm_tables.ts'

const SHIFT = 6
const MASK: number = XA_CHUNK - 1

/** The lowest node that would hold an index; 0 = it is not there. */
function node_of(sys: Sys, root: number, index: number): number {
  const { shift, slots } = sys.xa_node
  let node = sys.xa_root.head[root]!
  if (node === 0 || index >>> 0 >= 2 ** (shift[node]! + SHIFT)) return 0
  while (node !== 0 && shift[node]! > 0) node = slots[XA_CHUNK * node + ((index >>> shift[node]!) & MASK)]!
  return node
}

/** The entry at an index. @kernel lib/xarray.c:xa_load */
export function xa_load(sys: Sys, root: number, index: number): number {
  const { shift, slots } = sys.xa_node
  let node = sys.xa_root.head[root]!
  if (node === 0) return 0
  let level = shift[node]!
  if (index >= 2 ** (level + SHIFT) || index < 0) return 0
  while (level > 0) {
    node = slots[XA_CHUNK * node + ((index >>> level) & MASK)]!
    if (node === 0) return 0
    level -= SHIFT
  }
  return slots[XA_CHUNK * node + (index & MASK)]!
}

/** Row of the node that holds an index, and with it all 64 of its neighbourhood; 0 = none. @ours */
export function xa_node_at(sys: Sys, root: number, index: number): number {
  return node_of(sys, root, index)
}

/** Stores an entry (0 = none) and returns the one that was there. @kernel lib/xarray.c:xas_store */
export function xa_store(sys: Sys, root: number, index: number, entry: number): number {
  const { slots, count, nr_values } = sys.xa_node
  const node = entry === 0 ? node_of(sys, root, index) : make_node(sys, root, index)
  if (node === 0) return 0
  const at = XA_CHUNK * node + (index & MASK)
  const old = slots[at]!
  slots[at] = entry
  count[node]! += Number(entry !== 0) - Number(old !== 0)
  nr_values[node]! += Number(entry < 0) - Number(old < 0)
  if (count[node] === 0) prune(sys, root, node)
  return old
}

/** The lowest node for an index, made with all above it. @kernel lib/xarray.c:xas_create */
function make_node(sys: Sys, root: number, index: number): number {
  const { shift, slots } = sys.xa_node
  const { head } = sys.xa_root
  if (head[root] === 0) {
    let level = 0
    while (index >= 2 ** (level + SHIFT)) level += SHIFT
    head[root] = new_node(sys, root, 0, 0, level)
  }
  while (index >= 2 ** (shift[head[root]!]! + SHIFT)) grow(sys, root)
  let node = head[root]!
  while (shift[node]! > 0) {
    const slot = (index >>> shift[node]!) & MASK
    const at = XA_CHUNK * node + slot
    if (slots[at] === 0) {
      slots[at] = new_node(sys, root, node, slot, shift[node]! - SHIFT)
      sys.xa_node.count[node]! += 1
    }
    node = slots[at]!
  }
  return node
}

function grow(sys: Sys, root: number): void {
  const below = sys.xa_root.head[root]!
  const node = new_node(sys, root, 0, 0, sys.xa_node.shift[below]! + SHIFT)
  sys.xa_node.slots[XA_CHUNK * node] = below
  sys.xa_node.count[node] = 1
  sys.xa_node.parent[below] = node
  sys.xa_root.head[root] = node
}

function new_node(sys: Sys, root: number, parent: number, offset: number, level: number): number {
  const node = take_vm_row(sys, ROWS_XA, sys.xa_node.parent)
  sys.xa_node.root[node] = root + 1
  sys.xa_node.parent[node] = parent
  sys.xa_node.offset[node] = offset
  sys.xa_node.shift[node] = level
  return node
}

/** Frees a node that holds nothing, and those above that then hold nothing. @kernel lib/xarray.c:xas_delete_node */
function prune(sys: Sys, root: number, empty: number): void {
  const { parent, offset, count, slots } = sys.xa_node
  for (let node = empty; node !== 0 && count[node] === 0; ) {
    const [above, slot] = [parent[node]!, offset[node]!]
    put_xa_row(sys, node)
    if (above === 0) sys.xa_root.head[root] = 0
    else {
      slots[XA_CHUNK * above + slot] = 0
      count[above]! -= 1
    }
    node = above
  }
}

/** First index from `index` to `last` that has an entry; -1 = none. @kernel lib/xarray.c:xas_find */
export function xa_find(sys: Sys, root: number, index: number, last: number): number {
  const top = sys.xa_root.head[root]!
  if (top === 0) return -1
  const end = Math.min(last, 2 ** (sys.xa_node.shift[top]! + SHIFT) - 1)
  return index > end ? -1 : find_below(sys, top, 0, index, end)
}

function find_below(sys: Sys, node: number, base: number, index: number, last: number): number {
  const { slots, shift } = sys.xa_node
  const level = shift[node]!
  const size = 2 ** level
  for (let slot = index <= base ? 0 : Math.floor((index - base) / size); slot < XA_CHUNK; slot++) {
    const first = base + slot * size
    if (first > last) return -1
    const entry = slots[XA_CHUNK * node + slot]!
    if (entry === 0) continue
    const found = level === 0 ? first : find_below(sys, entry, first, index, last)
    if (found !== -1) return found
  }
  return -1
}
