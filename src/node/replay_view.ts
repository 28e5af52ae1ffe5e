// From a replay's report to what is shown of it: times from the replay's begin, names for numbers, causes in words.
// Law: nothing is decided here and nothing is lost that the page shows; a figure of the view is one of the report, a sum
// of some, or a difference of two.
import { CAUSE_TEXT, CAUSES } from '../sim/replay/causes.ts'
import type { FollowedZone, PredictReport, ReplayReport, ZoneSeries } from '../sim/replay/report.ts'
import { bytes, count } from './replay_html/numbers.ts'
import type {
  CauseRow,
  Compared,
  Margin,
  Pair,
  ReplayView,
  SettingsRun,
  Taker,
  ZoneCourse,
  ZoneEnd,
} from './replay_html/view.ts'

/** What is shown of `report`. `trace` is the name of the trace that it is of. */
export function replayView(report: ReplayReport, trace = 'a trace'): ReplayView {
  const { machine, series, span, follow, predict, allocators } = report
  const since = (time: number): number => Math.max(0, time - span.from)
  return {
    trace,
    machine: machineText(report),
    kernel: machine.release ?? machine.kernel,
    pageSize: machine.pageSize,
    migratetypes: machine.migratetypes,
    events: report.events,
    replayed: report.replayed,
    seconds: span.seconds,
    start: startText(report),
    diagnostics: report.diagnostics,
    zones: follow.zones.map((zone, row) => zoneEnd(zone, predict?.zones[row] ?? null)),
    framesCompared: follow.framesCompared,
    framesWrong: follow.framesWrong,
    prediction: predict,
    causes: follow.zones.flatMap(causeRows),
    times: series.time.map(since),
    courses: series.zones.map(zoneCourse),
    watermarksHeld: !machine.boot && report.settingsChangedAt === null,
    margins: margins(report, since),
    mixture: mixture(report),
    taken: report.orders.reduce((sum, blocks, order) => sum + blocks * 2 ** order, 0),
    callSites: allocators.callSites.map(({ name, allocations, amount }) => ({ name, allocations, bytes: amount })),
    gfps: allocators.gfp.map(taker),
    processes: allocators.tasks.map(taker),
    orders: report.orders,
    lifetimes: report.lifetimes,
    failures: {
      count: report.failures.count,
      first: report.failures.first.map(it => ({ ...it, time: since(it.time), process: it.comm })),
    },
    fallbacks: fallbacks(report, since),
    extfrag: pair(report.fallbacks.count, predict?.fallbacks),
    drains: pair(report.drained.pages, predict?.drained),
    drainsUnprompted: report.drained.unprompted,
    runs: report.twins.map((twin, row) => settingsRun(twin, row, series.zones)),
    ...(report.slabs ? { slabs: { report: report.slabs, from: span.from } } : {}),
  }
}

function pair(recorded: number, predicted: number | undefined): Pair {
  return { recorded, predicted: predicted ?? null }
}

function machineText({ machine, follow }: ReplayReport): string {
  const nodes = new Set(follow.zones.map(({ node }) => node)).size
  return `${count(nodes, 'node')}, ${count(machine.cpus, 'CPU')}, ${bytes(machine.frames * machine.pageSize)}`
}

const SOURCES: Readonly<Record<ReplayReport['machine']['source'], string>> = {
  physmap: 'a map of all frames',
  trace: 'the counts of the captured files, and which frames they are from the trace itself',
  counts: 'the counts of the captured files alone; which frames they are was chosen',
}

function startText({ machine: { kernel, boot, source, assumed } }: ReplayReport): string {
  const twin = `The twin is a machine of the profile ${kernel}.`
  if (boot) return `${twin} The trace is of a boot: it began before anything was allocated.`
  const chosen = assumed.reduce((sum, { pcpChosen }) => sum + pcpChosen, 0)
  const unknown =
    chosen === 0 ? '' : ` Of the pages on per-CPU lists, the frames of ${count(chosen, 'page')} were chosen.`
  return `${twin} Its state at the start comes from ${SOURCES[source]}.${unknown}`
}

