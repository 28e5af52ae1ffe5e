// OPT, by Belady, 1966: out goes the page that is used again last. It must know the future, so no kernel can have it; it
// says how few misses there can be at all. Frames lie in a heap, the one with the latest next use on top.
import { type Future, PageColumn, type Policy } from './policy.ts'

export class Opt implements Policy {
  readonly #nextUse: Int32Array
  /** Place in the heap + 1 of a page in memory. */
  readonly #place = new PageColumn()
  readonly #heap: Int32Array
  /** Next use of the page in each place. */
  readonly #key: Int32Array
  #used = 0
  /** Accesses so far. */
  #at = 0

  constructor(frames: number, { nextUse }: Future) {
    this.#nextUse = nextUse
    this.#heap = new Int32Array(frames)
    this.#key = new Int32Array(frames)
  }

  reserve(pages: number): void {
    this.#place.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const place = this.#place.values
    const [heap, nextUse] = [this.#heap, this.#nextUse]
    let [at, misses] = [this.#at, 0]
    for (let i = from; i < to; i++, at++) {
      const page = pages[i]!
      const where = place[page]!
      if (where !== 0) this.#rise(where - 1, page, nextUse[at]!)
      else {
        misses++
        if (this.#used < heap.length) this.#rise(this.#used++, page, nextUse[at]!)
        else {
          place[heap[0]!] = 0
          this.#sink(page, nextUse[at]!)
        }
      }
    }
    this.#at = at
    return misses
  }

  residents(): number[] {
    return [...this.#heap.subarray(0, this.#used)]
  }

  /** Puts a page at a place or, where its next use is later than those above, higher up. */
  #rise(start: number, page: number, key: number): void {
    const place = this.#place.values
    const [heap, keys] = [this.#heap, this.#key]
    let at = start
    while (at > 0) {
      const above = (at - 1) >> 1
      if (keys[above]! >= key) break
      heap[at] = heap[above]!
      keys[at] = keys[above]!
      place[heap[at]!] = at + 1
      at = above
    }
    heap[at] = page
    keys[at] = key
    place[page] = at + 1
  }

  /** Puts a page at the top or, where its next use is sooner than those below, further down. */
  #sink(page: number, key: number): void {
    const place = this.#place.values
    const [heap, keys, used] = [this.#heap, this.#key, this.#used]
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= used) break
      if (below + 1 < used && keys[below + 1]! > keys[below]!) below++
      if (keys[below]! <= key) break
      heap[at] = heap[below]!
      keys[at] = keys[below]!
      place[heap[at]!] = at + 1
      at = below
    }
    heap[at] = page
    keys[at] = key
    place[page] = at + 1
  }
}
