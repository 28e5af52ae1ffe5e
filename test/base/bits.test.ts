// Small arithmetic: exact over all of its range.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as bits from '../../src/base/bits.ts'

const word = fc.integer({ min: 0, max: 0xffffffff })
const wide = fc.integer({ min: 0, max: 2 ** 51 })

describe('bits', () => {
  it('ilog2 and first_bit are the ends of the binary digits', () => {
    fc.assert(
      fc.property(word, value => {
        const digits = value.toString(2)
        expect(bits.ilog2(value)).toBe(value === 0 ? -1 : digits.length - 1)
        expect(bits.first_bit(value)).toBe(value === 0 ? -1 : digits.length - 1 - digits.lastIndexOf('1'))
      }),
    )
  })

  it('align_down and align_up hold a value between them', () => {
    fc.assert(
      fc.property(wide, fc.nat(40), (value, shift) => {
        const [down, up] = [bits.align_down(value, shift), bits.align_up(value, shift)]
        expect([down % 2 ** shift, up % 2 ** shift]).toEqual([0, 0])
        expect(down <= value && value <= up && up - down <= 2 ** shift).toBe(true)
      }),
    )
  })

  it('int_sqrt and rounddown_pow_of_two are the largest that fit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), value => {
        const root = bits.int_sqrt(value)
        expect(root * root <= value && (root + 1) ** 2 > value).toBe(true)
        const power = bits.rounddown_pow_of_two(value)
        expect(Number.isInteger(Math.log2(power)) && power <= value && 2 * power > value).toBe(true)
      }),
    )
    expect(bits.int_sqrt(0)).toBe(0)
  })

  it('clamp: high wins where the bounds cross', () => {
    expect([bits.clamp(5, 1, 9), bits.clamp(0, 1, 9), bits.clamp(10, 1, 9), bits.clamp(5, 9, 1)]).toEqual([5, 1, 9, 1])
  })
})
