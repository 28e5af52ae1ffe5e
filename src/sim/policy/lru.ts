// LRU and SIEVE: frames on one list, the newest first. LRU moves a page to the front whenever it is used and takes the
// last. SIEVE moves nothing: a hand goes from old to new and takes the first page that was not used since it passed.
import { INIT_LIST_HEAD, list_add, list_del, list_entries } from '../../image/list.ts'
import { FramePolicy } from './policy.ts'

/** Row of the list's head; frames are the rows from 1 up, so that 0 says "not in memory". */
const HEAD = 0

/** Places in `state`. */
const USED = 0
/** Row where SIEVE's hand stands; the head where it is to begin at the oldest. */
const HAND = 1

/** Pages on one list. */
abstract class ListPolicy extends FramePolicy {
  protected readonly link: Int32Array

  constructor(frames: number) {
    super(frames + 1)
    this.link = new Int32Array(2 * (frames + 1))
    INIT_LIST_HEAD(this.link, HEAD)
  }
}

/** Least recently used. The steps of list_del and list_add, with the front of the list in a variable. A page's slot and
 * the links hold twice the row, which is where the row's own links are. */
export class Lru extends ListPolicy {
  run(pages: Int32Array, from: number, to: number): number {
    const { page: pageOf, link, state } = this
    const slot = this.slot.values
    const frames = pageOf.length - 1
    let used = state[USED]!
    let first = link[0]!
    let misses = 0
    for (let i = from | 0; i < to; i = (i + 1) | 0) {
      const page = pages[i]!
      let at = slot[page]!
      if (at !== 0) {
        if (at === first) continue
        const next = link[at]!
        const prev = link[(at + 1) | 0]!
        link[(next + 1) | 0] = prev
        link[prev] = next
      } else {
        misses = (misses + 1) | 0
        if (used < frames) {
          used = (used + 1) | 0
          at = used << 1
        } else {
          at = link[1]!
          slot[pageOf[at >>> 1]!] = 0
          const prev = link[(at + 1) | 0]!
          link[1] = prev
          link[prev] = HEAD
          if (at === first) first = HEAD
        }
        pageOf[at >>> 1] = page
        slot[page] = at
      }
      link[at] = first
      link[(at + 1) | 0] = HEAD
      link[(first + 1) | 0] = at
      first = at
    }
    link[0] = first
    state[USED] = used
    return misses
  }

  residents(): number[] {
    const pages: number[] = []
    for (let at = this.link[0]!; at !== HEAD; at = this.link[at]!) pages.push(this.page[at >>> 1]!)
    return pages
  }
}

/** SIEVE, by Zhang and others, 2024. */
export class Sieve extends ListPolicy {
  /** 1 = used since the hand passed. */
  readonly #bit: Uint8Array

  constructor(frames: number) {
    super(frames)
    this.#bit = new Uint8Array(frames + 1)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const { page: pageOf, link, state } = this
    const slot = this.slot.values
    const bit = this.#bit
    const frames = pageOf.length - 1
    let used = state[USED]!
    let hand = state[HAND]!
    let misses = 0
    for (let i = from | 0; i < to; i = (i + 1) | 0) {
      const page = pages[i]!
      let row = slot[page]!
      if (row !== 0) {
        bit[row] = 1
        continue
      }
      misses = (misses + 1) | 0
      if (used < frames) {
        used = (used + 1) | 0
        row = used
      } else {
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
    state[USED] = used
    state[HAND] = hand
    return misses
  }

  residents(): number[] {
    return list_entries(this.link, HEAD).map(row => this.page[row]!)
  }
}
