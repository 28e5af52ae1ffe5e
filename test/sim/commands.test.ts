// Commands: the only way in; wrong ones change nothing.
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import type { Command } from '../../src/sim/commands.ts'
import { Machine } from '../../src/sim/machine.ts'

const machine = Machine.boot({ memory: '128M', cpus: 2 })

describe('every command of the API', () => {
  it('allocates and frees by frame and by address', () => {
    const gfp = GFP_KERNEL
    const block = machine.apply({ op: 'alloc_pages', gfp, order: 4 })
    const page = machine.apply({ op: 'alloc_page', gfp })
    const pages = machine.apply({ op: '__get_free_pages', gfp, order: 1 })
    const one = machine.apply({ op: '__get_free_page', gfp })
    const zeroed = machine.apply({ op: 'get_zeroed_page', gfp })
    expect([block, page, pages, one, zeroed].every(({ pfn }) => pfn! >= 0)).toBe(true)
    machine.apply({ op: '__free_pages', pfn: block.pfn!, order: 4 })
    machine.apply({ op: '__free_page', pfn: page.pfn! })
    machine.apply({ op: 'free_pages', address: pages.address!, order: 1 })
    machine.apply({ op: 'free_page', address: one.address! })
    machine.apply({ op: '__free_page', pfn: zeroed.pfn! })
    expect(machine.log).toEqual([])
    expect(machine.check()).toEqual([])
  })

  it('runs on another CPU for its own time', () => {
    const counts = (): number[] => [...machine.sys.pcp.count]
    const before = counts()
    machine.apply({ op: 'alloc_page', gfp: GFP_KERNEL, cpu: 1 })
    expect(machine.sys.machine.this_cpu[0]).toBe(0)
    expect(counts().findIndex((count, at) => count !== before[at]) % 2).toBe(1)
    machine.apply({ op: 'drain_local_pages', cpu: 1 })
    machine.apply({ op: 'set_cpu', cpu: 1 })
    expect(machine.sys.machine.this_cpu[0]).toBe(1)
  })

  it('writes settings, and returns the errno of a refused write', () => {
    expect(machine.apply({ op: 'sysctl', name: 'min_free_kbytes', value: '4096' })).toEqual({ error: 0 })
    expect(machine.apply({ op: 'sysctl', name: 'watermark_scale_factor', value: '0' })).toEqual({ error: -22 })
    expect(machine.sysctl('vm.min_free_kbytes')).toBe('4096')
    expect(() => machine.sysctl('vm.nonesuch', 1)).toThrow('no such setting')
    expect(() => machine.sysctl('watermark_scale_factor', 0)).toThrow('invalid argument')
  })

  it('folds counters with time', () => {
    machine.apply({ op: 'tick', ticks: 250 })
    expect(machine.sys.zone_stat_diff.vm_stat_diff.some(diff => diff !== 0)).toBe(false)
    expect(machine.sys.machine.jiffies[0]).toBe(250)
  })
})

describe('a wrong command', () => {
  const wrong: readonly [string, unknown][] = [
    ['no command "fly"', { op: 'fly' }],
    ['alloc_pages needs order', { op: 'alloc_pages', gfp: 1 }],
    ['order -1 is not', { op: 'alloc_pages', gfp: 1, order: -1 }],
    ['order 1.5 is not', { op: 'alloc_pages', gfp: 1, order: 1.5 }],
    ['cpu 2 is not a whole number from 0 to 1', { op: 'set_cpu', cpu: 2 }],
    ['nid 1 is not', { op: 'alloc_pages', gfp: 1, order: 0, nid: 1 }],
    ['gfp -1 is not', { op: 'alloc_page', gfp: -1 }],
    ['ticks NaN is not', { op: 'tick', ticks: Number.NaN }],
  ]
  it.each(wrong)('%s', (message, command) => {
    const [hash, commands] = [machine.hash(), machine.sys.machine.next_command[0]]
    expect(() => machine.apply(command as Command)).toThrow(RangeError)
    expect(() => machine.apply(command as Command)).toThrow(message)
    expect([machine.hash(), machine.sys.machine.next_command[0]]).toEqual([hash, commands])
  })

  it('frees what is not allocated: the kernel reports it, the machine stays in order', () => {
    for (const pfn of [-1, 0, 5, 2 ** 40]) machine.apply({ op: '__free_pages', pfn, order: 0 })
    machine.apply({ op: '__free_pages', pfn: 5, order: 63 })
    expect(machine.log.filter(({ line }) => line.startsWith('BUG: Bad page state'))).toHaveLength(5)
    expect(machine.check()).toEqual([])
  })
})
