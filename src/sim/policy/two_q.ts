// 2Q, by Johnson and Shasha, 1994: a new page comes to a FIFO of a quarter of memory and leaves a ghost behind; only what
// is asked for again as a ghost comes to the main LRU list.
import { QueuePolicy, Queues } from './queues.ts'

const FRESH = 0
const MAIN = 1
const GHOST = 2

/** Share of memory for new pages, and how many ghosts are kept, in frames. */
const FRESH_SHARE = 0.25
const GHOST_SHARE = 0.5

export class TwoQ extends QueuePolicy {
  readonly #fresh: number
  readonly #ghosts: number

  constructor(frames: number) {
    const ghosts = Math.floor(frames * GHOST_SHARE)
    super(frames, new Queues(3, frames + ghosts + 1), [FRESH, MAIN])
    this.#fresh = Math.floor(frames * FRESH_SHARE)
    this.#ghosts = ghosts
  }

  run(pages: Int32Array, from: number, to: number): number {
    const queues = this.queues
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

  #come(page: number, ghost: number): void {
    const queues = this.queues
    if (ghost !== 0) queues.leave(ghost)
    if (this.inMemory() >= this.frames) this.#evict()
    queues.enter(page, ghost === 0 ? FRESH : MAIN)
  }

  #evict(): void {
    const queues = this.queues
    const { size } = queues
    if (size[MAIN]! > 0 && size[FRESH]! <= this.#fresh) queues.leave(queues.oldest(MAIN))
    else this.becomeGhost(queues.oldest(FRESH), GHOST, this.#ghosts)
  }
}
