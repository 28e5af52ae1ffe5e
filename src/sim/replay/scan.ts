// A first reading of a trace, before it is replayed: where the replay begins and ends, which tracepoints are in it, and
// for every frame the first thing that happened to it, which is what it was when the trace began. /proc files count
// pages and do not name them: which frames wait on the per-CPU lists, in which order blocks hang in a list, which type
// a pageblock has is seen only when somebody takes or returns them.
// Law: memory is proportional to the machine's frames, not to the trace.
import type { EventBatch } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'
import { KswapdScan, type ReclaimScan } from './kswapd_scan.ts'
import { MARKER_BEGIN, MARKER_END, MarkerReader } from './markers.ts'
import { ListLengths, type ListRoom } from './scan_lists.ts'

/** First touch: nothing ever happened to the frame. */
export const TOUCH_NONE = 0
/** Handed out without having left a buddy list: it waited on a per-CPU list. */
export const TOUCH_ALLOC = 1
/** Taken off a buddy list: it was free. */
export const TOUCH_TAKEN = 2
/** Freed: it was in use. */
export const TOUCH_FREE = 3
/** Drained: it waited on a per-CPU list. */
export const TOUCH_DRAIN = 4
/** Compaction took free blocks around it: it was free, in use, or waiting. */
export const TOUCH_ISOLATED = 5
/** As TOUCH_ISOLATED, and something else happened since. */
export const TOUCH_UNSURE = 6

/** Which of the tracepoints of the per-CPU lists the trace has. */
export interface ListEvents {
  /** mm_page_alloc_zone_locked: a block leaves the buddy lists. */
  readonly taken: boolean
  /** mm_page_pcpu_drain: a block goes back to them. */
  readonly drain: boolean
}

/** What the first reading found. */
export interface TraceScan extends ReclaimScan {
  /** Events of the whole trace. */
  readonly events: number
  /** Ordinal of the event at which a replay begins (0 = at the start) and of the end of that snapshot's reading. */
  readonly begin: number
  readonly beginDone: number
  /** Ordinal of the event at which the final snapshot was begun, and of the end of its reading. */
  readonly end: number
  readonly endDone: number
  /** Snapshots marked in the trace. */
  readonly snapshots: number
  /** Ordinal of the event from which on per-CPU lists held more than their size allows: settings were changed before
   * it; -1 = never. */
  readonly resized: number
  /** Whether the trace has these tracepoints at all. */
  readonly hasTaken: boolean
  readonly hasDrain: boolean
  /** Per frame: TOUCH_*. */
  readonly touch: Uint8Array
  /** Per frame: ordinal of the first touch. */
  readonly when: Int32Array
  /** Per frame: migratetype | order << 4 | cpu << 9 of the first touch; migratetype 15 = not told. */
  readonly what: Int32Array
  /** Per pageblock: its type + 1, as the first page shows that was drained to it, or freed and handed out again from the
   * same list; 0 = none before the type could have changed. */
  readonly drainType: Uint8Array
  /** First frames of the zones, and CPUs: rows of `refilled`. */
  readonly zoneStarts: readonly number[]
  readonly cpus: number
  /** Per (zone * cpus + cpu) * REFILL_LISTS + order * 4 + migratetype: ordinal + 1 of the first refill of that per-CPU
   * list, which was empty then; 0 = never. */
  readonly refilled: Int32Array
  /** Per pageblock: type + 1 of the list that the first block was taken from; 0 = none. */
  readonly takenType: Uint8Array
  /** Of a boot that gives memory to the allocator late: ordinal of the last event of doing so (-1 = there is none), and
   * the pages given so, per row of `zoneStarts`. */
  readonly deferredEnd: number
  readonly deferredPages: readonly number[]
}

/** Thread that gives memory to the allocator late in the boot. @kernel mm/mm_init.c:deferred_init_memmap */
export const DEFERRED_THREAD = 'pgdatinit'

export interface TraceScanOptions {
  /** Frames of the machine: those above are left out. */
  readonly frames: number
  /** log2 of the frames of a pageblock. */
  readonly pageblockOrder: number
  /** A snapshot of the start exists: the reading begins anew at the first marker. */
  readonly fromMarker: boolean
  /** A fallback takes a block without saying so with another event (kernels from 6.10 on). */
  readonly fallbackTakes: boolean
  /** Zones with memory; a list that grows beyond its room shows that its size was changed. */
  readonly zones: readonly ListRoom[]
  readonly cpus: number
}

/** Rows of `refilled` for a CPU. */
export const REFILL_LISTS = 64
const UNKNOWN_TYPE = 15
const CLOSED = 255

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const ALLOC: number = KIND.mm_page_alloc
const FREE: number = KIND.mm_page_free
const BATCHED: number = KIND.mm_page_free_batched
const TAKEN: number = KIND.mm_page_alloc_zone_locked
const DRAIN: number = KIND.mm_page_pcpu_drain

