import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeText, encodeText } from '../../src/trace/utf8.ts'

it('text → bytes → text, as TextEncoder does', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', size: '+1' }), text => {
      const bytes = encodeText(text)
      expect(bytes).toEqual(new TextEncoder().encode(text))
      expect(decodeText(bytes)).toBe(text)
    }),
  )
})

it('any bytes give text; what is UTF-8 gives what TextDecoder gives', () => {
  fc.assert(
    fc.property(fc.uint8Array({ size: '+1' }), bytes => {
      const text = decodeText(bytes)
      const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      let expected: string | null = null
      try {
        expected = strict.decode(bytes)
      } catch {
        expect(text).toContain('\ufffd')
      }
      if (expected !== null) expect(text).toBe(expected)
    }),
  )
})
