// Slow and obvious references: slots of kmap as a list that is walked through, and everything that is mapped as a Map from
// pages to frames. Any calls must agree with them, entry by entry of the page tables.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kmap, kmap_flush_unused, kmap_local_page, kunmap, kunmap_local } from '../../src/mm/highmem.ts'
import { vmalloc_to_pfn } from '../../src/mm/pgtable_map.ts'
import { find_vm_area, vm_area_pages } from '../../src/mm/vm_struct.ts'
import { vfree, vmalloc, vmap, vunmap } from '../../src/mm/vmalloc.ts'
import { vm_map_ram, vm_unmap_aliases, vm_unmap_ram } from '../../src/mm/vmap_block.ts'
import { purge_vmap_area_lazy } from '../../src/mm/vmap_lazy.ts'
import { bootSpace, laws } from './address_space_machine.ts'

/** The first frame of high memory that is used here. */
const HIGH = 250_000

/** A pool of slots: which frame each has, and how many users; none = its frame may be forgotten. */
class Slots {
  readonly frames: (number | null)[]
  readonly users: number[]
  #last = 0

  constructor(count: number) {
    this.frames = new Array<number | null>(count).fill(null)
    this.users = new Array<number>(count).fill(0)
  }

  /** The slot of a frame; -1 = all have users. */
  map(pfn: number): number {
    const known = this.frames.indexOf(pfn)
    const slot = known >= 0 ? known : this.#take(pfn)
    if (slot >= 0) this.users[slot]! += 1
    return slot
  }

  #take(pfn: number): number {
    if (this.users.every(users => users > 0)) {
      // The search begins anew at slot 0, goes once round and ends at the last one.
      this.#last = this.frames.length - 1
      return -1
    }
    for (;;) {
      this.#last = (this.#last + 1) % this.frames.length
      if (this.#last === 0) this.flush()
      if (this.frames[this.#last] !== null) continue
      this.frames[this.#last] = pfn
      return this.#last
    }
  }

  unmap(pfn: number): void {
    this.users[this.frames.indexOf(pfn)]! -= 1
  }

  flush(): void {
    for (const slot of this.frames.keys()) if (this.users[slot] === 0) this.frames[slot] = null
  }
}

describe('kmap against a list of slots', () => {
  it.each(['6.1-i386', '6.1-i386-pae'])('%s: every slot, count and entry', kernel => {
    const step = fc.record({
      frame: fc.nat({ max: 1400 }),
      what: fc.constantFrom('map', 'map', 'map', 'map', 'unmap', 'local', 'flush'),
    })
    fc.assert(
      // Many that map first: so that all slots are in use.
      fc.property(
        fc.nat({ max: 1100 }),
        fc.array(step, { minLength: 300, maxLength: 2500, size: '+1' }),
        (many, steps) => {
          const burst = Array.from({ length: many }, (_, frame) => ({ frame, what: 'map' }))
          const sys = bootSpace(kernel, '1G')
          const base = sys.pkmap_state.base[0]!
          const slots = new Slots(sys.pkmap_state.entries[0]!)
          const mapped: number[] = []
          for (const { frame, what } of [...burst, ...steps]) {
            const pfn = HIGH + frame
            if (what === 'flush') {
              if (frame % 10 !== 0) continue
              kmap_flush_unused(sys)
              slots.flush()
            } else if (what === 'local') {
              const page = kmap_local_page(sys, pfn)
              expect(vmalloc_to_pfn(sys, page)).toBe(pfn)
              kunmap_local(sys, page)
              expect(vmalloc_to_pfn(sys, page)).toBe(-1)
            } else if (what === 'map') {
              const slot = slots.map(pfn)
              expect(kmap(sys, pfn)).toBe(slot < 0 ? 0 : base + slot)
              if (slot >= 0) mapped.push(pfn)
            } else if (mapped.length > 0) {
              const [gone] = mapped.splice(frame % mapped.length, 1)
              kunmap(sys, gone!)
              slots.unmap(gone!)
            }
          }
          for (const [slot, pfn] of slots.frames.entries()) {
            expect(sys.pkmap.count[slot]).toBe(pfn === null ? 0 : 1 + slots.users[slot]!)
            expect(vmalloc_to_pfn(sys, base + slot)).toBe(pfn ?? -1)
          }
          expect(laws(sys)).toEqual([])
        },
      ),
      { numRuns: 8 },
    )
  })
})

type Kind = 'vmalloc' | 'vmap' | 'ram'

describe('mappings against a map of pages', () => {
  it.each(['6.1-x86_64', '6.1-x86_64-la57', '6.1-i386', '6.1-i386-pae'])(
    '%s: every entry, after every call',
    kernel => {
      const step = fc.record({
        what: fc.constantFrom<Kind | 'give' | 'purge' | 'flush'>(
          'vmalloc',
          'vmap',
          'ram',
          'give',
          'give',
          'purge',
          'flush',
        ),
        pages: fc.integer({ min: 1, max: 45 }),
        pfn: fc.nat({ max: 10_000 }),
      })
      fc.assert(
        fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: '+1' }), steps => {
          const sys = bootSpace(kernel, '64M')
          const held: { kind: Kind; page: number; count: number }[] = []
          const frames = new Map<number, number>()
          const seen = new Set<number>()
          const take = (kind: Kind, page: number, pfns: readonly number[]): void => {
            expect(page).toBeGreaterThan(0)
            for (const [i, pfn] of pfns.entries()) {
              // Nobody else has it.
              expect(frames.has(page + i)).toBe(false)
              frames.set(page + i, pfn)
            }
            for (let at = page - 1; at <= page + pfns.length; at++) seen.add(at)
            held.push({ kind, page, count: pfns.length })
          }
          const give = ({ kind, page, count }: (typeof held)[number]): void => {
            if (kind === 'vmalloc') vfree(sys, page)
            else if (kind === 'vmap') vunmap(sys, page)
            else vm_unmap_ram(sys, page, count)
            for (let i = 0; i < count; i++) frames.delete(page + i)
          }
          for (const { what, pages, pfn } of steps) {
            const pfns = Array.from({ length: pages }, (_, i) => (pfn + 3 * i) % 16_000)
            if (what === 'vmalloc') {
              const page = vmalloc(sys, pages * 4096)
              take(what, page, [...vm_area_pages(sys, find_vm_area(sys, page))])
            } else if (what === 'vmap') take(what, vmap(sys, pfns), pfns)
            else if (what === 'ram') take(what, vm_map_ram(sys, pfns), pfns)
            else if (what === 'purge') purge_vmap_area_lazy(sys)
            else if (what === 'flush') vm_unmap_aliases(sys)
            else if (held.length > 0) give(held.splice(pfn % held.length, 1)[0]!)
            for (const page of seen) expect(vmalloc_to_pfn(sys, page)).toBe(frames.get(page) ?? -1)
          }
          expect(laws(sys)).toEqual([])
          expect(sys.said).toEqual([])
        }),
        { numRuns: 6 },
      )
    },
  )
})
