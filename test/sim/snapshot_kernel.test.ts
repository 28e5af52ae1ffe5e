import { expect, test } from 'vitest'
import { readSnapshot, type Snapshot } from '../../src/report/snapshot.ts'
import { boot_zones_from_snapshot } from '../../src/sim/boot.ts'
import { kernelOfSnapshot } from '../../src/sim/snapshot_kernel.ts'
import { bootFolders, readBootFolder } from '../../src/verify/boot_folder.ts'
import { filesBelow } from '../recordings.ts'
import { describeShared, SHARED } from '../shared.ts'

test('a snapshot of nothing is refused with what it needs', () => {
  const nothing = readSnapshot(new Map())
  expect(() => kernelOfSnapshot(nothing)).toThrow('version or zoneinfo is needed')
  expect(() => boot_zones_from_snapshot(nothing)).toThrow('without zoneinfo')
})

function snapshots(): Snapshot[] {
  return bootFolders(filesBelow(`${SHARED}/truth`)).map(({ files }) => {
    const names = ['zoneinfo', 'vmstat', 'version', 'pagetypeinfo', 'buddyinfo', 'meminfo']
    const texts = names.flatMap((name): [string, string][] =>
      files.has(name) ? [[name, files.get(name)!.text()]] : [],
    )
    return readSnapshot(new Map(texts))
  })
}

describeShared('recordings of real kernels', () => {
  test('the kernel has the counters that the files print, in their order', () => {
    const dirty = ['nr_dirty_threshold', 'nr_dirty_background_threshold']
    for (const snapshot of snapshots()) {
      const { name, proc } = kernelOfSnapshot(snapshot)
      const memmap = proc.vmstat_memmap ? ['nr_memmap_pages', 'nr_memmap_boot_pages'] : []
      const zone = [...proc.zone_stat, ...proc.numa_stat]
      const all = [...zone, ...proc.node_stat, ...dirty, ...memmap, ...proc.vm_events, 'nr_unstable']
      expect([...snapshot.vmstat!.counters.keys()], name).toEqual(all)
      const populated = snapshot.zoneinfo!.zones.find(({ pages }) => pages.present > 0)!
      expect([...populated.counters.keys()], name).toEqual(zone)
      expect([...snapshot.zoneinfo!.nodes[0]!.counters.keys()], name).toEqual([...proc.node_stat])
    }
  })

  test('the split of a 32-bit kernel follows from its low memory', () => {
    const folders = bootFolders(filesBelow(`${SHARED}/truth`)).filter(({ files }) => files.has('const.jsonl'))
    const offsets = folders.map(folder => {
      const recorded = /"PAGE_OFFSET","v":"?(0x[0-9a-f]{8})\b/.exec(folder.files.get('const.jsonl')!.text())
      return [recorded ? Number(recorded[1]) : 0, kernelOfSnapshot(readBootFolder(folder).snapshot).PAGE_OFFSET]
    })
    const narrow = offsets.filter(([recorded]) => recorded !== 0)
    expect(new Set(narrow.map(([recorded]) => recorded))).toEqual(new Set([0xc0000000, 0x80000000]))
    for (const [recorded, ours] of narrow) expect(ours).toBe(recorded)
  })
})
