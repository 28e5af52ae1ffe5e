// Who asks for objects of which cache: a row for each pair, as many as a trace may have.
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import type { StringTable } from '../../trace/batch.ts'
import { Numbers } from './slab_objects.ts'
import type { SlabCallSite } from './slab_report.ts'

const MOST_SITES = 1 << 16
const TOP = 25

export class SlabSites {
  readonly #caches: readonly SlabinfoCache[]
  readonly #rows: Map<number, number> = new Map()
  readonly #site: number[] = []
  readonly #cache: number[] = []
  readonly #count = new Numbers()
  readonly #asked = new Numbers()
  readonly #given = new Numbers()
  readonly #live = new Numbers()

  constructor(caches: readonly SlabinfoCache[]) {
    this.#caches = caches
  }

  /** Notes an allocation: the row of its site and cache, -1 where there are too many. */
  add(site: number, cache: number, asked: number, given: number): number {
    const key = site * 65536 + cache + 2
    let row = this.#rows.get(key)
    if (row === undefined) {
      if (this.#rows.size === MOST_SITES) return -1
      row = this.#site.push(site) - 1
      this.#cache.push(cache)
      this.#rows.set(key, row)
    }
    this.#count.add(row, 1)
    this.#asked.add(row, asked)
    this.#given.add(row, given)
    this.#live.add(row, given)
    return row
  }

  free(row: number, given: number): void {
    this.#live.add(row, -given)
  }

  /** Those who got most bytes. */
  top(strings: StringTable): SlabCallSite[] {
    const rows = this.#site.map((_, row) => row).sort((x, y) => this.#given.get(y) - this.#given.get(x) || x - y)
    return rows.slice(0, TOP).map(row => ({
      name: strings.get(this.#site[row]!) || 'none',
      cache: this.#caches[this.#cache[row]!]?.name ?? (this.#cache[row] === -2 ? 'pages' : 'unknown'),
      allocations: this.#count.get(row),
      bytesAsked: this.#asked.get(row),
      bytesGiven: this.#given.get(row),
      live: this.#live.get(row),
    }))
  }
}
