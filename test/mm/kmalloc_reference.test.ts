// The kmalloc family against a plain reference: memory is an array of the bytes that its owner wrote; under SLUB, SLAB
// and SLOB.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { __GFP_ZERO, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kfree, kmalloc, krealloc, ksize } from '../../src/mm/kmalloc.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { slab_kernel, slabMachine, slob_kernel } from './slab_machine.ts'
import { laws, slubMachine } from './slub_machine.ts'

const size = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: 12000 }),
  fc.constantFrom(8, 64, 512, 4096, 8192, 16384),
)
const step = fc.tuple(fc.constantFrom('kmalloc', 'kzalloc', 'krealloc', 'kfree'), size, fc.nat())

const kernels = {
  SLUB: () => {
    const { sys, said } = slubMachine()
    return { sys, log: said, broken: () => laws(sys) }
  },
  SLAB: () => slabMachine(slab_kernel),
  SLOB: () => slabMachine(slob_kernel),
}

it.each(['SLUB', 'SLAB', 'SLOB'] as const)('as the reference, %s', allocator => {
  fc.assert(
    fc.property(fc.array(step, { size: '+1', maxLength: 60 }), steps => {
      const { sys, log, broken } = kernels[allocator]()
      /** What each owner's bytes are, by the address. */
      const memory = new Map<number, number[]>()
      const own = (object: number, bytes: number[], of: number, moved = true): void => {
        expect(ksize(sys, object)).toBeGreaterThanOrEqual(of)
        // New memory of a power of two is aligned to itself, all memory to 8 bytes.
        if (moved && (of & (of - 1)) === 0) expect(object % of).toBe(0)
        expect(object % 8).toBe(0)
        for (const [at, { length }] of memory) expect(object >= at + length || at >= object + of).toBe(true)
        for (let at = bytes.length; at < of; at++) {
          bytes.push((7 * at + of) & 0xff)
          write_u8(sys, object + at, bytes[at]!)
        }
        memory.set(object, bytes)
      }
      const bytesAt = (object: number, length: number): number[] =>
        Array.from({ length }, (_, at) => read_u8(sys, object + at))
      for (const [what, of, which] of steps) {
        const object = [...memory.keys()][which % Math.max(memory.size, 1)] ?? 0
        const had = memory.get(object) ?? []
        if (what === 'kmalloc') own(kmalloc(sys, of, GFP_KERNEL), [], of)
        else if (what === 'kzalloc') {
          const zeros = kmalloc(sys, of, GFP_KERNEL | __GFP_ZERO)
          expect(bytesAt(zeros, of)).toEqual(new Array(of).fill(0))
          own(zeros, [], of)
        } else {
          expect(bytesAt(object, had.length)).toEqual(had)
          memory.delete(object)
          if (what === 'kfree') kfree(sys, object)
          else {
            const fits = object !== 0 && ksize(sys, object) >= of
            const moved = krealloc(sys, object, of, GFP_KERNEL)
            if (fits) expect(moved).toBe(object)
            const kept = had.slice(0, of)
            expect(bytesAt(moved, kept.length)).toEqual(kept)
            own(moved, kept, of, moved !== object)
          }
        }
        expect(broken()).toEqual([])
      }
      for (const [object, bytes] of memory) expect(bytesAt(object, bytes.length)).toEqual(bytes)
      expect(log).toEqual([])
    }),
    { numRuns: 10 },
  )
})