function zoneEnd(followed: FollowedZone, predicted: PredictReport['zones'][number] | null): ZoneEnd {
  const { node, zone, freeRecorded, unexplained } = followed
  const sums = (types: readonly (readonly number[])[] | null | undefined): number[] | null =>
    types?.map(blocks => blocks.reduce((sum, each, order) => sum + each * 2 ** order, 0)) ?? null
  const blocks = { recorded: followed.blocksRecorded, followed: followed.blocks, predicted: predicted?.blocks ?? null }
  const types = {
    recorded: sums(followed.typesRecorded),
    followed: sums(followed.types)!,
    predicted: sums(predicted?.types),
  }
  return {
    node,
    zone,
    recorded: freeRecorded,
    followed: followed.free,
    predicted: predicted?.free ?? null,
    unexplained,
    blocks,
    types,
    listed: listed(followed, predicted),
  }
}

function listed(followed: FollowedZone, predicted: PredictReport['zones'][number] | null): Compared {
  const own = (value: number | null | undefined): number[] | null => (value == null ? null : [value])
  return { recorded: own(followed.listedRecorded), followed: [followed.listed], predicted: own(predicted?.listed) }
}

/** Causes that came up in a zone, with the parts of its final difference that no event tells. */
function causeRows({
  node,
  zone,
  causes,
  unseenMoves,
  isolatedUnseen,
  isolatedElsewhere,
  unexplained,
}: FollowedZone): CauseRow[] {
  const rows: (readonly [number | undefined, string])[] = [
    ...CAUSES.map(cause => [causes[cause], CAUSE_TEXT[cause]] as const),
    [unseenMoves, 'of the final difference: went between the buddy lists and a per-CPU list unseen'],
    [isolatedElsewhere, 'of the final difference: taken by compaction elsewhere than its search did here'],
    [isolatedUnseen, 'of the final difference: taken by compaction, with no free block here that could stand for them'],
    [unexplained, 'of the final difference: unexplained'],
  ]
  return rows.flatMap(([pages, reason]) => (pages ? [{ node, zone, pages, reason }] : []))
}

function zoneCourse({ node, zone, watermarks, free, blocks, fragmentation }: ZoneSeries): ZoneCourse {
  const index = fragmentation.map(values => values.map(value => (value < 0 ? null : value)))
  return { node, zone, ...watermarks, free, blocks, fragmentation: index }
}

/** The lowest moment of every zone that has watermarks: met by an allocation, or between two. */
function margins({ nearFailures, series }: ReplayReport, since: (time: number) => number): Margin[] {
  return series.zones.flatMap(({ node, zone, watermarks, free }): Margin[] => {
    if (watermarks.high === 0 || free.length === 0) return []
    const near = nearFailures.find(it => it.node === node && it.zone === zone)
    const least = free.reduce((a, b) => Math.min(a, b))
    if (near && near.free <= least)
      return [
        { node, zone, ...watermarks, free: near.free, time: since(near.time), process: near.comm, left: near.margin },
      ]
    const left = near ? near.margin - (near.free - least) : null
    return [
      { node, zone, ...watermarks, free: least, time: since(series.time[free.indexOf(least)]!), process: null, left },
    ]
  })
}

/** Pageblocks of all zones together. */
function mixture({ series, machine }: ReplayReport): { type: string; values: number[] }[] {
  return machine.migratetypes.map((type, row) => ({
    type,
    values: series.time.map((_, at) => series.zones.reduce((sum, { pageblocks }) => sum + pageblocks[row]![at]!, 0)),
  }))
}

function taker({ name, allocations, amount, live }: ReplayReport['allocators']['gfp'][number]): Taker {
  return { name, allocations, pages: amount, kept: live }
}

function fallbacks({ fallbacks }: ReplayReport, since: (time: number) => number): ReplayView['fallbacks'] {
  const first = fallbacks.first.map(
    ({ time, line, pfn, order, fallbackOrder, migratetype, fallbackMigratetype, changedPageblock }) => ({
      time: since(time),
      line,
      pfn,
      order,
      fallbackOrder,
      from: fallbackMigratetype,
      to: migratetype,
      wholeBlock: changedPageblock,
    }),
  )
  return { count: fallbacks.count, first }
}

function settingsRun(twin: PredictReport, row: number, zones: readonly ZoneSeries[]): SettingsRun {
  const changed = Object.entries(twin.settings).map(([name, value]) => `${name}=${value}`)
  return {
    name: changed.length === 0 ? 'as recorded' : changed.join(', '),
    prediction: twin,
    zones: twin.zones.map(({ node, zone, free }) => ({ node, zone, free })),
    courses: zones.map(({ node, zone, predictedFree }) => ({ node, zone, free: predictedFree[row] ?? [] })),
    fallbacks: twin.fallbacks,
    drained: twin.drained,
  }
}
