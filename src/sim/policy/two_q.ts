// 2Q, by Johnson and Shasha, 1994: a new page comes to a FIFO of a quarter of memory and leaves a ghost behind; only what
// is asked for again as a ghost comes to the main LRU list.
import type { Policy } from './policy.ts'
import { Queues } from './queues.ts'

const FRESH = 0
const MAIN = 1
const GHOST = 2

/** Share of memory for new pages, and how many ghosts are kept, in frames. */
const FRESH_SHARE = 0.25
const GHOST_SHARE = 0.5

export class TwoQ implements Policy {
  readonly #frames: number
  readonly #fresh: number
  readonly #ghosts: number
  readonly #queues: Queues

  constructor(frames: number) {
    this.#frames = frames
    this.#fresh = Math.floor(frames * FRESH_SHARE)
    this.#ghosts = Math.floor(frames * GHOST_SHARE)
    this.#queues = new Queues(3, frames + this.#ghosts + 1)
  }

  reserve(pages: number): void {
    this.#queues.slot.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const queues = this.#queues
    const slot = queues.slot.values
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      const row = slot[page]!
      const queue = row === 0 ? GHOST : queues.queue[row]!
      if (queue === MAIN) queues.move(row, MAIN)
      else if (queue === GHOST) {
        misses++
        this.#come(page, row)
      }
    }
    return misses
  }

  residents(): number[] {
    return this.#queues.pages([FRESH, MAIN])
  }

  #come(page: number, ghost: number): void {
    const queues = this.#queues
    if (ghost !== 0) queues.leave(ghost)
    if (queues.size[FRESH]! + queues.size[MAIN]! >= this.#frames) this.#evict()
    queues.enter(page, ghost === 0 ? FRESH : MAIN)
  }

  #evict(): void {
    const queues = this.#queues
    const { size } = queues
    if (size[MAIN]! > 0 && size[FRESH]! <= this.#fresh) {
      queues.leave(queues.oldest(MAIN))
      return
    }
    const out = queues.oldest(FRESH)
    if (this.#ghosts === 0) {
      queues.leave(out)
      return
    }
    if (size[GHOST]! >= this.#ghosts) queues.leave(queues.oldest(GHOST))
    queues.move(out, GHOST)
  }
}
