// What a replay shows, in plain sentences with their numbers: the first thing that a reader sees, in the page and on the
// terminal.
// Law: every sentence is computed from the view; a sentence about something that was not recorded is left out.
import { bytes, count, integer, percent, seconds } from './numbers.ts'
import type { Margin, Prediction, ReplayView, Taker, ZoneCourse, ZoneEnd, ZoneName } from './view.ts'

/** How a finding is to be taken. */
export type Tone = 'good' | 'warn' | 'bad' | 'plain'

export interface Finding {
  readonly topic: 'follow' | 'frames' | 'predict' | 'margin' | 'fragmentation' | 'fallback' | 'takers' | 'failures'
  readonly tone: Tone
  /** A sentence. */
  readonly text: string
  /** The same in a few words. */
  readonly brief: string
}

/** All findings, those about trust first. */
export function findings(view: ReplayView): readonly Finding[] {
  return [
    followed(view),
    frames(view),
    predicted(view.prediction, view.zones),
    margin(view),
    fragmentation(view),
    fallbacks(view),
    takers(view),
    failures(view),
  ].filter(finding => finding !== null)
}

/** `DMA32`, with its node where the machine has several. */
export function zoneLabel({ node, zone }: ZoneName, nodes: number): string {
  return nodes > 1 ? `node ${node} ${zone}` : zone
}

/** Nodes that the view's zones lie on. */
export function nodeCount(view: ReplayView): number {
  return new Set(view.zones.map(({ node }) => node)).size
}

/** Pages, and what that is in bytes. */
export function pages(value: number, pageSize: number): string {
  return `${count(value, 'page')} (${bytes(value * pageSize)})`
}

function followed(view: ReplayView): Finding | null {
  const known = view.zones.filter(({ recorded }) => recorded !== null)
  if (known.length === 0) return null
  const off = known.reduce((sum, zone) => sum + Math.abs(difference(zone)), 0)
  const unexplained = known.reduce((sum, zone) => sum + Math.abs(zone.unexplained), 0)
  const recorded = known.reduce((sum, zone) => sum + zone.recorded!, 0)
  const whole = `${count(recorded, 'free page')} in ${zones(known)}`
  const head = `Following the recorded frames, the twin ends with`
  if (off === 0) return finding('follow', 'good', `${head} exactly the machine's ${whole}.`, `exactly the ${whole}`)
  const causes = unexplained === 0 ? 'all with a known cause' : `${integer(unexplained)} without a known cause`
  const text = `${head} the machine's ${whole} but for ${count(off, 'page')} (${percent(off, recorded)}), ${causes}.`
  return finding('follow', unexplained === 0 ? 'good' : 'warn', text, `${count(off, 'page')} off ${whole}, ${causes}`)
}

function finding(topic: Finding['topic'], tone: Tone, text: string, brief: string): Finding {
  return { topic, tone, text, brief }
}

function zones(list: readonly unknown[]): string {
  return list.length === 1 ? 'its one zone' : list.length === 2 ? 'both zones' : `all ${list.length} zones`
}

/** Followed minus recorded. */
export function difference({ recorded, followed }: ZoneEnd): number {
  return recorded === null ? 0 : followed - recorded
}

function frames({ framesCompared: all, framesWrong: wrong }: ReplayView): Finding | null {
  if (all === 0) return null
  if (wrong === 0) {
    const text = `Each of ${integer(all)} frames compared is free or in use exactly as on the machine.`
    return finding('frames', 'good', text, `all ${integer(all)} are free or in use as recorded`)
  }
  const brief = `${integer(wrong)} of ${integer(all)} (${percent(wrong, all)}) are not free or in use as recorded`
  const text = `Of ${integer(all)} frames compared, ${integer(wrong)} (${percent(wrong, all)}) are not free or in use as on the machine.`
  return finding('frames', 'warn', text, brief)
}

