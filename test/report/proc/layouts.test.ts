// The layout of every kernel says exactly the names, in their order, that the kernel's files have.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { PROC_LAYOUTS, type ProcLayout, type ProcLayoutName } from '../../../src/report/proc/layouts.ts'
import { readMeminfo } from '../../../src/report/proc/meminfo.ts'
import { readPagetypeinfo } from '../../../src/report/proc/pagetypeinfo.ts'
import { readSysNode } from '../../../src/report/proc/sys_node.ts'
import { readVmstat } from '../../../src/report/proc/vmstat.ts'
import { readZoneinfo } from '../../../src/report/proc/zoneinfo.ts'
import { describeShared, SHARED } from '../../shared.ts'
import { filesByName, textOf } from './kinds.ts'

/** Folder of the recordings → layout. */
const FOLDERS: Readonly<Record<string, ProcLayoutName>> = {
  'stock/6.1.0-50-amd64': '6.1-amd64',
  'stock/6.1.0-50-686': '6.1-686',
  'stock/6.1.0-50-686-pae': '6.1-686-pae',
  'stock/6.12.117+deb12-amd64': '6.12-amd64',
  'custom/k1_x86_64_slub': '6.1.192-x86_64-slub',
  'custom/k2_i386_slab_highmem4g': '6.1.192-i386-slab',
  'custom/k3_x86_64_slab': '6.1.192-x86_64-slab',
  'custom/k3d_x86_64_slab_debug': '6.1.192-x86_64-slab',
  'custom/k4_x86_64_slob': '6.1.192-x86_64-slob',
  'custom/k5_x86_64_numa_slub': '6.1.192-x86_64-numa',
  'custom/k6_x86_64_slub_kasan': '6.1.192-x86_64-kasan',
  'custom/k7a_i386_pae': '6.1.192-i386-pae',
  'custom/k7b_i386_vmsplit2g': '6.1.192-i386-2g',
}

const CHECKS: Readonly<Record<string, (text: string, layout: ProcLayout) => void>> = {
  zoneinfo: (text, layout) => {
    const { zones, nodes } = readZoneinfo(text).facts
    for (const { node } of nodes)
      expect(zones.filter(zone => zone.node === node).map(({ name }) => name)).toEqual(layout.zones)
    for (const { counters } of nodes) expect([...counters.keys()]).toEqual(layout.nodeCounters)
    for (const zone of zones) {
      if (zone.pages.present > 0) expect([...zone.counters.keys()]).toEqual(layout.zoneCounters)
      for (const { statThreshold } of zone.pagesets) expect(statThreshold !== undefined).toBe(layout.statThreshold)
      expect(zone.pages.promo !== undefined).toBe(layout.promo)
    }
  },
  pagetypeinfo: (text, layout) => expect(readPagetypeinfo(text).facts.migrateTypes).toEqual(layout.migrateTypes),
  vmstat: (text, layout) => expect([...readVmstat(text).facts.counters.keys()]).toEqual(layout.vmstat),
  meminfo: (text, layout) => {
    const names = [...readMeminfo(text).facts.values.keys()]
    expect(names.filter(name => name !== 'DirectMap1G')).toEqual(layout.meminfo)
  },
  'sys_node.txt': checkNodes,
  'sys_node.tsv': checkNodes,
}

function checkNodes(text: string, layout: ProcLayout): void {
  for (const node of readSysNode(text).facts.nodes) {
    expect([...node.meminfo.keys()]).toEqual(layout.nodeMeminfo)
    expect([...node.vmstat.keys()]).toEqual(layout.nodeVmstat)
    expect([...node.numastat.keys()]).toEqual(layout.numastat)
    expect(node.fileColumn).toBe(node.meminfo.has('FileHugePages') ? layout.fileColumn : 16)
  }
}

function checkFolder(folder: string, layoutOf: (path: string) => ProcLayoutName | undefined): void {
  const files = filesByName(folder)
  for (const [name, check] of Object.entries(CHECKS)) {
    const paths = files.get(name) ?? []
    it(`${name}: ${paths.length} files`, () => {
      for (const path of paths) {
        const layout = layoutOf(path)
        if (layout) check(textOf(path), PROC_LAYOUTS[layout])
      }
    })
  }
}

describe('the names of the golden files', () => {
  const golden = fileURLToPath(new URL('../../golden/proc', import.meta.url))
  checkFolder(golden, path => {
    const name = dirname(path).slice(golden.length + 1)
    return Object.keys(PROC_LAYOUTS).find(
      layout => name.startsWith(`${layout}-numa`) || name === layout,
    ) as ProcLayoutName
  })
})

describeShared('the names of every recorded file', () => {
  for (const [folder, layout] of Object.entries(FOLDERS))
    describe(folder, () => checkFolder(`${SHARED}/truth/${folder}`, () => layout))
})
