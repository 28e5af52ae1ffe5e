// Replaying the slab events of a trace beside its page events: what caches and their slabs were, as recorded, and on a twin
// that serves the same calls.
//   const scanner = createSlabScan(states); scanner.push(batch) …; const scan = scanner?.finish()
//   const replay = createSlabReplay(states, scan, { begin, end }); replay.push(batch) …; replay.finish()
// Law: memory is proportional to the objects and call sites of the trace.
import { with_config } from '../../kernels/index.ts'
import { writeCmdline } from '../../report/proc/cmdline.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import type { EventBatch, StringTable } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'
import { kernelOfSnapshot } from '../snapshot_kernel.ts'
import { EventNames } from './event_names.ts'
import { Numbers, PointerTable } from './slab_objects.ts'
import type { SlabReport } from './slab_report.ts'
import { type SlabScan, SlabScanner } from './slab_scan.ts'
import { SlabSeries } from './slab_series.ts'
import { SlabSites } from './slab_sites.ts'
import { finishedReport, type SlabCounts } from './slab_summary.ts'
import { SlabTwin } from './slab_twin.ts'
import type { ReplayStates } from './start.ts'

/** A first reading of slab events; null where the files captured before the trace have no table of caches.
 * @throws RangeError without a kernel profile */
export function createSlabScan({ before }: ReplayStates): SlabScanner | null {
  if (!before?.slabinfo || before.slabinfo.caches.length === 0) return null
  const kernel = kernelOfSnapshot(before)
  return kernel.slab === 'SLUB' ? new SlabScanner(before.slabinfo.caches, kernel, framesOf(before), true) : null
}

function framesOf({ zoneinfo }: Snapshot): number {
  return Math.max(0, ...(zoneinfo?.zones ?? []).map(({ startPfn, pages }) => startPfn + pages.spanned))
}

/** Ordinals of the events at which the replay begins and ends. */
export interface SlabSpan {
  readonly begin: number
  readonly end: number
}

/** A replay of slab events; null where there are none, or nothing tells the caches of the start. */
export function createSlabReplay(states: ReplayStates, scan: SlabScan | null, span: SlabSpan): SlabReplay | null {
  return states.before?.slabinfo && scan ? new SlabReplay(states, scan, span) : null
}

const LIVE = 1
const FREED = 2
/** Pages of the page allocator, not an object of a cache. */
const LARGE = -2

export class SlabReplay {
  readonly #states: ReplayStates
  readonly #scan: SlabScan
  readonly #span: SlabSpan
  readonly #twin: SlabTwin
  readonly #pointers = new PointerTable()
  /** By pointer: LIVE, FREED, 0 = not seen yet. */
  readonly #state = new Numbers()
  readonly #cache = new Numbers()
  readonly #object = new Numbers()
  readonly #site = new Numbers()
  readonly #given = new Numbers()
  readonly #asked = new Numbers()
  readonly #counts: SlabCounts
  readonly #sites: SlabSites
  readonly #series: SlabSeries
  #names: EventNames | null = null
  #strings: StringTable | null = null
  /** Frames of slabs, by their first: pages. */
  readonly #slabs: Map<number, number> = new Map()
  #page = 0
  #ordinal = 0