function predicted(prediction: Prediction | null, zones: readonly ZoneEnd[]): Finding | null {
  if (prediction === null || prediction.allocations === 0) return null
  const { allocations, sameFrame, failed } = prediction
  const blocks = wrongBlocks(zones)
  if (sameFrame === allocations) {
    const all = `${integer(allocations)} allocations`
    const text = `Choosing for itself, the twin named the very frame that the machine took in each of ${all}${blocks}; ${basis(prediction)}.`
    const brief = `the recorded frame in each of ${all} (${integer(prediction.recycled)} of frames freed on the way)`
    return finding('predict', 'good', text, brief)
  }
  const frame = percent(sameFrame, allocations)
  const zone = percent(prediction.sameZone, allocations)
  const type = percent(prediction.sameMigratetype, allocations)
  const text =
    `Choosing for itself, the twin named the recorded frame in ${frame} of ${count(allocations, 'allocation')}, the ` +
    `recorded zone in ${zone} and the recorded migrate type in ${type}` +
    `${failed === 0 ? '' : `; ${integer(failed)} failed that did not fail on the machine`}${blocks}; ${basis(prediction)}.`
  const brief = `same frame ${frame}, zone ${zone}, migrate type ${type}${failed === 0 ? '' : `, ${integer(failed)} failed`}${blocks}`
  const good = Math.min(prediction.sameZone, prediction.sameMigratetype) >= allocations * 0.99 && failed === 0
  return finding('predict', good ? 'good' : 'warn', text, brief)
}

/** How far free blocks are from the recorded ones: weighed by size in the worst zone, and the one order that is worst. */
function wrongBlocks(zones: readonly ZoneEnd[]): string {
  let weighed = 0
  let worst = { share: 0, text: '' }
  for (const zone of zones) {
    const { recorded, predicted: own } = zone.blocks
    if (!recorded || !own) continue
    const wrong = recorded.map((blocks, order) => (own[order] ?? 0) - blocks)
    const pages = wrong.reduce((sum, blocks, order) => sum + Math.abs(blocks) * 2 ** order, 0)
    weighed = Math.max(weighed, pages / Math.max(1, zone.recorded ?? 0))
    wrong.forEach((blocks, order) => {
      const share = Math.abs(blocks) / Math.max(1, recorded[order]!)
      const text = `order ${order} of ${zone.zone}: ${integer(recorded[order]! + blocks)} for ${integer(recorded[order]!)}`
      if (share > worst.share) worst = { share, text }
    })
  }
  if (worst.share === 0) return ''
  return `; free blocks by size ${percent(weighed, 1)} off, at worst ${worst.text}`
}

/** What the predictions stand on. */
function basis({ allocations, recycled, sameFrameRecycled }: Prediction): string {
  return (
    `${integer(recycled)} were of frames freed since the start, of which ${percent(sameFrameRecycled, recycled)} were ` +
    `named right, and where the other ${integer(allocations - recycled)} frames waited at the start was read off the trace`
  )
}

/** The zone that came closest to its watermarks, if any has some. */
function closest(margins: readonly Margin[]): Margin | null {
  const own = margins.filter(({ min }) => min > 0)
  return own.reduce<Margin | null>(
    (least, it) => (least && least.free / least.min <= it.free / it.min ? least : it),
    null,
  )
}

function margin(view: ReplayView): Finding | null {
  const least = closest(view.margins)
  if (least === null) return null
  const { free, min, low, high, time } = least
  const zone = `zone ${zoneLabel(least, nodeCount(view))}`
  const had = `${pages(free, view.pageSize)} free at ${seconds(time)}`
  const brief = `lowest in ${zone}: ${had} (min ${integer(min)}, low ${integer(low)})`
  if (!view.watermarksHeld) {
    const marks = `min ${integer(min)}, low ${integer(low)}, high ${integer(high)}`
    const text = `Closest to its watermarks came ${zone} with ${had}; they changed during the trace, at the end they are ${marks}.`
    return finding(
      'margin',
      'plain',
      text,
      `lowest in ${zone}: ${had} (watermarks changed; at the end min ${integer(min)})`,
    )
  }
  if (free < min)
    return finding(
      'margin',
      'bad',
      `Memory ran below a min watermark: ${zone} had ${had}, min is ${integer(min)}.`,
      brief,
    )
  if (free < low) {
    const text = `Memory fell below a low watermark, which wakes kswapd: ${zone} had ${had}; low is ${integer(low)}, min ${integer(min)}.`
    return finding('margin', 'warn', text, brief)
  }
  const times = (free / high).toFixed(1)
  const text = `Memory never fell to a low watermark; closest came ${zone} with ${had}, ${times} times its high watermark of ${integer(high)}.`
  return finding('margin', 'good', text, brief)
}

