// vmstat while the machine works: a row whenever simulated time has passed an interval, also inside of a command that takes
// longer. Where nothing happens for longer than the interval, one row stands for all of that time.
import type { Sys } from '../mm/mmzone.ts'
import type { Machine } from './machine.ts'
import { sampleVm, VMSTAT_HEAD, type VmSample, vmstatRow } from './vmstat_rows.ts'

/** Rows between two heads. */
const HEAD_EVERY = 20

export class VmstatTable {
  readonly #every: number
  #last: VmSample | null = null
  #text = ''
  #rows = 0

  constructor(milliseconds: number) {
    this.#every = 1000 * milliseconds
  }

  /** Looks at the machine while a command runs; returns what ends it. */
  listen(machine: Machine): () => void {
    const { sys } = machine
    this.#last ??= sampleVm(sys)
    const { now } = sys.reclaim_clock
    return machine.on('mm_page_alloc', () => {
      if (Math.abs((now[0] ?? 0) - this.#last!.now) >= this.#every) this.#sample(sys)
    })
  }

  /** The rows since the last call. */
  rows(sys: Sys): string {
    if (this.#last !== null && Math.abs((sys.reclaim_clock.now[0] ?? 0) - this.#last.now) >= this.#every)
      this.#sample(sys)
    const text = this.#text
    this.#text = ''
    return text
  }

  #sample(sys: Sys): void {
    const sample = sampleVm(sys)
    // Who went back in time begins anew.
    if (sample.now >= this.#last!.now) {
      if (this.#rows++ % HEAD_EVERY === 0) this.#text += VMSTAT_HEAD
      this.#text += vmstatRow(this.#last, sample)
    }
    this.#last = sample
  }
}
