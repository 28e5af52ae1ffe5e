// Replaying a recorded trace on twins of the machine that recorded it. One pass over the events moves the followed
// machine (every frame as recorded) and any number of predicting ones (the same requests, own choices, own settings).
//   const scanner = createScan({ before, after })      a first reading, which may be left out
//   const replay = createReplay({ before, after, scan, settings: [{}, { 'vm.min_free_kbytes': '65536' }] })
//   replay.push(batch) …; const report = replay.finish()
// Law: memory is proportional to the machine, never to the trace; nothing here waits, so who pushes can stop at will.
import type { Sys } from '../mm/mmzone.ts'
import type { EventBatch, StringTable } from '../trace/batch.ts'
import { KIND } from '../trace/events.ts'
import { compareFrames, compareZones, type FrameComparison, freeMap, type ZoneEnd } from './replay/compare.ts'
import { EarlyBoot } from './replay/early_boot.ts'
import { EventNames } from './replay/event_names.ts'
import { ExactTrims } from './replay/exact_trims.ts'
import { Follow } from './replay/follow.ts'
import { GivenMemory } from './replay/given_memory.ts'
import { interruptLevel } from './replay/interrupt_level.ts'
import { KswapdWatch } from './replay/kswapd_watch.ts'
import { MARKER_BEGIN, MARKER_END, MarkerReader } from './replay/markers.ts'
import { Predict } from './replay/predict.ts'
import { Reclaimers } from './replay/reclaimers.ts'
import type { ReplayDiagnostic, ReplayReport } from './replay/report.ts'
import type { TraceScan } from './replay/scan.ts'
import { Series } from './replay/series.ts'
import { applySettings, enterSizes, type Settings, sizesDiffer } from './replay/settings.ts'
import { firstOf, type ReplayStates, startFrom } from './replay/start.ts'
import { Statistics } from './replay/statistics.ts'
import { followReport, machineReport, predictReport } from './replay/summary.ts'
import { TwinOrder } from './replay/twin_order.ts'
import { TwinRecorder } from './replay/twin_recorder.ts'
import { isCompaction, UnseenDrains } from './replay/unseen_lists.ts'
import { type Restored, restore } from './restore.ts'
import { forkSys } from './state.ts'

export type { ReplayReport } from './replay/report.ts'
export type { TraceScan } from './replay/scan.ts'
export { createScan, type ReplayStates } from './replay/start.ts'

export interface ReplayOptions extends ReplayStates {
  /** What a first reading of the same trace found: makes the state of the start more exact. */
  readonly scan?: TraceScan
  /** A predicting machine for each group of settings; default one with the recorded settings, [] none. */
  readonly settings?: readonly Settings[]
  /** Without a first reading: whether the trace has a marker at which the replay begins (default), or begins at once. */
  readonly fromMarker?: boolean
  /** A machine to start from, in the place of the captured state of the start. */
  readonly machine?: Sys
  /** Receives what the first predicting machine does, as events; the batch is reused after the call returns. */
  readonly onTwinEvents?: (sys: Sys, batch: EventBatch) => void
}

/** A replay that waits for events. @throws RangeError without zoneinfo, kernel profile, or for a wrong setting */
export function createReplay(options: ReplayOptions): Replay {
  return new Replay(options)
}

const MOST_DIAGNOSTICS = 20

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const ALLOC: number = KIND.mm_page_alloc
const FREE: number = KIND.mm_page_free
const FREE_BATCHED: number = KIND.mm_page_free_batched
const TAKEN: number = KIND.mm_page_alloc_zone_locked
const DRAIN: number = KIND.mm_page_pcpu_drain
const FALLBACK: number = KIND.mm_page_alloc_extfrag
const MARK: number = KIND.tracing_mark_write
/** The page allocator's tracepoints and those of objects have the first numbers. */
const LAST_OF_ALLOCATORS: number = KIND.rss_stat

export class Replay {
  readonly #options: ReplayOptions
  readonly #start: Restored
  readonly #follow: Follow
  readonly #twins: readonly Predict[]
  readonly #order: TwinOrder
  readonly #settings: readonly Settings[]
  readonly #given: GivenMemory | null
  /** What the boot has not computed yet; null where the trace is of no boot. */
  readonly #early: EarlyBoot | null
  #series: Series
  #statistics: Statistics | null = null
  #markers: MarkerReader | null = null
  #strings: StringTable | null = null
  #names: EventNames | null = null
  /** Kind of the last event on each CPU, drains left out. */
  readonly #last: Uint8Array
  readonly #kswapd: KswapdWatch
  readonly #reclaimers: Reclaimers = new Reclaimers()
  /** Drains that the trace does not show; null where it does. */
  readonly #unseen: UnseenDrains | null
  readonly #trims: ExactTrims
  #event = 0
  #replayed = 0
  readonly #fromMarker: boolean
  #running: boolean
  #recorder: TwinRecorder | null = null
  #begun = false
  #ended = false
  #second = Number.NaN
  #from = Number.NaN
  #to = Number.NaN
  #changed = false
  #changedAt = 0
  #task = -1
  /** Per-CPU lists are longer at some point than their size allows, and at the end they have another size. */
  readonly #resizes: boolean
  #drained = 0
  #unprompted = 0
  #diagnosed = 0
  readonly #diagnostics: ReplayDiagnostic[] = []
  #zonesAtEnd: { followed: ZoneEnd[]; twins: ZoneEnd[][] } | null = null
  #freeAtEnd: Uint8Array | null = null
  #frames: FrameComparison | null = null

