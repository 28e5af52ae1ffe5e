// How a first reading follows the lengths of per-CPU lists: one that holds more than its size allows, and from which
// nothing is drained all the same, shows that its size was changed before.

/** A zone's frames, and for each CPU the pages that its per-CPU list may take before it gives some back (none: there
 * is no fixed number). */
export interface ListRoom {
  readonly start: number
  readonly end: number
  readonly room: readonly number[]
}

export class ListLengths {
  /** Ordinal of the event from which on a list held more than its size allows; -1 = none did. */
  resized = -1
  readonly #cpus: number
  readonly #pageblockOrder: number
  /** Start and end of each zone. */
  readonly #bounds: Float64Array
  /** By zone * cpus + cpu: what the list may take; pages more (or fewer) than at the start; the event since which it is
   * too many, -1 = it is not. */
  readonly #room: Float64Array
  readonly #grown: Int32Array
  readonly #tooManySince: Int32Array

  constructor(zones: readonly ListRoom[], cpus: number, pageblockOrder: number) {
    this.#cpus = cpus
    this.#pageblockOrder = pageblockOrder
    this.#bounds = Float64Array.from(zones.flatMap(({ start, end }) => [start, end]))
    const room = zones.flatMap(zone => Array.from({ length: cpus }, (_, cpu) => zone.room[cpu] ?? Infinity))
    this.#room = Float64Array.from(room)
    this.#grown = new Int32Array(room.length)
    this.#tooManySince = new Int32Array(room.length).fill(-1)
  }

  /** Row of a frame's list of a CPU, zone * cpus + cpu; -1 = there is none. */
  rowOf(pfn: number, cpu: number): number {
    const bounds = this.#bounds
    if (cpu < this.#cpus)
      for (let at = 0; at < bounds.length; at += 2)
        if (pfn >= bounds[at]! && pfn < bounds[at + 1]!) return (at >> 1) * this.#cpus + cpu
    return -1
  }

  #watched(pfn: number, order: number, cpu: number): number {
    return this.resized < 0 && (order <= 3 || order === this.#pageblockOrder) ? this.rowOf(pfn, cpu) : -1
  }

  /** A block came to a list; `event` is a free, which makes the kernel look at the list's size (-1: a refill). */
  grow(pfn: number, order: number, cpu: number, event: number): void {
    const row = this.#watched(pfn, order, cpu)
    if (row < 0) return
    const grown = this.#grown[row]! + (1 << order)
    this.#grown[row] = grown
    if (event >= 0 && this.#tooManySince[row] === -1 && grown >= this.#room[row]!) this.#tooManySince[row] = event
  }

  /** A block left a list. An allocation ends a batch of frees: if the list was too long and nothing was drained, it
   * may be longer than it was. */
  shrink(pfn: number, order: number, cpu: number, drained: boolean): void {
    const row = this.#watched(pfn, order, cpu)
    if (row < 0) return
    if (!drained && this.#tooManySince[row]! >= 0) this.resized = this.#tooManySince[row]!
    this.#tooManySince[row] = -1
    this.#grown[row]! -= 1 << order
  }

  /** The reading begins anew. */
  clear(): void {
    this.#grown.fill(0)
    this.#tooManySince.fill(-1)
    this.resized = -1
  }
}
