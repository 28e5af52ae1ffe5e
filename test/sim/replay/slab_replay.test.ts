// Slab events of real traces: what caches have at the end, on a twin that serves the recorded calls. And a machine of ours
// whose own events are replayed, so that what is not known otherwise is known.
import { describe, expect, it } from 'vitest'
import { replayTrace } from '../../../src/node/replay_files.ts'
import { readSlabinfo } from '../../../src/report/proc/slabinfo.ts'
import { readSnapshot } from '../../../src/report/snapshot.ts'
import { SlabNames } from '../../../src/sim/replay/slab_names.ts'
import { PointerTable } from '../../../src/sim/replay/slab_objects.ts'
import { createSlabReplay, createSlabScan } from '../../../src/sim/replay/slab_replay.ts'
import type { SlabReport } from '../../../src/sim/replay/slab_report.ts'
import { StringTable } from '../../../src/trace/batch.ts'
import { FtraceTextReader } from '../../../src/trace/ftrace_text.ts'
import { describeShared, SHARED } from '../../shared.ts'

const folder = new URL('../../golden/proc/6.1-amd64/', import.meta.url).pathname

import { readFileSync } from 'node:fs'

const ROW = (name: string, objects: string): string =>
  `${name} ${objects} : tunables 0 0 0 : slabdata ${objects.includes(' 0 ') ? '0 0' : '1 1'} 0`

/** What a trace of these events does to these caches. */
function replay(slabinfo: string, events: readonly string[], mark = true, from = folder): SlabReport | null {
  const files = new Map([
    ['zoneinfo', readFileSync(`${from}zoneinfo`, 'utf8')],
    ['version', readFileSync(`${folder}version`, 'utf8')],
    ['slabinfo', `slabinfo - version: 2.1\n# name\n${slabinfo}\n`],
  ])
  const before = readSnapshot(files)
  const marked = mark
    ? ['tracing_mark_write: SNAP_BEGIN before', ...events, 'tracing_mark_write: SNAP_BEGIN after']
    : events
  const line = (event: string, at: number): string => {
    const [, cpu, rest] = /^(?:@(\d) )?(.*)$/.exec(event)!
    return `  sh-1  [00${cpu ?? 0}] .....  ${(at + 1).toFixed(6)}: ${rest}\n`
  }
  const text = marked.map(line).join('')
  const states = { before, after: null }
  const run = (onBatch: (batch: import('../../../src/trace/batch.ts').EventBatch) => void): void => {
    const reader = new FtraceTextReader({ onBatch, strings: new StringTable() })
    reader.push(new TextEncoder().encode(text))
    reader.end()
  }
  const scanner = createSlabScan(states)
  run(batch => scanner!.push(batch))
  const slabs = createSlabReplay(states, scanner!.finish(), { begin: 0, end: marked.length - 1 })
  if (slabs === null) return null
  run(batch => slabs.push(batch))
  return slabs.finish()
}

const at = (page: number, offset = 0): string => `ffff8880${(page * 4096 + offset).toString(16).padStart(8, '0')}`
const alloc = (site: string, pointer: string, size: number): string =>
  `kmem_cache_alloc: call_site=${site}+0x1/0x2 ptr=${pointer} bytes_req=${size} bytes_alloc=${size} gfp_flags=GFP_KERNEL node=-1 accounted=false`
const free = (pointer: string, name: string): string =>
  `kmem_cache_free: call_site=drop+0x1/0x2 ptr=${pointer} name=${name}`
const page = (pfn: number): string =>
  `mm_page_alloc: page=0 pfn=0x${pfn.toString(16)} order=0 migratetype=0 gfp_flags=GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY`

