// What a first reading finds of kswapd: when it was done each time that it woke, and for which zones it worked.
import type { EventBatch } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'

/** What kswapd did, by its wakes. */
export interface ReclaimScan {
  /** For each mm_vmscan_kswapd_wake in turn: ordinal of the last event of that kswapd's work before its next one. Of the
   * first 65536; a trace with more wakes tells no more. */
  readonly reclaimEnds: Float64Array
  /** For each of them: the highest zone type that kswapd then reclaimed for; -1 = no event tells. */
  readonly reclaimTypes: Int8Array
}

const MOST_WAKES = 1 << 16
const MOST_KSWAPDS = 64

/** A thread: process id, the wake that it answers, its last event, the zone type it named. */
interface Kswapd {
  readonly pid: number
  wake: number
  last: number
  type: number
}

export class KswapdScan {
  readonly #threads: Kswapd[] = []
  #ends: Float64Array = new Float64Array(64)
  #types: Int8Array = new Int8Array(64)
  #wakes = 0

  /** Whether any was seen. */
  get running(): boolean {
    return this.#threads.length > 0
  }

  /** Any event. A kswapd goes to sleep a tenth of a second after its work is over, so that is none.
   * @kernel mm/vmscan.c:kswapd_try_to_sleep */
  see({ pid, kind, a }: EventBatch, row: number, event: number): void {
    const what = kind[row]!
    if (what === KIND.mm_vmscan_kswapd_wake || what === KIND.mm_vmscan_kswapd_sleep) return
    for (const thread of this.#threads) {
      if (thread.pid !== pid[row]) continue
      thread.last = event
      if (what === KIND.mm_vmscan_lru_isolate && thread.type < 0) thread.type = a[row]!
    }
  }

  /** mm_vmscan_kswapd_wake. */
  wake(pid: number, event: number): void {
    let thread = this.#threads.find(other => other.pid === pid)
    if (thread) this.#end(thread)
    else if (this.#threads.length < MOST_KSWAPDS) this.#threads.push((thread = { pid, wake: 0, last: event, type: -1 }))
    if (thread) {
      thread.wake = this.#wakes
      thread.last = event
      thread.type = -1
    }
    this.#wakes++
  }

  #end({ wake, last, type }: Kswapd): void {
    if (wake >= MOST_WAKES) return
    if (wake >= this.#ends.length) this.#grow(Math.min(MOST_WAKES, 2 ** Math.ceil(Math.log2(wake + 2))))
    this.#ends[wake] = last
    this.#types[wake] = type
  }

  #grow(length: number): void {
    const [ends, types] = [new Float64Array(length), new Int8Array(length)]
    ends.set(this.#ends)
    types.set(this.#types)
    this.#ends = ends
    this.#types = types
  }

  /** Ends the reading. */
  finish(): ReclaimScan {
    for (const thread of this.#threads) this.#end(thread)
    const wakes = Math.min(this.#wakes, MOST_WAKES)
    return { reclaimEnds: this.#ends.subarray(0, wakes), reclaimTypes: this.#types.subarray(0, wakes) }
  }
}
