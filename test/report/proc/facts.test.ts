// What the facts mean: numbers of single files, looked up by hand.
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readBuddyinfo } from '../../../src/report/proc/buddyinfo.ts'
import { cmdlineValue, readCmdline, writeCmdline } from '../../../src/report/proc/cmdline.ts'
import { readFirmwareMemmap } from '../../../src/report/proc/firmware_memmap.ts'
import { readIomem, systemRam } from '../../../src/report/proc/iomem.ts'
import { readMeminfo, writeMeminfo } from '../../../src/report/proc/meminfo.ts'
import { readPagetypeinfo, writePagetypeinfo } from '../../../src/report/proc/pagetypeinfo.ts'
import { KPF_BUDDY, PhysmapReader, readPhysmap } from '../../../src/report/proc/physmap.ts'
import { readSlabinfo } from '../../../src/report/proc/slabinfo.ts'
import { nodeList, readList, readSysNode, writeList } from '../../../src/report/proc/sys_node.ts'
import { readSysVm, sysVmNumbers } from '../../../src/report/proc/sys_vm.ts'
import { readVersion } from '../../../src/report/proc/version.ts'
import { readZoneinfo, writeZoneinfo } from '../../../src/report/proc/zoneinfo.ts'
import { textOf } from './kinds.ts'

const golden = (path: string): string => textOf(fileURLToPath(new URL(`../../golden/proc/${path}`, import.meta.url)))

describe('zoneinfo', () => {
  const { zones, nodes } = readZoneinfo(golden('6.1.192-x86_64-numa/zoneinfo')).facts

  it('zones with their watermarks, protection, counters and per-CPU lists', () => {
    expect(zones.map(({ node, name }) => `${node}:${name}`).join(' ')).toBe(
      '0:DMA 0:DMA32 0:Normal 0:Movable 1:DMA 1:DMA32 1:Normal 1:Movable',
    )
    const zone = zones[1]!
    expect(zone.pages).toEqual({
      free: 16075,
      boost: 0,
      min: 151,
      low: 188,
      high: 225,
      spanned: 20480,
      present: 20480,
      managed: 16819,
      cma: 0,
    })
    expect(zones[0]!.protection).toEqual([0, 61, 61, 61])
    expect(zone.counters.get('numa_hit')).toBe(361)
    expect(zone.pagesets[1]).toEqual({ cpu: 1, count: 149, high: 188, batch: 3, statThreshold: 4 })
    expect([zone.startPfn, zone.nodeUnreclaimable]).toEqual([4096, 0])
  })

  it("a node's counters belong to the node", () => {
    expect(nodes.map(({ node, counters }) => [node, counters.get('nr_slab_unreclaimable')])).toEqual([
      [0, 122],
      [1, 311],
    ])
  })

  it('promo in 6.12, no threshold without SMP', () => {
    expect(readZoneinfo(golden('6.12-amd64/zoneinfo')).facts.zones[0]!.pages.promo).toBeGreaterThan(0)
    expect(readZoneinfo(golden('6.1.192-i386-slab/zoneinfo')).facts.zones[0]!.pagesets[0]).toEqual({
      cpu: 0,
      count: 0,
      high: expect.any(Number),
      batch: 1,
    })
  })

  it('the bounds of high, where a kernel prints them', () => {
    const { facts } = readZoneinfo(golden('6.1-amd64/zoneinfo'))
    const pageset = facts.zones[0]!.pagesets[0]!
    Object.assign(pageset, { highMin: 3, highMax: 9 })
    const text = writeZoneinfo(facts)
    expect(text).toContain('              high_max: 9\n')
    expect(readZoneinfo(text)).toEqual({ facts, diagnostics: [] })
  })

  it('says which zone is cut', () => {
    const text = golden('6.1-amd64/zoneinfo').split('  pagesets')[0]!
    expect(readZoneinfo(text).diagnostics).toEqual([
      { line: text.split('\n').length - 1, message: 'node 0 zone DMA ends without count, batch, start_pfn' },
    ])
  })

  it('keeps a number that a double cannot hold as it is', () => {
    const text = golden('6.1-amd64/zoneinfo').replace(/nr_mlock {5}0/, 'nr_mlock     18446744073709551615')
    const { facts, diagnostics } = readZoneinfo(text)
    expect(writeZoneinfo(facts)).toBe(text)
    expect(diagnostics).toHaveLength(1)
  })
})

