// What a replay says: plain data, ready for JSON, for the terminal and for the HTML page. Times are seconds of the
// trace's clock, memory is in pages unless a name says otherwise; null = no file or event tells.
import type { ZoneAssumptions } from '../restore.ts'
import type { Cause } from './causes.ts'
import type { FrameComparison, ZoneEnd } from './compare.ts'
import type { SlabReport } from './slab_report.ts'

/** Something in the trace that the replay left out. */
export interface ReplayDiagnostic {
  /** Line of a text, record of a binary file; 1-based. */
  readonly line: number
  readonly message: string
}

/** The followed machine at the end. */
export interface FollowedZone extends ZoneEnd {
  /** Of the difference `free - freeRecorded`: pages that went between the buddy lists and a per-CPU list unseen. */
  readonly unseenMoves: number
  /** Of the difference: pages that compaction took and that no free block here could stand for. */
  readonly isolatedUnseen: number
  /** Of the difference: pages that compaction took elsewhere than its search did here, as later events proved. */
  readonly isolatedElsewhere: number
  /** What is left of the difference. */
  readonly unexplained: number
  /** Pages by cause of what the trace does not show, as it came to light; causes that never came are left out. */
  readonly causes: Readonly<Partial<Record<Cause, number>>>
}

export interface FollowReport extends Partial<FrameComparison> {
  readonly zones: readonly FollowedZone[]
  /** Frames compared with the final physmap; 0 where there is none. */
  readonly framesCompared: number
  readonly framesWrong: number
}

/** A predicting machine at the end. */
export interface PredictReport {
  /** The settings it ran with, `vm.min_free_kbytes=…`; empty = as recorded. */
  readonly settings: Readonly<Record<string, string>>
  readonly zones: readonly (ZoneEnd & {
    /** |free - freeRecorded| / freeRecorded. */
    readonly freeError: number | null
    /** Sum of |blocks - blocksRecorded| × size over all orders / freeRecorded. */
    readonly blocksError: number | null
    /** The order whose count is most wrong by share: |blocks - blocksRecorded| / blocksRecorded (of none: of one); null =
     * all counts are right, or nothing tells. */
    readonly worstOrder: { readonly order: number; readonly error: number; readonly blocks: number } | null
  })[]
  readonly allocations: number
  readonly sameFrame: number
  /** Allocations of frames that were freed since the start, whose place only the machine knows; where the others
   * waited at the start was read off the trace itself. */
  readonly recycled: number
  readonly sameFrameRecycled: number
  readonly sameZone: number
  readonly sameMigratetype: number
  /** Requests that no zone could serve although the recorded kernel did. */
  readonly failed: number
  /** Requests below the watermarks here, so that the recorded kernel reclaimed first; served without watermarks. */
  readonly refused: number
  /** Pages that the recording frees and this machine never gave away. */
  readonly freedUnknown: number
  /** Pages taken without an event: from per-CPU lists (bulk allocation), by compaction. */
  readonly silent: number
  readonly isolated: number
  /** External fragmentation events and pages drained from per-CPU lists: predicted. */
  readonly fallbacks: number
  readonly drained: number
}

/** Samples of a zone over time; every array has one value for each `series.time`. */
export interface ZoneSeries {
  readonly node: number
  readonly zone: string
  /** With boost; as the followed machine has them at the end. */
  readonly watermarks: { readonly min: number; readonly low: number; readonly high: number }
  readonly free: readonly number[]
  readonly listed: readonly number[]
  /** By order: free blocks. */
  readonly blocks: readonly (readonly number[])[]
  /** By order: how unusable free memory is for a block of it, 0 … 1. @kernel mm/vmstat.c:unusable_free_index */
  readonly unusable: readonly (readonly number[])[]
  /** By order: 0 … 1, towards 0 = a request fails for lack of memory, towards 1 = for fragmentation; -1 = it would not
   * fail. @kernel mm/vmstat.c:__fragmentation_index */
  readonly fragmentation: readonly (readonly number[])[]
  /** By migrate type: pageblocks. */
  readonly pageblocks: readonly (readonly number[])[]
  /** By predicting machine, in the order of `twins`: free pages. */
  readonly predictedFree: readonly (readonly number[])[]
}

/** Who allocated how much. */
export interface Allocator {
  /** Call site, GFP mask or task name as the trace prints it. */
  readonly name: string
  readonly allocations: number
  /** Bytes given (kmalloc and kmem_cache_alloc), or pages. */
  readonly amount: number
  /** Pages allocated in the trace and not freed in it; null for call sites. */
  readonly live: number | null
}

/** A request that the recorded kernel refused. */
export interface RecordedFailure {
  readonly time: number
  readonly line: number
  readonly cpu: number
  readonly comm: string
  readonly order: number
  readonly gfp: string
}

/** The moment at which a zone came nearest to its min watermark. */
export interface NearFailure {
  readonly node: number
  readonly zone: string
  readonly time: number
  readonly line: number
  readonly comm: string
  readonly free: number
  /** free - (min watermark + lowmem reserve of an ordinary request); 0 or less = below. */
  readonly margin: number
}

/** A request that took a block of another migrate type, as recorded. */
export interface FallbackEvent {
  readonly time: number
  readonly line: number
  readonly pfn: number
  readonly order: number
  readonly fallbackOrder: number
  readonly migratetype: string
  readonly fallbackMigratetype: string
  readonly changedPageblock: boolean
}

export interface ReplayReport {
  /** Events of the trace, and those between the two snapshots. */
  readonly events: number
  readonly replayed: number
  readonly diagnostics: { readonly count: number; readonly first: readonly ReplayDiagnostic[] }
  readonly follow: FollowReport
  /** The machine with the recorded settings; null where no prediction was asked for. */
  readonly predict: PredictReport | null
  /** All predicting machines; the first is `predict`. */
  readonly twins: readonly PredictReport[]
  /** Settings of the groups that were asked for. */
  readonly settings: readonly Readonly<Record<string, string>>[]
  readonly machine: {
    readonly kernel: string
    readonly release: string | null
    readonly cpus: number
    readonly frames: number
    readonly pageSize: number
    readonly migratetypes: readonly string[]
    /** Where the frames of the start come from, and what was assumed. */
    readonly source: 'physmap' | 'trace' | 'counts'
    readonly assumed: readonly ZoneAssumptions[]
    /** True: the trace is of a boot, the machine began before anything was allocated. */
    readonly boot: boolean
  }
  readonly span: { readonly from: number; readonly to: number; readonly seconds: number }
  readonly series: { readonly time: readonly number[]; readonly zones: readonly ZoneSeries[] }
  readonly allocators: {
    readonly callSites: readonly Allocator[]
    readonly gfp: readonly Allocator[]
    readonly tasks: readonly Allocator[]
  }
  /** Recorded allocations by order. */
  readonly orders: readonly number[]
  /** Recorded blocks by the power of two of their life in microseconds: [0] less than 2 µs, [i] less than 2^(i+1) µs. */
  readonly lifetimes: readonly number[]
  readonly failures: { readonly count: number; readonly first: readonly RecordedFailure[] }
  readonly nearFailures: readonly NearFailure[]
  readonly fallbacks: { readonly count: number; readonly first: readonly FallbackEvent[] }
  /** Pages drained from per-CPU lists, as recorded; of them those that no free caused. */
  readonly drained: { readonly pages: number; readonly unprompted: number }
  /** Slabs, where the trace has events of objects and the files a table of caches; left out where it has none. */
  readonly slabs?: SlabReport
  /** Ordinal of the event before which settings changed that no event shows (taken from the final snapshot); null. */
  readonly settingsChangedAt: number | null
}
