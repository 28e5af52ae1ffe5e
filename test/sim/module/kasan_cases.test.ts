// The kernel's own KASAN tests as behaviours: every case is run as a module on a twin with KASAN; what must be reported
// is, nothing else is, and the machine is sound afterwards. The result is a table in docs/fidelity.md.
import { describe, expect, it } from 'vitest'
import { address_add } from '../../../src/base/address.ts'
import { GFP_KERNEL } from '../../../src/mm/gfp.ts'
import { kasan_alloca, kasan_enter_frame, kasan_leave_frame } from '../../../src/mm/kasan_frames.ts'
import { kasan_register_global } from '../../../src/mm/kasan_globals.ts'
import { kasan_check_range } from '../../../src/mm/kasan_report.ts'
import { direct_address } from '../../../src/mm/kasan_shadow.ts'
import { __free_pages, alloc_pages } from '../../../src/mm/page_alloc/alloc_pages.ts'
import { Machine } from '../../../src/sim/machine.ts'
import { kasanTitle } from '../../../src/sim/module/kasan_titles.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Pointer } from '../../../src/sim/module/pointer.ts'
import { runModule } from '../../../src/sim/module/run_module.ts'
import { type Cell, expectFidelityTable } from '../../fidelity_table.ts'
import { KASAN_CASES, type KasanCase, OTHER_CASES } from './kasan_cases.ts'

const boot = (kernel: string): Machine => {
  const commandLine = 'kasan_multi_shot'
  const machine = Machine.boot({ kernel, memory: '64M', config: { KASAN: true }, commandLine })
  machine.initAllocators()
  return machine
}
const booted = boot('6.1-x86_64')
const later = boot('6.12-x86_64')

const rows: Cell[][] = []
const kind = (title: string): string => title.slice(0, title.indexOf(' in '))

/** Kinds of the first report of each `must`, and whether the machine was sound and silent beside them. */
function outcome(run: KasanCase['run'], on: Machine): string[] {
  const machine = on.fork()
  const titles: string[] = []
  const kinds: string[] = []
  let expected = 0
  const report = runModule(
    machine,
    {
      init: k =>
        run(k, action => {
          const before = titles.length
          action()
          kinds.push(titles.length === before ? 'none' : kind(titles[before]!))
          expected += titles.length - before
        }),
    },
    {
      name: 'test',
      onLine: line => {
        const title = kasanTitle(line)
        if (title !== null) titles.push(title)
      },
    },
  )
  expect(report).toMatchObject({ error: null, faults: [], leaks: [], caches: [], pools: 0 })
  expect(titles, 'reports that nothing asked for').toHaveLength(expected)
  return kinds
}

const words = (kinds: readonly string[]): string => (kinds.length === 0 ? 'no report' : [...new Set(kinds)].join(', '))
const reported = (kinds: readonly string[]): number => kinds.filter(each => each !== 'none').length

/** Of a program that runs on 6.1, and perhaps on 6.12. */
function note(
  name: string,
  kinds: readonly string[],
  expected: readonly string[],
  what = '',
  on6_12: readonly string[] | null = null,
): void {
  const later = on6_12 === null ? ['-', '-'] : [reported(on6_12), words(on6_12)]
  const cells = [expected.length, reported(kinds), words(kinds), ...later]
  rows.push([name, ...cells, what])
}

/** Objects are told from pages since 6.4. */
const named = (kinds: readonly string[], name: string): string[] =>
  kinds.map(each => (each === 'use-after-free' && !/page_?alloc|large/.test(name) ? 'slab-use-after-free' : each))

