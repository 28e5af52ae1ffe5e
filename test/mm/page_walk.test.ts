// The bound walk against a plain one that asks for each level's entry by name, on every kind of page table.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { page_walk } from '../../src/mm/page_walk.ts'
import { entry_at, entry_pfn } from '../../src/mm/pgtable.ts'
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../src/mm/vm_flags.ts'
import { bootProcess } from './process_machine.ts'

const PAGES = 700

/** What the walk must say and leave: [its answer, the entry's word, low half then]. */
function plain(sys: Sys, pgd: number, page: number, kind: number): [number, number, number] {
  const { levels, entry_bytes } = sys.kernel.pgtable
  const nx = sys.pgtable_state.supported_nx[0] === 1
  const code = 4 + (kind === ACCESS_WRITE ? 2 : kind === ACCESS_EXEC && nx ? 16 : 0)
  let table = pgd
  for (let depth = 0; ; depth++) {
    const at = entry_at(sys, table, depth, page)
    const lo = sys.physmem_words[at]!
    if ((lo & 1) === 0) return [code + 1, at, lo]
    if (depth < levels.length - 1 && (lo & 0x80) === 0) {
      table = entry_pfn(sys, at)
      continue
    }
    const data = entry_bytes === 8 && sys.physmem_words[at + 1]! >= 2 ** 31
    const refused = (lo & 4) === 0 || (kind === ACCESS_WRITE && (lo & 2) === 0) || (kind === ACCESS_EXEC && data)
    return refused ? [code + 2, at, lo] : [0, at, (lo | (kind === ACCESS_WRITE ? 0x60 : 0x20)) >>> 0]
  }
}

describe.each(['6.1-x86_64', '6.1-x86_64-la57', '6.1-i386', '6.1-i386-pae'])('page walk of %s', kernel => {
  const sys = bootProcess(kernel, '512M')
  sys.vm_state.thp_enabled[0] = 1
  const mm = sys.task.mm[sys.init]!
  const flags = MAP_PRIVATE | MAP_ANONYMOUS
  const last = sys.mm.task_size[mm]! - 4 * PAGES
  const bases = [
    do_mmap(sys, mm, { pages: PAGES, prot: PROT_READ | PROT_WRITE, flags }),
    do_mmap(sys, mm, { page: 1040, pages: PAGES, prot: PROT_READ | PROT_EXEC, flags: flags | MAP_FIXED }),
    do_mmap(sys, mm, { page: last, pages: PAGES, prot: PROT_READ | PROT_WRITE, flags: flags | MAP_FIXED }),
  ]

  it('answers and notes what the entries say', () => {
    const pgd = sys.mm.pgd[mm]! - 1
    const place = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: -2, max: PAGES + 1 }))
    const kinds = fc.constantFrom(ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC)
    const step = fc.tuple(place, kinds, fc.boolean())
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, size: '+1' }), steps => {
        for (const [[area, offset], kind, faults] of steps) {
          const page = bases[area]! + offset
          const [answer, at, lo] = plain(sys, pgd, page, kind)
          expect([page_walk(sys)(pgd, page, kind), sys.physmem_words[at]]).toEqual([answer, lo])
          if (faults) access(sys, page, kind)
        }
      }),
    )
  })
})
