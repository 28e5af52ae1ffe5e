// Addresses as two halves: every sum and distance must be what 64-bit arithmetic says.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type Address,
  address_add,
  address_distance,
  address_of,
  format_address,
  parse_address,
} from '../../src/base/address.ts'

const big = ({ hi, lo }: Address): bigint => (BigInt(hi) << 32n) | BigInt(lo)
const half = fc.integer({ min: 0, max: 0xffffffff })
const address = fc.record({ hi: half, lo: half })

it('adds as the machine does', () => {
  const offset = fc.maxSafeInteger()
  fc.assert(
    fc.property(address, offset, (at, by) => {
      expect(big(address_add(at, by))).toBe(BigInt.asUintN(64, big(at) + BigInt(by)))
    }),
  )
})

it('measures what was added', () => {
  fc.assert(
    fc.property(half, half, fc.maxSafeInteger(), (hi, lo, by) => {
      const at = { hi: 0x40000000 + (hi >>> 2), lo }
      expect(address_distance(at, address_add(at, by))).toBe(by)
    }),
  )
})

it('prints and reads every bit', () => {
  fc.assert(
    fc.property(address, at => {
      expect(parse_address(`0x${format_address(at)}`)).toEqual(at)
    }),
  )
  expect(format_address(address_of(0xffff888000000000))).toBe('ffff888000000000')
  expect(format_address({ hi: 0, lo: 0xc0001000 }, 32)).toBe('c0001000')
  expect(['', '0x', 'zz', '0x12345678123456789'].map(parse_address)).toEqual([null, null, null, null])
})