describe('cases of the kernel', () => {
  it.each(KASAN_CASES.map(each => [each.name, each] as const))('%s', (name, each) => {
    const kinds = outcome(each.run, booted)
    expect(kinds).toEqual(each.kinds)
    const { run = each.run, kinds: expected = each.kinds } = each.later ?? {}
    const kindsLater = outcome(run, later)
    expect(kindsLater).toEqual(named(expected, name))
    note(name, kinds, each.kinds, each.note, kindsLater)
  })

  it('6.12 says how much of an object was asked for, and in which state it is', () => {
    const lines = (use: (k: ModuleKernel, object: Pointer) => void): string => {
      const init = (k: ModuleKernel): void => use(k, k.kmalloc(115, k.GFP_KERNEL)!)
      return runModule(later.fork(), { init }, { name: 'test' }).log.join('\n')
    }
    const right = lines((k, object) => void k.readb(object.plus(115)))
    expect(right).toMatch(/^BUG: KASAN: slab-out-of-bounds in /m)
    expect(right).toContain(' which belongs to the cache kmalloc-128 of size 128\n')
    expect(right).toMatch(/located 0 bytes to the right of\n allocated 115-byte region \[/)
    const freed = lines((k, object) => {
      k.kfree(object)
      k.readb(object.plus(3))
    })
    expect(freed).toMatch(/^BUG: KASAN: slab-use-after-free in /m)
    expect(freed).toMatch(/located 3 bytes inside of\n freed 128-byte region \[/)
  })

  it('an object that readers may still see is given back once, after the grace period', () => {
    const report = runModule(
      later.fork(),
      {
        init: k => {
          const cache = k.kmem_cache_create('seen', 200, 0, k.SLAB_TYPESAFE_BY_RCU, null)!
          const object = k.kmem_cache_alloc(cache, k.GFP_KERNEL)!
          k.kmem_cache_free(cache, object)
          k.kmem_cache_free(cache, object)
          k.kmem_cache_destroy(cache)
        },
      },
      { name: 'test' },
    )
    expect(report.kasanReports.map(kind)).toEqual(['double-free'])
    expect(report).toMatchObject({ faults: [], leaks: [], caches: [] })
  })

  it('a cache destroyed twice is told, and the machine is sound', () => {
    const machine = booted.fork()
    const report = runModule(
      machine,
      {
        init: k => {
          const cache = k.kmem_cache_create('twice', 200, 0, 0, null)
          k.kmem_cache_destroy(cache)
          k.kmem_cache_destroy(cache)
        },
      },
      { name: 'test' },
    )
    expect(report.log.join('\n')).toContain('it was destroyed')
    expect(report.faults).toEqual([])
  })
})

/** Accesses to variables, which modules of the twin do not have: their addresses are asked for directly. */
describe('variables', () => {
  const machine = booted.fork()
  const { sys } = machine
  const said: string[] = []
  sys.printk = line => said.push(line)
  const access = (address: { hi: number; lo: number }): string => {
    said.length = 0
    kasan_check_range(sys, address, 1, false, 'test')
    const title = said.map(kasanTitle).find(each => each !== null)
    return title == null ? 'none' : kind(title)
  }
  const image = { hi: 0xffffffff, lo: 0x81800000 }

  it('globals', () => {
    kasan_register_global(sys, { address: image, size: 10, size_with_redzone: 64, name: 'global_array' })
    expect(access(address_add(image, 9))).toBe('none')
    const right = access(address_add(image, 13))
    expect(right).toBe('global-out-of-bounds')
    note('kasan_global_oob_right', [right], [right])
    const second = address_add(image, 64)
    kasan_register_global(sys, { address: second, size: 10, size_with_redzone: 64, name: 'other_array' })
    const left = access(address_add(second, -3))
    expect(left).toBe('global-out-of-bounds')
    note('kasan_global_oob_left', [left], [left])
  })

  it('the stack', () => {
    const pfn = alloc_pages(sys, GFP_KERNEL, 3)
    const frame = direct_address(sys, pfn * sys.page_bytes + 0x4000)
    const bytes = kasan_enter_frame(sys, frame, 'kasan_stack_oob+0x0/0x10', [{ name: 'stack_array', size: 10 }])
    expect(access(address_add(frame, 32 + 9))).toBe('none')
    const oob = access(address_add(frame, 32 + 10))
    expect(oob).toBe('stack-out-of-bounds')
    note('kasan_stack_oob', [oob], [oob])
    kasan_leave_frame(sys, frame, bytes)
    const array = address_add(frame, 32)
    kasan_alloca(sys, array, 10)
    expect(access(address_add(array, 9))).toBe('none')
    for (const [name, offset] of [
      ['left', -1],
      ['right', 10],
    ] as const) {
      const found = access(address_add(array, offset))
      expect(found).toBe('alloca-out-of-bounds')
      note(`kasan_alloca_oob_${name}`, [found], [found])
    }
    __free_pages(sys, pfn, 3)
    expect(machine.check()).toEqual([])
  })
})

it('docs/fidelity.md has the results', () => {
  for (const [name, why] of OTHER_CASES) rows.push([name, '-', '-', '-', '-', '-', why])
  rows.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  expectFidelityTable(
    'kasan cases',
    ['case', 'must report', 'reported', 'kind', 'reported on 6.12', 'kind on 6.12', 'remark'],
    rows,
  )
})
