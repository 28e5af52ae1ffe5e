// Sets and tables of a slab replay against plain ones.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bits, Numbers, PointerTable } from '../../../src/sim/replay/slab_objects.ts'

it('bits are a set', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 200_000 }), { size: '+1' }), numbers => {
      const [bits, plain] = [new Bits(), new Set(numbers)]
      for (const number of numbers) bits.add(number)
      for (const number of numbers)
        for (const near of [number - 1, number, number + 1]) if (near >= 0) expect(bits.has(near)).toBe(plain.has(near))
      expect(bits.has(1e9)).toBe(false)
    }),
  )
})

it('pointers have rows, rows have numbers', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger(), { size: '+1' }), pointers => {
      const [table, numbers, plain] = [new PointerTable(), new Numbers(), new Map<number, number>()]
      for (const pointer of pointers) {
        numbers.add(table.rowOf(pointer), 1)
        plain.set(pointer, (plain.get(pointer) ?? 0) + 1)
      }
      expect(table.size).toBe(plain.size)
      for (const [pointer, count] of plain) expect(numbers.get(table.find(pointer))).toBe(count)
    }),
  )
})
