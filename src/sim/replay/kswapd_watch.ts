// When kswapd is at work: per-CPU lists are kept short meanwhile. Its beginning is an event, its end is none; a first
// reading of the trace knows after which event nothing of it came any more.
import { type Sys, WMARK_HIGH, ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE } from '../../mm/mmzone.ts'
import { wmark_pages } from '../../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../../mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../mm/vmstat_item.ts'
import type { Predict } from './predict.ts'

/** Batches that a per-CPU list holds at most while kswapd is at work, and one more. @kernel mm/page_alloc.c:nr_pcp_high */
const SHORT = 5

export class KswapdWatch {
  readonly #sys: Sys
  readonly #ends: Float64Array | null
  readonly #twins: readonly Predict[]
  /** By node: 1 = at work, and until which event. */
  readonly #active: Uint8Array
  readonly #until: Float64Array
  #wakes = 0

  /** `sys`: the followed machine; `ends`: ordinals of last events, by wake. */
  constructor(sys: Sys, ends: Float64Array | null, twins: readonly Predict[]) {
    this.#sys = sys
    this.#ends = ends
    this.#twins = twins
    this.#active = new Uint8Array(sys.nr_nodes)
    this.#until = new Float64Array(sys.nr_nodes)
  }

  /** mm_vmscan_kswapd_wake. */
  wake(node: number): void {
    const known = this.#ends !== null && this.#wakes < this.#ends.length
    const until = known ? this.#ends![this.#wakes]! : Number.POSITIVE_INFINITY
    this.#wakes++
    if (!(node >= 0 && node < this.#active.length)) return
    this.#until[node] = until
    this.#set(node, true)
  }

  /** mm_vmscan_kswapd_sleep. */
  sleep(node: number): void {
    if (node >= 0 && node < this.#active.length) this.#set(node, false)
  }

  /** The event with this ordinal comes. */
  pass(event: number): void {
    const active = this.#active
    for (let node = 0; node < active.length; node++)
      if (active[node] === 1 && event > this.#until[node]!) this.#set(node, false)
  }

  /** Where the end is not known, a list longer than kswapd allows shows it. */
  look(zone: number, cpu: number): void {
    const { pcp, nr_cpus, nr_zone_types } = this.#sys
    const node = Math.floor(zone / nr_zone_types)
    if (this.#active[node] === 0 || cpu >= nr_cpus || this.#until[node]! < Number.POSITIVE_INFINITY) return
    const list = zone * nr_cpus + cpu
    if (pcp.count[list]! > pcp.batch[list]! * SHORT) this.#set(node, false)
  }

  #set(node: number, active: boolean): void {
    this.#active[node] = active ? 1 : 0
    reclaiming(this.#sys, node, active)
    for (const twin of this.#twins) reclaiming(twin.sys, node, active)
  }
}

/** kswapd of a node is at work, or sleeps: per-CPU lists are kept short meanwhile. */
function reclaiming(sys: Sys, node: number, active: boolean): void {
  const { flags } = sys.zone
  for (let zone = node * sys.nr_zone_types; zone < (node + 1) * sys.nr_zone_types && zone < sys.nr_zones; zone++)
    flags[zone] = active ? flags[zone]! | ZONE_RECLAIM_ACTIVE : flags[zone]! & ~ZONE_RECLAIM_ACTIVE
}

/** A zone below its high watermark lets its lists grow no more. @kernel mm/page_alloc.c:get_page_from_freelist */
export function noteBelowHigh(sys: Sys, zone: number): void {
  const free = zone_page_state(sys, zone, NR_FREE_PAGES)
  if (free <= wmark_pages(sys, zone, WMARK_HIGH)) sys.zone.flags[zone]! |= ZONE_BELOW_HIGH
}
