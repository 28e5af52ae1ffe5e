// Atomic variables as modules call them: atomic_t has 32 bits, atomic_long_t a word of the processor; both are signed and
// wrap. KASAN is asked about the whole variable, then it is read and written. Nobody else runs meanwhile in the model.
// Law: an operation that does not write (a comparison that fails) is a write to KASAN all the same, as in the kernel.
import { read_u8, write_u8 } from '../../mm/physmem.ts'
import { load, store } from './access.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

type Change = 'add' | 'sub' | 'and' | 'andnot' | 'or' | 'xor'
type Step = 'inc' | 'dec'
type Long<Name extends string> = `atomic_${Name}` | `atomic_long_${Name}`

/** Values are whole numbers; the variable comes last, as in the kernel, but for reading, setting and exchanging.
 * @kernel include/linux/atomic/atomic-instrumented.h */
export interface AtomicCalls
  extends Record<Long<'read'>, (v: Pointer) => number>,
    Record<Long<'set'>, (v: Pointer, value: number) => void>,
    Record<Long<Change>, (value: number, v: Pointer) => void>,
    Record<Long<`${'add' | 'sub'}_return`>, (value: number, v: Pointer) => number>,
    Record<Long<`fetch_${Change}`>, (value: number, v: Pointer) => number>,
    Record<Long<Step>, (v: Pointer) => void>,
    Record<Long<`${Step}_return`>, (v: Pointer) => number>,
    Record<Long<'xchg'>, (v: Pointer, value: number) => number>,
    Record<Long<'cmpxchg'>, (v: Pointer, old: number, value: number) => number>,
    Record<Long<'try_cmpxchg'>, (v: Pointer, old: Pointer, value: number) => boolean>,
    Record<Long<'sub_and_test' | 'add_negative'>, (value: number, v: Pointer) => boolean>,
    Record<Long<`${Step}_and_test`>, (v: Pointer) => boolean>,
    Record<Long<'add_unless'>, (v: Pointer, value: number, unless: number) => boolean>,
    Record<Long<'inc_not_zero' | 'inc_unless_negative' | 'dec_unless_positive'>, (v: Pointer) => boolean>,
    Record<Long<'dec_if_positive'>, (v: Pointer) => number> {
  /** Four bytes in one access. @kernel include/asm-generic/rwonce.h:READ_ONCE */
  READ_ONCE(address: Pointer): number
  /** @kernel include/asm-generic/rwonce.h:WRITE_ONCE */
  WRITE_ONCE(address: Pointer, value: number): void
  /** @kernel include/asm-generic/barrier.h:smp_load_acquire */
  smp_load_acquire(address: Pointer): number
  /** @kernel include/asm-generic/barrier.h:smp_store_release */
  smp_store_release(address: Pointer, value: number): void
}

const OPERATIONS: Readonly<Record<Change, (old: bigint, value: bigint) => bigint>> = {
  add: (old, value) => old + value,
  sub: (old, value) => old - value,
  and: (old, value) => old & value,
  andnot: (old, value) => old & ~value,
  or: (old, value) => old | value,
  xor: (old, value) => old ^ value,
}

export function atomicCalls(ctx: ModuleContext): AtomicCalls {
  const once = (address: Pointer): number => load(ctx, address, 4)
  const write = (address: Pointer, value: number): void => store(ctx, address, 4, value)
  const calls = { ...named(ctx, 'atomic_', 4), ...named(ctx, 'atomic_long_', ctx.sys.kernel.BITS_PER_LONG / 8) }
  const plain = { READ_ONCE: once, WRITE_ONCE: write, smp_load_acquire: once, smp_store_release: write }
  return { ...calls, ...plain } as unknown as AtomicCalls
}

