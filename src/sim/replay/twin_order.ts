// What the predicting machines do, in the order in which the recorded kernel did it. An event is printed when a call is
// over: an interrupt that came after a page was taken from its list, but before that was printed, stands in the trace
// before it. So what interrupts do waits until the task's next event shows whether its page was taken before.
// Law: what waits is played before anything else of that CPU, or right after that one allocation.
import type { Predict } from './predict.ts'

const FIELDS = 6
/** More in a row than an interrupt does while an allocation is under way. */
const MOST = 4096

const ALLOC = 0
const FREE = 1
const DRAIN = 2

export class TwinOrder {
  readonly #twins: readonly Predict[]
  readonly #waiting: Int32Array = new Int32Array(FIELDS * MOST)
  #count = 0
  #cpu = 0

  constructor(twins: readonly Predict[]) {
    this.#twins = twins
  }

  /** `before`: the page was taken before what the interrupts did since; `slow`: the task has reclaimed for it. */
  alloc(
    pfn: number,
    order: number,
    gfp: number,
    migratetype: number,
    zone: number,
    cpu: number,
    level: number,
    before: boolean,
    slow: boolean,
  ): void {
    if (level > 0) {
      this.#defer(cpu, ALLOC, pfn, order, gfp, migratetype, zone)
      return
    }
    if (this.#cpu !== cpu || !before) this.flush()
    for (const twin of this.#twins) twin.alloc(pfn, order, gfp, migratetype, zone, cpu, slow)
    this.flush()
  }

  free(pfn: number, order: number, cpu: number, directly: boolean, level: number): void {
    if (level > 0) {
      this.#defer(cpu, FREE, pfn, order, directly ? 1 : 0, 0, 0)
      return
    }
    this.flush()
    for (const twin of this.#twins) twin.free(pfn, order, cpu, directly)
  }

  drain(zone: number, cpu: number, order: number, level: number): void {
    if (level > 0) {
      this.#defer(cpu, DRAIN, 0, order, 0, 0, zone)
      return
    }
    this.flush()
    for (const twin of this.#twins) twin.drain(zone, cpu, order)
  }

  silent(pfn: number, zone: number, migratetype: number, cpu: number, late: boolean): void {
    this.flush()
    for (const twin of this.#twins) twin.silent(pfn, zone, migratetype, cpu, late)
  }

  isolate(pfn: number, order: number, zone: number): void {
    this.flush()
    for (const twin of this.#twins) twin.isolate(pfn, order, zone)
  }

  #defer(cpu: number, what: number, pfn: number, order: number, gfp: number, migratetype: number, zone: number): void {
    if (this.#count === MOST || (this.#count > 0 && this.#cpu !== cpu)) this.flush()
    this.#cpu = cpu
    const waiting = this.#waiting
    const at = FIELDS * this.#count++
    waiting[at] = what
    waiting[at + 1] = pfn
    waiting[at + 2] = order
    waiting[at + 3] = gfp
    waiting[at + 4] = migratetype
    waiting[at + 5] = zone
  }

  /** Plays what waits. */
  flush(): void {
    if (this.#count === 0) return
    const waiting = this.#waiting
    const end = FIELDS * this.#count
    this.#count = 0
    const cpu = this.#cpu
    for (let at = 0; at < end; at += FIELDS) {
      const pfn = waiting[at + 1]!
      const order = waiting[at + 2]!
      for (const twin of this.#twins)
        if (waiting[at] === FREE) twin.free(pfn, order, cpu, waiting[at + 3] === 1)
        else if (waiting[at] === DRAIN) twin.drain(waiting[at + 5]!, cpu, order)
        else twin.alloc(pfn, order, waiting[at + 3]!, waiting[at + 4]!, waiting[at + 5]!, cpu, false)
    }
  }
}
