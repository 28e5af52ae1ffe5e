// S3-FIFO, by Yang and others, 2023: a small FIFO for new pages, a main FIFO for those that were used twice there or that
// come back as ghosts. A page of the main FIFO that was used gets up to three more rounds.
import { QueuePolicy, Queues } from './queues.ts'

const SMALL = 0
const MAIN = 1
const GHOST = 2

/** Share of memory of the small queue, and how many ghosts are kept, in frames. */
const SMALL_SHARE = 0.1
const GHOST_SHARE = 0.9
/** Uses in the small queue that bring a page to the main one. */
const PROMOTED = 2
/** Rounds that a page of the main queue can have saved up. */
const MOST_ROUNDS = 3

export class S3Fifo extends QueuePolicy {
  readonly #main: number
  readonly #ghosts: number

  constructor(frames: number) {
    const ghosts = Math.floor(frames * GHOST_SHARE)
    super(frames, new Queues(3, frames + ghosts + 1), [SMALL, MAIN])
    this.#main = frames - Math.floor(frames * SMALL_SHARE)
    this.#ghosts = ghosts
  }

  run(pages: Int32Array, from: number, to: number): number {
    const queues = this.queues
    const slot = queues.slot.values
    const { queue, uses } = queues
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      const row = slot[page]!
      if (row !== 0 && queue[row]! !== GHOST) {
        if (uses[row]! < MOST_ROUNDS) uses[row] = uses[row]! + 1
      } else {
        misses++
        this.#come(page, row)
      }
    }
    return misses
  }

  #come(page: number, ghost: number): void {
    const queues = this.queues
    const { size } = queues
    if (ghost !== 0) queues.leave(ghost)
    while (this.inMemory() >= this.frames)
      if (size[MAIN]! > this.#main || size[SMALL]! === 0) this.#evictMain()
      else this.#evictSmall()
    queues.enter(page, ghost === 0 ? SMALL : MAIN)
  }

  #evictMain(): void {
    const { uses } = this.queues
    let row = this.queues.oldest(MAIN)
    for (; uses[row]! > 0; row = this.queues.oldest(MAIN)) {
      uses[row] = uses[row]! - 1
      this.queues.move(row, MAIN)
    }
    this.queues.leave(row)
  }

  /** One page out; those before it that were used go to the main queue. */
  #evictSmall(): void {
    const queues = this.queues
    const { size, uses } = queues
    while (size[SMALL]! > 0) {
      const row = queues.oldest(SMALL)
      if (uses[row]! < PROMOTED) {
        this.becomeGhost(row, GHOST, this.#ghosts)
        return
      }
      uses[row] = 0
      queues.move(row, MAIN)
    }
  }
}