/** The calls of variables of so many bytes. */
function named(ctx: ModuleContext, prefix: string, bytes: number): Record<string, unknown> {
  /** Changes a variable; what it was and what it is. `next` gives null where it is left alone. */
  const change = (v: Pointer, next: (old: bigint) => bigint | null): { old: bigint; now: bigint } => {
    ctx.allowed(v, bytes, 'write')
    const old = peek(ctx, v, bytes)
    const now = BigInt.asIntN(8 * bytes, next(old) ?? old)
    if (now !== old) poke(ctx, v, bytes, now)
    return { old, now }
  }
  const by =
    (operation: Change, value: number) =>
    (old: bigint): bigint =>
      OPERATIONS[operation](old, BigInt(value))
  const unless = (v: Pointer, value: number, stays: (old: bigint) => boolean): boolean => {
    const { old } = change(v, before => (stays(before) ? null : before + BigInt(value)))
    return !stays(old)
  }
  const made: [string, unknown][] = Object.keys(OPERATIONS).flatMap((name): [string, unknown][] => {
    const operation = name as Change
    return [
      [operation, (value: number, v: Pointer) => void change(v, by(operation, value))],
      [`fetch_${operation}`, (value: number, v: Pointer) => Number(change(v, by(operation, value)).old)],
      [`${operation}_return`, (value: number, v: Pointer) => Number(change(v, by(operation, value)).now)],
    ]
  })
  for (const [step, value] of [
    ['inc', 1],
    ['dec', -1],
  ] as const)
    made.push(
      [step, (v: Pointer) => void change(v, by('add', value))],
      [`${step}_return`, (v: Pointer) => Number(change(v, by('add', value)).now)],
      [`${step}_and_test`, (v: Pointer) => change(v, by('add', value)).now === 0n],
    )
  const others: Record<string, unknown> = {
    read: (v: Pointer) => {
      ctx.allowed(v, bytes, 'read')
      return Number(peek(ctx, v, bytes))
    },
    set: (v: Pointer, value: number) => void change(v, () => BigInt(value)),
    xchg: (v: Pointer, value: number) => Number(change(v, () => BigInt(value)).old),
    cmpxchg: (v: Pointer, old: number, value: number) =>
      Number(change(v, before => (before === BigInt(old) ? BigInt(value) : null)).old),
    try_cmpxchg: (v: Pointer, old: Pointer, value: number) => {
      ctx.allowed(v, bytes, 'write')
      ctx.allowed(old, bytes, 'write')
      const [expected, found] = [peek(ctx, old, bytes), peek(ctx, v, bytes)]
      if (expected === found) poke(ctx, v, bytes, BigInt.asIntN(8 * bytes, BigInt(value)))
      else poke(ctx, old, bytes, found)
      return expected === found
    },
    sub_and_test: (value: number, v: Pointer) => change(v, by('sub', value)).now === 0n,
    add_negative: (value: number, v: Pointer) => change(v, by('add', value)).now < 0n,
    add_unless: (v: Pointer, value: number, stays: number) => unless(v, value, old => old === BigInt(stays)),
    inc_not_zero: (v: Pointer) => unless(v, 1, old => old === 0n),
    inc_unless_negative: (v: Pointer) => unless(v, 1, old => old < 0n),
    dec_unless_positive: (v: Pointer) => unless(v, -1, old => old > 0n),
    dec_if_positive: (v: Pointer) => Number(change(v, old => (old > 0n ? old - 1n : null)).old) - 1,
  }
  return Object.fromEntries([...made, ...Object.entries(others)].map(([name, call]) => [prefix + name, call]))
}

function peek(ctx: ModuleContext, v: Pointer, bytes: number): bigint {
  let value = 0n
  for (let at = bytes - 1; at >= 0; at--)
    value = value * 256n + BigInt(read_u8(ctx.sys, ctx.translate(v.plus(at), 'read')))
  return BigInt.asIntN(8 * bytes, value)
}

function poke(ctx: ModuleContext, v: Pointer, bytes: number, value: bigint): void {
  const word = BigInt.asUintN(8 * bytes, value)
  for (let at = 0; at < bytes; at++)
    write_u8(ctx.sys, ctx.translate(v.plus(at), 'write'), Number((word >> BigInt(8 * at)) & 0xffn))
}