describe('the other files', () => {
  it('buddyinfo', () => {
    expect(readBuddyinfo('Node 0, zone      DMA      0      2 \n').facts.zones).toEqual([
      { node: 0, name: 'DMA', free: [0, 2] },
    ])
    expect(readBuddyinfo('Node 0, zone      DMA      0      x \n').diagnostics[0]).toEqual({
      line: 1,
      message: 'not a row of buddyinfo: "Node 0, zone      DMA      0      x "',
    })
  })

  it('pagetypeinfo: a list that was too long to count', () => {
    const text = golden('6.1-amd64/pagetypeinfo')
    const { facts } = readPagetypeinfo(text)
    facts.zones[1]!.free[1]![0] = 123456
    const written = writePagetypeinfo(facts)
    expect(written).toContain('zone    DMA32, type      Movable >100000 ')
    expect(readPagetypeinfo(written).facts.zones[1]!.free[1]![0]).toBe(100000)
    expect(facts.zones[0]!.blocks).toHaveLength(facts.migrateTypes.length)
  })

  it('meminfo', () => {
    const text = 'MemTotal:         178552 kB\nHugePages_Total:       7\nNew:                   1 MB\n'
    const { facts, diagnostics } = readMeminfo(text)
    expect(facts.values).toEqual(
      new Map([
        ['MemTotal', 178552],
        ['HugePages_Total', 7],
      ]),
    )
    expect(diagnostics.map(({ line }) => line)).toEqual([3])
    expect(writeMeminfo(facts)).toBe(text)
  })

  it('iomem', () => {
    const { facts } = readIomem(golden('6.1.192-x86_64-numa/iomem'))
    expect(systemRam(facts)).toEqual([
      [0x1000, 0x9fbff],
      [0x100000, 0xbfdffff],
    ])
    expect(readIomem('00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n').diagnostics).toEqual([
      { line: 1, message: 'all addresses are 0: the file was not read as root' },
    ])
  })

  it('firmware memory map', () => {
    const { ranges } = readFirmwareMemmap(golden('6.1-amd64/sys_firmware_memmap.txt')).facts
    expect(ranges[0]).toEqual({ index: 0, start: 0, end: 0x9fbff, type: 'System RAM' })
    expect(readFirmwareMemmap('/sys/firmware/memmap/0/end: 0xfff\n').diagnostics[0]!.line).toBe(1)
  })

  it('sys_vm in all three forms', () => {
    for (const file of ['6.1-amd64/sys_vm.txt', '6.1-amd64-sysctl/sys_vm.txt', '6.1.192-x86_64-numa/sys_vm.tsv']) {
      const { facts } = readSysVm(golden(file))
      expect(sysVmNumbers(facts, 'lowmem_reserve_ratio')?.slice(0, 3), file).toEqual([256, 256, 32])
      expect(sysVmNumbers(facts, 'swappiness'), file).toEqual([60])
      expect(sysVmNumbers(facts, 'no_such_setting'), file).toBeNull()
    }
  })

  it('nodes by number, whatever the order of their rows', () => {
    const row = (node: number): string => `/sys/devices/system/node/node${node}/distance: ${10 + node} 20\n`
    const { facts } = readSysNode([10, 2, 0].map(row).join(''))
    expect(facts.nodes.map(({ node, distance }) => [node, distance[0]])).toEqual([
      [0, 10],
      [2, 12],
      [10, 20],
    ])
  })

  it('sys_node', () => {
    const { facts } = readSysNode(golden('6.1.192-x86_64-numa/sys_node.tsv'))
    expect(facts.nodes.map(({ node, cpus, distance }) => ({ node, cpus, distance }))).toEqual([
      { node: 0, cpus: [0], distance: [10, 20] },
      { node: 1, cpus: [1], distance: [20, 10] },
    ])
    expect(facts.nodes[1]!.meminfo.get('MemTotal')).toBe(95916)
    expect(facts.nodes[0]!.numastat.get('interleave_hit')).toBe(45)
    expect(facts.nodes[0]!.vmstat.get('nr_shmem')).toBe(220)
    expect(nodeList(facts, 'has_memory')).toEqual([0, 1])
  })

  it('lists of numbers', () => {
    for (const text of ['', '0', '0-3', '0-1,3,5-7']) expect(writeList(readList(text)!)).toBe(text)
    expect(readList('3-1')).toBeNull()
    expect(readList('a')).toBeNull()
  })

  it('physmap, also in pieces', () => {
    const text = golden('6.1-amd64/physmap.tsv')
    const reader = new PhysmapReader()
    for (let at = 0; at < text.length; at += 7) reader.push(text.slice(at, at + 7))
    const { facts, diagnostics } = reader.end()
    expect(diagnostics).toEqual([])
    expect(facts).toEqual(readPhysmap(text).facts)
    expect([facts.pfn[2], facts.length[2], facts.flagsLow[2]! & KPF_BUDDY]).toEqual([288, 3808, KPF_BUDDY])
    expect([facts.flagsHigh[0], facts.flagsLow[0]]).toEqual([1, 0])
  })

  it('slabinfo, with the statistics of a debug kernel', () => {
    const { facts } = readSlabinfo(golden('6.1.192-x86_64-slab/slabinfo'))
    expect(facts.statistics).toBe(true)
    expect(facts.caches[0]!.globalstat).toHaveLength(9)
    expect(facts.caches[0]!.cpustat).toHaveLength(4)
  })

  it('version and command line', () => {
    const version = readVersion(golden('6.1-686-pae/version')).facts!
    expect([version.release, version.smp]).toEqual(['6.1.0-50-686-pae', true])
    expect(readVersion(golden('6.1.192-i386-slab/version')).facts!.smp).toBe(false)
    const { facts } = readCmdline('quiet mem=1G  dyndbg="file a.c +p" mem=700M\n')
    expect([cmdlineValue(facts, 'mem'), cmdlineValue(facts, 'quiet'), cmdlineValue(facts, 'me')]).toEqual([
      '700M',
      '',
      null,
    ])
    expect(cmdlineValue(facts, 'dyndbg')).toBe('file a.c +p')
    expect(writeCmdline(facts)).toBe('quiet mem=1G  dyndbg="file a.c +p" mem=700M\n')
  })
})
