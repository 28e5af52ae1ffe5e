// What the page and the terminal show of a replay, as plain data: a `ReplayReport` made ready to be read (`replay_view.ts`).
// Law: memory is counted in pages unless a name says otherwise, time in seconds since the replay's begin; null means that
// the recording cannot tell.
import type { SlabReport } from '../../sim/replay/slab_report.ts'

/** A zone by its node and name, as /proc/zoneinfo prints them. */
export interface ZoneName {
  readonly node: number
  readonly zone: string
}

/** Free pages of a zone at the end. */
export interface ZoneEnd extends ZoneName {
  /** What the machine's own files say; null without a final snapshot. */
  readonly recorded: number | null
  readonly followed: number
  readonly predicted: number | null
  /** Followed minus recorded that no cause explains. */
  readonly unexplained: number
  /** Free blocks by order. */
  readonly blocks: Compared
  /** Free pages by migrate type, in the order of `ReplayView.migratetypes`. */
  readonly types: Compared
  /** Pages on per-CPU lists, one figure each. */
  readonly listed: Compared
}

/** The same figures as recorded, followed and predicted; null where they are not known. */
export interface Compared {
  readonly recorded: readonly number[] | null
  readonly followed: readonly number[]
  readonly predicted: readonly number[] | null
}

/** A zone over time: one entry per instant in each list. */
export interface ZoneCourse extends ZoneName {
  readonly min: number
  readonly low: number
  readonly high: number
  readonly free: readonly number[]
  /** Free blocks: [order][instant]. */
  readonly blocks: readonly (readonly number[])[]
  /** The kernel's fragmentation index, 0 to 1: [order][instant]; null where an allocation of this order would succeed. */
  readonly fragmentation: readonly (readonly (number | null)[])[]
}

/** Who took pages. */
export interface Taker {
  readonly name: string
  readonly allocations: number
  readonly pages: number
  /** Of these pages, not yet freed at the end; null where it is not followed. */
  readonly kept: number | null
}

/** A place in the kernel that took objects from a slab allocator. */
export interface CallSite {
  readonly name: string
  readonly allocations: number
  readonly bytes: number
}

/** An allocation that the machine refused. */
export interface Failure {
  readonly time: number
  readonly line: number
  readonly process: string
  readonly order: number
  readonly gfp: string
}

/** An allocation that took a block of another migrate type. */
export interface Fallback {
  readonly time: number
  readonly line: number
  readonly pfn: number
  readonly order: number
  readonly fallbackOrder: number
  readonly from: string
  readonly to: string
  readonly wholeBlock: boolean
}

/** How many there are, and the first of them. */
export interface Listed<T> {
  readonly count: number
  readonly first: readonly T[]
}

/** Pages whose coming or going no event tells. */
export interface CauseRow extends ZoneName {
  readonly pages: number
  readonly reason: string
}

/** What was recorded, and what the twin did; null = not in the recording, or not run. */
export interface Pair {
  readonly recorded: number | null
  readonly predicted: number | null
}

/** How well the twin's own choices met the recorded ones. */
export interface Prediction {
  readonly allocations: number
  readonly sameFrame: number
  /** Allocations of frames freed since the start: the others' places at the start were read off the trace. */
  readonly recycled: number
  readonly sameFrameRecycled: number
  readonly sameZone: number
  readonly sameMigratetype: number
  /** Failed although the machine served them. */
  readonly failed: number
  /** Refused by the twin's watermarks although the machine served them: it reclaimed memory first. */
  readonly refused: number
}

/** The same trace under one group of settings. */
export interface SettingsRun {
  /** `as recorded`, or `vm.min_free_kbytes=…, …`. */
  readonly name: string
  readonly prediction: Prediction
  readonly zones: readonly (ZoneName & { readonly free: number })[]
  /** Free pages at the view's instants, zone by zone. */
  readonly courses: readonly (ZoneName & { readonly free: readonly number[] })[]
  readonly fallbacks: number
  /** Pages given back from per-CPU lists. */
  readonly drained: number
}

/** The moment at which a zone came closest to its min watermark. */
export interface Margin extends ZoneName {
  readonly time: number
  /** Who allocated at this moment; null = not known. */
  readonly process: string | null
  readonly free: number
  readonly min: number
  readonly low: number
  readonly high: number
  /** Free pages above the min watermark and the reserve that an ordinary request must leave; below 0 = none,
   * null = not known. */
  readonly left: number | null
}

/** All of a replay. */
export interface ReplayView {
  readonly trace: string
  readonly machine: string
  readonly kernel: string
  readonly pageSize: number
  readonly migratetypes: readonly string[]
  /** Events of the trace, and those between the two snapshots. */
  readonly events: number
  readonly replayed: number
  readonly seconds: number
  /** Where the machine of the start comes from, in a sentence. */
  readonly start: string
  readonly diagnostics: Listed<{ readonly line: number; readonly message: string }>
  readonly zones: readonly ZoneEnd[]
  readonly framesCompared: number
  readonly framesWrong: number
  readonly prediction: Prediction | null
  readonly causes: readonly CauseRow[]
  readonly times: readonly number[]
  readonly courses: readonly ZoneCourse[]
  /** Whether the watermarks stayed as they are at the end: not in a boot, not where settings changed. */
  readonly watermarksHeld: boolean
  readonly margins: readonly Margin[]
  /** Pageblocks per migrate type over time. */
  readonly mixture: readonly { readonly type: string; readonly values: readonly number[] }[]
  /** All pages that were handed out: what the takers' shares are of. */
  readonly taken: number
  readonly callSites: readonly CallSite[]
  readonly gfps: readonly Taker[]
  readonly processes: readonly Taker[]
  /** Allocations by order. */
  readonly orders: readonly number[]
  /** Blocks that were freed again, by life: [i] less than 2^(i+1) microseconds. */
  readonly lifetimes: readonly number[]
  readonly failures: Listed<Failure>
  readonly fallbacks: Listed<Fallback>
  /** Blocks taken from another migrate type. */
  readonly extfrag: Pair
  /** Pages given back from per-CPU lists. */
  readonly drains: Pair
  /** Of the recorded ones, those that no free caused. */
  readonly drainsUnprompted: number
  /** Two or more make a comparison. */
  readonly runs: readonly SettingsRun[]
  /** Where the trace has events of objects; `from` is the time of the replay's begin. */
  readonly slabs?: { readonly report: SlabReport; readonly from: number }
}
