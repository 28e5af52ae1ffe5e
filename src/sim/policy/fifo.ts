// FIFO and CLOCK: pages stay in the frame they came into, and a hand goes round the frames.
// FIFO takes the frame under the hand. CLOCK passes frames that were used since the hand was there last.
import { FramePolicy } from './policy.ts'

/** Places in `state`. */
const USED = 0
const HAND = 1

/** First in, first out. */
export class Fifo extends FramePolicy {
  run(pages: Int32Array, from: number, to: number): number {
    const { page: pageOf, state } = this
    const slot = this.slot.values
    const frames = pageOf.length
    let used = state[USED]!
    let hand = state[HAND]!
    let misses = 0
    for (let i = from | 0; i < to; i = (i + 1) | 0) {
      const page = pages[i]!
      if (slot[page]! !== 0) continue
      misses = (misses + 1) | 0
      if (used === frames) slot[pageOf[hand]!] = 0
      else used = (used + 1) | 0
      pageOf[hand] = page
      hand = (hand + 1) | 0
      slot[page] = hand
      if (hand === frames) hand = 0
    }
    state[USED] = used
    state[HAND] = hand
    return misses
  }

  residents(): number[] {
    return [...this.page.subarray(0, this.state[USED]!)]
  }
}

/** FIFO with a second chance: one used bit a frame. */
export class Clock extends FramePolicy {
  /** 1 = used since the hand passed. */
  readonly #bit: Uint8Array

  constructor(frames: number) {
    super(frames)
    this.#bit = new Uint8Array(frames)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const { page: pageOf, state } = this
    const slot = this.slot.values
    const bit = this.#bit
    const frames = pageOf.length
    let used = state[USED]!
    let hand = state[HAND]!
    let misses = 0
    for (let i = from | 0; i < to; i = (i + 1) | 0) {
      const page = pages[i]!
      const frame = slot[page]!
      if (frame !== 0) {
        bit[frame - 1] = 1
        continue
      }
      misses = (misses + 1) | 0
      if (used === frames) {
        while (bit[hand]! !== 0) {
          bit[hand] = 0
          hand = (hand + 1) | 0
          if (hand === frames) hand = 0
        }
        slot[pageOf[hand]!] = 0
      } else used = (used + 1) | 0
      pageOf[hand] = page
      hand = (hand + 1) | 0
      slot[page] = hand
      if (hand === frames) hand = 0
    }
    state[USED] = used
    state[HAND] = hand
    return misses
  }

  residents(): number[] {
    return [...this.page.subarray(0, this.state[USED]!)]
  }
}
