// The ends of a replay's machines as parts of its report.
import type { Sys } from '../../mm/mmzone.ts'
import type { Restored } from '../restore.ts'
import { CAUSE, CAUSES, type Cause } from './causes.ts'
import type { FrameComparison, ZoneEnd } from './compare.ts'
import type { PredictCounts } from './predict.ts'
import type { FollowedZone, FollowReport, PredictReport, ReplayReport } from './report.ts'
import type { Settings } from './settings.ts'

/** The machine that the replay began with; `boot`: before anything was allocated. */
export function machineReport(
  { sys, source, zones }: Restored,
  release: string | null,
  boot: boolean,
): ReplayReport['machine'] {
  return {
    kernel: sys.kernel.name,
    release,
    cpus: sys.nr_cpus,
    frames: sys.nr_frames,
    pageSize: 2 ** sys.kernel.PAGE_SHIFT,
    migratetypes: sys.kernel.migratetypes,
    source,
    assumed: zones,
    boot,
  }
}

/** The followed machine. `causes`: pages by zone * CAUSES.length + cause. */
export function followReport(
  sys: Sys,
  zones: readonly ZoneEnd[],
  causes: Float64Array,
  frames: FrameComparison | null,
): FollowReport {
  return {
    zones: zones.map(zone => followedZone(sys, zone, causes)),
    ...(frames ?? { framesCompared: 0, framesWrong: 0 }),
  }
}

function followedZone(sys: Sys, end: ZoneEnd, causes: Float64Array): FollowedZone {
  const row = end.node * sys.nr_zone_types + (sys.kernel.zones as readonly string[]).indexOf(end.zone)
  const at = row * CAUSES.length
  const difference = end.freeRecorded === null ? 0 : end.free - end.freeRecorded
  const listed = end.listedRecorded === null ? 0 : end.listed - end.listedRecorded
  // What is missing in the free blocks and waits on a list instead, or the other way round, moved without an event.
  const opposite = Math.sign(difference) === -Math.sign(listed) ? Math.min(Math.abs(difference), Math.abs(listed)) : 0
  const unseenMoves = Math.sign(difference) * opposite
  const left = difference - unseenMoves
  const isolatedUnseen = Math.max(0, Math.min(left, causes[at + CAUSE.isolatedUnseen]!))
  const isolatedElsewhere = elsewhere(left - isolatedUnseen, at, causes)
  const pages = CAUSES.flatMap((name, i): [Cause, number][] => (causes[at + i] ? [[name, causes[at + i]!]] : []))
  return {
    ...end,
    unseenMoves,
    isolatedUnseen,
    isolatedElsewhere,
    unexplained: left - isolatedUnseen - isolatedElsewhere,
    causes: Object.fromEntries(pages),
  }
}

/**
 * Which frames compaction took no event names. Had it been other ones than here, the difference of one page stays: fewer
 * free ones here for each page that was freed although free, more for each that was handed out although in use.
 */
function elsewhere(left: number, at: number, causes: Float64Array): number {
  const proved =
    left < 0
      ? causes[at + CAUSE.freedWhileFree]!
      : causes[at + CAUSE.allocatedWhileInUse]! + causes[at + CAUSE.takenWhileInUse]!
  const pages = Math.min(Math.abs(left), proved, causes[at + CAUSE.isolated]!)
  return left < 0 ? -pages : pages
}

/** A predicting machine. */
export function predictReport(counts: PredictCounts, settings: Settings, zones: readonly ZoneEnd[]): PredictReport {
  return {
    settings,
    zones: zones.map(zone => ({
      ...zone,
      freeError: freeError(zone),
      blocksError: blocksError(zone),
      worstOrder: worstOrder(zone),
    })),
    ...counts,
  }
}

function freeError({ free, freeRecorded }: ZoneEnd): number | null {
  return freeRecorded === null ? null : Math.abs(free - freeRecorded) / Math.max(1, freeRecorded)
}

function blocksError({ blocks, blocksRecorded, freeRecorded }: ZoneEnd): number | null {
  if (blocksRecorded === null || freeRecorded === null) return null
  const wrong = blocks.reduce(
    (sum, count, order) => sum + Math.abs(count - (blocksRecorded[order] ?? 0)) * 2 ** order,
    0,
  )
  return wrong / Math.max(1, freeRecorded)
}

/** `blocks` too many (or, negative, too few). */
function worstOrder({ blocks, blocksRecorded }: ZoneEnd): PredictReport['zones'][number]['worstOrder'] {
  let worst: PredictReport['zones'][number]['worstOrder'] = null
  blocksRecorded?.forEach((recorded, order) => {
    const wrong = (blocks[order] ?? 0) - recorded
    const error = Math.abs(wrong) / Math.max(1, recorded)
    if (wrong !== 0 && (worst === null || error > worst.error)) worst = { order, error, blocks: wrong }
  })
  return worst
}
