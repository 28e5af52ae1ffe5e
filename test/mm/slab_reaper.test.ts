// SLAB's reaper has its periodic work: time alone gives back what nobody used, on each CPU every two seconds.
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { HZ, kernel_jiffies, round_jiffies } from '../../src/mm/jiffies.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free } from '../../src/mm/kmem_cache.ts'
import { slab_allocator } from '../../src/mm/slab_allocators.ts'
import { apply } from '../../src/sim/commands.ts'
import { slab_kernel, slabMachine } from './slab_machine.ts'

/** A cache of which all objects were given back: CPUs and the node keep many. */
function emptied(cpus: readonly number[] = [0]): { machine: ReturnType<typeof slabMachine>; slabs: () => number } {
  const machine = slabMachine(slab_kernel, cpus)
  const { sys } = machine
  const cache = kmem_cache_create(sys, 'box', 512)
  const objects = Array.from({ length: 300 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
  for (const object of objects) kmem_cache_free(sys, cache, object)
  return { machine, slabs: () => slab_allocator(sys).slabinfo(sys, cache).num_slabs }
}

describe('time', () => {
  it('gives slabs back, a part at each visit, until none is left', () => {
    const { machine, slabs } = emptied()
    const counts = [slabs()]
    for (let second = 0; second < 120; second += 2) {
      apply(machine.sys, { op: 'tick', ticks: 2 * HZ })
      counts.push(slabs())
      expect(machine.broken()).toEqual([])
    }
    expect(counts[0]).toBeGreaterThan(5)
    expect(counts.every((count, at) => at === 0 || count <= counts[at - 1]!)).toBe(true)
    expect(new Set(counts).size).toBeGreaterThan(2)
    expect(counts.at(-1)).toBe(0)
  })

  it('in one piece does what it does in many', () => {
    const [one, many] = [emptied([0, 0]), emptied([0, 0])]
    apply(one.machine.sys, { op: 'tick', ticks: 40 * HZ })
    for (let i = 0; i < 400; i++) apply(many.machine.sys, { op: 'tick', ticks: HZ / 10 })
    expect(one.slabs()).toBe(many.slabs())
    expect([...one.machine.sys.slab_cpu.next_reap]).toEqual([...many.machine.sys.slab_cpu.next_reap])
  })

  it('without end does not take one', () => {
    const { machine, slabs } = emptied()
    apply(machine.sys, { op: 'tick', ticks: 1e12 })
    expect(slabs()).toBe(0)
    expect(machine.sys.machine.jiffies[0]).toBe(1e12)
    expect(machine.sys.slab_cpu.next_reap[0]).toBeGreaterThan(1e12)
  })

  it('less than a second is too short for the first visit', () => {
    const { machine, slabs } = emptied()
    const before = slabs()
    apply(machine.sys, { op: 'tick', ticks: HZ / 2 })
    expect(slabs()).toBe(before)
  })
})

it('timers come at whole seconds of the kernel, CPUs three ticks apart', () => {
  const { sys } = slabMachine(slab_kernel)
  for (const cpu of [0, 1, 5])
    for (const at of [300, 400, 499, 777]) {
      const rounded = round_jiffies(sys, at, cpu)
      expect((kernel_jiffies(sys, rounded) + 3 * cpu) % HZ).toBe(0)
      expect(Math.abs(rounded - at)).toBeLessThanOrEqual((3 * HZ) / 4)
    }
})
