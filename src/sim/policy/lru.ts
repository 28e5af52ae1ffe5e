// LRU and SIEVE: frames on one list, the newest first. LRU moves a page to the front whenever it is used and takes the
// last. SIEVE moves nothing: a hand goes from old to new and takes the first page that was not used since it passed.
import { INIT_LIST_HEAD, list_add, list_del, list_entries } from '../../image/list.ts'
import { PageColumn, type Policy } from './policy.ts'

/** Row of the list's head; frames are the rows from 1 up, so that 0 says "not in memory". */
const HEAD = 0

/** Least recently used. */
export class Lru implements Policy {
  /** Row of a page in memory. */
  readonly #slot = new PageColumn()
  readonly #page: Int32Array
  readonly #link: Int32Array
  #used = 0

  constructor(frames: number) {
    this.#page = new Int32Array(frames + 1)
    this.#link = new Int32Array(2 * (frames + 1))
    INIT_LIST_HEAD(this.#link, HEAD)
  }

  reserve(pages: number): void {
    this.#slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const slot = this.#slot.values
    const pageOf = this.#page
    const link = this.#link
    const frames = pageOf.length - 1
    let [used, misses] = [this.#used, 0]
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      let row = slot[page]!
      if (row !== 0) list_del(link, row)
      else {
        misses++
        if (used < frames) row = ++used
        else {
          row = link[1]!
          slot[pageOf[row]!] = 0
          list_del(link, row)
        }
        pageOf[row] = page
        slot[page] = row
      }
      list_add(link, row, HEAD)
    }
    this.#used = used
    return misses
  }

  residents(): number[] {
    return list_entries(this.#link, HEAD).map(row => this.#page[row]!)
  }
}

/** SIEVE, by Zhang and others, 2024. */
export class Sieve implements Policy {
  readonly #slot = new PageColumn()
  readonly #page: Int32Array
  readonly #link: Int32Array
  /** 1 = used since the hand passed. */
  readonly #bit: Uint8Array
  #used = 0
  /** Row where the hand stands; the head where it is to begin at the oldest. */
  #hand = HEAD

  constructor(frames: number) {
    this.#page = new Int32Array(frames + 1)
    this.#link = new Int32Array(2 * (frames + 1))
    this.#bit = new Uint8Array(frames + 1)
    INIT_LIST_HEAD(this.#link, HEAD)
  }

  reserve(pages: number): void {
    this.#slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const slot = this.#slot.values
    const pageOf = this.#page
    const link = this.#link
    const bit = this.#bit
    const frames = pageOf.length - 1
    let [used, hand, misses] = [this.#used, this.#hand, 0]
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      let row = slot[page]!
      if (row !== 0) {
        bit[row] = 1
        continue
      }
      misses++
      if (used < frames) row = ++used
      else {
        for (row = hand === HEAD ? link[1]! : hand; bit[row]! !== 0; ) {
          bit[row] = 0
          row = link[2 * row + 1]!
          if (row === HEAD) row = link[1]!
        }
        hand = link[2 * row + 1]!
        slot[pageOf[row]!] = 0
        list_del(link, row)
      }
      pageOf[row] = page
      slot[page] = row
      list_add(link, row, HEAD)
    }
    this.#used = used
    this.#hand = hand
    return misses
  }

  residents(): number[] {
    return list_entries(this.#link, HEAD).map(row => this.#page[row]!)
  }
}
