// A trace of a boot begins before the kernel has computed anything: no watermarks, and per-CPU lists that hold nothing.
// When it computes them no event says, but refills of per-CPU lists do: a batch is as long as the kernel then thinks.
import type { Sys } from '../../mm/mmzone.ts'
import { type ListSizes, leaveSizes } from './settings.ts'

export class EarlyBoot {
  readonly #machines: readonly Sys[]
  readonly #final: ListSizes
  /** By zone: the batch of the final state. */
  readonly #batch: Int32Array
  #over = false
  #refills = 0
  #zone = 0

  /** `machines` are in the same state and lose what is not computed yet. */
  constructor(machines: readonly Sys[]) {
    this.#machines = machines
    const { pcp, zone } = machines[0]!
    this.#batch = Int32Array.from(zone.present_pages, (_, row) => pcp.batch[row * machines[0]!.nr_cpus]!)
    const kept = machines.map(leaveSizes)
    this.#final = kept[0]!
  }

  /** A per-CPU list got a page. */
  refilled(zone: number): void {
    this.#refills++
    this.#zone = zone
  }

  /** Something else happened: a batch of refills, if there was one, is complete. True when the boot's computing is over. */
  settle(): boolean {
    const refills = this.#refills
    this.#refills = 0
    if (refills < 2 || this.#over) return false
    if (refills < this.#batch[this.#zone]!) {
      for (const sys of this.#machines) setLists(sys, refills)
      return false
    }
    this.#over = true
    for (const sys of this.#machines) this.#final.enter(sys)
    return true
  }
}

/** Lists of all zones that are larger than the smallest: this batch, and the least `high` that goes with it.
 * @kernel mm/page_alloc.c:zone_highsize */
function setLists(sys: Sys, batch: number): void {
  const { pcp, zone } = sys
  for (let row = 0; row < sys.nr_zones; row++) {
    zone.pageset_batch[row] = batch
    for (let list = row * sys.nr_cpus; list < (row + 1) * sys.nr_cpus; list++) {
      pcp.batch[list] = batch
      pcp.high[list] = pcp.high_min[list] = pcp.high_max[list] = 4 * batch
    }
  }
}
