// Counters by string: who allocates most. One row for each string number of the trace's table, which is bounded, so
// that memory does not grow with the trace.
import type { StringTable } from '../../trace/batch.ts'
import type { Allocator } from './report.ts'

/** Of a row: allocations, amount, what is live; the fourth keeps rows from straddling. */
const ROW = 4

export class Tally {
  /** By string, ROW numbers side by side: one look at memory for all of them. */
  #rows: Float64Array = new Float64Array(256 * ROW)

  /** `id`: number of the string, -1 = the event has none. */
  add(id: number, amount: number): void {
    if (id < 0) return
    const at = id * ROW
    if (at >= this.#rows.length) this.#grow(at)
    const rows = this.#rows
    rows[at]! += 1
    rows[at + 1]! += amount
  }

  /** Changes what is allocated and not freed. */
  keep(id: number, amount: number): void {
    if (id < 0) return
    const at = id * ROW
    if (at >= this.#rows.length) this.#grow(at)
    this.#rows[at + 2]! += amount
  }

  #grow(at: number): void {
    const larger = new Float64Array(2 ** Math.ceil(Math.log2(at + ROW + 1)))
    larger.set(this.#rows)
    this.#rows = larger
  }

  /** The rows with the largest amounts. */
  top(count: number, strings: StringTable, live: boolean): Allocator[] {
    const rows = this.#rows
    const ids: number[] = []
    for (let id = 0; id * ROW < rows.length; id++) if (rows[id * ROW]! > 0) ids.push(id)
    ids.sort((x, y) => rows[y * ROW + 1]! - rows[x * ROW + 1]! || x - y)
    return ids.slice(0, count).map(id => ({
      name: strings.get(id) || 'none',
      allocations: rows[id * ROW]!,
      amount: rows[id * ROW + 1]!,
      live: live ? rows[id * ROW + 2]! : null,
    }))
  }
}
