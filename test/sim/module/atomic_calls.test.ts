// Atomic variables against plain numbers of so many bits.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Pointer } from '../../../src/sim/module/pointer.ts'
import { runModule } from '../../../src/sim/module/run_module.ts'

const CHANGES: Readonly<Record<string, (old: number, value: number) => number>> = {
  add: (old, value) => (old + value) | 0,
  sub: (old, value) => (old - value) | 0,
  and: (old, value) => old & value,
  andnot: (old, value) => old & ~value,
  or: (old, value) => old | value,
  xor: (old, value) => old ^ value,
}

const booted = Machine.boot({ memory: '64M' })
booted.initAllocators()

/** Runs with two variables of a module; what it returns. */
function within<T>(use: (k: ModuleKernel, v: Pointer, w: Pointer) => T): T {
  let value: T
  const init = (k: ModuleKernel): void => {
    const memory = k.kzalloc(64, k.GFP_KERNEL)!
    value = use(k, memory, memory.plus(8))
    k.kfree(memory)
  }
  expect(runModule(booted.fork(), { init }, { name: 'test' })).toMatchObject({ error: null, faults: [] })
  return value!
}

it('atomic_t has 32 bits with a sign', () => {
  const step = fc.tuple(fc.constantFrom(...Object.keys(CHANGES)), fc.integer(), fc.nat({ max: 2 }))
  fc.assert(
    fc.property(fc.integer(), fc.array(step, { size: '+1' }), (first, steps) => {
      within((k, v) => {
        const calls = k as unknown as Record<string, (value: number, v: Pointer) => number | undefined>
        k.atomic_set(v, first)
        let plain = first
        for (const [name, value, form] of steps) {
          const next = CHANGES[name]!(plain, value)
          if (form === 0) expect(calls[`atomic_${name}`]!(value, v)).toBe(undefined)
          if (form === 1) expect(calls[`atomic_fetch_${name}`]!(value, v)).toBe(plain)
          if (form === 2) {
            if (name === 'add' || name === 'sub') expect(calls[`atomic_${name}_return`]!(value, v)).toBe(next)
            else calls[`atomic_${name}`]!(value, v)
          }
          plain = next
          expect(k.atomic_read(v)).toBe(plain)
        }
      })
    }),
    { numRuns: 40 },
  )
})

it('tests, exchanges and conditions', () => {
  within((k, v, w) => {
    k.atomic_set(v, 1)
    expect([k.atomic_dec_and_test(v), k.atomic_inc_and_test(v), k.atomic_inc_return(v)]).toEqual([true, false, 2])
    expect([k.atomic_xchg(v, 7), k.atomic_cmpxchg(v, 6, 9), k.atomic_read(v)]).toEqual([2, 7, 7])
    expect([k.atomic_cmpxchg(v, 7, 9), k.atomic_read(v)]).toEqual([7, 9])
    k.atomic_set(w, 8)
    expect([k.atomic_try_cmpxchg(v, w, 1), k.atomic_read(w)]).toEqual([false, 9])
    expect([k.atomic_try_cmpxchg(v, w, 1), k.atomic_read(v)]).toEqual([true, 1])
    expect([k.atomic_sub_and_test(1, v), k.atomic_inc_not_zero(v), k.atomic_read(v)]).toEqual([true, false, 0])
    expect([k.atomic_add_negative(-3, v), k.atomic_inc_unless_negative(v), k.atomic_read(v)]).toEqual([true, false, -3])
    expect([k.atomic_dec_unless_positive(v), k.atomic_dec_if_positive(v), k.atomic_read(v)]).toEqual([true, -5, -4])
    expect([k.atomic_add_unless(v, 9, -4), k.atomic_add_unless(v, 9, 0), k.atomic_read(v)]).toEqual([false, true, 5])
    expect([k.READ_ONCE(v), k.smp_load_acquire(v)]).toEqual([5, 5])
  })
})

it('atomic_long_t has a word, and wraps', () => {
  within((k, v) => {
    k.atomic_long_set(v, 2 ** 40)
    expect(k.atomic_long_add_return(1, v)).toBe(2 ** 40 + 1)
    expect([k.readl(v), k.readl(v.plus(4))]).toEqual([1, 256])
    k.atomic_set(v, 0x7fffffff)
    expect(k.atomic_inc_return(v)).toBe(-0x80000000)
  })
})
