// What a first reading finds: where the replay begins and ends, and what happened to a frame first.
import { expect, it } from 'vitest'
import {
  firstRefill,
  TOUCH_ALLOC,
  TOUCH_DRAIN,
  TOUCH_FREE,
  TOUCH_TAKEN,
  TraceScanner,
} from '../../../src/sim/replay/scan.ts'
import { FtraceTextReader } from '../../../src/trace/ftrace_text.ts'

const EVENTS: Readonly<Record<string, string>> = {
  alloc: 'mm_page_alloc: page=0000000000000001 pfn=0x@ order=# migratetype=1 gfp_flags=GFP_KERNEL',
  free: 'mm_page_free: page=0000000000000001 pfn=0x@ order=#',
  taken: 'mm_page_alloc_zone_locked: page=0000000000000001 pfn=0x@ order=# migratetype=1 percpu_refill=1',
  drain: 'mm_page_pcpu_drain: page=0000000000000001 pfn=0x@ order=# migratetype=2',
  begin: 'tracing_mark_write: SNAP_BEGIN /snap/x',
  end: 'tracing_mark_write: SNAP_END /snap/x',
}

/** `alloc:10:0` = mm_page_alloc of pfn 0x10, order 0. */
function scan(notation: string, fromMarker = true): ReturnType<TraceScanner['finish']> {
  const lines = notation.split(' ').map((word, i) => {
    const [event, pfn = '', order = '0'] = word.split(':')
    const text = EVENTS[event!]!.replace('@', pfn).replace('#', order)
    return `            init-1       [000] .....     1.${String(i).padStart(6, '0')}: ${text}\n`
  })
  const zones = [{ start: 1, end: 1024, room: [] }]
  const scanner = new TraceScanner({
    frames: 1024,
    pageblockOrder: 9,
    fromMarker,
    fallbackTakes: false,
    zones,
    cpus: 1,
  })
  const reader = new FtraceTextReader({ onBatch: batch => scanner.push(batch) })
  reader.push(new TextEncoder().encode(lines.join('')))
  reader.end()
  return scanner.finish()
}

it('lies between the first marker and the last', () => {
  const { begin, beginDone, end, endDone, snapshots } = scan('alloc:5 begin alloc:6 end free:7 begin alloc:8 end')
  expect({ begin, beginDone, end, endDone, snapshots }).toEqual({
    begin: 1,
    beginDone: 3,
    end: 5,
    endDone: 7,
    snapshots: 2,
  })
})

it('begins at the start where a boot is traced', () => {
  const { begin, end } = scan('alloc:5 begin alloc:6 end', false)
  expect({ begin, end }).toEqual({ begin: 0, end: 1 })
})

it('sees what every frame was', () => {
  const { touch } = scan('begin alloc:10 free:10 free:20:1 taken:30 alloc:30 drain:40 end begin end')
  expect([touch[0x10], touch[0x20], touch[0x21], touch[0x30], touch[0x40], touch[0x50]]).toEqual([
    TOUCH_ALLOC,
    TOUCH_FREE,
    TOUCH_FREE,
    TOUCH_TAKEN,
    TOUCH_DRAIN,
    0,
  ])
})

it('forgets what was before the first marker', () => {
  expect(scan('alloc:10 begin free:10 end begin end').touch[0x10]).toBe(TOUCH_FREE)
})

it('learns the type of a pageblock from a page that comes back from its list', () => {
  expect(scan('begin free:10 alloc:10 end begin end').drainType[0]).toBe(2)
  expect(scan('begin drain:10 end begin end').drainType[0]).toBe(3)
})

it('knows when a per-CPU list was empty', () => {
  const found = scan('begin taken:10 taken:11 end begin end')
  expect(firstRefill(found, 1, 0, 0, 1)).toBe(2)
  expect(firstRefill(found, 1, 0, 0, 0)).toBe(0)
})
