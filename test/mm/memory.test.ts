// Processes: mapping, faults, fork, exit, and what is left afterwards.
import { describe, expect, it } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { do_exit, fork, release_task, switch_to } from '../../src/mm/fork.ts'
import { do_mmap, do_munmap } from '../../src/mm/mmap.ts'
import { pte_pfn } from '../../src/mm/pte.ts'
import { pte_lookup } from '../../src/mm/user_pgtable.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, SEGV_MAPERR, SIGSEGV } from '../../src/mm/vm_flags.ts'
import { bootProcess } from './process_machine.ts'

const ANON = { prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS }

describe.each(['6.1-x86_64', '6.1-x86_64-la57', '6.12-x86_64', '6.1-i386', '6.1-i386-pae'])(
  'anonymous memory of %s',
  kernel => {
    const sys = bootProcess(kernel, '512M')
    sys.vm_state.thp_enabled[0] = 0
    const mm = sys.task.mm[sys.init]!
    const frame = (page: number, of = mm): number => pte_pfn(sys, pte_lookup(sys, sys.mm.pgd[of]! - 1, page))
    const tables = sys.pgtable_state.tables[0]

    it('reads the page of zeros, then gets pages of its own', () => {
      const page = do_mmap(sys, mm, { pages: 64, ...ANON })
      for (let i = 0; i < 4; i++) expect(access(sys, page + i, ACCESS_READ)).toBe(0)
      expect(frame(page)).toBe(frame(page + 3))
      for (let i = 0; i < 8; i++) expect(access(sys, page + i, ACCESS_WRITE)).toBe(0)
      expect(new Set([0, 1, 2, 3, 4, 5, 6, 7].map(i => frame(page + i))).size).toBe(8)
      expect(sys.task.min_flt[sys.init]).toBe(12)
      expect(access(sys, page + 64, ACCESS_READ)).toBe(SIGSEGV)
      expect(sys.task.si_code[sys.init]).toBe(SEGV_MAPERR)
    })

    it('shares after a fork, copies what is written, reuses what nobody else has', () => {
      const page = do_mmap(sys, mm, { pages: 4, ...ANON })
      for (let i = 0; i < 4; i++) access(sys, page + i, ACCESS_WRITE)
      const before = frame(page)
      const child = fork(sys, sys.init)
      const theirs = sys.task.mm[child]!
      expect(frame(page, theirs)).toBe(before)
      access(sys, page, ACCESS_WRITE)
      expect(frame(page)).not.toBe(before)
      expect(frame(page, theirs)).toBe(before)
      const shared = frame(page + 1)
      do_exit(sys, child, 0)
      release_task(sys, child)
      access(sys, page + 1, ACCESS_WRITE)
      expect(frame(page + 1)).toBe(shared)
      expect(check(sys)).toEqual([])
    })

    it('gives everything back', () => {
      do_munmap(sys, mm, 0, sys.mm.task_size[mm]!)
      expect(sys.mm.total_vm[mm]).toBe(0)
      expect(sys.pgtable_state.tables[0]).toBe(tables)
      expect(sys.vm_state.vm_committed_as[0]).toBe(0)
      switch_to(sys, sys.init)
      expect(check(sys)).toEqual([])
    })
  },
)
