// FIFO and CLOCK: pages stay in the frame they came into, and a hand goes round the frames.
// FIFO takes the frame under the hand. CLOCK passes frames that were used since the hand was there last.
import { PageColumn, type Policy } from './policy.ts'

/** First in, first out. */
export class Fifo implements Policy {
  /** Frame + 1 of a page in memory. */
  readonly #slot = new PageColumn()
  /** Page of a frame; frames below `#used` hold one. */
  readonly #page: Int32Array
  #used = 0
  #hand = 0

  constructor(frames: number) {
    this.#page = new Int32Array(frames)
  }

  reserve(pages: number): void {
    this.#slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const slot = this.#slot.values
    const pageOf = this.#page
    const frames = pageOf.length
    let [used, hand, misses] = [this.#used, this.#hand, 0]
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      if (slot[page]! !== 0) continue
      misses++
      if (used === frames) slot[pageOf[hand]!] = 0
      else used++
      pageOf[hand] = page
      slot[page] = ++hand
      if (hand === frames) hand = 0
    }
    this.#used = used
    this.#hand = hand
    return misses
  }

  residents(): number[] {
    return [...this.#page.subarray(0, this.#used)]
  }
}

/** FIFO with a second chance: one used bit a frame. */
export class Clock implements Policy {
  readonly #slot = new PageColumn()
  readonly #page: Int32Array
  /** 1 = used since the hand passed. */
  readonly #bit: Uint8Array
  #used = 0
  #hand = 0

  constructor(frames: number) {
    this.#page = new Int32Array(frames)
    this.#bit = new Uint8Array(frames)
  }

  reserve(pages: number): void {
    this.#slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const slot = this.#slot.values
    const pageOf = this.#page
    const bit = this.#bit
    const frames = pageOf.length
    let [used, hand, misses] = [this.#used, this.#hand, 0]
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      const frame = slot[page]!
      if (frame !== 0) {
        bit[frame - 1] = 1
        continue
      }
      misses++
      if (used === frames) {
        while (bit[hand]! !== 0) {
          bit[hand] = 0
          if (++hand === frames) hand = 0
        }
        slot[pageOf[hand]!] = 0
      } else used++
      pageOf[hand] = page
      slot[page] = ++hand
      if (hand === frames) hand = 0
    }
    this.#used = used
    this.#hand = hand
    return misses
  }

  residents(): number[] {
    return [...this.#page.subarray(0, this.#used)]
  }
}
