// What a predicting machine does, as events: at the times, on the CPUs and for the tasks of the recording.
import type { Sys } from '../../mm/mmzone.ts'
import type { EventBatch, StringTable } from '../../trace/batch.ts'
import { RecordRing } from '../../trace/record_ring.ts'
import type { Predict } from './predict.ts'

/** Events between two hand-outs; one recorded event causes some thousands of them at most. */
const RING = 1 << 16

export class TwinRecorder {
  readonly #ring: RecordRing
  readonly #sys: Sys
  readonly #receive: (sys: Sys, batch: EventBatch) => void

  /** `strings`: the table of the recording, whose task names the events bear. */
  constructor(twin: Predict, strings: StringTable, receive: (sys: Sys, batch: EventBatch) => void) {
    this.#ring = new RecordRing(RING, strings)
    this.#sys = twin.sys
    this.#receive = receive
    twin.record(this.#ring.probes())
  }

  /** A recorded event comes: what the machine does now, it does because of it. */
  at(batch: EventBatch, row: number): void {
    if (this.#ring.entries > RING / 2) this.give()
    const { context } = this.#ring
    context.cpu = batch.cpu[row]!
    context.pid = batch.pid[row]!
    context.comm = batch.comm[row]!
    context.time = batch.time[row]!
  }

  /** Hands out what was recorded. */
  give(): void {
    this.#ring.read(batch => this.#receive(this.#sys, batch))
    this.#ring.clear()
  }
}
