// Policies on three nodes of 64 MiB with a CPU each on the first two.
import { expect, it } from 'vitest'
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_NOWAIT } from '../../src/mm/gfp.ts'
import {
  alloc_pages_current,
  do_set_mempolicy,
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  mempolicy_check,
  mpol_get,
  mpol_put,
  mpol_to_str,
  nodemask_of,
  vma_alloc_folio,
} from '../../src/mm/mempolicy.ts'
import { page_zone, type Sys } from '../../src/mm/mmzone.ts'
import { NUMA_INTERLEAVE_HIT, NUMA_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

function machine(): Sys {
  const memory = [0, 1, 2].map(node => ({ start: node * 64 * 2 ** 20, size: '64M', node }))
  const sys = boot_from_description({ memory, cpus: [0, 1] }, { processes: { nr_tasks: 2 } })
  sys.vm_cpu.current[0] = 1
  sys.vm_cpu.current[1] = 2
  return sys
}

const set = (sys: Sys, mode: number, ...nodes: number[]): number => do_set_mempolicy(sys, mode, nodemask_of(nodes))
const node_of = (sys: Sys, pfn: number): number => (pfn < 0 ? -1 : sys.zone_to_nid[page_zone(sys, pfn)]!)
const take = (sys: Sys, times: number, gfp: number = GFP_HIGHUSER_MOVABLE): string =>
  Array.from({ length: times }, () => node_of(sys, alloc_pages_current(sys, gfp, 0))).join(' ')

it('without a policy memory comes from the node of the CPU', () => {
  const sys = machine()
  expect(take(sys, 2)).toBe('0 0')
  sys.machine.this_cpu[0] = 1
  expect(take(sys, 2)).toBe('1 1')
})

it('interleaving takes nodes in turn, each task for itself, and counts', () => {
  const sys = machine()
  expect(set(sys, MPOL_INTERLEAVE, 0, 2)).toBe(0)
  expect(take(sys, 5)).toBe('0 2 0 2 0')
  const zone = page_zone(sys, alloc_pages_current(sys, GFP_KERNEL, 0))
  expect(sys.numa_stat.count[zone * NUMA_STAT_ITEMS.length + NUMA_INTERLEAVE_HIT]).toBe(3)
  sys.machine.this_cpu[0] = 1
  expect(take(sys, 1)).toBe('1')
  expect(mempolicy_check(sys)).toEqual([])
})

it('an area is interleaved by the place of its pages, whoever touches them in which order', () => {
  const sys = machine()
  set(sys, MPOL_INTERLEAVE, 0, 1, 2)
  const touch = (page: number): number => node_of(sys, vma_alloc_folio(sys, GFP_HIGHUSER_MOVABLE, 0, 1, page))
  sys.vma.start[1] = 100
  sys.vma.pgoff[1] = 1
  expect([103, 100, 101, 104].map(touch)).toEqual([1, 1, 2, 2])
  sys.vma.policy[1] = mpol_get(sys, sys.task.policy[1]!)
  expect(mempolicy_check(sys)).toEqual([])
})

it('a bound request fails rather than leave its nodes; a preferring one goes on', () => {
  const sys = machine()
  const fill = (mode: number): string => {
    set(sys, mode, 1)
    let last = 1
    let pages = 0
    for (; last === 1; pages++) last = node_of(sys, alloc_pages_current(sys, GFP_NOWAIT, 0))
    expect(pages).toBeGreaterThan(0)
    return String(last)
  }
  expect(fill(MPOL_BIND)).toBe('-1')
  expect(fill(MPOL_PREFERRED)).toBe('2')
  expect(fill(MPOL_PREFERRED_MANY)).toBe('0')
})

it('a policy does not bind what asks for a lower zone than the highest with memory', () => {
  const sys = machine()
  set(sys, MPOL_BIND, 1)
  expect(take(sys, 1, 1)).toBe('0')
})

it('refuses as the kernel does, and nothing has changed', () => {
  const sys = machine()
  set(sys, MPOL_BIND, 1)
  const EINVAL = -22
  expect(set(sys, MPOL_DEFAULT, 1)).toBe(EINVAL)
  expect(set(sys, MPOL_BIND)).toBe(EINVAL)
  expect(set(sys, MPOL_BIND, 7)).toBe(EINVAL)
  expect(set(sys, MPOL_LOCAL, 1)).toBe(EINVAL)
  expect(set(sys, MPOL_LOCAL | MPOL_F_STATIC_NODES)).toBe(EINVAL)
  expect(set(sys, 9, 1)).toBe(EINVAL)
  expect(set(sys, MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, 1)).toBe(EINVAL)
  expect(mpol_to_str(sys, sys.task.policy[1]!)).toBe('bind:1')
  expect(mempolicy_check(sys)).toEqual([])
})

it('prints policies as the kernel does', () => {
  const sys = machine()
  const words = (mode: number, ...nodes: number[]): string => {
    expect(set(sys, mode, ...nodes)).toBe(0)
    return mpol_to_str(sys, sys.task.policy[1]!)
  }
  expect(words(MPOL_DEFAULT)).toBe('default')
  expect(words(MPOL_PREFERRED, 1, 2)).toBe('prefer:1')
  expect(words(MPOL_PREFERRED)).toBe('local')
  expect(words(MPOL_PREFERRED_MANY, 0, 2)).toBe('prefer (many):0,2')
  expect(words(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 0, 1, 2)).toBe('interleave=static:0-2')
  expect(words(MPOL_BIND | MPOL_F_RELATIVE_NODES, 4)).toBe('bind=relative:1')
  mpol_put(sys, sys.task.policy[1]!)
  sys.task.policy[1] = 0
  expect(sys.mempolicy.refcnt.every(users => users === 0)).toBe(true)
})
