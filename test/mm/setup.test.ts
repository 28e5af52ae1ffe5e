import { describe, expect, test } from 'vitest'
import { list_entries } from '../../src/image/list.ts'
import { check } from '../../src/mm/check.ts'
import { BLOCK_HOLE, BLOCK_LAZY, BLOCK_RESERVED, type Sys } from '../../src/mm/mmzone.ts'
import { sysctl_names, sysctl_read, sysctl_write } from '../../src/mm/sysctl.ts'
import { node_zonelist, zonelist_entries } from '../../src/mm/zonelist.ts'
import { boot_from_description } from '../../src/sim/boot.ts'
import { lists } from '../notation.ts'

const boot = (description: Parameters<typeof boot_from_description>[0]): Sys =>
  boot_from_description(description, { shared: false })
const marks = (sys: Sys, zone: number): number[] => [...sys.zone.watermark.subarray(4 * zone, 4 * zone + 4)]

describe('watermarks', () => {
  test('without huge pages min_free_kbytes is four times the root of the kilobytes', () => {
    const sys = boot({ memory: '256M', commandLine: 'transparent_hugepage=never' })
    const kilobytes = 4 * (sys.zone.managed_pages[0]! + sys.zone.managed_pages[1]!)
    expect(sys.sysctl.min_free_kbytes[0]).toBe(Math.floor(4 * Math.sqrt(kilobytes)))
  })

  test('the marks are a quarter of min apart', () => {
    const [min, low, high, promo] = marks(boot({ memory: '1G' }), 1) as [number, number, number, number]
    expect([low - min, high - low, promo - high]).toEqual(new Array(3).fill(Math.floor(min / 4)))
  })

  test('6.12 gives ZONE_MOVABLE a fixed min', () => {
    const movable = 3
    const description = { memory: '2G', commandLine: 'movablecore=512M' }
    expect(marks(boot(description), movable)[0]).toBeGreaterThan(1000)
    expect(marks(boot({ ...description, kernel: '6.12-x86_64' }), movable)[0]).toBeLessThan(129)
  })
})

describe('vm.*', () => {
  test('a refused value changes nothing and says EINVAL', () => {
    const sys = boot({ memory: '1G' })
    for (const [name, value] of [
      ['percpu_pagelist_high_fraction', '7'],
      ['watermark_scale_factor', '0'],
      ['watermark_scale_factor', '3001'],
      ['min_free_kbytes', '-1'],
      ['min_free_kbytes', 'much'],
      ['swappiness', '201'],
      ['numa_stat', '2'],
    ] as const) {
      const before = sysctl_read(sys, name)
      expect(sysctl_write(sys, name, value), `${name}=${value}`).toBe(-22)
      expect(sysctl_read(sys, name)).toBe(before)
    }
    expect(sysctl_write(sys, 'nonsense', '1')).toBe(-2)
  })

  test('a list takes as many numbers as are given', () => {
    const sys = boot({ memory: '1G' })
    expect(sysctl_write(sys, 'lowmem_reserve_ratio', '1 2')).toBe(0)
    expect(sysctl_read(sys, 'lowmem_reserve_ratio')).toBe('1\t2\t32\t0\t0')
    expect(sys.zone.lowmem_reserve[1]).toBe(sys.zone.managed_pages[1])
    expect(sysctl_write(sys, 'lowmem_reserve_ratio', '-5 256 32 0 0 9 9 9 9')).toBe(0)
    expect(sysctl_read(sys, 'lowmem_reserve_ratio')).toBe('0\t256\t32\t0\t0')
    expect(sys.zone.lowmem_reserve[1]).toBe(0)
  })

  test('the command line and the caller set them after the boot', () => {
    const sys = boot({ memory: '1G', commandLine: 'sysctl.vm.min_free_kbytes=50000' })
    expect(sysctl_read(sys, 'min_free_kbytes')).toBe('50000')
    const other = boot_from_description({ memory: '1G' }, { sysctls: { min_free_kbytes: 4096 }, shared: false })
    expect(sysctl_read(other, 'min_free_kbytes')).toBe('4096')
    const wrong = (sysctls: Record<string, number>) => () => boot_from_description({ memory: '1G' }, { sysctls })
    expect(wrong({ watermark_scale_factor: 0 })).toThrow('the kernel refuses "0"')
    expect(wrong({ nonsense: 0 })).toThrow('this machine has min_free_kbytes')
  })

  test('a kernel without NUMA has no NUMA settings', () => {
    expect(sysctl_names(boot({ kernel: '6.1-i386', memory: '1G' }))).not.toContain('zone_reclaim_mode')
  })
})