  constructor(states: ReplayStates, scan: SlabScan, span: SlabSpan) {
    this.#states = states
    this.#scan = scan
    this.#span = span
    const { before } = states
    // Which of a new slab's objects comes first does not change how many slabs there are.
    const plain = { SLAB_FREELIST_HARDENED: false, SLAB_FREELIST_RANDOM: false }
    const kernel = with_config(kernelOfSnapshot(before!), plain)
    const cpus =
      1 + Math.max(0, ...(before!.zoneinfo?.zones ?? []).flatMap(zone => zone.pagesets.map(each => each.cpu)))
    const { caches } = before!.slabinfo!
    const cmdline = before!.cmdline ? writeCmdline(before!.cmdline).trim() : ''
    this.#twin = new SlabTwin(kernel, caches, scan, cpus, cmdline)
    const pages = caches.reduce((sum, { slabs, pagesPerSlab }) => sum + slabs * pagesPerSlab, 0)
    const zeros = (): Float64Array => new Float64Array(caches.length)
    this.#counts = {
      ...{ events: 0, allocations: 0, frees: 0, unseen: 0, unidentified: 0, large: 0 },
      ...{ followed: pages, taken: 0, returned: 0 },
      ...{ cacheAllocations: zeros(), cacheFrees: zeros(), cacheUnseen: zeros(), cacheWaste: zeros() },
    }
    this.#sites = new SlabSites(caches)
    this.#series = new SlabSeries(this.#twin, caches, this.#counts, span.end - span.begin)
  }

  /** Takes the next events. */
  push(batch: EventBatch): void {
    this.#strings ??= batch.strings
    this.#names ??= new EventNames(this.#twin.sys.kernel.gfp, batch.strings)
    const { kind, length } = batch
    const { begin, end } = this.#span
    const { slabAllocs } = this.#scan
    for (let row = 0; row < length; row++) {
      const at = this.#ordinal++
      const event = kind[row]!
      const page = event === KIND.mm_page_alloc ? this.#page++ : -1
      if (at < begin || at >= end) continue
      if (event >= KIND.kmalloc && event <= KIND.kmem_cache_free) {
        this.#handle(event, batch, row)
        if (this.#series.due(at - begin)) this.#series.take(at - begin, batch.time[row]!)
      } else if (page >= 0) {
        if (slabAllocs.has(page)) this.#slabTaken(batch.a[row]!, batch.b[row]!)
      } else if (event === KIND.mm_page_free) this.#pagesFreed(batch.a[row]!, batch.b[row]!)
    }
  }

  #slabTaken(pfn: number, order: number): void {
    this.#slabs.set(pfn, 2 ** order)
    this.#counts.followed += 2 ** order
    this.#counts.taken += 2 ** order
  }

  #pagesFreed(pfn: number, order: number): void {
    if (!this.#slabs.delete(pfn)) return
    this.#counts.followed -= 2 ** order
    this.#counts.returned += 2 ** order
  }

  #handle(event: number, batch: EventBatch, row: number): void {
    const pointer = batch.b[row]!
    if (pointer === 0 || Number.isNaN(pointer)) return
    this.#counts.events++
    const at = this.#pointers.rowOf(pointer)
    const cpu = batch.cpu[row]!
    if (event === KIND.kfree || event === KIND.kmem_cache_free) this.#freed(event, batch, row, at, cpu)
    else this.#allocated(event, batch, row, at, cpu)
  }

  #allocated(event: number, batch: EventBatch, row: number, at: number, cpu: number): void {
    const [asked, given] = [batch.c[row]!, batch.d[row]!]
    const site = this.#names!.siteOf(batch, row)
    const { names } = this.#scan
    const general = event === KIND.kmalloc || event === KIND.kmalloc_node
    const known = general ? names.kmalloc(given, this.#mask(batch, row)) : names.cacheOf(names.key(site, given))
    const large = general && known < 0
    const cache = large ? LARGE : known
    if (this.#state.get(at) === LIVE) this.#unseenFree(at, cpu)
    this.#counts.allocations++
    if (large) this.#counts.large++
    else if (cache < 0) this.#counts.unidentified++
    this.#state.set(at, LIVE)
    this.#cache.set(at, cache)
    this.#object.set(at, cache >= 0 ? this.#twin.alloc(cache, cpu) : 0)
    this.#site.set(at, this.#sites.add(site, cache, asked, given) + 1)
    this.#given.set(at, given)
    this.#asked.set(at, asked)
    if (cache < 0) return
    this.#counts.cacheAllocations[cache]! += 1
    this.#counts.cacheWaste[cache]! += given - asked
  }

  #mask(batch: EventBatch, row: number): number {
    const bits = batch.e[row]!
    return Number.isNaN(bits) ? this.#names!.namesOf(batch.text[row]!) : bits
  }

  #freed(event: number, batch: EventBatch, row: number, at: number, cpu: number): void {
    this.#counts.frees++
    const state = this.#state.get(at)
    if (state !== LIVE) {
      const cache = this.#cacheOfFree(event, batch, row, at)
      if (cache < 0) {
        if (cache !== LARGE) this.#counts.unidentified++
        this.#state.set(at, FREED)
        this.#cache.set(at, cache)
        return
      }
      this.#cache.set(at, cache)
      this.#object.set(at, this.#liveSince(batch.b[row]!, cache, state, cpu))
    }
    const cache = this.#cache.get(at)
    if (cache >= 0) this.#counts.cacheFrees[cache]! += 1
    this.#giveBack(at, cpu)
  }

  /** The twin's object for one that is freed without having been allocated in the trace: it was in use at the start, or a
   * bulk call took it, which has no event. */
  #liveSince(pointer: number, cache: number, state: number, cpu: number): number {
    const own = state === 0 ? this.#twin.standIn(pointer, cache) : 0
    if (own !== 0 && this.#twin.inUse(own)) return own
    this.#counts.unseen++
    this.#counts.cacheUnseen[cache]! += 1
    return this.#twin.alloc(cache, cpu)
  }

  #cacheOfFree(event: number, batch: EventBatch, row: number, at: number): number {
    if (event === KIND.kmem_cache_free) return this.#scan.names.named(batch.text[row]!)
    if (this.#state.get(at) === FREED) return this.#cache.get(at)
    return this.#scan.cacheAt(batch.b[row]!)
  }

  /** Somebody got an object that nobody gave back: a bulk call did. */
  #unseenFree(at: number, cpu: number): void {
    const cache = this.#cache.get(at)
    this.#counts.unseen++
    if (cache >= 0) this.#counts.cacheUnseen[cache]! += 1
    this.#giveBack(at, cpu)
  }

  #giveBack(at: number, cpu: number): void {
    const cache = this.#cache.get(at)
    const object = this.#object.get(at)
    this.#state.set(at, FREED)
    if (object !== 0) this.#twin.free(cache, object, cpu)
    const site = this.#site.get(at) - 1
    if (site >= 0) {
      this.#sites.free(site, this.#given.get(at))
      if (cache >= 0) this.#counts.cacheWaste[cache]! -= this.#given.get(at) - this.#asked.get(at)
    }
    this.#object.set(at, 0)
    this.#site.set(at, 0)
  }

  /** Ends the replay: what it came to. */
  finish(): SlabReport {
    this.#series.end()
    const sites = this.#sites.top(this.#strings!)
    return finishedReport(this.#states, this.#scan, this.#twin, this.#counts, this.#series.report(), sites)
  }
}