export class TraceScanner {
  readonly #frames: number
  readonly #shift: number
  readonly #fromMarker: boolean
  readonly #fallbackTakes: boolean
  readonly #touch: Uint8Array
  readonly #when: Int32Array
  readonly #what: Int32Array
  readonly #drainType: Uint8Array
  readonly #takenType: Uint8Array
  /** 1 = freed, and neither drained nor handed out since: the frame is on the list of its pageblock's type. */
  readonly #waits: Uint8Array
  readonly #refilled: Int32Array
  readonly #zones: readonly ListRoom[]
  readonly #cpus: number
  readonly #lists: ListLengths
  #comm = -1
  #isDeferred = false
  #deferredEnd = -1
  readonly #deferredPages: number[]
  readonly #kswapd: KswapdScan = new KswapdScan()
  #markers: MarkerReader | null = null
  #events = 0
  #begin = 0
  #beginDone = 0
  #end = -1
  #endDone = -1
  #snapshots = 0
  #hasTaken = false
  #hasDrain = false

  constructor({ frames, pageblockOrder, fromMarker, fallbackTakes, zones, cpus }: TraceScanOptions) {
    this.#zones = zones
    this.#cpus = cpus
    this.#deferredPages = zones.map(() => 0)
    this.#refilled = new Int32Array(zones.length * cpus * REFILL_LISTS)
    this.#lists = new ListLengths(zones, cpus, pageblockOrder)
    this.#frames = frames
    this.#shift = pageblockOrder
    this.#fromMarker = fromMarker
    this.#fallbackTakes = fallbackTakes
    this.#touch = new Uint8Array(frames)
    this.#when = new Int32Array(frames)
    this.#what = new Int32Array(frames)
    this.#waits = new Uint8Array(frames)
    const blocks = Math.ceil(frames / 2 ** pageblockOrder) + 1
    this.#drainType = new Uint8Array(blocks)
    this.#takenType = new Uint8Array(blocks)
  }

