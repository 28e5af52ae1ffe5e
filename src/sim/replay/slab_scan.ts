// A first reading of the slab events of a trace: which cache each call site asks, where the direct map begins, which pages
// become slabs, and for every object that was free when the trace began in which order they were taken.
import { __GFP_NORETRY, __GFP_NOWARN, type GfpTable } from '../../mm/gfp.ts'
import type { Kernel } from '../../mm/kernel.ts'
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import type { EventBatch } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'
import { EventNames } from './event_names.ts'
import { MARKER_BEGIN, MarkerReader } from './markers.ts'
import { SlabNames } from './slab_names.ts'
import { Bits, Numbers, PointerTable } from './slab_objects.ts'

/** Regions of memory begin at multiples of this in every kernel, wherever randomization puts them. */
const REGION = 2 ** 30
const FIRST_ALLOC = 1
const FIRST_FREE = 2

/** What the first reading found. */
export interface SlabScan {
  readonly names: SlabNames
  /** Address of frame 0 in the direct map, signed as in events; NaN = pointers are no addresses. */
  readonly base: number
  /** Which mm_page_alloc events, counted from 0, gave pages that became a slab. */
  readonly slabAllocs: Bits
  /** Pointers that were free at the start, in the order in which they were taken, and the CPU that took each. */
  readonly freeAtStart: readonly { readonly pointer: number; readonly cache: number; readonly cpu: number }[]
  /** The cache of a pointer that only a bare kfree shows; -1 = nothing tells. */
  readonly cacheAt: (pointer: number) => number
}

export class SlabScanner {
  readonly #caches: readonly SlabinfoCache[]
  readonly #gfp: GfpTable
  readonly #pageSize: number
  readonly #fromMarker: boolean
  #names: SlabNames | null = null
  #events: EventNames | null = null
  #markers: MarkerReader | null = null
  #pointers = new PointerTable()
  #first = new Numbers()
  #key = new Numbers()
  /** Cache + 1 that an event of a row's object showed. */
  #cache = new Numbers()
  #cpu = new Numbers()
  #when = new Numbers()
  /** Of objects that came right after pages for a slab, the first time + 1: their caches had no free object left. */
  #grown = new Numbers()
  #fresh = false
  readonly #votes: Map<number, number> = new Map()
  /** By frame: number + 1 of the event that allocated its block; 0 = none did. */
  readonly #blockAt: Float64Array
  /** A bit for each event of an allocation of pages: those that hold an object, and those with the mask of a slab. */
  #slabAllocs = new Bits()
  #masked = new Bits()
  #pages = 0
  /** The block that was allocated last, if no object came since; -1 = none. */
  #lastPage = -1
  #lastOrder = 0
  #ordinal = 0
  #count = 0
  #begun = false

  /** Where the direct map begins without randomization, and where it ends. */
  readonly #plain: number
  readonly #plainEnd: number
  #outside = false

  constructor(caches: readonly SlabinfoCache[], kernel: Kernel, frames: number, fromMarker: boolean) {
    const pageSize = 2 ** kernel.PAGE_SHIFT
    const gfp = kernel.gfp
    this.#plain = kernel.BITS_PER_LONG === 64 ? kernel.PAGE_OFFSET - 2 ** 64 : kernel.PAGE_OFFSET
    this.#plainEnd = this.#plain + frames * pageSize
    this.#blockAt = new Float64Array(frames)
    this.#caches = caches
    this.#gfp = gfp
    this.#pageSize = pageSize
    this.#fromMarker = fromMarker
  }

  /** Takes the next events. */
  push(batch: EventBatch): void {
    this.#names ??= new SlabNames(this.#caches, batch.strings)
    this.#events ??= new EventNames(this.#gfp, batch.strings)
    this.#markers ??= new MarkerReader(batch.strings)
    const { kind, length } = batch
    for (let row = 0; row < length; row++) {
      const event = kind[row]!
      if (event >= KIND.kmalloc && event <= KIND.kmem_cache_free) this.#object(event, batch, row)
      else if (event === KIND.mm_page_alloc) this.#page(batch, row)
      else if (event === KIND.tracing_mark_write) this.#mark(batch.text[row]!)
      this.#ordinal++
    }
  }

  /** What was seen before the snapshot of the start tells which cache is whose, and nothing of the start. */
  #mark(text: number): void {
    if (this.#begun || !this.#fromMarker || this.#markers!.kindOf(text) !== MARKER_BEGIN) return
    this.#begun = true
    this.#pointers = new PointerTable()
    this.#first = new Numbers()
    this.#key = new Numbers()
    this.#cache = new Numbers()
    this.#cpu = new Numbers()
    this.#when = new Numbers()
    this.#grown = new Numbers()
    this.#blockAt.fill(0)
    this.#slabAllocs = new Bits()
    this.#masked = new Bits()
    this.#count = 0
  }

