// Addresses beyond 2^53 as two halves of 32 bits, both unsigned: exact in every bit, plain data, printed in full.

/** A 64-bit number: hi · 2^32 + lo. */
export interface Address {
  readonly hi: number
  readonly lo: number
}

const HALF = 4294967296

/** The null pointer. */
export const NULL_ADDRESS: Address = { hi: 0, lo: 0 }

/** The address of a double that holds it exactly (an address below 2^53, or one of a page). */
export function address_of(value: number): Address {
  const hi = Math.floor(value / HALF)
  return { hi: hi >>> 0, lo: (value - hi * HALF) >>> 0 }
}

/** `address` + `offset`, which is an exact integer; wraps at 2^64 as the machine's addition does. */
export function address_add(address: Address, offset: number): Address {
  const high = Math.floor(offset / HALF)
  const lo = address.lo + (offset - high * HALF)
  return { hi: (address.hi + high + (lo >= HALF ? 1 : 0)) >>> 0, lo: lo >>> 0 }
}

/** `to` - `from`; exact where the distance is below 2^53. */
export function address_distance(from: Address, to: Address): number {
  return (to.hi - from.hi) * HALF + (to.lo - from.lo)
}

/** The address in all its digits: 16, or 8 on a 32-bit machine. */
export function format_address({ hi, lo }: Address, bits: 32 | 64 = 64): string {
  const low = lo.toString(16).padStart(8, '0')
  return bits === 32 ? low : hi.toString(16).padStart(8, '0') + low
}

/** An address written in hexadecimal, with or without 0x; null for what is none. */
export function parse_address(text: string): Address | null {
  const digits = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text)?.[1]?.padStart(16, '0')
  if (digits === undefined) return null
  return { hi: Number.parseInt(digits.slice(0, 8), 16), lo: Number.parseInt(digits.slice(8), 16) }
}