describe('a trace of a few events', () => {
  // Two objects of 2048 bytes a slab; one slab, of which the trace shows what was free.
  const box = ROW('box', '2 2 2048 2 1')

  it('a free object of the start is taken before a new slab is made', () => {
    const report = replay(box, [alloc('take', at(500, 2048), 2048), free(at(500, 2048), 'box')])!
    expect(report).toMatchObject({ allocations: 1, frees: 1, unseen: 0, unidentified: 0, pointers: 'addresses' })
    expect(report.pages).toMatchObject({ before: 1, followed: 1, predicted: 1, predictedTaken: 0 })
  })

  it('each CPU has the slab that it took from first', () => {
    const two = ROW('box', '4 4 2048 2 1').replace(/1 1 0$/, '2 2 0')
    const events = [alloc('take', at(500, 2048), 2048), `@1 ${alloc('take', at(600, 2048), 2048)}`]
    const numa = folder.replace('6.1-amd64', '6.1-amd64-numa')
    expect(replay(two, events, true, numa)!.pages).toMatchObject({ before: 2, followed: 2, predicted: 2 })
    const none = replay(two, [...events, `@1 ${page(700)}`, `@1 ${alloc('take', at(700), 2048)}`], true, numa)!
    expect(none.pages).toMatchObject({ followed: 3, predicted: 3 })
  })

  it('when none is free a slab is made, as recorded', () => {
    const report = replay(box, [page(700), alloc('take', at(700), 2048), alloc('take', at(700, 2048), 2048)])!
    expect(report.pages).toMatchObject({ followed: 2, predicted: 2, recordedTaken: 1, predictedTaken: 1 })
    expect(report.caches[0]).toMatchObject({
      name: 'box',
      allocations: 2,
      predicted: { slabs: 2, objects: 4, active: 4 },
    })
    expect(report.callSites).toMatchObject([
      { name: 'take+0x1', cache: 'box', allocations: 2, bytesGiven: 4096, live: 4096 },
    ])
  })

  it('what is freed twice was taken without an event, what is taken twice was freed without one', () => {
    const report = replay(box, [
      alloc('take', at(500), 2048),
      free(at(500), 'box'),
      free(at(500), 'box'),
      alloc('take', at(500), 2048),
      alloc('take', at(500), 2048),
    ])!
    expect(report).toMatchObject({ unseen: 2, allocations: 3, frees: 2 })
    expect(report.pages.predicted).toBe(1)
  })

  it('hashed pointers tell objects apart, and no address', () => {
    const report = replay(box, [page(700), alloc('take', '00000000deadbeef', 2048), free('00000000deadbeef', 'box')])!
    expect(report).toMatchObject({ pointers: 'hashed', allocations: 1, frees: 1, unseen: 0 })
    expect(report.pages).toMatchObject({ followed: 2, predicted: 2 })
  })

  it('no object, no report; pointers that nothing identifies are counted', () => {
    expect(replay(box, [page(700)])).toBeNull()
    expect(replay(box, [alloc('take', at(500), 64), free('0000000000000000', 'box')])).toMatchObject({
      unidentified: 1,
    })
  })

  it('large kmalloc is pages, not an object', () => {
    const large = `kmalloc: call_site=big+0x1/0x2 ptr=${at(512)} bytes_req=20000 bytes_alloc=32768 gfp_flags=GFP_KERNEL node=-1 accounted=false`
    const report = replay(box, [large, `kfree: call_site=drop+0x1/0x2 ptr=${at(512)}`])!
    expect(report).toMatchObject({ largeAllocations: 1, allocations: 1, frees: 1, unidentified: 0 })
    expect(report.pages.predicted).toBe(1)
  })
})

it('pointers are found again among many', () => {
  const table = new PointerTable()
  const pointers = Array.from({ length: 20000 }, (_, i) => -131072000000000 + i * 64)
  for (const [row, pointer] of pointers.entries()) expect(table.rowOf(pointer)).toBe(row)
  expect(pointers.every((pointer, row) => table.find(pointer) === row && table.pointer(row) === pointer)).toBe(true)
  expect(table.find(1)).toBe(-1)
})

it('a cache is named by kmalloc, by a free, by its size, by its caller', () => {
  const rows = [
    'kmalloc-96 0 0 96 42 1',
    'kmalloc-cg-1k 0 0 1024 16 4',
    'one 0 0 64 64 1',
    'two 0 0 64 64 1',
    'lone 0 0 72 56 1',
  ]
  const { facts } = readSlabinfo(
    `slabinfo - version: 2.1\n${rows.map(row => ROW(row.split(' ')[0]!, row.slice(row.indexOf(' ') + 1))).join('\n')}\n`,
  )
  const strings = new StringTable()
  const names = new SlabNames(facts.caches, strings)
  expect([names.kmalloc(96, 0xcc0), names.kmalloc(1024, 0x400cc0), names.kmalloc(16384, 0xcc0)]).toEqual([0, 1, -1])
  const key = names.key(strings.of('x'), 64)
  expect(names.cacheOf(key)).toBe(-1)
  names.vote(key, names.named(strings.of('two')))
  expect(names.cacheOf(key)).toBe(3)
  expect(names.cacheOf(names.key(strings.of('y'), 72))).toBe(4)
  expect(names.cacheOf(names.key(strings.of('alloc_one+0x1'), 64))).toBe(2)
})

describeShared('recorded traces', () => {
  const LIGHT = [
    '6.1.0-50-amd64/trace/light',
    '6.1.0-50-686-pae/trace/light',
    '6.12.117+deb12-amd64/trace/light',
    '6.12.117+deb12-amd64/trace/light-hashed',
  ]
  const TRACES = ['small-true', 'small-forkexec10', 'small-pages-hog4M', 'storm60']
  it.each(LIGHT.flatMap(machine => TRACES.map(trace => `${machine}-1G-s1/trace-${trace}`)))('%s', async trace => {
    const { slabs } = await replayTrace(`${SHARED}/truth/stock/${trace}/trace.txt.gz`)
    expect(slabs!.exactCaches).toBe(slabs!.allCaches)
    expect(slabs!.pages.predicted).toBe(slabs!.pages.after)
    expect(slabs!.pages.followed).toBe(slabs!.pages.after)
    expect(slabs!.unidentified).toBeLessThan(4)
  })

  it('a trace without such events says nothing of slabs', async () => {
    const path = `${SHARED}/truth/stock/6.1.0-50-amd64/trace/light-1G-s1/trace-small-pageonly-true/trace.txt.gz`
    expect((await replayTrace(path)).slabs).toBeUndefined()
  })
})
