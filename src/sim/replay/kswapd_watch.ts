// When kswapd is at work: per-CPU lists are kept short meanwhile, and when it is done, the boost is gone for which it was
// woken. Its beginning is an event, its end is none; a first reading of the trace knows after which event nothing of it
// came any more.
import { gfp_zone } from '../../mm/gfp.ts'
import { type Sys, WMARK_HIGH, ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE } from '../../mm/mmzone.ts'
import { wmark_pages } from '../../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../../mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../mm/vmstat_item.ts'
import { KIND } from '../../trace/events.ts'
import type { ReclaimScan } from './kswapd_scan.ts'

/** Batches that a per-CPU list holds at most while kswapd is at work, and one more. @kernel mm/page_alloc.c:nr_pcp_high */
const SHORT = 5
const NOBODY = -1

export class KswapdWatch {
  readonly #sys: Sys
  readonly #scan: ReclaimScan | null
  readonly #machines: readonly Sys[]
  /** By node: 1 = at work, and until which event. */
  readonly #active: Uint8Array
  readonly #until: Float64Array
  /** By node: the highest zone type that it was asked for and works for; and whether it has slept since. */
  readonly #asked: Int8Array
  readonly #highest: Int8Array
  readonly #slept: Uint8Array
  /** By machine and zone: the boost when kswapd began. */
  readonly #boosts: Int32Array
  /** Hears that it begins or ends, before anything changes. */
  onChange: (() => void) | null = null
  #wakes = 0
  /** Type of the zone where types were mixed last. */
  #mixed = NOBODY

  /** `machines`: the followed one first; `scan`: by wake, when it ended and for which zones it was. */
  constructor(machines: readonly Sys[], scan: ReclaimScan | null) {
    this.#sys = machines[0]!
    this.#scan = scan
    this.#machines = machines
    const { nr_nodes, nr_zones } = this.#sys
    this.#active = new Uint8Array(nr_nodes)
    this.#until = new Float64Array(nr_nodes)
    this.#asked = new Int8Array(nr_nodes).fill(NOBODY)
    this.#highest = new Int8Array(nr_nodes).fill(NOBODY)
    this.#slept = new Uint8Array(nr_nodes)
    this.#boosts = new Int32Array(machines.length * nr_zones)
  }

  /** mm_page_alloc_extfrag in this zone. */
  mixed(zone: number): void {
    if (zone >= 0) this.#mixed = zone % this.#sys.nr_zone_types
  }

  /** An event of waking and sleeping; `gfp`: of who asks. */
  see(kind: number, node: number, gfp: number): void {
    if (kind === KIND.mm_vmscan_kswapd_wake) this.wake(node)
    else if (kind === KIND.mm_vmscan_kswapd_sleep) this.sleep(node)
    else this.ask(node, gfp)
  }

  /** mm_vmscan_wakeup_kswapd: who asks with this mask wants the zones that it may use, who asks without one that zone whose
   * marks a fallback boosted. @kernel mm/page_alloc.c:rmqueue */
  ask(node: number, gfp: number): void {
    if (!(node >= 0 && node < this.#asked.length)) return
    const all = this.#sys.nr_zone_types - 1
    const wanted = gfp !== 0 ? gfp_zone(this.#sys, gfp) : this.#mixed === NOBODY ? all : this.#mixed
    this.#asked[node] = Math.max(this.#asked[node]!, wanted)
  }

  /** mm_vmscan_kswapd_wake. */
  wake(node: number): void {
    const row = this.#wakes++
    const known = this.#scan !== null && row < this.#scan.reclaimEnds.length
    if (!(node >= 0 && node < this.#active.length)) return
    if (this.#active[node] === 1) this.#end(node)
    this.#until[node] = known ? this.#scan!.reclaimEnds[row]! : Number.POSITIVE_INFINITY
    this.#highest[node] = this.#wanted(node, known ? this.#scan!.reclaimTypes[row]! : NOBODY)
    this.#asked[node] = NOBODY
    this.#slept[node] = 0
    this.#begin(node)
  }

  /** Its own events say for which zones it works. Else those that were asked for, and those of before unless it slept since;
   * who asks while it is awake is not heard. @kernel mm/vmscan.c:kswapd_highest_zoneidx */
  #wanted(node: number, told: number): number {
    const all = this.#sys.nr_zone_types - 1
    if (told >= 0 && told <= all) return told
    const asked = this.#asked[node]!
    if (asked === NOBODY) return all
    return this.#slept[node] === 1 ? asked : Math.max(asked, this.#highest[node]!)
  }

  /** mm_vmscan_kswapd_sleep. */
  sleep(node: number): void {
    if (!(node >= 0 && node < this.#active.length)) return
    this.#slept[node] = 1
    if (this.#active[node] === 1) this.#end(node)
  }

  /** The event with this ordinal comes. */
  pass(event: number): void {
    const active = this.#active
    for (let node = 0; node < active.length; node++)
      if (active[node] === 1 && event > this.#until[node]!) this.#end(node)
  }

  /** Where the end is not known, a list longer than kswapd allows shows it. */
  look(zone: number, cpu: number): void {
    const { pcp, nr_cpus, nr_zone_types } = this.#sys
    const node = Math.floor(zone / nr_zone_types)
    if (this.#active[node] === 0 || cpu >= nr_cpus || this.#until[node]! < Number.POSITIVE_INFINITY) return
    const list = zone * nr_cpus + cpu
    if (pcp.count[list]! > pcp.batch[list]! * SHORT) this.#end(node)
  }

  /** @kernel mm/vmscan.c:set_reclaim_active */
  #begin(node: number): void {
    this.onChange?.()
    this.#active[node] = 1
    const { nr_zones, nr_zone_types } = this.#sys
    const last = node * nr_zone_types + this.#highest[node]!
    this.#machines.forEach(({ zone: { flags, watermark_boost } }, row) => {
      for (let zone = node * nr_zone_types; zone <= last; zone++) {
        flags[zone]! |= ZONE_RECLAIM_ACTIVE
        this.#boosts[row * nr_zones + zone] = watermark_boost[zone]!
      }
    })
  }

  /** @kernel mm/vmscan.c:balance_pgdat */
  #end(node: number): void {
    this.onChange?.()
    this.#active[node] = 0
    const { nr_zones, nr_zone_types } = this.#sys
    const last = node * nr_zone_types + this.#highest[node]!
    this.#machines.forEach(({ zone: { flags, watermark_boost } }, row) => {
      for (let zone = node * nr_zone_types; zone <= last; zone++) {
        flags[zone]! &= ~ZONE_RECLAIM_ACTIVE
        watermark_boost[zone]! -= Math.min(watermark_boost[zone]!, this.#boosts[row * nr_zones + zone]!)
      }
    })
  }
}

/** A zone below its high watermark lets its lists grow no more. @kernel mm/page_alloc.c:get_page_from_freelist */
export function noteBelowHigh(sys: Sys, zone: number): void {
  const free = zone_page_state(sys, zone, NR_FREE_PAGES)
  if (free <= wmark_pages(sys, zone, WMARK_HIGH)) sys.zone.flags[zone]! |= ZONE_BELOW_HIGH
}
