// ARC, by Megiddo and Modha, 2003: pages used once and pages used more often on two LRU lists, each with the ghosts of
// what it lost. A hit on a ghost says that its list was too short, and moves the target between the two.
import { QueuePolicy, Queues } from './queues.ts'

const RECENT = 0
const FREQUENT = 1
const RECENT_GHOST = 2
const FREQUENT_GHOST = 3

export class Arc extends QueuePolicy {
  /** How many of the frames are meant for pages used once; moves in fractions. */
  #target = 0

  constructor(frames: number) {
    super(frames, new Queues(4, 2 * frames), [RECENT, FREQUENT])
  }

  run(pages: Int32Array, from: number, to: number): number {
    const queues = this.queues
    const slot = queues.slot.values
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      const row = slot[page]!
      if (row !== 0 && queues.queue[row]! <= FREQUENT) queues.move(row, FREQUENT)
      else {
        misses++
        if (row === 0) this.#comeNew(page)
        else this.#comeBack(row)
      }
    }
    return misses
  }

  #full(): boolean {
    return this.inMemory() >= this.frames
  }

  /** A ghost is used again. */
  #comeBack(row: number): void {
    const { size, queue } = this.queues
    const [recent, frequent] = [size[RECENT_GHOST]!, size[FREQUENT_GHOST]!]
    const wasFrequent = queue[row]! === FREQUENT_GHOST
    if (wasFrequent) this.#target = Math.max(0, this.#target - Math.max(1, recent / frequent))
    else this.#target = Math.min(this.frames, this.#target + Math.max(1, frequent / recent))
    // It leaves the ghosts before one more comes there.
    const full = this.#full()
    this.queues.move(row, FREQUENT)
    if (full) this.#replace(wasFrequent, 1)
  }

  #comeNew(page: number): void {
    const queues = this.queues
    const { size } = queues
    const full = this.#full()
    if (size[RECENT]! + size[RECENT_GHOST]! >= this.frames) {
      if (size[RECENT]! >= this.frames) queues.leave(queues.oldest(RECENT))
      else {
        queues.leave(queues.oldest(RECENT_GHOST))
        if (full) this.#replace(false, 0)
      }
    } else if (full) {
      const all = size[RECENT]! + size[FREQUENT]! + size[RECENT_GHOST]! + size[FREQUENT_GHOST]!
      if (all >= 2 * this.frames) queues.leave(queues.oldest(FREQUENT_GHOST))
      this.#replace(false, 0)
    }
    queues.enter(page, RECENT)
  }

  /** Makes the oldest of one list a ghost; `comers` pages that just came to the frequent ones do not count. */
  #replace(wasFrequent: boolean, comers: number): void {
    const queues = this.queues
    const recent = queues.size[RECENT]!
    const frequent = queues.size[FREQUENT]! - comers
    const over = recent > this.#target || (wasFrequent && recent === this.#target)
    if (recent > 0 && (over || frequent === 0)) queues.move(queues.oldest(RECENT), RECENT_GHOST)
    else queues.move(queues.oldest(FREQUENT), FREQUENT_GHOST)
  }
}
