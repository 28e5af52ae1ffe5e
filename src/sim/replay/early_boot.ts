// A trace of a boot begins before the kernel has computed anything: per-CPU lists that hold nothing, no watermarks. Then
// the lists get sizes of the memory that the allocator has so far; when threads have given it the rest, they get new
// sizes, together with the watermarks. Neither is an event, but refills show it: the first one of more than one block,
// and the first one that is as long as only the new sizes make it.
import type { Sys } from '../../mm/mmzone.ts'
import type { TraceScan } from './scan.ts'
import { type ListSizes, leaveSizes } from './settings.ts'

const NOTHING = 0
const LISTS = 1
const ALL = 2

export class EarlyBoot {
  readonly #machines: readonly Sys[]
  readonly #final: ListSizes
  readonly #scan: TraceScan | null
  #computed = NOTHING
  /** The refill that goes on: its blocks, their order, its zone. */
  #refills = 0
  #order = 0
  #zone = 0

  /** `machines` are in the same state and lose what is not computed yet. */
  constructor(machines: readonly Sys[], scan: TraceScan | null) {
    this.#machines = machines
    this.#scan = scan
    const kept = machines.map(leaveSizes)
    this.#final = kept[0]!
  }

  /** Whether the lists have the sizes that the kernel gave them by now. */
  get listsKnown(): boolean {
    return this.#computed === ALL || (this.#computed === LISTS && this.#scan !== null)
  }

  /** A per-CPU list got a block. */
  refilled(zone: number, order: number): void {
    this.#refills++
    this.#order = order
    this.#zone = zone
  }

  /** Something else than a refill comes, the event with this ordinal. True when the boot's computing is over. */
  settle(event: number): boolean {
    if (this.#computed === ALL || this.#refills === 0) return false
    if (this.#computed === NOTHING && this.#refills > 1) this.#computeLists()
    const over = this.#computed === LISTS && event > (this.#scan?.deferredEnd ?? -1) && this.#isFinal()
    this.#refills = 0
    if (!over) return false
    this.#computed = ALL
    for (const sys of this.#machines) this.#final.enter(sys)
    return true
  }

  /** Whether the refill is as long as only the final sizes make it. Single pages may be refilled several times in a row,
   * and lists that tune themselves take more and more of them. */
  #isFinal(): boolean {
    const { zone, kernel } = this.#machines[0]!
    if (zone.pageset_batch.every((batch, row) => batch === this.#final.batch(row))) return true
    const length = (batch: number): number => (batch > 1 ? Math.max(batch >> this.#order, 2) : batch)
    const first = length(zone.pageset_batch[this.#zone]!)
    const final = length(this.#final.batch(this.#zone))
    if (this.#order === 0) return !kernel.watches_high_mark && final !== first && this.#refills % first !== 0
    return final !== first && this.#refills === final
  }

  /** The lists get sizes of the memory that the allocator has by now. @kernel mm/page_alloc.c:setup_per_cpu_pageset */
  #computeLists(): void {
    this.#computed = LISTS
    for (const sys of this.#machines) {
      const { managed_pages, zone_start_pfn } = sys.zone
      const managed = managed_pages.slice()
      for (let zone = 0; zone < sys.nr_zones; zone++) {
        if (managed[zone] === 0) continue
        const row = this.#scan?.zoneStarts.indexOf(zone_start_pfn[zone]!) ?? -1
        managed_pages[zone]! -= this.#scan?.deferredPages[row] ?? 0
        sys.kernel.zone_set_pageset_high_and_batch(sys, zone)
      }
      managed_pages.set(managed)
    }
  }
}
