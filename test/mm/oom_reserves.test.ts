// Memory that runs out comes to an end: who is chosen to die gets half of the reserves, then its requests fail and it dies;
// a machine that can kill nobody stops. No request asks for ever.
import { describe, expect, it } from 'vitest'
import { ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { switch_to, task_alloc } from '../../src/mm/fork.ts'
import {
  __GFP_HIGH,
  __GFP_MEMALLOC,
  __GFP_NOMEMALLOC,
  __GFP_NOWARN,
  __gfp_pfmemalloc_flags,
  ALLOC_NO_WATERMARKS,
  ALLOC_OOM,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../src/mm/gfp.ts'
import { lru_gen_change_state } from '../../src/mm/lru_gen_state.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import { type Sys, WMARK_MIN } from '../../src/mm/mmzone.ts'
import { out_of_memory } from '../../src/mm/oom_kill.ts'
import { alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { wmark_pages } from '../../src/mm/page_alloc/watermark.ts'
import { swapon } from '../../src/mm/swapfile.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, PF_MEMALLOC, PROT_READ, PROT_WRITE, SIGKILL } from '../../src/mm/vm_flags.ts'
import { zone_page_state } from '../../src/mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../src/mm/vmstat_item.ts'
import { bootProcess } from './process_machine.ts'

const ANON = { prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS }
const SLOTS = 16384

interface Hog {
  readonly sys: Sys & { init: number }
  readonly said: string[]
}

/** A machine with one process of this number. */
function machine(kernel: string, pid: number, memory = '64M'): Hog {
  const sys = bootProcess(kernel, memory, { nr_swap_slots: 2 * SLOTS })
  sys.vm_state.thp_enabled[0] = 0
  sys.task.pid[sys.init] = sys.task.tgid[sys.init] = pid
  const said: string[] = []
  sys.printk = line => void said.push(line)
  return { sys, said }
}

/** Touches mappings of 2000 pages until a signal comes: the signal, and how many pages there were. */
function fill(sys: Sys): [signal: number, pages: number] {
  const mm = sys.task.mm[sys.vm_cpu.current[0]!]!
  for (let pages = 0; ; ) {
    const page = do_mmap(sys, mm, { pages: 2000, ...ANON })
    for (let i = 0; i < 2000; i++, pages++) {
      const signal = access(sys, page + i, ACCESS_WRITE)
      if (signal !== 0) return [signal, pages]
    }
  }
}

/** An area of swap whose device refuses every write. */
function swapon_broken(sys: Sys): void {
  sys.swap_stores = [{ size: () => SLOTS * sys.page_bytes, read: () => false, write: () => false }]
  const header = { version: 1, last_page: SLOTS - 1, badpages: [] }
  expect(swapon(sys, { path: '/swap', header, pages: SLOTS, store: 1 })).toBe(0)
}

const reports = (said: readonly string[]): number => said.filter(line => line.includes('invoked oom-killer')).length

const KERNELS = ['6.1-x86_64', '6.12-x86_64', '6.1-i386'] as const

describe.each(KERNELS)('one process fills a %s', kernel => {
  it('and is killed, once', () => {
    const { sys, said } = machine(kernel, 7)
    const [signal, pages] = fill(sys)
    expect(signal).toBe(SIGKILL)
    expect(pages).toBeGreaterThan(9000)
    expect(reports(said)).toBe(1)
    expect(said.at(-1)).toMatch(/^Out of memory: Killed process 7 \(init\)/)
    expect(check(sys)).toEqual([])
  })

  it('whose first process it is: the machine stops', () => {
    const { sys, said } = machine(kernel, 1)
    expect(fill(sys)[0]).toBe(SIGKILL)
    expect(reports(said)).toBe(1)
    expect(said).toContain('Kernel panic - not syncing: System is deadlocked on memory')
    expect(check(sys)).toEqual([])
  })
})

describe.each([
  ['6.1-x86_64', 0],
  ['6.1-x86_64', 7],
  ['6.12-x86_64', 0],
] as const)('%s with lru_gen %i', (kernel, lruGen) => {
  it('whose swap takes nothing ends, too', () => {
    const { sys, said } = machine(kernel, 7, '32M')
    lru_gen_change_state(sys, lruGen)
    swapon_broken(sys)
    expect(fill(sys)[0]).toBe(SIGKILL)
    expect(reports(said)).toBe(1)
    expect(said.some(line => line.startsWith('Write-error on swap-device'))).toBe(true)
    expect(check(sys)).toEqual([])
  })
})

describe('reserves', () => {
  it('are for who frees memory, and half of them for who dies; a mask may refuse them', () => {
    const { sys } = machine('6.1-x86_64', 7)
    const flags = (gfp: number): number => __gfp_pfmemalloc_flags(sys, gfp)
    expect([flags(GFP_KERNEL), flags(__GFP_MEMALLOC)]).toEqual([0, ALLOC_NO_WATERMARKS])
    sys.task.flags[sys.init] = PF_MEMALLOC
    expect([flags(GFP_KERNEL), flags(__GFP_NOMEMALLOC)]).toEqual([ALLOC_NO_WATERMARKS, 0])
    sys.task.flags[sys.init] = 0
    out_of_memory(sys, { gfp_mask: GFP_KERNEL, order: 0, nodemask: null, mems_allowed: null, memcg: null })
    expect([flags(GFP_KERNEL), flags(__GFP_NOMEMALLOC | __GFP_HIGH)]).toEqual([ALLOC_OOM, 0])
    // Neither an interrupt nor another process has the victim's rights.
    sys.stack_cpu.hardirq[0] = 1
    expect(flags(GFP_KERNEL)).toBe(0)
    sys.stack_cpu.hardirq[0] = 0
    switch_to(sys, task_alloc(sys, 'other'))
    expect(flags(GFP_KERNEL)).toBe(0)
  })

  it('of a victim end at half of min, then it is refused', () => {
    const { sys } = machine('6.1-x86_64', 7)
    sys.sysctl.watermark_boost_factor[0] = 0
    const free = (): number => {
      let sum = 0
      for (let zone = 0; zone < sys.nr_zones; zone++) sum += zone_page_state(sys, zone, NR_FREE_PAGES)
      return sum
    }
    let [min, half] = [0, 0]
    for (let zone = 0; zone < sys.nr_zones; zone++) {
      min += wmark_pages(sys, zone, WMARK_MIN)
      half += Math.ceil(wmark_pages(sys, zone, WMARK_MIN) / 2)
    }
    while (alloc_pages(sys, GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN, 0) !== -1);
    const others = free()
    out_of_memory(sys, { gfp_mask: GFP_KERNEL, order: 0, nodemask: null, mems_allowed: null, memcg: null })
    while (alloc_pages(sys, GFP_KERNEL, 0) !== -1);
    expect(others).toBeGreaterThanOrEqual(min)
    // The lowest zone keeps the reserve that it has against requests for higher ones.
    expect(free()).toBeLessThan(others)
    expect(free()).toBeGreaterThanOrEqual(half)
    expect(check(sys)).toEqual([])
  })
})
