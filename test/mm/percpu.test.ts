// Memory per CPU against a plain list of what is taken, and memory that waits for a grace period.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kmalloc, kzalloc } from '../../src/mm/kmalloc.ts'
import { kmemleak_key_address, kmemleak_page_key } from '../../src/mm/kmemleak_key.ts'
import { kvfree, kvfree_rcu, kvfree_rcu_mightsleep, rcu_barrier } from '../../src/mm/kvfree_rcu.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { __alloc_percpu, free_percpu, type PercpuPlace, per_cpu_ptr, percpu_check } from '../../src/mm/percpu.ts'
import { vmalloc_to_pfn } from '../../src/mm/pgtable_map.ts'
import { write_u8, write_u32 } from '../../src/mm/physmem.ts'
import { vmalloc } from '../../src/mm/vmalloc.ts'
import { Machine } from '../../src/sim/machine.ts'
import { hashSys } from '../../src/sim/state.ts'

const booted = Machine.boot({ memory: '64M', cpus: 2 }, { capacity: { nr_percpu_chunks: 16 } })
booted.initAllocators()

function boot(): { sys: Sys; machine: Machine; said: string[] } {
  const machine = booted.fork()
  const said: string[] = []
  machine.sys.printk = line => said.push(line)
  return { sys: machine.sys, machine, said }
}

const paddr = (sys: Sys, { page, offset }: PercpuPlace): number =>
  vmalloc_to_pfn(sys, page + Math.floor(offset / sys.page_bytes)) * sys.page_bytes + (offset % sys.page_bytes)

type Step = readonly ['take', number, number] | readonly ['free', number]

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant('take' as const), fc.integer({ min: 1, max: 9000 }), fc.nat(12)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('free' as const), fc.nat(30)) },
  ),
  { size: '+1' },
)

/** Does the steps; what is taken in the end. */
function play(sys: Sys, all: readonly Step[]): PercpuPlace[] {
  const taken: { place: PercpuPlace; size: number }[] = []
  for (const step of all) {
    if (step[0] === 'free') {
      const [gone] = taken.splice(step[1], 1)
      if (gone !== undefined) free_percpu(sys, gone.place)
      continue
    }
    const [, size, power] = step
    const place = __alloc_percpu(sys, size, 2 ** power)!
    expect(place.offset % 2 ** power).toBe(0)
    for (const other of taken)
      if (other.place.page === place.page)
        expect(place.offset >= other.place.offset + other.size || other.place.offset >= place.offset + size).toBe(true)
    for (const cpu of [0, 1])
      for (const at of [0, size - 1]) {
        const { page, offset } = per_cpu_ptr(sys, place, cpu)
        write_u8(sys, paddr(sys, { page, offset: offset + at }), 0xff)
      }
    taken.push({ place, size })
  }
  return taken.map(({ place }) => place)
}

describe('memory per CPU', () => {
  it('is aligned, overlaps nothing, and all laws hold', () => {
    fc.assert(
      fc.property(steps, all => {
        const { sys, machine } = boot()
        const taken = play(sys, all)
        expect(machine.check()).toEqual([])
        for (const place of taken) free_percpu(sys, place)
        expect(percpu_check(sys)).toEqual([])
        expect(sys.percpu_chunk.used.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(1)
      }),
      { numRuns: 40 },
    )
  })

  it('lies at the top of the vmalloc area, a unit for each CPU, zeros even where others wrote', () => {
    const { sys } = boot()
    const first = __alloc_percpu(sys, 64, 8)!
    expect(first.page).toBe(Math.floor((sys.vmalloc.end[0]! - 32) / 16) * 16)
    expect(per_cpu_ptr(sys, first, 1)).toEqual({ page: first.page + 16, offset: 0 })
    write_u32(sys, paddr(sys, per_cpu_ptr(sys, first, 1)), 7)
    free_percpu(sys, first)
    const again = __alloc_percpu(sys, 64, 8)!
    expect(again).toEqual(first)
    expect(sys.physmem.bytes[(sys.page.data[vmalloc_to_pfn(sys, again.page + 16)]! - 1) * sys.page_bytes]).toBe(0)
  })

  it('refuses sizes and alignments that cannot be, and frees of what is none', () => {
    const { sys, said, machine } = boot()
    expect([__alloc_percpu(sys, 0, 8), __alloc_percpu(sys, 40_000, 8), __alloc_percpu(sys, 8, 12)]).toEqual([
      null,
      null,
      null,
    ])
    expect(said).toContain('illegal size (40000) or align (8) for percpu allocation')
    const place = __alloc_percpu(sys, 64, 8)!
    free_percpu(sys, { ...place, offset: 8 })
    free_percpu(sys, place)
    free_percpu(sys, place)
    expect(said.filter(line => line.startsWith('free_percpu of what is no allocation'))).toHaveLength(2)
    expect(machine.check()).toEqual([])
  })

  it('fails where no frame is left, and the machine is sound', () => {
    const { sys, machine } = boot()
    while (machine.allocPages({ order: 0, gfp: 'GFP_KERNEL|__GFP_NOWARN' }) !== null);
    const before = hashSys(sys)
    expect(__alloc_percpu(sys, 30_000, 8)).toBe(null)
    expect(hashSys(sys)).not.toBe(before)
    expect(machine.check()).toEqual([])
  })
})

describe('a grace period', () => {
  it('ends with a tick, or for who waits; memory of kmalloc and of vmalloc', () => {
    const { sys, machine } = boot()
    const object = kzalloc(sys, 128, GFP_KERNEL)
    const area = vmalloc(sys, 20 * sys.page_bytes)
    kvfree_rcu(sys, kmemleak_key_address(sys, object), 16)
    kvfree_rcu(sys, kmemleak_key_address(sys, kmemleak_page_key(sys, area)), 4080)
    expect([sys.rcu_state.waiting[0], sys.vmalloc.nr_vmalloc_pages[0]]).toEqual([2, 20])
    machine.apply({ op: 'tick', ticks: 1 })
    expect([sys.rcu_state.waiting[0], sys.vmalloc.nr_vmalloc_pages[0]]).toEqual([0, 0])
    expect(kmalloc(sys, 128, GFP_KERNEL)).toBe(object)
    const other = vmalloc(sys, sys.page_bytes)
    kvfree_rcu_mightsleep(sys, kmemleak_key_address(sys, kmemleak_page_key(sys, other)))
    expect(machine.check()).toEqual([])
  })

  it('memory that was written over while it waited is a fault of the machine, not of ours', () => {
    const { sys, said, machine } = boot()
    const [first, second] = [kzalloc(sys, 64, GFP_KERNEL), kzalloc(sys, 64, GFP_KERNEL)]
    kvfree_rcu(sys, kmemleak_key_address(sys, first), 0)
    kvfree_rcu(sys, kmemleak_key_address(sys, second), 0)
    write_u32(sys, second + 4, 0xffffc900)
    rcu_barrier(sys)
    expect(said[0]).toMatch(/^BUG: unable to handle page fault for address: ffffc900/)
    kvfree(sys, kmemleak_key_address(sys, first))
    expect([sys.rcu_state.waiting[0], machine.check()]).toEqual([0, []])
    expect(() => kvfree_rcu(sys, kmemleak_key_address(sys, first), 5000)).toThrow('no rcu_head lies at offset 5000')
  })
})
