// The plots of a replay: which series stand in them, and what they are called.
// Law: all plots share the same instants; there are never more figures than the page can carry, and where instants are
// left out the lowest free memory stays in.
import { nodeCount, zoneLabel } from './findings.ts'
import { html } from './markup.ts'
import { bytes, integer } from './numbers.ts'
import type { Plot, PlotSeries } from './plot.ts'
import type { ReplayView, ZoneCourse } from './view.ts'

/** Figures that all plots of a page may have together: some six bytes each. */
const MOST_FIGURES = 150_000
const FEWEST_INSTANTS = 50
/** Orders of which a fragmentation index is drawn: more lines are not told apart, and order 0 has none. */
const DRAWN_ORDERS = [1, 2, 3, 4, 5, 7, 9, 10]

/** Plots by the section that they stand in. */
export interface ReplayPlots {
  readonly free: readonly Plot[]
  readonly blocks: readonly Plot[]
  readonly fragmentation: readonly Plot[]
  readonly mixture: readonly Plot[]
  /** Free memory under each group of settings. */
  readonly settings: readonly Plot[]
}

/** All plots of a view; none where it has no instants. */
export function replayPlots(whole: ReplayView): ReplayPlots {
  if (whole.times.length === 0) return { free: [], blocks: [], fragmentation: [], mixture: [], settings: [] }
  const view = thinned(whole)
  const of = (make: (course: ZoneCourse, index: number, view: ReplayView) => Plot): Plot[] =>
    view.courses.map((course, index) => make(course, index, view))
  return {
    free: of(freePlot),
    blocks: of(blocksPlot),
    fragmentation: of(fragmentationPlot).filter(({ series }) => series.length > 0),
    mixture: view.mixture.length === 0 ? [] : [mixturePlot(view)],
    settings: view.runs.length < 2 ? [] : of(settingsPlot).filter(({ series }) => series.length > 1),
  }
}

/** Settings that are drawn: more lines are not told apart. */
const DRAWN_RUNS = 8

function settingsPlot(course: ZoneCourse, index: number, view: ReplayView): Plot {
  const series = view.runs.slice(0, DRAWN_RUNS).flatMap(({ name, courses }, colour): PlotSeries[] => {
    const own = courses.find(({ node, zone }) => node === course.node && zone === course.zone)
    return own && own.free.length > 0 ? [{ label: name, values: own.free, colour }] : []
  })
  const note = html`Free pages under each group of settings, as the twin predicts them.`
  return {
    id: `settings-${index}`,
    kind: 'lines',
    title: title('Free memory by settings', course, view),
    note,
    unit: 'pages',
    times: view.times,
    series,
  }
}

function freePlot(course: ZoneCourse, index: number, view: ReplayView): Plot {
  const { free, min, low, high } = course
  const least = free.reduce((a, b) => Math.min(a, b))
  const note = html`Free pages (${bytes(view.pageSize)} each) and the zone's watermarks${view.watermarksHeld ? '' : ', which are those at the end'}. Lowest of these instants: ${integer(least)} pages, ${bytes(least * view.pageSize)}.`
  const mark = (label: string, level: number, colour: number): PlotSeries => {
    return { label, values: free.map(() => level), colour, reference: true }
  }
  const marks = high > 0 ? [mark('min', min, 1), mark('low', low, 2), mark('high', high, 3)] : []
  return {
    id: `free-${index}`,
    kind: 'lines',
    title: title('Free memory', course, view),
    note,
    unit: 'pages',
    times: view.times,
    series: [{ label: 'free', values: free, colour: 0 }, ...marks],
  }
}

function title(what: string, course: ZoneCourse, view: ReplayView): string {
  return `${what}, zone ${zoneLabel(course, nodeCount(view))}`
}

function blocksPlot(course: ZoneCourse, index: number, view: ReplayView): Plot {
  const series = course.blocks.map((values, order) => ({ label: `order ${order}`, values, colour: 0 }))
  const note = html`Each row is an order; the stronger the colour, the more free blocks of this order. A machine that fragments loses its upper rows.`
  return {
    id: `blocks-${index}`,
    kind: 'heat',
    title: title('Free blocks per order', course, view),
    note,
    unit: 'blocks',
    times: view.times,
    series,
  }
}

/** Only orders that ever failed to be there have an index. */
function fragmentationPlot(course: ZoneCourse, index: number, view: ReplayView): Plot {
  const drawn = DRAWN_ORDERS.filter(order => course.fragmentation[order]?.some(value => value !== null))
  const series: PlotSeries[] = drawn.map(order => ({
    label: `order ${order}`,
    values: course.fragmentation[order]!,
    colour: DRAWN_ORDERS.length - 1 - DRAWN_ORDERS.indexOf(order),
  }))
  const note = html`The kernel's index (<code>extfrag_index</code>) where no free block is large enough: near 0 memory is short, near 1 it is there but in pieces. No line: a block of this order is free.`
  return {
    id: `fragmentation-${index}`,
    kind: 'lines',
    title: title('Fragmentation index', course, view),
    note,
    unit: 'index',
    times: view.times,
    series,
    range: [0, 1],
  }
}

function mixturePlot({ times, mixture }: ReplayView): Plot {
  const series = mixture.map(({ type, values }, colour) => ({ label: type, values, colour }))
  const present = series.filter(({ values }) => values.some(value => value > 0))
  const total = present.reduce((sum, { values }) => sum + values[0]!, 0)
  const note = html`Pageblocks of all zones by the migrate type that owns them. Unmovable blocks that spread are what makes large blocks rare.`
  return {
    id: 'mixture-0',
    kind: 'stack',
    title: 'Migrate types of pageblocks',
    note,
    unit: 'pageblocks',
    times,
    series: present,
    range: [0, total],
  }
}

/** The view with no more instants than fit. */
function thinned(view: ReplayView): ReplayView {
  const { times, courses, mixture, runs } = view
  const each = courses.reduce((sum, { blocks }) => sum + 5 + 2 * blocks.length + runs.length, 1 + mixture.length)
  const room = Math.max(FEWEST_INSTANTS, Math.floor(MOST_FIGURES / each))
  if (times.length <= room) return view
  const keep = keptInstants(courses, times.length, room)
  const pick = <T>(values: readonly T[]): T[] => keep.map(at => values[at]!)
  const thin = (course: ZoneCourse): ZoneCourse => ({
    ...course,
    free: pick(course.free),
    blocks: course.blocks.map(pick),
    fragmentation: course.fragmentation.map(pick),
  })
  return {
    ...view,
    times: pick(times),
    courses: courses.map(thin),
    mixture: mixture.map(row => ({ ...row, values: pick(row.values) })),
    runs: runs.map(run => ({ ...run, courses: run.courses.map(it => ({ ...it, free: pick(it.free) })) })),
  }
}

/** The first, the last, and of each equal part between them the instant with the least free memory. */
function keptInstants(courses: readonly ZoneCourse[], instants: number, room: number): number[] {
  const sum = (at: number): number => courses.reduce((all, { free }) => all + free[at]!, 0)
  const kept = [0]
  const parts = room - 2
  for (let part = 0; part < parts; part++) {
    const from = 1 + Math.floor((part * (instants - 2)) / parts)
    const to = 1 + Math.floor(((part + 1) * (instants - 2)) / parts)
    let least = from
    for (let at = from + 1; at < to; at++) if (sum(at) < sum(least)) least = at
    kept.push(least)
  }
  return [...kept, instants - 1]
}
