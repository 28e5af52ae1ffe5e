// Samples over time, a bounded number of them: where they become too many, every second one is dropped and the step
// doubled. A sample is taken of the followed machine; of predicting ones only the free pages.
import type { Sys } from '../../mm/mmzone.ts'
import { WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../../mm/mmzone.ts'
import { freeBlocksOf, pageblocksOf } from './compare.ts'
import type { ZoneSeries } from './report.ts'

const MOST_SAMPLES = 480

interface Sample {
  readonly time: number
  /** By zone with memory: blocks by order, pages on per-CPU lists, pageblocks by type, free pages of each twin. */
  readonly blocks: readonly (readonly number[])[]
  readonly listed: readonly number[]
  readonly pageblocks: readonly (readonly number[])[]
  readonly predicted: readonly (readonly number[])[]
}

export class Series {
  readonly #sys: Sys
  readonly #twins: readonly Sys[]
  readonly #zones: number[]
  #samples: Sample[] = []
  #step: number
  #next = 0

  /** `events`: how many are expected; 0 = not known. */
  constructor(sys: Sys, twins: readonly Sys[], events: number) {
    this.#sys = sys
    this.#twins = twins
    this.#zones = Array.from(sys.zone.present_pages.keys()).filter(zone => sys.zone.present_pages[zone] !== 0)
    this.#step = Math.max(1, Math.ceil(events / (MOST_SAMPLES - 2)))
  }

  /** Whether the event with this number (from the start of the replay) is to be sampled. */
  due(event: number): boolean {
    return event >= this.#next
  }

  /** Takes a sample. */
  take(event: number, time: number): void {
    this.#next = event + this.#step
    this.#samples.push(this.#sample(time))
    if (this.#samples.length < MOST_SAMPLES) return
    this.#samples = this.#samples.filter((_, i) => i % 2 === 0)
    this.#step *= 2
    this.#next = event + this.#step
  }

  #sample(time: number): Sample {
    const sys = this.#sys
    return {
      time,
      blocks: this.#zones.map(zone => freeBlocksOf(sys, zone)),
      listed: this.#zones.map(zone => listedPages(sys, zone)),
      pageblocks: this.#zones.map(zone => pageblocksOf(sys, zone)),
      predicted: this.#zones.map(zone => this.#twins.map(twin => freePages(freeBlocksOf(twin, zone)))),
    }
  }

  time(): number[] {
    return this.#samples.map(sample => sample.time)
  }

  zones(): ZoneSeries[] {
    const sys = this.#sys
    return this.#zones.map((zone, i) => {
      const orders = Array.from({ length: sys.NR_PAGE_ORDERS }, (_, order) => order)
      const mark = (which: number): number => sys.zone.watermark[4 * zone + which]! + sys.zone.watermark_boost[zone]!
      const of = <T>(pick: (sample: Sample) => T): T[] => this.#samples.map(pick)
      return {
        node: Math.floor(zone / sys.nr_zone_types),
        zone: sys.kernel.zones[zone % sys.nr_zone_types]!,
        watermarks: { min: mark(WMARK_MIN), low: mark(WMARK_LOW), high: mark(WMARK_HIGH) },
        free: of(sample => freePages(sample.blocks[i]!)),
        listed: of(sample => sample.listed[i]!),
        blocks: orders.map(order => of(sample => sample.blocks[i]![order]!)),
        unusable: orders.map(order => of(sample => unusableFreeIndex(sample.blocks[i]!, order))),
        fragmentation: orders.map(order => of(sample => fragmentationIndex(sample.blocks[i]!, order))),
        pageblocks: sys.kernel.migratetypes.map((_, type) => of(sample => sample.pageblocks[i]![type]!)),
        predictedFree: this.#twins.map((_, twin) => of(sample => sample.predicted[i]![twin]!)),
      }
    })
  }
}

const freePages = (blocks: readonly number[]): number =>
  blocks.reduce((sum, count, order) => sum + count * (1 << order), 0)

function listedPages(sys: Sys, zone: number): number {
  let pages = 0
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) pages += sys.pcp.count[zone * sys.nr_cpus + cpu]!
  return pages
}

/** Blocks of an order that free memory could give. */
const suitable = (blocks: readonly number[], order: number): number =>
  blocks.reduce((sum, count, each) => (each < order ? sum : sum + count * (1 << (each - order))), 0)

/** @kernel mm/vmstat.c:unusable_free_index */
export function unusableFreeIndex(blocks: readonly number[], order: number): number {
  const free = freePages(blocks)
  return free === 0 ? 1 : Math.floor(((free - suitable(blocks, order) * (1 << order)) * 1000) / free) / 1000
}

/** @kernel mm/vmstat.c:__fragmentation_index */
export function fragmentationIndex(blocks: readonly number[], order: number): number {
  const total = blocks.reduce((sum, count) => sum + count, 0)
  if (total === 0) return 0
  if (suitable(blocks, order) > 0) return -1
  const wanted = Math.floor((freePages(blocks) * 1000) / (1 << order))
  return (1000 - Math.floor((1000 + wanted) / total)) / 1000
}
