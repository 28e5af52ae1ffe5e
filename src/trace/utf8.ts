// UTF-8 in both directions, in plain language: the core knows no TextDecoder, which belongs to Node and the DOM.
// Law: decoding never fails; bytes that are not UTF-8 (also overlong forms and surrogates) become U+FFFD, one each.

/** Text of bytes [from, to). */
export function decodeText(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  let text = ''
  for (let p = from; p < to; ) {
    const first = bytes[p]!
    const size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
    const code = size === 1 ? first : size === 0 ? -1 : codePoint(bytes, p, to, size)
    text += code < 0 ? '\ufffd' : String.fromCodePoint(code)
    p += code < 0 ? 1 : size
  }
  return text
}

const SMALLEST = [0, 0, 0x80, 0x800, 0x10000]

function codePoint(bytes: Uint8Array, p: number, to: number, size: number): number {
  if (p + size > to) return -1
  let code = bytes[p]! & (0xff >> (size + 1))
  for (let i = 1; i < size; i++) {
    const next = bytes[p + i]!
    if ((next & 0xc0) !== 0x80) return -1
    code = (code << 6) | (next & 0x3f)
  }
  const surrogate = code >= 0xd800 && code < 0xe000
  return code < SMALLEST[size]! || code > 0x10ffff || surrogate ? -1 : code
}

/** Bytes of a text; half a surrogate pair becomes U+FFFD. */
export function encodeText(text: string): Uint8Array {
  const bytes: number[] = []
  for (const char of text) {
    let code = char.codePointAt(0)!
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), tail(code))
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), tail(code >> 6), tail(code))
    else bytes.push(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code))
  }
  return Uint8Array.from(bytes)
}

function tail(code: number): number {
  return 0x80 | (code & 0x3f)
}
