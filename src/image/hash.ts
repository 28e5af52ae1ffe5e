// A fast hash of bytes in two lanes of 32 bits: for telling states apart and proving determinism, not against enemies.
// Four accumulators take every fourth word, so that a step need not wait for the one before.
import type { Extents } from './snapshot.ts'

const ROUND = 0x9e3779b1
const MIX_A = 0x85ebca6b
const MIX_B = 0xc2b2ae35

/** Two 32-bit lanes and the four accumulators that feed them. */
export interface Hasher {
  readonly state: Uint32Array
}

/** A hasher that has seen nothing. */
export function create_hasher(): Hasher {
  return { state: Uint32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344) }
}

/** Takes words in: their number, then each of them. */
export function hash_words({ state }: Hasher, words: Int32Array): void {
  let [a, b, c, d] = [state[0]! | 0, state[1]! | 0, state[2]! | 0, (state[3]! ^ words.length) | 0]
  const whole = words.length & ~3
  for (let i = 0; i < whole; i += 4) {
    a = Math.imul(((a << 13) | (a >>> 19)) ^ words[i]!, ROUND)
    b = Math.imul(((b << 13) | (b >>> 19)) ^ words[i + 1]!, ROUND)
    c = Math.imul(((c << 13) | (c >>> 19)) ^ words[i + 2]!, ROUND)
    d = Math.imul(((d << 13) | (d >>> 19)) ^ words[i + 3]!, ROUND)
  }
  for (let i = whole; i < words.length; i++) a = Math.imul(((a << 13) | (a >>> 19)) ^ words[i]!, ROUND)
  state.set([a, b, c, d])
}

/** Takes extents of a buffer in: where they lie and what they hold. */
export function hash_extents(hasher: Hasher, buffer: ArrayBufferLike, extents: Extents): void {
  const place = new Int32Array(extents.length)
  for (let i = 0; i < extents.length; i++) place[i] = extents[i]! / 4
  hash_words(hasher, place)
  for (let i = 0; i < extents.length; i += 2)
    hash_words(hasher, new Int32Array(buffer, extents[i]!, (extents[i + 1]! - extents[i]!) / 4))
}

/** Sixteen hexadecimal digits. */
export function hash_text({ state }: Hasher): string {
  let [high, low] = [0, MIX_A]
  for (let i = 0; i < 4; i++) {
    high = avalanche(high ^ state[i]!)
    low = avalanche(low ^ state[3 - i]!)
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

/** Spreads every bit over all others. */
function avalanche(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), MIX_A)
  x = Math.imul(x ^ (x >>> 13), MIX_B)
  return (x ^ (x >>> 16)) >>> 0
}
