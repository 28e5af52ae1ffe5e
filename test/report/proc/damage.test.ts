// Damaged files: whatever is cut, overwritten or mixed up, a reader never throws, its diagnostics name lines that are
// there, and its facts can still be written.
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { filesByName, KINDS, type Kind, textOf } from './kinds.ts'

const golden = filesByName(fileURLToPath(new URL('../../golden/proc', import.meta.url)))

function check({ read, roundTrip }: Kind, text: string): number {
  const { diagnostics } = read(text)
  const lines = text.split('\n').length
  for (const { line, message } of diagnostics) {
    expect(line, message).toBeGreaterThanOrEqual(1)
    expect(line, message).toBeLessThanOrEqual(lines)
    expect(message).not.toBe('')
  }
  expect(typeof roundTrip(text)).toBe('string')
  return diagnostics.length
}

/** A small generator with a seed: x → x·1664525 + 1013904223 mod 2^32. */
function chance(seed: number): (below: number) => number {
  let x = seed
  return below => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return Math.floor((x / 2 ** 32) * below)
  }
}

function overwrite(text: string, count: number, random: (below: number) => number): string {
  const letters = Buffer.from(text)
  for (let n = 0; n < count && letters.length > 0; n++) letters[random(letters.length)] = random(256)
  return letters.toString('utf8')
}

for (const kind of KINDS) {
  describe(`damaged ${kind.names.join(', ')}`, () => {
    const texts = kind.names.flatMap(name => golden.get(name) ?? []).map(textOf)

    it('cut after every 10th line', () => {
      for (const text of texts) {
        const lines = text.split('\n')
        for (let at = 0; at < lines.length; at += 10) check(kind, `${lines.slice(0, at).join('\n')}\n`)
      }
    })

    it('cut inside a line: said', () => {
      for (const text of texts)
        for (let at = 7; at < text.length - 1; at += 997)
          if (text[at - 1] !== '\n') expect(check(kind, text.slice(0, at))).toBeGreaterThan(0)
    })

    it('random bytes in it, and nothing but random bytes', () => {
      const random = chance(kind.names[0]!.length)
      for (const text of texts) for (const count of [1, 10, 100]) check(kind, overwrite(text, count, random))
      check(kind, overwrite(' '.repeat(100000), 100000, random))
    })

    it('lines swapped, lines doubled, no line at all', () => {
      const random = chance(7)
      for (const text of texts) {
        const lines = text.split('\n')
        for (let n = 0; n < 5; n++) {
          const mixed = [...lines]
          mixed.splice(random(lines.length), 0, lines[random(lines.length)]!)
          check(kind, mixed.join('\n'))
        }
      }
      check(kind, '')
      check(kind, '\n')
    })

    it('a huge line, a huge number of wrong lines: bounded diagnostics', () => {
      expect(check(kind, ' '.repeat(5_000_000))).toBeGreaterThan(0)
      expect(check(kind, 'x\n'.repeat(20_000))).toBeLessThan(300)
    })
  })
}

describe('rows that nobody knows', () => {
  it('stay where they stood', () => {
    for (const { names, roundTrip } of KINDS.slice(0, 8)) {
      for (const text of names.flatMap(name => golden.get(name) ?? []).map(textOf)) {
        const lines = text.split('\n')
        lines.splice(Math.floor(lines.length / 2), 0, '!! a row of another kernel !!')
        expect(roundTrip(lines.join('\n')), names[0]).toBe(lines.join('\n'))
      }
    }
  })
})