  constructor(options: ReplayOptions) {
    const { before, scan, settings = [{}], machine } = options
    this.#options = options
    this.#settings = settings
    const boot = before === null && !machine
    this.#start = options.machine
      ? startFrom(options.machine, scan)
      : restore(firstOf(options), { ...(scan ? { scan } : {}), physmap: boot ? 'end' : 'start' })
    const { sys, listEvents } = this.#start
    const waits = (scan?.reclaimEnds.length ?? 0) > 0
    this.#twins = settings.map(group => {
      const twin = forkSys(sys)
      if (!boot) applySettings(twin, group)
      return new Predict(twin, { boosts: waits, drains: !listEvents.drain })
    })
    this.#order = new TwinOrder(this.#twins)
    const machines = [sys, ...this.#twins.map(twin => twin.sys)]
    this.#early = boot ? new EarlyBoot(machines, scan ?? null) : null
    this.#follow = new Follow(sys, listEvents, this.#start)
    this.#follow.batchesKnown = !boot
    this.#follow.boosts = waits
    this.#follow.onSilent = (pfn, zone, migratetype, cpu, late) => {
      if (!this.#ended) this.#order.silent(pfn, zone, migratetype, cpu, late)
    }
    this.#follow.compaction.onIsolated = (pfn, order, zone) => {
      if (!this.#ended) this.#order.isolate(pfn, order, zone)
    }
    this.#given = boot ? new GivenMemory(sys) : null
    this.#resizes = sizesDiffer(before?.zoneinfo, options.after?.zoneinfo)
    this.#last = new Uint8Array(sys.nr_cpus)
    this.#trims = new ExactTrims(sys)
    this.#kswapd = new KswapdWatch(machines, scan ?? null)
    this.#kswapd.onChange = () => this.#order.flush()
    this.#unseen = listEvents.drain ? null : new UnseenDrains(machines)
    this.#fromMarker = before !== null && (scan ? scan.snapshots !== 0 : (options.fromMarker ?? true))
    this.#running = !this.#fromMarker
    // Lists that tune themselves never show when: then they are taken to have had the later bounds all the time.
    if (this.#resizes && sys.kernel.watches_high_mark) this.#changeSettings()
    this.#series = new Series(sys, machines.slice(1), scan ? scan.end - scan.begin : 0)
  }

  /** The followed machine as it is now. */
  get machine(): Sys {
    return this.#start.sys
  }

  /** Takes the next events. */
  push(batch: EventBatch): void {
    this.#markers ??= new MarkerReader(batch.strings)
    this.#strings ??= batch.strings
    this.#names ??= new EventNames(this.#start.sys.kernel.gfp, batch.strings)
    this.#statistics ??= new Statistics(this.#start.sys, batch.strings)
    if (this.#options.onTwinEvents && this.#twins[0])
      this.#recorder ??= new TwinRecorder(this.#twins[0], batch.strings, this.#options.onTwinEvents)
    const { kind, length } = batch
    for (let row = 0; row < length; row++) {
      if (kind[row] === MARK) this.#mark(batch, row)
      else if (this.#running) this.#play(batch, row)
      this.#event++
    }
  }

  /** Markers begin and end the replay; what is between the last two only moves the followed machine. */
  #mark(batch: EventBatch, row: number): void {
    const { scan } = this.#options
    const marker = this.#markers!.kindOf(batch.text[row]!)
    if (marker === MARKER_BEGIN && !this.#begun && this.#fromMarker) {
      this.#begun = true
      this.#running = true
    } else if (marker === MARKER_BEGIN && (scan ? this.#event === scan.end : !this.#ended)) this.#end()
    else if (marker === MARKER_END && this.#ended && this.#running && (!scan || this.#event >= scan.endDone)) {
      this.#compareFrames()
      this.#running = false
    }
  }

  /** The moment of the final snapshot. */
  #end(): void {
    const { after } = this.#options
    const { sys } = this.#start
    this.#order.flush()
    this.#ended = true
    this.#series.take(this.#replayed, this.#to)
    this.#zonesAtEnd = {
      followed: compareZones(sys, after),
      twins: this.#twins.map(twin => compareZones(twin.sys, after)),
    }
    if (after?.physmap) this.#freeAtEnd = freeMap(sys)
  }

  #compareFrames(): void {
    const physmap = this.#options.after?.physmap
    if (physmap) this.#frames = compareFrames(this.#start.sys, physmap, this.#freeAtEnd)
  }

  #play(batch: EventBatch, row: number): void {
    const event = batch.kind[row]!
    const on = batch.cpu[row]!
    const follow = this.#follow
    if (!this.#ended) this.#passTime(batch.time[row]!)
    if (event !== DRAIN) follow.endDrain(on)
    follow.level = interruptLevel(batch.irq[row]!)
    if (event !== TAKEN && event !== FALLBACK) {
      if (this.#early) this.#settleBoot(this.#early)
      follow.endRefill(on)
      // Between a refill and the event of its allocation, kswapd may be woken.
      if (event <= LAST_OF_ALLOCATORS) follow.settleRefill(event === ALLOC ? batch.a[row]! : -1, on)
    }
    if (this.#resizes && !this.#changed) this.#watchTask(batch.comm[row]!)
    if (!this.#ended) this.#recorder?.at(batch, row)
    if (this.#unseen && !this.#ended && isCompaction(event)) {
      this.#order.flush()
      this.#unseen.see(batch, row, this.#strings!)
    }
    this.#dispatch(event, batch, row, on)
    if (event !== DRAIN && on < this.#last.length) this.#last[on] = event
  }

  #passTime(time: number): void {
    this.#replayed++
    if (Number.isNaN(this.#from)) this.#from = time
    this.#to = time
    this.#kswapd.pass(this.#event)
    const second = Math.floor(time)
    if (second !== this.#second) {
      if (!Number.isNaN(this.#second)) for (const twin of this.#twins) twin.tick()
      this.#second = second
    }
    if (this.#series.due(this.#replayed)) this.#series.take(this.#replayed, time)
    if (this.#resizes && !this.#changed) this.#watchSizes()
  }

  #watchSizes(): void {
    const resized = this.#options.scan?.resized ?? -1
    if (resized >= 0 && this.#event >= resized) this.#changeSettings()
  }

  /** khugepaged starts where huge pages are switched on, which raises min_free_kbytes.
   * @kernel mm/khugepaged.c:start_stop_khugepaged */
  #watchTask(comm: number): void {
    if (comm === this.#task) return
    this.#task = comm
    if (!this.#ended && this.#strings!.get(comm) === 'khugepaged') this.#changeSettings()
  }

  /** Settings that changed without an event are those of the final snapshot. */
  #changeSettings(): void {
    this.#changed = true
    this.#changedAt = this.#event
    const { after } = this.#options
    if (!after?.zoneinfo) return
    enterSizes(this.#start.sys, after.zoneinfo)
    this.#twins.forEach((twin, i) => {
      enterSizes(twin.sys, after.zoneinfo!)
      applySettings(twin.sys, this.#settings[i]!)
    })
  }

  #dispatch(event: number, batch: EventBatch, row: number, cpu: number): void {
    const { a, b, c } = batch
    if (event === ALLOC) this.#alloc(batch, row, a[row]!, b[row]!, c[row]!, cpu)
    else if (event === FREE) this.#free(batch, row, a[row]!, b[row]!, cpu)
    else if (event === TAKEN) this.#taken(a[row]!, b[row]!, c[row]!, cpu)
    else if (event === DRAIN) this.#drain(a[row]!, b[row]!, c[row]!, cpu)
    else if (event !== FREE_BATCHED) this.#dispatchRare(event, batch, row, cpu)
  }

  #dispatchRare(event: number, batch: EventBatch, row: number, cpu: number): void {
    const { a, b, c, d } = batch
    switch (event) {
      case KIND.mm_page_alloc_extfrag:
        if (!this.#ended) this.#statistics!.fallback(batch, row)
        this.#kswapd.mixed(this.#follow.fallback(a[row]!, b[row]!, c[row]!, d[row]!, batch.f[row] === 1, cpu))
        break
      case KIND.mm_compaction_isolate_freepages:
      case KIND.mm_compaction_fast_isolate_freepages:
        this.#follow.compaction.see(batch, row)
        break
      case KIND.mm_vmscan_direct_reclaim_end:
        this.#reclaimers.ended(batch.pid[row]!)
        break
      case KIND.mm_vmscan_wakeup_kswapd:
      case KIND.mm_vmscan_kswapd_wake:
      case KIND.mm_vmscan_kswapd_sleep:
        if (!this.#ended) this.#kswapd.see(event, a[row]!, this.#names!.maskOf(batch, row))
        break
      case KIND.kmalloc:
      case KIND.kmalloc_node:
      case KIND.kmem_cache_alloc:
      case KIND.kmem_cache_alloc_node:
        if (!this.#ended) this.#statistics!.object(this.#names!.siteOf(batch, row), d[row]!)
    }
  }

  #alloc(batch: EventBatch, row: number, pfn: number, order: number, migratetype: number, cpu: number): void {
    if (!(pfn > 0)) {
      if (!this.#ended) this.#statistics!.failed(batch, row)
      return
    }
    const zone = this.#zoneOf(batch, row, pfn, order)
    if (zone < 0) return
    this.#follow.alloc(pfn, order, migratetype, migratetype === 1, cpu)
    this.#trims.alloc(pfn, order, cpu)
    if (this.#ended) return
    this.#statistics!.alloc(batch, row, pfn, order, zone)
    this.#kswapd.look(zone, cpu)
    const gfp = this.#names!.maskOf(batch, row)
    const { level, tookBefore } = this.#follow
    const slow = level === 0 && this.#reclaimers.served(batch.pid[row]!)
    this.#order.alloc(pfn, order, gfp, migratetype, zone, cpu, level, tookBefore, slow)
  }

  #free(batch: EventBatch, row: number, pfn: number, order: number, cpu: number): void {
    if (this.#zoneOf(batch, row, pfn, order) < 0) return
    const trims = this.#trims.free(pfn, order, cpu)
    const directly = trims || this.#given?.gives(batch, row, pfn, order) === true
    this.#follow.free(pfn, order, cpu, directly, this.#follow.level > 0)
    if (this.#ended) return
    this.#statistics!.free(pfn, order, batch.time[row]!)
    this.#order.free(pfn, order, cpu, directly, this.#follow.level)
  }

  #taken(pfn: number, order: number, migratetype: number, cpu: number): void {
    this.#early?.refilled(this.#follow.zoneOf(pfn, order), order)
    if (this.#follow.level === 0) this.#order.flush()
    this.#follow.taken(pfn, order, migratetype, cpu)
  }

  /** The boot may have computed sizes, with which the twins' settings come. */
  #settleBoot(early: EarlyBoot): void {
    const over = early.settle(this.#event)
    this.#follow.batchesKnown = early.listsKnown
    if (over)
      this.#twins.forEach((twin, i) => {
        applySettings(twin.sys, this.#settings[i]!)
      })
  }

  #drain(pfn: number, order: number, migratetype: number, cpu: number): void {
    const { sys } = this.#start
    const cause = this.#last[cpu] ?? 0
    if (!this.#ended) this.#drained += 1 << order
    if (!this.#ended && cause !== FREE && cause !== FREE_BATCHED) {
      this.#unprompted += 1 << order
      const pcp = pfn > 0 && pfn < sys.nr_frames ? sys.page.private[pfn]! : 0
      this.#order.drain(Math.floor(pcp / sys.nr_cpus), pcp % sys.nr_cpus, order, this.#follow.level)
    }
    this.#follow.drained(pfn, order, migratetype)
  }

  #zoneOf(batch: EventBatch, row: number, pfn: number, order: number): number {
    const zone = this.#follow.zoneOf(pfn, order)
    if (zone < 0 && this.#diagnosed++ < MOST_DIAGNOSTICS)
      this.#diagnostics.push({
        line: batch.line[row]!,
        message: `frame 0x${pfn.toString(16)} order ${order}: no zone of this machine has such a block`,
      })
    return zone
  }

  /** Ends the replay: what it came to. The replay must not be used afterwards. */
  finish(): ReplayReport {
    if (!this.#ended) this.#end()
    this.#recorder?.give()
    if (!this.#frames) this.#compareFrames()
    const { sys } = this.#start
    const { followed, twins } = this.#zonesAtEnd!
    const reports = this.#twins.map((twin, i) => predictReport(twin.counts, this.#settings[i]!, twins[i]!))
    const { before, after } = this.#options
    const statistics = this.#statistics ?? new Statistics(sys, this.#strings!)
    return {
      events: this.#event,
      replayed: this.#replayed,
      diagnostics: { count: this.#diagnosed, first: this.#diagnostics },
      follow: followReport(sys, followed, this.#follow.causes, this.#frames),
      predict: reports[0] ?? null,
      twins: reports,
      settings: this.#settings,
      machine: machineReport(this.#start, before?.release ?? after?.release ?? null, this.#early !== null),
      span: { from: this.#from, to: this.#to, seconds: this.#to - this.#from },
      series: { time: this.#series.time(), zones: this.#series.zones() },
      ...statistics.report(),
      drained: { pages: this.#drained, unprompted: this.#unprompted },
      settingsChangedAt: this.#changed ? this.#changedAt : null,
    }
  }
}