/** Share of a zone's free pages at an instant that lie in blocks of `order` and more. */
export function shareFrom(course: ZoneCourse, order: number, at: number): number {
  let all = 0
  let large = 0
  course.blocks.forEach((blocks, i) => {
    const free = blocks[at]! * 2 ** i
    all += free
    if (i >= order) large += free
  })
  return all === 0 ? 0 : large / all
}

function fragmentation(view: ReplayView): Finding | null {
  const largest = view.courses.reduce<ZoneCourse | null>(
    (most, it) => (most && most.free[0]! >= it.free[0]! ? most : it),
    null,
  )
  if (largest === null || view.times.length === 0) return null
  const last = view.times.length - 1
  const order = Math.min(9, largest.blocks.length - 1)
  const [from, to] = [shareFrom(largest, order, 0), shareFrom(largest, order, last)]
  const [was, is] = [percent(from * 1000, 1000), percent(to * 1000, 1000)]
  const zone = zoneLabel(largest, nodeCount(view))
  const text = `At the end ${is} of the free memory in zone ${zone} lies in blocks of order ${order} and more (${was} at the start).`
  const brief = `${is} of ${zone}'s free memory in blocks of order ${order} and more (${was} at the start)`
  return finding('fragmentation', to < 0.5 && to < from ? 'warn' : 'plain', text, brief)
}

function fallbacks({ extfrag: { recorded, predicted } }: ReplayView): Finding | null {
  if (recorded === null) return null
  const often = recorded === 1 ? 'once' : `${integer(recorded)} times`
  const did = recorded === 0 ? 'never took a block' : `took a block ${often}`
  const same = predicted === recorded ? ', as the twin predicts' : `; the twin predicts ${integer(predicted ?? 0)}`
  const text = `The allocator ${did} from another migrate type${predicted === null ? '' : same}.`
  const twin = predicted === null ? '' : `, ${integer(predicted)} predicted`
  const blocks = recorded === 0 ? 'no block' : count(recorded, 'block')
  return finding('fallback', 'plain', text, `${blocks} taken from another migrate type${twin}`)
}

function takers({ processes, gfps, taken, pageSize }: ReplayView): Finding | null {
  const [process] = processes
  const [gfp] = gfps
  if (process === undefined) return null
  const mask = gfp === undefined ? '' : `, and by mask to ${share(gfp, taken, pageSize)}`
  const text = `Most pages went to ${share(process, taken, pageSize)}${mask}.`
  return finding('takers', 'plain', text, share(process, taken, pageSize))
}

function share({ name, pages: own }: Taker, all: number, pageSize: number): string {
  return `${name}: ${pages(own, pageSize)}, ${percent(own, all)}`
}

function failures({ failures: { count: failed, first }, prediction }: ReplayView): Finding {
  const refused = prediction?.refused ?? 0
  const near = refused === 0 ? '' : `${count(refused, 'request')} could be served only after memory was reclaimed`
  const [one] = first
  if (failed === 0 || one === undefined) {
    const text = `No allocation failed${near && `; ${near}`}.`
    return finding('failures', near === '' ? 'good' : 'warn', text, `none${near && `; ${near}`}`)
  }
  const what = `order ${one.order}, ${one.gfp}, by ${one.process}`
  const text = `${count(failed, 'allocation')} failed, the first at ${seconds(one.time)}: ${what}${near && `; ${near}`}.`
  return finding('failures', 'bad', text, `${integer(failed)}, first at ${seconds(one.time)}: ${what}`)
}