describe('free memory after a boot', () => {
  test('a small machine: pieces at the edges, whole blocks between, nothing below 1 MiB', () => {
    const sys = boot({ memory: '64M' })
    expect(check(sys)).toEqual([])
    expect(lists(sys, 0)).toBe('8:256 9:512 10:1024 10:2048 10:3072')
    expect(sys.zone.lazy_count[0]).toBe(3)
  })

  test('high memory is listed downwards', () => {
    const sys = boot({ kernel: '6.1-i386', memory: '1G' })
    const highmem = 2
    const blocks = lists(sys, highmem)
      .split(' ')
      .filter(word => word.startsWith('10:'))
      .map(word => Number(word.slice(3)))
    expect(blocks.length).toBeGreaterThan(30)
    expect(blocks).toEqual([...blocks].sort((a, b) => b - a))
    expect(check(sys)).toEqual([])
  })

  test('a terabyte costs almost nothing: no frame is touched but at edges', () => {
    const sys = boot_from_description({ memory: '1024G' })
    const states = [0, 0, 0, 0]
    for (const state of sys.block.state) states[state]! += 1
    expect(states[BLOCK_LAZY]).toBeGreaterThan(250_000)
    expect(states[BLOCK_RESERVED]).toBeGreaterThan(4000)
    expect(states[BLOCK_HOLE]).toBe(256)
    expect(states[3]).toBeLessThan(20)
    expect(sys.zone.managed_pages.reduce((sum, pages) => sum + pages, 0)).toBeGreaterThan(1000 * 2 ** 18)
  })

  test('the same description boots the same machine', () => {
    const [a, b] = [boot({ memory: '128M' }), boot({ memory: '128M' })]
    expect(Buffer.from(a.image.buffer).equals(Buffer.from(b.image.buffer))).toBe(true)
  })

  test('pageblock bits are per zone without SPARSEMEM: a block on the border has two types', () => {
    const sys = boot({ kernel: '6.1-i386', memory: '1G' })
    const border = sys.zone.zone_start_pfn[2]! >>> sys.pageblock_order
    const [normal, highmem] = [1, 2].map(zone => sys.zone.pageblock_offset[zone]! + border)
    expect(normal).not.toBe(highmem)
    expect([sys.pageblock.migratetype[normal!], sys.pageblock.migratetype[highmem!]]).toEqual([1, 0])
  })
})

describe('zonelists', () => {
  const line = (nodes: number): number[][] =>
    Array.from({ length: nodes }, (_, i) => Array.from({ length: nodes }, (_, j) => 10 + 10 * Math.abs(i - j)))
  const nodesOf = (sys: Sys, node: number, kind = 0): number[] => [
    ...new Set(zonelist_entries(sys, node, kind).map(([nid]) => nid)),
  ]
  const four = Array.from({ length: 4 }, (_, node) => ({ start: node * 2 ** 28, size: '256M', node }))

  test('nearest first; at equal distance the higher number, as the kernel prefers', () => {
    const sys = boot({ memory: four, cpus: [0, 1, 2, 3], distances: line(4) })
    expect([0, 1, 2, 3].map(node => nodesOf(sys, node).join(''))).toEqual(['0123', '1203', '2310', '3210'])
    expect(nodesOf(sys, 2, 1)).toEqual([2])
    expect(sys.zonelist.zones[node_zonelist(sys, 0, 1) + 2]).toBe(-1)
  })

  test('a node without memory begins with its neighbour', () => {
    const sys = boot({ memory: four.slice(0, 2), cpus: [0, 1, 2], distances: line(3) })
    expect(nodesOf(sys, 2)).toEqual([1, 0])
    expect(sys.cpu.numa_mem[2]).toBe(1)
  })

  test('free lists of a NUMA machine are consistent', () => {
    const sys = boot({ memory: four, cpus: [0, 0, 1, 1] })
    expect(check(sys)).toEqual([])
    expect(list_entries(sys.link.link, sys.free_list_base)).toEqual([])
  })
})
