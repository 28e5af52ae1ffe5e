// The compressor against a plain reader of its format: what was packed comes back, and the size told is the size written.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lz_compress } from '../../src/mm/lz.ts'
import { CONTENTS, fillPage } from '../../src/sim/page_content.ts'

/** Unpacks a block, byte for byte. */
function unpack(block: Uint8Array): number[] {
  const bytes: number[] = []
  let at = 0
  const length = (start: number): number => {
    let sum = start
    if (start === 15)
      for (let more = 255; more === 255; ) {
        more = block[at++]!
        sum += more
      }
    return sum
  }
  while (at < block.length) {
    const token = block[at++]!
    for (let left = length(token >> 4); left > 0; left--) bytes.push(block[at++]!)
    if (at >= block.length) break
    const distance = block[at]! | (block[at + 1]! << 8)
    at += 2
    for (let left = length(token & 15) + 4; left > 0; left--) bytes.push(bytes[bytes.length - distance]!)
  }
  return bytes
}

function packed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + bytes.length / 200 + 32)
  const size = lz_compress(bytes, 0, bytes.length, out)
  expect(lz_compress(bytes, 0, bytes.length, null)).toBe(size)
  return out.subarray(0, size)
}

const page = (content: (typeof CONTENTS)[number]): Uint8Array => {
  const bytes = new Uint8Array(4096)
  fillPage(bytes, content, 7)
  return bytes
}

describe('the compressor', () => {
  it.each(CONTENTS)('gives a page of %s back', content => {
    expect(unpack(packed(page(content)))).toEqual([...page(content)])
  })

  it('makes zeros tiny, text about half, and chance no smaller', () => {
    expect(packed(page('zeros')).length).toBeLessThan(40)
    expect(packed(page('text')).length).toBeLessThan(2500)
    expect(packed(page('random')).length).toBeGreaterThan(4096)
  })

  it('gives back any bytes that repeat a little', () => {
    const part = fc.uint8Array({ minLength: 1, maxLength: 40 })
    const bytes = fc.array(fc.tuple(part, fc.nat(30)), { minLength: 1, maxLength: 40, size: '+1' })
    const property = fc.property(bytes, parts => {
      const all = Uint8Array.from(
        parts.flatMap(([each, times]) => Array.from({ length: times + 1 }, () => [...each]).flat()),
      )
      expect(unpack(packed(all))).toEqual([...all])
    })
    fc.assert(property, { numRuns: 200 })
  })
})
