// A zone is compacted while somebody listens: each decision is told once, as the kernel prints it.
import { expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { compact_control, compact_zone } from '../../src/mm/compaction.ts'
import { compaction_defer_reset, compaction_deferred, defer_compaction } from '../../src/mm/compaction_suitable.ts'
import { Machine } from '../../src/sim/machine.ts'
import { traceText } from '../../src/sim/trace_text.ts'
import { RecordRing } from '../../src/trace/record_ring.ts'

it('tells of suitable zones, of ends, and of what is put off', () => {
  const machine = Machine.boot({ memory: '64M' }, { processes: { nr_tasks: 4 } })
  const { sys } = machine
  machine.apply({ op: 'spawn', comm: 'a' })
  machine.apply({ op: 'thp', mode: 'never' })
  const { page } = machine.apply({ op: 'mmap', pages: 8000, prot: 3, flags: 0x22 })
  machine.apply({ op: 'touch', page: page!, pages: 8000, access: 'write' })
  // Every second page goes: much is free, nothing in a row.
  for (let at = 0; at < 8000; at += 2) machine.apply({ op: 'munmap', page: page! + at, pages: 1 })
  const ring = new RecordRing(2 ** 16)
  const end = machine.listen(ring)
  const zone = sys.kernel.zones.indexOf('DMA32')
  compact_zone(sys, compact_control(zone, -1, { migratetype: 1, highest_zoneidx: zone, whole_zone: true }))
  defer_compaction(sys, zone, 4)
  expect(compaction_deferred(sys, zone, 4)).toBe(true)
  compaction_defer_reset(sys, zone, 4, true)
  end()
  expect(check(sys)).toEqual([])
  const text = traceText(sys, ring)
  const told = (name: string): string[] =>
    text
      .split('\n')
      .filter(line => line.includes(`: ${name}: `))
      .map(line => line.split(`${name}: `)[1]!)
  expect(told('mm_compaction_suitable')).toEqual(['node=0 zone=DMA32    order=-1 ret=continue'])
  const finished = told('mm_compaction_finished')
  expect(finished.length).toBeGreaterThan(2)
  expect(new Set(finished.slice(0, -1))).toEqual(new Set(['node=0 zone=DMA32    order=-1 ret=continue']))
  expect(finished.at(-1)).toBe('node=0 zone=DMA32    order=-1 ret=complete')
  expect(told('mm_compaction_defer_compaction')).toEqual([
    'node=0 zone=DMA32    order=4 order_failed=0 consider=0 limit=2',
  ])
  expect(told('mm_compaction_deferred')).toEqual(['node=0 zone=DMA32    order=4 order_failed=0 consider=1 limit=2'])
  expect(told('mm_compaction_defer_reset')).toEqual(['node=0 zone=DMA32    order=4 order_failed=5 consider=0 limit=1'])
})
