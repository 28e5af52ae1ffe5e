// Counters by string: who allocates most. One row for each string number of the trace's table, which is bounded, so
// that memory does not grow with the trace.
import type { StringTable } from '../../trace/batch.ts'
import type { Allocator } from './report.ts'

export class Tally {
  #allocations: Float64Array = new Float64Array(256)
  #amount: Float64Array = new Float64Array(256)
  #live: Float64Array = new Float64Array(256)

  /** `id`: number of the string, -1 = the event has none. */
  add(id: number, amount: number): void {
    if (id < 0) return
    if (id >= this.#allocations.length) this.#grow(id)
    this.#allocations[id]! += 1
    this.#amount[id]! += amount
  }

  /** Changes what is allocated and not freed. */
  keep(id: number, amount: number): void {
    if (id < 0) return
    if (id >= this.#live.length) this.#grow(id)
    this.#live[id]! += amount
  }

  #grow(id: number): void {
    const larger = (old: Float64Array): Float64Array => {
      const copy = new Float64Array(2 ** Math.ceil(Math.log2(id + 2)))
      copy.set(old)
      return copy
    }
    this.#allocations = larger(this.#allocations)
    this.#amount = larger(this.#amount)
    this.#live = larger(this.#live)
  }

  /** The rows with the largest amounts. */
  top(count: number, strings: StringTable, live: boolean): Allocator[] {
    const rows: number[] = []
    for (let id = 0; id < this.#allocations.length; id++) if (this.#allocations[id]! > 0) rows.push(id)
    rows.sort((x, y) => this.#amount[y]! - this.#amount[x]! || x - y)
    return rows.slice(0, count).map(id => ({
      name: strings.get(id) || 'none',
      allocations: this.#allocations[id]!,
      amount: this.#amount[id]!,
      live: live ? this.#live[id]! : null,
    }))
  }
}
