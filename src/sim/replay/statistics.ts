// What a recording tells beside the machine's state: who allocates, for how long, what failed and what nearly did.
// Law: memory is proportional to the machine's frames and to the strings of the trace, not to its length.

import { zone_type } from '../../mm/kernel.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { WMARK_MIN } from '../../mm/mmzone.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../mm/vmstat_item.ts'
import type { EventBatch, StringTable } from '../../trace/batch.ts'
import type { FallbackEvent, NearFailure, RecordedFailure, ReplayReport } from './report.ts'
import { Tally } from './tally.ts'

const MOST_LISTED = 50
const TOP = 25
const LIFETIMES = 40

/** log2 of the microseconds that a block was in use. */
function lifetimeClass(seconds: number): number {
  const life = Math.max(0, seconds) * 1e6
  if (life < 1 << 20) return life < 2 ? 0 : 31 - Math.clz32(life)
  return Math.min(LIFETIMES - 1, Math.floor(Math.log2(life)))
}

export class Statistics {
  readonly #sys: Sys
  readonly #strings: StringTable
  readonly #sites = new Tally()
  readonly #gfp = new Tally()
  readonly #tasks = new Tally()
  /** Of each allocated frame, side by side: when (since[2 * frame]), number of its mask and of its task, each + 1
   * (who[4 * frame + 2], who[4 * frame + 3]). Two views of one buffer. */
  readonly #since: Float64Array
  readonly #who: Int32Array
  readonly #orders: Float64Array
  readonly #lifetimes = new Float64Array(LIFETIMES)
  readonly #failures: RecordedFailure[] = []
  #failed = 0
  readonly #fallbacks: FallbackEvent[] = []
  #fellBack = 0
  readonly #nearest: (NearFailure | null)[]
  readonly #lowest: Float64Array
  readonly #normal: number

  constructor(sys: Sys, strings: StringTable) {
    this.#sys = sys
    this.#strings = strings
    this.#since = new Float64Array(2 * sys.nr_frames)
    this.#who = new Int32Array(this.#since.buffer)
    this.#orders = new Float64Array(sys.NR_PAGE_ORDERS)
    this.#nearest = new Array(sys.nr_zones).fill(null)
    this.#lowest = new Float64Array(sys.nr_zones).fill(Number.POSITIVE_INFINITY)
    this.#normal = zone_type(sys.kernel, 'Normal')
  }

  /** A block was handed out; the followed machine has it already. */
  alloc(batch: EventBatch, row: number, pfn: number, order: number, zone: number): void {
    const gfp = batch.text[row]!
    const task = batch.comm[row]!
    const pages = 1 << order
    this.#orders[order]! += 1
    this.#gfp.add(gfp, pages)
    this.#tasks.add(task, pages)
    this.#gfp.keep(gfp, pages)
    this.#tasks.keep(task, pages)
    const since = this.#since
    const who = this.#who
    const time = batch.time[row]!
    const end = pfn + pages
    for (let frame = pfn; frame < end; frame++) {
      since[2 * frame] = time
      who[4 * frame + 2] = gfp + 1
      who[4 * frame + 3] = task + 1
    }
    const free = this.#sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]!
    if (free < this.#lowest[zone]!) this.#low(batch, row, zone, free)
  }

  #low(batch: EventBatch, row: number, zone: number, free: number): void {
    const { watermark, lowmem_reserve } = this.#sys.zone
    this.#lowest[zone] = free
    this.#nearest[zone] = {
      node: Math.floor(zone / this.#sys.nr_zone_types),
      zone: this.#sys.kernel.zones[zone % this.#sys.nr_zone_types]!,
      time: batch.time[row]!,
      line: batch.line[row]!,
      comm: this.#strings.get(batch.comm[row]!),
      free,
      margin: free - watermark[4 * zone + WMARK_MIN]! - lowmem_reserve[8 * zone + this.#normal]!,
    }
  }

  /** A block was freed. */
  free(pfn: number, order: number, time: number): void {
    const who = this.#who
    const end = pfn + (1 << order)
    for (let frame = pfn; frame < end; frame++) {
      const task = who[4 * frame + 3]!
      if (task === 0) continue
      this.#gfp.keep(who[4 * frame + 2]! - 1, -1)
      this.#tasks.keep(task - 1, -1)
      who[4 * frame + 3] = 0
      if (frame === pfn) this.#lifetimes[lifetimeClass(time - this.#since[2 * frame]!)]! += 1
    }
  }

  /** An object was handed out by a slab allocator; `site` is the number of the call site's name. */
  object(site: number, bytes: number): void {
    this.#sites.add(site, bytes)
  }

  failed(batch: EventBatch, row: number): void {
    this.#failed++
    if (this.#failures.length >= MOST_LISTED) return
    this.#failures.push({
      time: batch.time[row]!,
      line: batch.line[row]!,
      cpu: batch.cpu[row]!,
      comm: this.#strings.get(batch.comm[row]!),
      order: batch.b[row]!,
      gfp: this.#strings.get(batch.text[row]!),
    })
  }

  fallback(batch: EventBatch, row: number): void {
    this.#fellBack++
    if (this.#fallbacks.length >= MOST_LISTED) return
    const type = (value: number): string => this.#sys.kernel.migratetypes[value] ?? `type ${value}`
    this.#fallbacks.push({
      time: batch.time[row]!,
      line: batch.line[row]!,
      pfn: batch.a[row]!,
      order: batch.b[row]!,
      fallbackOrder: batch.c[row]!,
      migratetype: type(batch.d[row]!),
      fallbackMigratetype: type(batch.e[row]!),
      changedPageblock: batch.f[row] === 1,
    })
  }

  /** The report's parts that come from here. */
  report(): Pick<ReplayReport, 'allocators' | 'orders' | 'lifetimes' | 'failures' | 'nearFailures' | 'fallbacks'> {
    const strings = this.#strings
    let last = LIFETIMES
    while (last > 0 && this.#lifetimes[last - 1] === 0) last--
    return {
      allocators: {
        callSites: this.#sites.top(TOP, strings, false),
        gfp: this.#gfp.top(TOP, strings, true),
        tasks: this.#tasks.top(TOP, strings, true),
      },
      orders: [...this.#orders],
      lifetimes: [...this.#lifetimes.subarray(0, last)],
      failures: { count: this.#failed, first: this.#failures },
      nearFailures: this.#nearest.filter(near => near !== null).sort((x, y) => x.margin - y.margin),
      fallbacks: { count: this.#fellBack, first: this.#fallbacks },
    }
  }
}
