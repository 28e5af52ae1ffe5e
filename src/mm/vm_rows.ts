// Rows of the tables of processes: taken from a chain of unused ones, else the next that was never used. Law: an unused
// row is zeros but for the column that chains it, so that equal states have equal bytes.
import type { Sys } from './mmzone.ts'
import { ROWS_AVC, ROWS_XA, XA_CHUNK } from './vm_tables.ts'

type Column = { [row: number]: number; readonly length: number; fill(value: number, from: number, to: number): unknown }

const NAMES = ['nr_tasks', 'nr_tasks', 'nr_vmas', 'nr_vmas', 'nr_vmas', 'nr_inodes', 'nr_inodes', 'nr_xa_nodes']

/** A row of a table; `chain` is the column that links unused rows. Throws a RangeError where none is left. @ours */
export function take_vm_row(sys: Sys, rows: number, chain: Int32Array, stride = 1): number {
  const { unused, used } = sys.vm_state
  if (used.length === 0) throw new RangeError('this machine has no room for processes: boot it with nr_tasks')
  const row = unused[rows]!
  if (row !== 0) {
    unused[rows] = chain[stride * row]!
    chain[stride * row] = 0
    return row
  }
  if (used[rows]! + 1 >= chain.length / stride) full(rows, chain.length / stride)
  return (used[rows]! += 1)
}

function full(rows: number, capacity: number): never {
  throw new RangeError(`all ${capacity - 1} rows are in use: boot the machine with a larger ${NAMES[rows]}`)
}

/** Rows that can still be taken. @ours */
export function free_vm_rows(sys: Sys, rows: number, chain: Int32Array, stride = 1): number {
  let free = chain.length / stride - 1 - sys.vm_state.used[rows]!
  for (let row = sys.vm_state.unused[rows]!; row !== 0; row = chain[stride * row]!) free++
  return free
}

/** Gives a row back, zeroed. @ours */
export function put_vm_row(
  sys: Sys,
  rows: number,
  table: Readonly<Record<string, Column>>,
  chain: Int32Array,
  row: number,
): void {
  const count = chain.length
  for (const name in table) {
    const column = table[name]!
    const width = column.length / count
    column.fill(0, width * row, width * (row + 1))
  }
  chain[row] = sys.vm_state.unused[rows]!
  sys.vm_state.unused[rows] = row
}

/** A link between an area and an anon_vma, given back. @ours */
export function put_avc_row(sys: Sys, row: number): void {
  const { vma, anon_vma, same_vma, next, prev } = sys.anon_vma_chain
  vma[row] = anon_vma[row] = next[row] = prev[row] = 0
  same_vma[row] = sys.vm_state.unused[ROWS_AVC]!
  sys.vm_state.unused[ROWS_AVC] = row
}

/** A node of a page cache's tree, given back. @ours */
export function put_xa_row(sys: Sys, row: number): void {
  const { shift, offset, count, nr_values, parent, root, slots } = sys.xa_node
  shift[row] = offset[row] = count[row] = nr_values[row] = root[row] = 0
  slots.fill(0, XA_CHUNK * row, XA_CHUNK * (row + 1))
  parent[row] = sys.vm_state.unused[ROWS_XA]!
  sys.vm_state.unused[ROWS_XA] = row
}
