// Pages on several queues, ghosts among them: the ground under ARC, 2Q, segmented LRU and S3-FIFO. A queue is a list,
// oldest at the tail; a row is a page on one of them. Ghosts are pages that are remembered and not in memory.
import { INIT_LIST_HEAD, list_add, list_del } from '../../image/list.ts'
import { PageColumn, type Policy } from './policy.ts'

export class Queues {
  /** Row of a page on any queue; 0 = on none. */
  readonly slot = new PageColumn()
  /** Pages on each queue. */
  readonly size: Int32Array
  /** Queue of a row. */
  readonly queue: Uint8Array
  /** A number of each row for its owner; 0 when it comes out of `enter`. */
  readonly uses: Uint8Array
  readonly #page: Int32Array
  readonly #link: Int32Array
  readonly #heads: number
  /** Rows that hold nothing, chained through `#page`; 0 ends. */
  #free = 0
  #used = 0

  /** `rows`: most pages on all queues together. */
  constructor(queues: number, rows: number) {
    this.size = new Int32Array(queues)
    this.queue = new Uint8Array(rows + 1)
    this.uses = new Uint8Array(rows + 1)
    this.#page = new Int32Array(rows + 1)
    this.#heads = rows + 1
    this.#link = new Int32Array(2 * (this.#heads + queues))
    for (let queue = 0; queue < queues; queue++) INIT_LIST_HEAD(this.#link, this.#heads + queue)
  }

  /** A page that is on no queue comes to the front of one. */
  enter(page: number, queue: number): void {
    let row = this.#free
    if (row !== 0) this.#free = this.#page[row]!
    else row = ++this.#used
    this.#page[row] = page
    this.slot.values[page] = row
    this.queue[row] = queue
    this.uses[row] = 0
    this.size[queue] = this.size[queue]! + 1
    list_add(this.#link, row, this.#heads + queue)
  }

  /** To the front of a queue, from wherever it was. */
  move(row: number, queue: number): void {
    list_del(this.#link, row)
    const from = this.queue[row]!
    this.size[from] = this.size[from]! - 1
    this.queue[row] = queue
    this.size[queue] = this.size[queue]! + 1
    list_add(this.#link, row, this.#heads + queue)
  }

  /** Row of the oldest page of a queue that is not empty. */
  oldest(queue: number): number {
    return this.#link[2 * (this.#heads + queue) + 1]!
  }

  /** Off its queue and forgotten. */
  leave(row: number): void {
    list_del(this.#link, row)
    const queue = this.queue[row]!
    this.size[queue] = this.size[queue]! - 1
    this.slot.values[this.#page[row]!] = 0
    this.#page[row] = this.#free
    this.#free = row
  }

  /** Pages on these queues. */
  pages(queues: readonly number[]): number[] {
    const pages: number[] = []
    for (const queue of queues) {
      const head = this.#heads + queue
      for (let row = this.#link[2 * head]!; row !== head; row = this.#link[2 * row]!) pages.push(this.#page[row]!)
    }
    return pages
  }
}

/** A policy whose whole state is pages on queues. */
export abstract class QueuePolicy implements Policy {
  protected readonly frames: number
  protected readonly queues: Queues
  /** Queues whose pages are in memory; the others hold ghosts. */
  readonly #inMemory: readonly number[]

  constructor(frames: number, queues: Queues, inMemory: readonly number[]) {
    this.frames = frames
    this.queues = queues
    this.#inMemory = inMemory
  }

  reserve(pages: number): void {
    this.queues.slot.reserve(pages)
  }

  residents(): number[] {
    return this.queues.pages(this.#inMemory)
  }

  abstract run(pages: Int32Array, from: number, to: number): number

  /** Pages in memory. */
  protected inMemory(): number {
    const { size } = this.queues
    let sum = 0
    for (const queue of this.#inMemory) sum += size[queue]!
    return sum
  }

  /** A page leaves memory; the `most` youngest of those that left stay on a queue of ghosts. */
  protected becomeGhost(row: number, ghosts: number, most: number): void {
    const { queues } = this
    if (most === 0) {
      queues.leave(row)
      return
    }
    if (queues.size[ghosts]! >= most) queues.leave(queues.oldest(ghosts))
    queues.uses[row] = 0
    queues.move(row, ghosts)
  }
}
