// Pages locked in memory: the unevictable list, what is counted, and that reclaim leaves them where they are.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { new_inode, open_inode } from '../../src/mm/files.ts'
import { do_exit, fork, release_task, switch_to } from '../../src/mm/fork.ts'
import { collapse_huge_page } from '../../src/mm/khugepaged.ts'
import { do_madvise, MADV } from '../../src/mm/madvise.ts'
import { unmap_and_move } from '../../src/mm/migrate.ts'
import { do_mlock, do_mlockall, do_munlock, do_munlockall } from '../../src/mm/mlock.ts'
import { mlock_count } from '../../src/mm/mlock_folio.ts'
import { PG } from '../../src/mm/mm_types.ts'
import { do_mmap, do_munmap } from '../../src/mm/mmap.ts'
import { alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { pte_pfn } from '../../src/mm/pte.ts'
import { cond_resched } from '../../src/mm/reclaim_clock.ts'
import { folio_isolate_lru, lru_add_drain, lru_putback } from '../../src/mm/swap.ts'
import { swapon } from '../../src/mm/swapfile.ts'
import { pte_lookup } from '../../src/mm/user_pgtable.ts'
import * as F from '../../src/mm/vm_flags.ts'
import { find_vma } from '../../src/mm/vma.ts'
import { node_item, vm_event, zone_item } from '../../src/mm/vmstat_item.ts'
import { bootProcess } from './process_machine.ts'

const ANON = { prot: F.PROT_READ | F.PROT_WRITE, flags: F.MAP_PRIVATE | F.MAP_ANONYMOUS }
const GFP_HIGHUSER_MOVABLE = 0x100cca

class Locked {
  readonly sys
  readonly mm: number

  constructor(kernel: string, memory = '64M', huge = false) {
    this.sys = bootProcess(kernel, memory, { nr_swap_slots: 65536 })
    this.sys.vm_state.thp_enabled[0] = huge ? 2 : 0
    this.mm = this.sys.task.mm[this.sys.init]!
    this.sys.task.rlim[8 * this.sys.init + F.RLIMIT_MEMLOCK] = 2 ** 40
  }

  map(pages: number, more = 0): number {
    return do_mmap(this.sys, this.mm, { pages, prot: ANON.prot, flags: ANON.flags | more })
  }

  write(page: number, pages = 1): void {
    for (let i = 0; i < pages; i++) {
      expect(access(this.sys, page + i, ACCESS_WRITE)).toBe(0)
      cond_resched(this.sys)
    }
  }

  frame(page: number, mm = this.mm): number {
    return pte_pfn(this.sys, pte_lookup(this.sys, this.sys.mm.pgd[mm]! - 1, page))
  }

  event(name: string): number {
    return this.sys.vm_event.count[vm_event(`unevictable_pgs_${name}` as 'unevictable_pgs_culled')]!
  }

  /** mlocked, munlocked, culled, rescued, cleared, stranded. */
  events(): string {
    const names = ['mlocked', 'munlocked', 'culled', 'rescued', 'cleared', 'stranded']
    return names.map(name => this.event(name)).join(' ')
  }

  get nrMlock(): number {
    const { sys } = this
    const item = zone_item('nr_mlock')
    let sum = 0
    for (let zone = 0; zone < sys.nr_zones; zone++) {
      sum += sys.zone_stat.vm_stat[(zone * sys.zone_stat.vm_stat.length) / sys.nr_zones + item]!
      const { vm_stat_diff } = sys.zone_stat_diff
      for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
        sum += vm_stat_diff[((zone * sys.nr_cpus + cpu) * vm_stat_diff.length) / sys.nr_zones / sys.nr_cpus + item]!
    }
    return sum
  }

  get nrUnevictable(): number {
    return this.sys.node_stat.vm_stat[node_item('nr_unevictable')]!
  }

  flags(pfn: number): string {
    const bits = this.sys.page.flags[pfn]!
    return (['lru', 'active', 'unevictable', 'mlocked'] as const).filter(name => (bits & PG[name]) !== 0).join(' ')
  }

  sound(): void {
    expect(check(this.sys)).toEqual([])
  }
}

describe.each([
  ['6.1-x86_64', 15],
  ['6.12-x86_64', 31],
  ['6.1-i386', 15],
] as const)('pages locked in memory, %s', (kernel, batch) => {
  it('wait in a batch, then are on the unevictable list', () => {
    const m = new Locked(kernel)
    const page = m.map(64)
    m.write(page, 4)
    lru_add_drain(m.sys)
    expect(do_mlock(m.sys, m.mm, page, 64, F.MLOCK_ONFAULT)).toBe(0)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([4, 4])
    m.write(page + 4, batch - 1)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([4 + batch - 1, 4])
    expect(m.flags(m.frame(page + 4))).toBe('mlocked')
    m.write(page + 4 + batch - 1)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([4 + batch, 4 + batch])
    expect(m.flags(m.frame(page + 4))).toBe('lru unevictable mlocked')
    expect(mlock_count(m.sys, m.frame(page + 4))).toBe(1)
    expect(m.events()).toBe(`${4 + batch} 0 ${4 + batch} 0 0 0`)
    m.sound()
  })

  it('come back when they are unlocked, and go when they are unmapped', () => {
    const m = new Locked(kernel)
    const page = m.map(8)
    expect(do_mlock(m.sys, m.mm, page, 8)).toBe(0)
    lru_add_drain(m.sys)
    expect(do_munlock(m.sys, m.mm, page + 2, 2)).toBe(0)
    expect(m.flags(m.frame(page + 2))).not.toContain('unevictable')
    expect(m.events()).toBe('8 2 8 2 0 0')
    do_munmap(m.sys, m.mm, page, 8)
    lru_add_drain(m.sys)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([0, 0])
    expect(m.events()).toBe('8 8 8 8 0 0')
    m.sound()
  })

  it('of a file that two lock need two to unlock', () => {
    const m = new Locked(kernel)
    const file = open_inode(m.sys, new_inode(m.sys, F.INODE_SHMEM, '/dev/shm/x', 4 * 4096))
    const shared = { pages: 4, prot: ANON.prot, flags: F.MAP_SHARED, file }
    const [one, two] = [do_mmap(m.sys, m.mm, shared), do_mmap(m.sys, m.mm, shared)]
    expect(do_mlock(m.sys, m.mm, one, 4)).toBe(0)
    expect(do_mlock(m.sys, m.mm, two, 4)).toBe(0)
    lru_add_drain(m.sys)
    expect([0, 1, 2, 3].map(i => mlock_count(m.sys, m.frame(one + i)))).toEqual([2, 2, 2, 2])
    do_munlock(m.sys, m.mm, one, 4)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([4, 4])
    do_munlock(m.sys, m.mm, two, 4)
    expect([m.nrMlock, m.nrUnevictable]).toEqual([0, 0])
    m.sound()
  })

  it('are copied on write: the copy is locked, the page that the child keeps is not', () => {
    const m = new Locked(kernel)
    const page = m.map(2)
    do_mlock(m.sys, m.mm, page, 2)
    lru_add_drain(m.sys)
    const old = m.frame(page)
    const child = fork(m.sys, m.sys.init)
    expect(find_locked(m, m.sys.task.mm[child]!, page)).toBe(false)
    m.write(page)
    lru_add_drain(m.sys)
    expect(m.frame(page)).not.toBe(old)
    expect(m.flags(m.frame(page))).toContain('unevictable mlocked')
    expect(m.flags(old)).not.toContain('mlocked')
    expect([m.nrMlock, m.nrUnevictable]).toEqual([2, 2])
    do_exit(m.sys, child, 0)
    release_task(m.sys, child)
    switch_to(m.sys, m.sys.init)
    m.sound()
  })

  it('stay when memory is short; others go to swap', () => {
    const m = new Locked(kernel, '32M')
    const header = { version: 1, last_page: 65535, badpages: [] }
    expect(swapon(m.sys, { path: '/swap', header, pages: 65536, store: 0 })).toBe(0)
    const page = m.map(256)
    do_mlock(m.sys, m.mm, page, 256)
    const frames = Array.from({ length: 256 }, (_, i) => m.frame(page + i))
    const others = m.map(12000)
    m.write(others, 12000)
    expect(m.sys.vm_event.count[vm_event('pswpout')]).toBeGreaterThan(2000)
    expect(Array.from({ length: 256 }, (_, i) => m.frame(page + i))).toEqual(frames)
    m.sound()
  })

  it('move with their mappings counted', () => {
    const m = new Locked(kernel)
    const page = m.map(1)
    do_mlock(m.sys, m.mm, page, 1)
    lru_add_drain(m.sys)
    const [from, to] = [m.frame(page), alloc_pages(m.sys, GFP_HIGHUSER_MOVABLE, 0)]
    expect(folio_isolate_lru(m.sys, from)).toBe(true)
    expect(unmap_and_move(m.sys, from, to)).toBe(true)
    expect(m.frame(page)).toBe(to)
    expect(m.flags(to)).toBe('lru unevictable mlocked')
    expect(mlock_count(m.sys, to)).toBe(1)
    expect(m.events()).toBe('2 0 2 1 0 1')
    m.sound()
  })

  it('lose their lock while somebody has them off the lists: stranded, then rescued', () => {
    const m = new Locked(kernel)
    const page = m.map(2)
    do_mlock(m.sys, m.mm, page, 2)
    lru_add_drain(m.sys)
    const pfn = m.frame(page)
    folio_isolate_lru(m.sys, pfn)
    do_munlock(m.sys, m.mm, page, 2)
    expect([m.event('stranded'), m.event('munlocked'), m.event('rescued')]).toEqual([1, 1, 1])
    lru_putback(m.sys, pfn)
    lru_add_drain(m.sys)
    expect(m.event('rescued')).toBe(2)
    expect(m.flags(pfn)).not.toContain('unevictable')
    m.sound()
  })

  it('mlockall: what is there, what will be, what is touched', () => {
    const m = new Locked(kernel)
    expect(do_mlockall(m.sys, m.mm, 0)).toBe(-F.EINVAL)
    expect(do_mlockall(m.sys, m.mm, F.MCL_ONFAULT)).toBe(-F.EINVAL)
    const now = m.map(4)
    expect(do_mlockall(m.sys, m.mm, F.MCL_CURRENT | F.MCL_FUTURE)).toBe(0)
    lru_add_drain(m.sys)
    const later = m.map(4)
    lru_add_drain(m.sys)
    expect([now, later].map(at => m.flags(m.frame(at)))).toEqual(Array(2).fill('lru unevictable mlocked'))
    do_munlockall(m.sys, m.mm)
    expect([m.nrMlock, m.sys.mm.locked_vm[m.mm]]).toEqual([0, 0])
    expect(do_mlockall(m.sys, m.mm, F.MCL_FUTURE | F.MCL_ONFAULT)).toBe(0)
    const touched = m.map(4)
    expect(m.sys.mm.locked_vm[m.mm]).toBe(4)
    m.write(touched)
    lru_add_drain(m.sys)
    expect(m.nrMlock).toBe(1)
    m.sound()
  })

  it('are limited by RLIMIT_MEMLOCK', () => {
    const m = new Locked(kernel)
    m.sys.task.rlim[8 * m.sys.init + F.RLIMIT_MEMLOCK] = 4 * 4096
    const page = m.map(8)
    expect(do_mlock(m.sys, m.mm, page, 5)).toBe(-F.ENOMEM)
    expect(do_mlock(m.sys, m.mm, page, 4)).toBe(0)
    expect(do_mlock(m.sys, m.mm, page, 4)).toBe(0)
    expect(do_mlock(m.sys, m.mm, page + 4, 1)).toBe(-F.ENOMEM)
    expect(do_mmap(m.sys, m.mm, { ...ANON, pages: 1, flags: ANON.flags | F.MAP_LOCKED })).toBe(-F.EAGAIN)
    expect(do_madvise(m.sys, m.mm, page, 4, MADV.DONTNEED)).toBe(-F.EINVAL)
    m.sound()
  })
})

const find_locked = (m: Locked, mm: number, page: number): boolean =>
  (m.sys.vma.flags[find_vma(m.sys, mm, page)]! & F.VM_LOCKED) !== 0

describe.each(['6.1-x86_64', '6.12-x86_64'])('huge pages locked in memory, %s', kernel => {
  it('count all their pages, and are split with their area', () => {
    const m = new Locked(kernel, '128M', true)
    const at = m.map(1536)
    const page = Math.ceil(at / 512) * 512
    m.write(page)
    expect(do_mlock(m.sys, m.mm, page, 512)).toBe(0)
    expect(m.nrMlock).toBe(512)
    expect(m.flags(m.frame(page))).toBe('lru unevictable mlocked')
    m.sound()
    expect(do_munlock(m.sys, m.mm, page, 256)).toBe(0)
    lru_add_drain(m.sys)
    m.sound()
    do_munmap(m.sys, m.mm, at, 1536)
    lru_add_drain(m.sys)
    expect(m.nrMlock).toBe(0)
    m.sound()
  })

  it('are gathered from locked pages', () => {
    const m = new Locked(kernel, '128M')
    const at = m.map(1536)
    const page = Math.ceil(at / 512) * 512
    do_mlock(m.sys, m.mm, page, 512)
    m.sys.vm_state.thp_enabled[0] = 2
    expect(collapse_huge_page(m.sys, find_vma(m.sys, m.mm, page), page, true)).toBe(0)
    lru_add_drain(m.sys)
    expect(m.nrMlock).toBe(512)
    m.sound()
  })
})

describe('any sequence of calls', () => {
  const step = fc.record({
    what: fc.constantFrom('lock', 'onfault', 'unlock', 'write', 'read', 'unmap', 'fork', 'exit', 'drain', 'discard'),
    at: fc.nat(31),
    pages: fc.integer({ min: 1, max: 12 }),
  })

  for (const kernel of ['6.1-x86_64', '6.12-x86_64'])
    it(`keeps the laws, ${kernel}`, () => {
      fc.assert(
        fc.property(fc.array(step, { size: '+1' }), steps => {
          const m = new Locked(kernel, '32M')
          const base = m.map(48)
          const children: number[] = []
          for (const { what, at, pages } of steps) {
            const page = base + at
            if (what === 'lock') do_mlock(m.sys, m.mm, page, pages)
            else if (what === 'onfault') do_mlock(m.sys, m.mm, page, pages, F.MLOCK_ONFAULT)
            else if (what === 'unlock') do_munlock(m.sys, m.mm, page, pages)
            else if (what === 'unmap') do_munmap(m.sys, m.mm, page, pages)
            else if (what === 'drain') lru_add_drain(m.sys)
            else if (what === 'discard') do_madvise(m.sys, m.mm, page, pages, MADV.DONTNEED)
            else if (what === 'fork' && children.length < 3) children.push(fork(m.sys, m.sys.init))
            else if (what === 'exit' && children.length > 0) {
              const child = children.pop()!
              do_exit(m.sys, child, 0)
              release_task(m.sys, child)
              switch_to(m.sys, m.sys.init)
            } else
              for (let i = 0; i < pages; i++) access(m.sys, page + i, what === 'write' ? ACCESS_WRITE : ACCESS_READ)
            expect(check(m.sys)).toEqual([])
          }
        }),
        { numRuns: 40 },
      )
    })
})