  #page(batch: EventBatch, row: number): void {
    const pfn = batch.a[row]!
    const order = batch.b[row]!
    const number = this.#pages++
    this.#lastPage = -1
    if (!(pfn > 0 && order >= 0 && order < 4 && pfn + (1 << order) <= this.#blockAt.length)) return
    this.#lastPage = pfn
    this.#lastOrder = order
    const end = pfn + (1 << order)
    for (let frame = pfn; frame < end; frame++) this.#blockAt[frame] = number + 1
    const mask = this.#events!.maskOf(batch, row)
    const slab = __GFP_NOWARN | __GFP_NORETRY
    this.#fresh = (mask & slab) === slab
    if (this.#fresh) this.#masked.add(number)
  }

  #object(event: number, batch: EventBatch, row: number): void {
    const pointer = batch.b[row]!
    if (pointer === 0 || Number.isNaN(pointer)) return
    this.#count++
    if (pointer < this.#plain || pointer >= this.#plainEnd) this.#outside = true
    const at = this.#pointers.rowOf(pointer)
    const free = event === KIND.kfree || event === KIND.kmem_cache_free
    if (this.#first.get(at) === 0) {
      this.#first.set(at, free ? FIRST_FREE : FIRST_ALLOC)
      this.#cpu.set(at, batch.cpu[row]!)
      this.#when.set(at, this.#ordinal)
    }
    if (free) {
      const cache = event === KIND.kmem_cache_free ? this.#names!.named(batch.text[row]!) : -1
      if (cache >= 0) {
        this.#cache.set(at, cache + 1)
        this.#names!.vote(this.#key.get(at) - 1, cache)
      }
      this.#seeSlab(pointer)
      return
    }
    if (this.#fresh && this.#grown.get(at) === 0) this.#grown.set(at, this.#ordinal + 1)
    this.#fresh = false
    if (event === KIND.kmalloc || event === KIND.kmalloc_node) {
      const cache = this.#names!.kmalloc(batch.d[row]!, this.#mask(batch, row))
      this.#cache.set(at, cache + 1)
      if (cache < 0) return
    } else this.#key.set(at, this.#names!.key(this.#events!.siteOf(batch, row), batch.d[row]!) + 1)
    this.#seeBase(pointer)
    this.#seeSlab(pointer)
  }

  #mask(batch: EventBatch, row: number): number {
    const bits = batch.e[row]!
    return Number.isNaN(bits) ? this.#events!.namesOf(batch.text[row]!) : bits
  }

  /** An object of pages that were allocated just before tells where the direct map begins. */
  #seeBase(pointer: number): void {
    const page = this.#lastPage
    this.#lastPage = -1
    if (page < 0) return
    const base = pointer - page * this.#pageSize
    const inside = base - Math.floor(base / REGION) * REGION
    if (inside < this.#pageSize * 2 ** this.#lastOrder) {
      const region = Math.floor(base / REGION) * REGION
      this.#votes.set(region, (this.#votes.get(region) ?? 0) + 1)
    }
  }

  #base(): number {
    // Without randomization every pointer lies in the direct map, which hashes do not.
    let [best, most] = [this.#outside ? Number.NaN : this.#plain, 1]
    for (const [region, count] of this.#votes) if (count > most) [best, most] = [region, count]
    return best
  }

  /** The pages that hold an object are a slab. */
  #seeSlab(pointer: number): void {
    const base = this.#base()
    if (Number.isNaN(base)) return
    const at = this.#blockAt[Math.floor((pointer - base) / this.#pageSize)]
    if (at !== undefined && at > 0) this.#slabAllocs.add(at - 1)
  }

  /** Ends the reading; null where the trace has no event of an object. */
  finish(): SlabScan | null {
    if (this.#count === 0 || !this.#names) return null
    const base = this.#base()
    return {
      names: this.#names,
      base,
      slabAllocs: Number.isNaN(base) ? this.#masked : this.#slabAllocs,
      freeAtStart: this.#freeAtStart(base),
      cacheAt: this.#cacheAt(base),
    }
  }

  /** Objects of one slab are of one cache. */
  #cacheAt(base: number): (pointer: number) => number {
    if (Number.isNaN(base)) {
      const rows = this.#pointers
      return pointer => (rows.find(pointer) < 0 ? -1 : this.#cacheOf(rows.find(pointer)))
    }
    const pages = new Map<number, number>()
    const pageOf = (pointer: number): number => Math.floor((pointer - base) / this.#pageSize)
    for (let row = 0; row < this.#pointers.size; row++) {
      const cache = this.#cacheOf(row)
      if (cache < 0) continue
      const { pagesPerSlab } = this.#caches[cache]!
      const first = Math.floor(pageOf(this.#pointers.pointer(row)) / pagesPerSlab) * pagesPerSlab
      for (let page = first; page < first + pagesPerSlab; page++) pages.set(page, cache)
    }
    return pointer => pages.get(pageOf(pointer)) ?? -1
  }

  /** The cache that events of a row's object show; -1 = none does. */
  #cacheOf(row: number): number {
    const named = this.#cache.get(row) - 1
    return named >= 0 ? named : this.#names!.cacheOf(this.#key.get(row) - 1)
  }

  /** When each cache had no free object left for the first time. */
  #firstGrown(): Map<number, number> {
    const grown = new Map<number, number>()
    for (let row = 0; row < this.#pointers.size; row++) {
      const at = this.#grown.get(row) - 1
      const cache = this.#cacheOf(row)
      if (at >= 0 && at < (grown.get(cache) ?? Number.POSITIVE_INFINITY)) grown.set(cache, at)
    }
    return grown
  }

  #freeAtStart(base: number): { pointer: number; cache: number; cpu: number }[] {
    const free: { pointer: number; cache: number; cpu: number }[] = []
    const grown = this.#firstGrown()
    for (let row = 0; row < this.#pointers.size; row++) {
      if (this.#first.get(row) !== FIRST_ALLOC) continue
      const pointer = this.#pointers.pointer(row)
      const cache = this.#cacheOf(row)
      if (cache < 0) continue
      const fresh = Number.isNaN(base)
        ? this.#when.get(row) >= (grown.get(cache) ?? Number.POSITIVE_INFINITY)
        : (this.#blockAt[Math.floor((pointer - base) / this.#pageSize)] ?? 0) > 0
      if (!fresh) free.push({ pointer, cache, cpu: this.#cpu.get(row) })
    }
    return free
  }
}
