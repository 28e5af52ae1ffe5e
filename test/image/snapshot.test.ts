// Copies and hashes of bytes: only the extents, all of them, and nothing beside.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { create_hasher, hash_extents, hash_text, hash_words } from '../../src/image/hash.ts'
import { create_image, type Image } from '../../src/image/image.ts'
import { clear_extents, copy_buffer, extents_size, put_snapshot, take_snapshot } from '../../src/image/snapshot.ts'
import { i32, u8 } from '../../src/image/table.ts'

const TABLES = { small: { a: i32('a number') }, big: { b: u8('a byte') } }

function image(shared: boolean): Image {
  const made = create_image(TABLES, { rows: { small: 4, big: 256 }, about: {} }, shared)
  const bytes = new Uint8Array(made.buffer, made.start)
  for (let i = 0; i < bytes.length; i++) bytes[i] = i * 7 + 1
  return made
}

const bytesOf = (buffer: ArrayBufferLike): number[] => [...new Uint8Array(buffer)]

describe.each([true, false])('snapshot, shared buffer %s', shared => {
  const made = image(shared)
  const extents = Float64Array.of(made.start, made.start + 8, made.start + 100, made.start + 160)

  it('takes and puts the extents alone', () => {
    const snapshot = take_snapshot(made, extents)
    expect([snapshot.bytes.length, extents_size(extents)]).toEqual([68, 68])
    const before = bytesOf(made.buffer)
    const other = image(shared)
    new Uint8Array(other.buffer, other.start).fill(9)
    put_snapshot(other, snapshot)
    bytesOf(other.buffer).forEach((byte, at) => {
      const inside = extents.some((start, i) => i % 2 === 0 && at >= start && at < extents[i + 1]!)
      if (at >= made.start) expect(byte).toBe(inside ? before[at] : 9)
    })
  })

  it('copies into a buffer of the same kind, zeros outside', () => {
    const copy = copy_buffer(made, extents)
    expect(copy instanceof SharedArrayBuffer).toBe(shared)
    expect(bytesOf(copy).slice(0, made.start + 8)).toEqual(bytesOf(made.buffer).slice(0, made.start + 8))
    expect(new Set(bytesOf(copy).slice(made.start + 8, made.start + 100))).toEqual(new Set([0]))
  })

  it('clears extents', () => {
    const other = image(shared)
    clear_extents(other, extents)
    expect(new Uint8Array(other.buffer, made.start + 100, 60).some(byte => byte !== 0)).toBe(false)
    expect(new Uint8Array(other.buffer, made.start + 160, 1)[0]).not.toBe(0)
  })
})

describe('hash', () => {
  const hashOf = (words: readonly number[]): string => {
    const hasher = create_hasher()
    hash_words(hasher, Int32Array.from(words))
    return hash_text(hasher)
  }

  it('is another one for every single change', () => {
    const words = fc.array(fc.integer(), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(words, fc.nat(), fc.integer({ min: 0, max: 31 }), (all, where, bit) => {
        const changed = all.with(where % all.length, all[where % all.length]! ^ (1 << bit))
        expect(hashOf(changed)).not.toBe(hashOf(all))
      }),
    )
    const zeros = Array.from({ length: 64 }, (_, length) => hashOf(new Array<number>(length).fill(0)))
    expect(new Set(zeros).size).toBe(64)
  })

  it('spreads: no two of many near states are the same, in neither half', () => {
    const hashes = Array.from({ length: 5000 }, (_, i) => hashOf([i & 63, 0, 0, i >> 6, 0, 0, 0, 0]))
    expect(new Set(hashes).size).toBe(5000)
    for (const part of [0, 8])
      expect(new Set(hashes.map(hash => hash.slice(part, part + 8))).size).toBeGreaterThan(4990)
  })

  it('takes extents with their places', () => {
    const buffer = new ArrayBuffer(256)
    const at = (...extents: number[]): string => {
      const hasher = create_hasher()
      hash_extents(hasher, buffer, Float64Array.from(extents))
      return hash_text(hasher)
    }
    expect(new Set([at(0, 64), at(64, 128), at(0, 32, 32, 64), at(0, 128)]).size).toBe(4)
  })
})