  /** Takes the next events. */
  push(batch: EventBatch): void {
    this.#markers ??= new MarkerReader(batch.strings)
    const { kind, a, b, c, cpu, length } = batch
    const waits = this.#waits
    const frames = this.#frames
    for (let row = 0; row < length; row++) {
      const event = this.#events++
      if (this.#kswapd.running) this.#kswapd.see(batch, row, event)
      const what = kind[row]!
      if (what < ALLOC || what > DRAIN || what === BATCHED) {
        this.#seeOther(what, batch, row, event)
        continue
      }
      if (what === TAKEN) this.#hasTaken = true
      else if (what === DRAIN) this.#hasDrain = true
      if (!(a[row]! >= 0 && a[row]! < frames && b[row]! >= 0)) continue
      const pfn = a[row]! | 0
      const order = b[row]! | 0
      const on = cpu[row]!
      if (what === ALLOC) {
        if (waits[pfn] === 1) this.#seeType(this.#drainType, pfn, c[row]!)
        waits[pfn] = 0
        this.#see(pfn, order, TOUCH_ALLOC, c[row]!, on, event)
        this.#lists.shrink(pfn, order, on, false)
      } else if (what === FREE) {
        waits[pfn] = 1
        this.#see(pfn, order, TOUCH_FREE, UNKNOWN_TYPE, on, event)
        this.#lists.grow(pfn, order, on, event)
        if (!this.#fromMarker) this.#seeDeferred(batch, row, event)
      } else if (what === TAKEN) {
        waits[pfn] = 0
        if (batch.d[row] === 1) this.#lists.grow(pfn, order, on, -1)
        this.#seeRefill(pfn, order, c[row]!, on, event)
        this.#seeType(this.#takenType, pfn, c[row]!)
        this.#see(pfn, order, TOUCH_TAKEN, c[row]!, on, event)
      } else {
        waits[pfn] = 0
        this.#seeType(this.#drainType, pfn, c[row]!)
        this.#lists.shrink(pfn, order, on, true)
        this.#see(pfn, order, TOUCH_DRAIN, c[row]!, on, event)
      }
    }
  }

  #seeOther(kind: number, { a, b, c, d, e, cpu, pid, text }: EventBatch, row: number, event: number): void {
    switch (kind) {
      case KIND.mm_page_alloc_extfrag:
        this.#seeFallback(a[row]!, c[row]!, e[row]!)
        if (this.#fallbackTakes) this.#see(a[row]!, b[row]!, TOUCH_TAKEN, UNKNOWN_TYPE, cpu[row]!, event)
        break
      case KIND.mm_compaction_isolate_freepages:
      case KIND.mm_compaction_fast_isolate_freepages:
        if (d[row]! > 0) this.#seeIsolated(a[row]!, b[row]!, event)
        break
      case KIND.mm_vmscan_kswapd_wake:
        this.#kswapd.wake(pid[row]!, event)
        break
      case KIND.tracing_mark_write:
        this.#seeMarker(text[row]!, event)
    }
  }

  #see(pfn: number, order: number, touch: number, migratetype: number, cpu: number, event: number): void {
    if (!(pfn > 0 && pfn < this.#frames && order >= 0 && order < 20)) return
    const seen = this.#touch
    const end = Math.min(pfn + (1 << order), this.#frames)
    for (let frame = pfn; frame < end; frame++) {
      if (seen[frame] === TOUCH_ISOLATED) seen[frame] = touch === TOUCH_TAKEN ? TOUCH_TAKEN : TOUCH_UNSURE
      if (seen[frame] !== TOUCH_NONE) continue
      seen[frame] = touch
      this.#when[frame] = Math.min(event, 0x7fffffff)
      this.#what[frame] = (migratetype & 15) | (order << 4) | (cpu << 9)
    }
  }

  #seeDeferred({ strings, comm, a, b }: EventBatch, row: number, event: number): void {
    if (comm[row] !== this.#comm) {
      this.#comm = comm[row]!
      this.#isDeferred = strings.get(this.#comm).startsWith(DEFERRED_THREAD)
    }
    const zone = this.#isDeferred ? this.#zones.findIndex(({ start, end }) => a[row]! >= start && a[row]! < end) : -1
    if (zone < 0) return
    this.#deferredEnd = event
    this.#deferredPages[zone]! += 2 ** b[row]!
  }

  /** Compaction took free blocks in [start, end); which, it does not say. */
  #seeIsolated(start: number, end: number, event: number): void {
    for (let frame = Math.max(0, start); frame < Math.min(end, this.#frames); frame++) {
      if (this.#touch[frame] !== TOUCH_NONE) continue
      this.#touch[frame] = TOUCH_ISOLATED
      this.#when[frame] = Math.min(event, 0x7fffffff)
    }
  }

  #seeRefill(pfn: number, order: number, migratetype: number, cpu: number, event: number): void {
    const lists = this.#lists.rowOf(pfn, cpu)
    const list = lists * REFILL_LISTS + ((order & 15) << 2) + (migratetype & 3)
    if (lists >= 0 && this.#refilled[list] === 0) this.#refilled[list] = Math.min(event + 1, 0x7fffffff)
  }

  #seeType(types: Uint8Array, pfn: number, migratetype: number): void {
    if (!(pfn >= 0 && pfn < this.#frames)) return
    const block = pfn >>> this.#shift
    if (types[block] === 0) types[block] = migratetype >= 0 && migratetype < 14 ? migratetype + 1 : 0
  }

  /** The block was of `fallback` until now; what comes later says nothing about the start. */
  #seeFallback(pfn: number, order: number, fallback: number): void {
    const size = 2 ** this.#shift
    const start = Math.floor(pfn / 2 ** order) * 2 ** order
    for (let at = order > this.#shift ? start : pfn; at < start + 2 ** order; at += size) {
      const block = Math.floor(at / size)
      this.#seeType(this.#takenType, at, fallback)
      if (block >= 0 && block < this.#drainType.length && this.#drainType[block] === 0) this.#drainType[block] = CLOSED
    }
  }

  #seeMarker(text: number, event: number): void {
    const marker = this.#markers!.kindOf(text)
    if (marker === MARKER_BEGIN) {
      this.#snapshots++
      if (this.#snapshots === 1 && this.#fromMarker) this.#beginAnew(event)
      else {
        this.#end = event
        this.#endDone = -1
      }
    } else if (marker === MARKER_END) {
      if (this.#end >= 0) this.#endDone = this.#endDone < 0 ? event : this.#endDone
      else if (this.#snapshots === 1 && this.#beginDone === this.#begin) this.#beginDone = event
    }
  }

  #beginAnew(event: number): void {
    this.#begin = event
    this.#beginDone = event
    this.#touch.fill(TOUCH_NONE)
    this.#waits.fill(0)
    this.#refilled.fill(0)
    this.#lists.clear()
    this.#drainType.fill(0)
    this.#takenType.fill(0)
  }

  /** Ends the reading. */
  finish(): TraceScan {
    const end = this.#end < 0 ? this.#events : this.#end
    return {
      events: this.#events,
      begin: this.#begin,
      beginDone: this.#beginDone,
      end,
      endDone: this.#endDone < 0 ? end : this.#endDone,
      snapshots: this.#snapshots,
      resized: this.#hasTaken ? this.#lists.resized : -1,
      ...this.#kswapd.finish(),
      hasTaken: this.#hasTaken,
      hasDrain: this.#hasDrain,
      touch: this.#touch,
      when: this.#when,
      what: this.#what,
      drainType: this.#drainType.map(type => (type === CLOSED ? 0 : type)),
      zoneStarts: this.#zones.map(zone => zone.start),
      cpus: this.#cpus,
      refilled: this.#refilled,
      takenType: this.#takenType,
      deferredEnd: this.#deferredEnd,
      deferredPages: this.#deferredPages,
    }
  }
}

/** Ordinal + 1 of the first refill of a per-CPU list of the zone that begins at `start`; 0 = never. */
export function firstRefill(scan: TraceScan, start: number, cpu: number, order: number, migratetype: number): number {
  const zone = scan.zoneStarts.indexOf(start)
  if (zone < 0 || cpu >= scan.cpus) return 0
  return scan.refilled[(zone * scan.cpus + cpu) * REFILL_LISTS + ((order & 15) << 2) + (migratetype & 3)]!
}
