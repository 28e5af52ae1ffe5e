// Segmented LRU: four LRU lists of a quarter of memory. A used page goes one list up; what a list has too much goes to
// the front of the list below. A new page comes to the lowest list that has room.
import { QueuePolicy, Queues } from './queues.ts'

const SEGMENTS = 4

export class Slru extends QueuePolicy {
  readonly #room: number

  constructor(frames: number) {
    super(frames, new Queues(SEGMENTS, frames), [0, 1, 2, 3])
    this.#room = Math.floor(frames / SEGMENTS)
  }

  run(pages: Int32Array, from: number, to: number): number {
    const queues = this.queues
    const slot = queues.slot.values
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      const row = slot[page]!
      if (row !== 0) this.#promote(row)
      else {
        misses++
        this.#come(page)
      }
    }
    return misses
  }

  #promote(row: number): void {
    const queues = this.queues
    const to = Math.min(queues.queue[row]! + 1, SEGMENTS - 1)
    queues.move(row, to)
    for (let segment = to; segment > 0 && queues.size[segment]! > this.#room; segment--)
      queues.move(queues.oldest(segment), segment - 1)
  }

  #come(page: number): void {
    const queues = this.queues
    const { size } = queues
    if (this.inMemory() >= this.frames) {
      let lowest = 0
      while (size[lowest]! === 0) lowest++
      queues.leave(queues.oldest(lowest))
    }
    let to = 0
    while (to < SEGMENTS && size[to]! >= this.#room) to++
    queues.enter(page, to < SEGMENTS ? to : 0)
  }
}
