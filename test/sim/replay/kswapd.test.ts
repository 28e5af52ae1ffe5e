// kswapd: its work is over with its last event, not when it goes to sleep, and the boost goes with it.
import { expect, it } from 'vitest'
import { kernel_by_name } from '../../../src/kernels/index.ts'
import { create_sys } from '../../../src/mm/machine_image.ts'
import { ZONE_RECLAIM_ACTIVE } from '../../../src/mm/mmzone.ts'
import { KswapdScan, type ReclaimScan } from '../../../src/sim/replay/kswapd_scan.ts'
import { KswapdWatch } from '../../../src/sim/replay/kswapd_watch.ts'
import { KIND } from '../../../src/trace/events.ts'
import { FtraceTextReader } from '../../../src/trace/ftrace_text.ts'

const EVENTS: Readonly<Record<string, string>> = {
  wake: 'mm_vmscan_kswapd_wake: nid=0 order=0',
  sleep: 'mm_vmscan_kswapd_sleep: nid=0',
  isolate:
    'mm_vmscan_lru_isolate: classzone=1 order=0 nr_requested=32 nr_scanned=32 nr_skipped=0 nr_taken=32 lru=inactive_anon',
  free: 'mm_page_free: page=0000000000000001 pfn=0x10 order=0',
}

function scan(notation: string): ReclaimScan {
  const kswapd = new KswapdScan()
  let ordinal = 0
  const reader = new FtraceTextReader({
    onBatch: batch => {
      for (let row = 0; row < batch.length; row++, ordinal++)
        if (batch.kind[row] === KIND.mm_vmscan_kswapd_wake) kswapd.wake(batch.pid[row]!, ordinal)
        else kswapd.see(batch, row, ordinal)
    },
  })
  const lines = notation
    .split(' ')
    .map((word, i) => `         kswapd0-44      [000] .....     9.${String(i).padStart(6, '0')}: ${EVENTS[word]}\n`)
  reader.push(new TextEncoder().encode(lines.join('')))
  reader.end()
  return kswapd.finish()
}

it('is done with its last event', () => {
  const { reclaimEnds, reclaimTypes } = scan('wake isolate free sleep wake free wake sleep')
  expect([...reclaimEnds]).toEqual([2, 5, 6])
  expect([...reclaimTypes]).toEqual([1, -1, -1])
})

it('takes the boost away that it found, and no more', () => {
  const sys = create_sys(kernel_by_name('6.1-x86_64'), { max_pfn: 2048, nr_nodes: 1, nr_cpus: 1 }, false)
  const watch = new KswapdWatch([sys], { reclaimEnds: Float64Array.of(7), reclaimTypes: Int8Array.of(1) })
  const { watermark_boost, flags } = sys.zone
  watermark_boost[1] = 512
  watch.wake(0)
  expect([0, 1, 2].map(zone => flags[zone]! & ZONE_RECLAIM_ACTIVE)).toEqual([
    ZONE_RECLAIM_ACTIVE,
    ZONE_RECLAIM_ACTIVE,
    0,
  ])
  watermark_boost[1]! += 100
  watch.pass(7)
  expect(watermark_boost[1]).toBe(612)
  watch.pass(8)
  expect(watermark_boost[1]).toBe(100)
  expect(flags[1]! & ZONE_RECLAIM_ACTIVE).toBe(0)
})

it('works for the zone that a fallback boosted when nobody else asks', () => {
  const sys = create_sys(kernel_by_name('6.1-x86_64'), { max_pfn: 2048, nr_nodes: 1, nr_cpus: 1 }, false)
  const watch = new KswapdWatch([sys], null)
  const active = (): number[] => [0, 1, 2].map(zone => sys.zone.flags[zone]! & ZONE_RECLAIM_ACTIVE)
  watch.mixed(0)
  watch.ask(0, 0)
  watch.wake(0)
  expect(active()).toEqual([ZONE_RECLAIM_ACTIVE, 0, 0])
  watch.sleep(0)
  watch.wake(0)
  expect(active()).toEqual([ZONE_RECLAIM_ACTIVE, ZONE_RECLAIM_ACTIVE, ZONE_RECLAIM_ACTIVE])
})
