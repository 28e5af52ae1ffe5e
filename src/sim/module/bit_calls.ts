// Operations on single bits as modules call them. KASAN is asked about the whole word that a bit lies in, then the bit's
// byte is changed. Nobody else runs meanwhile in the model: those with and without __ do the same.
import { read_u8, write_u8 } from '../../mm/physmem.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

type Change = 'set_bit' | '__set_bit' | 'clear_bit' | '__clear_bit' | 'change_bit' | '__change_bit'
type Unlock = 'clear_bit_unlock' | '__clear_bit_unlock'
type Test =
  | 'test_and_set_bit'
  | '__test_and_set_bit'
  | 'test_and_set_bit_lock'
  | 'test_and_clear_bit'
  | '__test_and_clear_bit'
  | 'test_and_change_bit'
  | '__test_and_change_bit'
  | 'clear_bit_unlock_is_negative_byte'

/** @kernel include/asm-generic/bitops/instrumented-atomic.h, instrumented-non-atomic.h, instrumented-lock.h */
export interface BitCalls
  extends Record<Change | Unlock, (nr: number, address: Pointer) => void>,
    Record<Test | 'test_bit', (nr: number, address: Pointer) => boolean> {}

type Next = (bit: boolean) => boolean
const set: Next = () => true
const clear: Next = () => false
const flip: Next = bit => !bit

export function bitCalls(ctx: ModuleContext): BitCalls {
  const word = ctx.sys.kernel.BITS_PER_LONG
  /** Changes a bit; what it was. */
  const change =
    (next: Next) =>
    (nr: number, address: Pointer): boolean => {
      ctx.allowed(address.plus(Math.floor(nr / word) * (word / 8)), word / 8, 'write')
      const paddr = ctx.translate(address.plus(nr >>> 3), 'write')
      const byte = read_u8(ctx.sys, paddr)
      const mask = 1 << (nr & 7)
      const before = (byte & mask) !== 0
      write_u8(ctx.sys, paddr, next(before) ? byte | mask : byte & ~mask)
      return before
    }
  const silent =
    (next: Next) =>
    (nr: number, address: Pointer): void =>
      void change(next)(nr, address)
  return {
    set_bit: silent(set),
    __set_bit: silent(set),
    clear_bit: silent(clear),
    __clear_bit: silent(clear),
    clear_bit_unlock: silent(clear),
    __clear_bit_unlock: silent(clear),
    change_bit: silent(flip),
    __change_bit: silent(flip),
    test_and_set_bit: change(set),
    __test_and_set_bit: change(set),
    test_and_set_bit_lock: change(set),
    test_and_clear_bit: change(clear),
    __test_and_clear_bit: change(clear),
    test_and_change_bit: change(flip),
    __test_and_change_bit: change(flip),
    clear_bit_unlock_is_negative_byte: (nr, address) => {
      change(clear)(nr, address)
      return (read_u8(ctx.sys, ctx.translate(address.plus(nr >>> 3), 'read')) & 0x80) !== 0
    },
    test_bit: (nr, address) => {
      ctx.allowed(address.plus(Math.floor(nr / word) * (word / 8)), word / 8, 'read')
      return ((read_u8(ctx.sys, ctx.translate(address.plus(nr >>> 3), 'read')) >> (nr & 7)) & 1) === 1
    },
  }
}
