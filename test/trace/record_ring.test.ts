import { describe, expect, it } from 'vitest'
import { KIND, TRACEPOINT_BY_NAME, TRACEPOINTS } from '../../src/trace/events.ts'
import { FtraceWriter } from '../../src/trace/ftrace_writer.ts'
import type { Probes } from '../../src/trace/probes.ts'
import { PROBE_NAMES, RecordRing } from '../../src/trace/record_ring.ts'
import { dumpRow } from './dump.ts'

function contents(ring: RecordRing, size?: number): string[] {
  const events: string[] = []
  ring.read(batch => {
    for (let row = 0; row < batch.length; row++) events.push(dumpRow(batch, row))
  }, size)
  return events
}

describe('record ring', () => {
  it('keeps the last events, in order', () => {
    const ring = new RecordRing(5)
    const probes = ring.probes(['mm_page_free'])
    for (let pfn = 1; pfn <= 12; pfn++) {
      ring.context.time = pfn
      probes.mm_page_free?.(pfn, 0)
    }
    expect([ring.entries, ring.written]).toEqual([5, 12])
    const expected = [8, 9, 10, 11, 12].map(n => `${n} ${n} 0 <idle>-0 0 mm_page_free pfn=${n} order=0`)
    for (const size of [1, 2, 5, 100]) expect(contents(ring, size)).toEqual(expected)
    ring.clear()
    expect(contents(ring)).toEqual([])
  })

  it('puts arguments where the readers put the fields', () => {
    const ring = new RecordRing(16)
    const probes: Probes = ring.probes()
    probes.mm_page_alloc?.(7, 3, 0xcc0, 1)
    probes.mm_page_alloc_zone_locked?.(7, 3, 1, 1)
    probes.mm_page_pcpu_drain?.(8, 0, 2)
    probes.mm_page_alloc_extfrag?.(512, 0, 9, 1, 2, 1)
    probes.mm_vmscan_wakeup_kswapd?.(0, 2, 3, 0xcc0)
    probes.mm_compaction_end?.(1, 2, 3, 4, 1, 8)
    ring.mark('SNAP_BEGIN here')
    expect(contents(ring).map(line => line.split(' ').slice(5).join(' '))).toEqual([
      'mm_page_alloc pfn=7 order=3 migratetype=1 gfp_flags=3264-',
      'mm_page_alloc_zone_locked pfn=7 order=3 migratetype=1 percpu_refill=1',
      'mm_page_pcpu_drain pfn=8 order=0 migratetype=2',
      'mm_page_alloc_extfrag pfn=512 alloc_order=0 fallback_order=9 pageblock_order=? alloc_migratetype=1 ' +
        'fallback_migratetype=2 fragmenting=? change_ownership=1',
      'mm_vmscan_wakeup_kswapd nid=0 order=3 gfp_flags=3264-',
      'mm_compaction_end zone_start=1 migrate_pfn=2 free_pfn=3 zone_end=4 sync=1- status=8-',
      'tracing_mark_write buf="SNAP_BEGIN here"',
    ])
    const writer = new FtraceWriter({ gfpNames: gfp => `gfp${gfp}` })
    const lines: string[] = []
    ring.read(batch => lines.push(...writer.batch(batch).trimEnd().split('\n')))
    expect(lines.map(line => line.slice(51))).toEqual([
      'mm_page_alloc: page=ffffea00000001c0 pfn=0x7 order=3 migratetype=1 gfp_flags=gfp3264',
      'mm_page_alloc_zone_locked: page=ffffea00000001c0 pfn=0x7 order=3 migratetype=1 percpu_refill=1',
      'mm_page_pcpu_drain: page=ffffea0000000200 pfn=0x8 order=0 migratetype=2',
      'mm_page_alloc_extfrag: page=ffffea0000008000 pfn=0x200 alloc_order=0 fallback_order=9 pageblock_order=9 ' +
        'alloc_migratetype=1 fallback_migratetype=2 fragmenting=0 change_ownership=1',
      'mm_vmscan_wakeup_kswapd: nid=0 order=3 gfp_flags=gfp3264',
      'mm_compaction_end: zone_start=0x1 migrate_pfn=0x2 free_pfn=0x3 zone_end=0x4, mode=sync status=success',
      'tracing_mark_write: SNAP_BEGIN here',
    ])
  })

  it('refuses what is no tracepoint and no capacity', () => {
    expect(() => new RecordRing(0)).toThrow(RangeError)
    expect(() => new RecordRing(4).probes(['nonsense' as 'kfree'])).toThrow(RangeError)
  })
})

describe('table of tracepoints', () => {
  it('numbers are different and fit a byte', () => {
    const kinds = TRACEPOINTS.map(t => t.kind)
    expect(new Set(kinds).size).toBe(kinds.length)
    expect(kinds.every(kind => kind > 0 && kind < 256)).toBe(true)
    expect(KIND.mm_page_alloc).toBe(1)
  })

  it('no event puts two values into one column', () => {
    for (const { name, fields } of TRACEPOINTS) {
      for (const part of ['column', 'text'] as const) {
        const used = fields.map(field => field[part]).filter(index => index >= 0)
        expect([name, new Set(used).size]).toEqual([name, used.length])
      }
    }
  })

  it('every probe is a tracepoint', () => {
    for (const name of PROBE_NAMES) expect(TRACEPOINT_BY_NAME.get(name)?.probe.length).toBeGreaterThan(0)
  })
})
