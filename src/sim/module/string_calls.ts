// The kernel's functions on strings and bytes as modules call them: each looks at a byte at a time, as code that KASAN
// watches does.
import { load, move } from './access.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

export interface StringCalls {
  /** @kernel lib/string.c:memmove */
  memmove(to: Pointer, from: Pointer, bytes: number): Pointer
  /** The first byte of that value; null = there is none. @kernel lib/string.c:memchr */
  memchr(from: Pointer, value: number, bytes: number): Pointer | null
  /** @kernel lib/string.c:memcmp */
  memcmp(a: Pointer, b: Pointer, bytes: number): number
  /** @kernel lib/string.c:strlen */
  strlen(text: Pointer): number
  /** @kernel lib/string.c:strnlen */
  strnlen(text: Pointer, most: number): number
  /** @kernel lib/string.c:strcmp */
  strcmp(a: Pointer, b: Pointer): number
  /** @kernel lib/string.c:strncmp */
  strncmp(a: Pointer, b: Pointer, most: number): number
  /** @kernel lib/string.c:strchr */
  strchr(text: Pointer, character: number): Pointer | null
  /** @kernel lib/string.c:strrchr */
  strrchr(text: Pointer, character: number): Pointer | null
}

export function stringCalls(ctx: ModuleContext): StringCalls {
  const byte = (at: Pointer, index: number): number => load(ctx, index === 0 ? at : at.plus(index), 1)
  const length = (text: Pointer, most: number): number => {
    let at = 0
    while (at < most && byte(text, at) !== 0) at++
    return at
  }
  /** Difference of the first bytes that differ; a string ends at its 0 byte. */
  const compare = (a: Pointer, b: Pointer, most: number, strings: boolean): number => {
    for (let at = 0; at < most; at++) {
      const [left, right] = [byte(a, at), byte(b, at)]
      if (left !== right) return Math.sign(left - right)
      if (strings && left === 0) return 0
    }
    return 0
  }
  const find = (text: Pointer, character: number, last: boolean): Pointer | null => {
    let found: Pointer | null = null
    for (let at = 0; ; at++) {
      const value = byte(text, at)
      if (value === (character & 0xff)) found = text.plus(at)
      if (value === 0 || (found !== null && !last)) return found
    }
  }
  return {
    memmove: (to, from, bytes) => {
      move(ctx, to, from, bytes)
      return to
    },
    memchr: (from, value, bytes) => {
      for (let at = 0; at < bytes; at++) if (byte(from, at) === (value & 0xff)) return from.plus(at)
      return null
    },
    memcmp: (a, b, bytes) => compare(a, b, bytes, false),
    strlen: text => length(text, Number.POSITIVE_INFINITY),
    strnlen: (text, most) => length(text, most),
    strcmp: (a, b) => compare(a, b, Number.POSITIVE_INFINITY, true),
    strncmp: (a, b, most) => compare(a, b, most, true),
    strchr: (text, character) => find(text, character, false),
    strrchr: (text, character) => find(text, character, true),
  }
}
