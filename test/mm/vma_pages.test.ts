// Areas against a model that knows single pages only: after any sequence of calls each page allows what it should, locked pages
// are counted, and untouched neighbours that are alike are one area.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { do_mlock, do_munlock } from '../../src/mm/mlock.ts'
import { do_mmap, do_munmap } from '../../src/mm/mmap.ts'
import { do_mprotect } from '../../src/mm/mprotect.ts'
import * as F from '../../src/mm/vm_flags.ts'
import { vma_lookup } from '../../src/mm/vma.ts'
import { bootProcess } from './process_machine.ts'

const BASE = 0x10000
const PAGES = 48
const ANON = F.MAP_PRIVATE | F.MAP_ANONYMOUS | F.MAP_FIXED

const step = fc.record({
  what: fc.constantFrom('map', 'unmap', 'protect', 'lock', 'unlock'),
  at: fc.nat(PAGES - 1),
  pages: fc.integer({ min: 1, max: 16 }),
  prot: fc.constantFrom(0, F.PROT_READ, F.PROT_READ | F.PROT_WRITE),
})

describe.each(['6.1-x86_64', '6.12-x86_64', '6.1-i386'])('areas of %s', kernel => {
  it('are what a model of single pages says', () => {
    fc.assert(
      fc.property(fc.array(step, { size: '+1' }), steps => {
        const sys = bootProcess(kernel, '32M')
        const mm = sys.task.mm[sys.init]!
        const model = new Map<number, { prot: number; locked: boolean }>()
        for (const { what, at, pages, prot } of steps) {
          const page = BASE + at
          const range = Array.from({ length: pages }, (_, i) => page + i)
          if (what === 'map') {
            expect(do_mmap(sys, mm, { page, pages, prot, flags: ANON })).toBe(page)
            for (const each of range) model.set(each, { prot, locked: false })
          } else if (what === 'unmap') {
            do_munmap(sys, mm, page, pages)
            for (const each of range) model.delete(each)
          } else {
            // A hole ends the call with an error; what lies before it may have changed: only whole ranges are asked for.
            if (!range.every(each => model.has(each))) continue
            if (what === 'protect') expect(do_mprotect(sys, mm, page, pages, prot)).toBe(0)
            else if (what === 'unlock') expect(do_munlock(sys, mm, page, pages)).toBe(0)
            else expect(do_mlock(sys, mm, page, pages, F.MLOCK_ONFAULT)).toBe(0)
            for (const each of range) {
              const old = model.get(each)!
              model.set(each, what === 'protect' ? { ...old, prot } : { ...old, locked: what === 'lock' })
            }
          }
        }
        let [areas, before] = [0, '']
        for (let page = BASE; page < BASE + PAGES + 16; page++) {
          const own = model.get(page)
          const vma = vma_lookup(sys, mm, page)
          expect(vma !== 0).toBe(own !== undefined)
          const now = own === undefined ? '' : `${own.prot} ${own.locked}`
          if (own !== undefined) {
            expect(sys.vma.flags[vma]! & 7).toBe(own.prot)
            expect((sys.vma.flags[vma]! & F.VM_LOCKED) !== 0).toBe(own.locked)
            if (now !== before) areas++
          }
          before = now
        }
        expect(sys.mm.locked_vm[mm]).toBe([...model.values()].filter(({ locked }) => locked).length)
        // Memory that was writable once stays promised: such neighbours are not alike.
        expect(sys.mm.map_count[mm]).toBeGreaterThanOrEqual(areas)
        for (const [page, { prot }] of model) {
          expect(access(sys, page, ACCESS_READ)).toBe((prot & F.PROT_READ) !== 0 ? 0 : F.SIGSEGV)
          expect(access(sys, page, ACCESS_WRITE)).toBe((prot & F.PROT_WRITE) !== 0 ? 0 : F.SIGSEGV)
        }
        expect(check(sys)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})
