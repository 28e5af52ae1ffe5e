// Samples of caches over time, a bounded number of them.
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import type { SlabReport } from './slab_report.ts'
import type { SlabCounts } from './slab_summary.ts'
import type { SlabTwin } from './slab_twin.ts'

const SAMPLES = 240
const SHOWN = 8

interface Sample {
  readonly time: number
  readonly recorded: number
  readonly inside: number
  readonly slabs: readonly number[]
  readonly objects: readonly number[]
}

export class SlabSeries {
  readonly #twin: SlabTwin
  readonly #caches: readonly SlabinfoCache[]
  readonly #counts: SlabCounts
  readonly #samples: Sample[] = []
  readonly #step: number
  #next = 0
  #time = Number.NaN

  constructor(twin: SlabTwin, caches: readonly SlabinfoCache[], counts: SlabCounts, events: number) {
    this.#twin = twin
    this.#caches = caches
    this.#counts = counts
    this.#step = Math.max(1, Math.ceil(events / (SAMPLES - 1)))
  }

  due(event: number): boolean {
    return event >= this.#next
  }

  take(event: number, time: number): void {
    this.#next = event + this.#step
    this.#time = time
    const { recorded, inside } = { recorded: this.#counts.followed, inside: sum(this.#counts.cacheWaste) }
    const slabs = this.#caches.map((_, row) => this.#twin.slabs(row))
    const objects = this.#caches.map((_, row) => this.#twin.used(row))
    this.#samples.push({ time, recorded, inside, slabs, objects })
  }

  end(): void {
    if (!Number.isNaN(this.#time)) this.take(this.#next, this.#time)
  }

  report(): SlabReport['series'] {
    const { cacheAllocations } = this.#counts
    const order = this.#caches.map((_, row) => row).sort((x, y) => cacheAllocations[y]! - cacheAllocations[x]! || x - y)
    const of = <T>(pick: (sample: Sample) => T): T[] => this.#samples.map(pick)
    const pages = ({ slabs }: Sample): number =>
      slabs.reduce((total, count, row) => total + count * this.#caches[row]!.pagesPerSlab, 0)
    return {
      time: of(({ time }) => time),
      recordedPages: of(({ recorded }) => recorded),
      predictedPages: of(pages),
      wasteInside: of(({ inside }) => inside),
      wasteOutside: of(sample => this.#caches.reduce((total, _, row) => total + this.#outside(sample, row), 0)),
      caches: order.slice(0, SHOWN).map(row => ({
        name: this.#caches[row]!.name,
        pages: of(({ slabs }) => slabs[row]! * this.#caches[row]!.pagesPerSlab),
        objects: of(({ objects }) => objects[row]!),
      })),
    }
  }

  #outside({ slabs, objects }: Sample, row: number): number {
    const { pagesPerSlab, objectSize } = this.#caches[row]!
    return slabs[row]! * pagesPerSlab * this.#twin.pageSize - objects[row]! * objectSize
  }
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
