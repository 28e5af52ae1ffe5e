// LFU: out goes the page that was used least often since it came in; among equals the one that has had its count longest.
// Pages of one count hang on one list, and the lists on a list in the order of the counts, so every step is O(1).
import { INIT_LIST_HEAD, list_add, list_add_tail, list_del, list_empty } from '../../image/list.ts'
import { PageColumn, type Policy } from './policy.ts'

/** Head of the list of counts, in `#counts`. */
const LEAST = 0

/** Least frequently used. */
export class Lfu implements Policy {
  readonly #slot = new PageColumn()
  readonly #page: Int32Array
  /** Rows 1 to frames are pages; behind them one head for each count. */
  readonly #link: Int32Array
  /** The counts in use, least first; rows from 1 up. */
  readonly #counts: Int32Array
  /** Row in `#counts` of a page's count. */
  readonly #countOf: Int32Array
  /** How often: doubles, since a count may pass 2^31. */
  readonly #uses: Float64Array
  /** Rows of `#counts` that are not in use: the last of this stack is the next. */
  readonly #spare: Int32Array
  #spares: number
  #used = 0

  constructor(frames: number) {
    // While a page goes from one count to the next, both are there: one row more than frames.
    const counts = frames + 1
    this.#page = new Int32Array(frames + 1)
    this.#countOf = new Int32Array(frames + 1)
    this.#link = new Int32Array(2 * (frames + 1 + counts + 1))
    this.#counts = new Int32Array(2 * (counts + 1))
    this.#uses = new Float64Array(counts + 1)
    this.#spare = Int32Array.from({ length: counts }, (_, i) => counts - i)
    this.#spares = counts
    INIT_LIST_HEAD(this.#counts, LEAST)
  }

  reserve(pages: number): void {
    this.#slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const slot = this.#slot.values
    const pageOf = this.#page
    const frames = pageOf.length - 1
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      let row = slot[page]!
      if (row !== 0) {
        this.#count(row)
        continue
      }
      misses++
      if (this.#used < frames) row = ++this.#used
      else {
        row = this.#takeLeast()
        slot[pageOf[row]!] = 0
      }
      pageOf[row] = page
      slot[page] = row
      this.#join(row, LEAST, 1)
    }
    return misses
  }

  residents(): number[] {
    return [...this.#page.subarray(1, this.#used + 1)]
  }

  /** The page of `row` was used once more. */
  #count(row: number): void {
    const old = this.#countOf[row]!
    list_del(this.#link, row)
    this.#join(row, old, this.#uses[old]! + 1)
    this.#dropEmpty(old)
  }

  /** Puts a page at the end of the count `uses`, which comes right behind the count `before`. */
  #join(row: number, before: number, uses: number): void {
    let count = this.#counts[2 * before]!
    if (count === LEAST || this.#uses[count]! !== uses) {
      count = this.#spare[--this.#spares]!
      this.#uses[count] = uses
      INIT_LIST_HEAD(this.#link, this.#page.length + count)
      list_add(this.#counts, count, before)
    }
    this.#countOf[row] = count
    list_add_tail(this.#link, row, this.#page.length + count)
  }

  #takeLeast(): number {
    const count = this.#counts[2 * LEAST]!
    const row = this.#link[2 * (this.#page.length + count)]!
    list_del(this.#link, row)
    this.#dropEmpty(count)
    return row
  }

  #dropEmpty(count: number): void {
    if (!list_empty(this.#link, this.#page.length + count)) return
    list_del(this.#counts, count)
    this.#spare[this.#spares++] = count
  }
}
