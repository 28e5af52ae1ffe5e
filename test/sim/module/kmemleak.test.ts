// Modules on a kernel with kmemleak: what they tell it, what their static data is, and what is found of them.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Pointer } from '../../../src/sim/module/pointer.ts'
import { isClean, type ModuleReport, runModule } from '../../../src/sim/module/run_module.ts'

const booted = Machine.boot({ memory: '64M', config: { DEBUG_KMEMLEAK: true } })
booted.initAllocators()

type Part = (k: ModuleKernel) => unknown

function run(init: Part, exit?: Part): ModuleReport & { readonly machine: Machine } {
  const machine = booted.fork()
  const report = runModule(machine, exit === undefined ? { init } : { init, exit }, { name: 'test' })
  expect(report.faults).toEqual([])
  return { ...report, machine }
}

/** Sizes of the leaks in a text of kmemleak. */
const sizes = (text: string): number[] => Array.from(text.matchAll(/ \(size (\d+)\):/g), ([, size]) => Number(size))

describe('static data', () => {
  it('is memory of the module area, zeros, and goes with the module', () => {
    let variable: Pointer | null = null
    const { error, machine, leaks } = run(
      k => {
        variable = k.static_data(20)
        const second = k.static_data(8)
        expect([String(variable).slice(0, 9), second.minus(variable)]).toEqual(['ffffffffa', 32])
        expect([k.readl(variable), k.readp(variable)]).toEqual([0, null])
      },
      k => k.writel(7, variable!),
    )
    expect([error, leaks]).toEqual([null, []])
    const after = runModule(machine, { init: k => k.readl(variable!) }, { name: 'late' })
    expect(after.error).toContain('#PF: supervisor read access in kernel mode')
  })

  it('holds what it points to, as long as the module is there', () => {
    const { kmemleak, log } = run(
      k => {
        const held = k.static_data(16)
        k.writep(k.kzalloc(64, k.GFP_KERNEL), held)
        k.writep(k.vmalloc(100), held.plus(8))
      },
      () => {},
    )
    expect([sizes(kmemleak!.loaded), sizes(kmemleak!.ended)]).toEqual([[], [64, 4096]])
    expect(log).toEqual(['kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'])
  })

  it('goes with a module that could not be loaded, and stays with one that was killed or has no exit', () => {
    const hold = (k: ModuleKernel): void => k.writep(k.kzalloc(64, k.GFP_KERNEL), k.static_data(8))
    const failed = run(k => {
      hold(k)
      return -k.ENOMEM
    })
    const killed = run(k => {
      hold(k)
      k.readl(null as unknown as Pointer)
    })
    expect([failed, killed, run(hold)].map(({ kmemleak }) => sizes(kmemleak!.ended))).toEqual([[64], [], []])
  })

  it('may be larger than what a module has at first', () => {
    const { error, leaks } = run(
      k => {
        const [small, large, next] = [k.static_data(16), k.static_data(100_000), k.static_data(16)]
        k.writel(1, large.plus(99_996))
        expect([k.readl(small), next.equals(large.plus(100_000))]).toEqual([0, true])
      },
      () => {},
    )
    expect([error, leaks]).toEqual([null, []])
  })
})

describe('lists in memory', () => {
  it('are the kernel’s: order, emptiness, poison', () => {
    const order: number[] = []
    const { error } = run(k => {
      const head = k.static_data(k.sizeof_list_head)
      k.INIT_LIST_HEAD(head)
      const entries = [1, 2, 3].map(number => {
        const entry = k.kzalloc(24, k.GFP_KERNEL)!
        k.writel(number, entry.plus(16))
        return entry
      })
      k.list_add_tail(entries[0]!, head)
      k.list_add_tail(entries[1]!, head)
      k.list_add(entries[2]!, head)
      for (let at = k.readp(head)!; !at.equals(head); at = k.readp(at)!) order.push(k.readl(at.plus(16)))
      for (const entry of entries) k.list_del(entry)
      expect([k.list_empty(head), String(k.readp(entries[0]!)), String(k.readp(entries[0]!.plus(8)))]).toEqual([
        true,
        'dead000000000100',
        'dead000000000122',
      ])
      for (const entry of entries) k.kfree(entry)
    })
    expect([error, order]).toEqual([null, [3, 1, 2]])
  })

  it('an entry that was taken out twice is a fault', () => {
    const { error } = run(k => {
      const head = k.static_data(16)
      k.INIT_LIST_HEAD(head)
      const entry = k.static_data(16)
      k.list_add(entry, head)
      k.list_del(entry)
      k.list_del(entry)
    })
    expect(error).toContain('#PF: supervisor write access in kernel mode')
  })
})

describe('what a module tells kmemleak', () => {
  it('not_leak, ignore, no_scan, scan_area, free_part, blocks of its own', () => {
    const { kmemleak } = run(
      k => {
        const fresh = (size: number): Pointer => k.kzalloc(size, k.GFP_KERNEL)!
        const [gray, black, blind, parts] = [fresh(64), fresh(64), fresh(64), fresh(64)]
        k.kmemleak_not_leak(gray)
        k.kmemleak_ignore(black)
        k.kmemleak_not_leak(blind)
        k.kmemleak_no_scan(blind)
        k.kmemleak_not_leak(parts)
        k.kmemleak_scan_area(parts, 8, k.GFP_KERNEL)
        k.writep(fresh(8), gray)
        k.writep(fresh(16), black)
        k.writep(fresh(32), blind)
        k.writep(fresh(96), parts)
        k.writep(fresh(192), parts.plus(8))
        k.kmemleak_free_part(fresh(1024).plus(512), 512)
        const page = k.get_zeroed_page(k.GFP_KERNEL)!
        k.kmemleak_alloc(page, 2048, 1, k.GFP_KERNEL)
        k.kmemleak_alloc(page.plus(2048), 1024, 1, k.GFP_KERNEL)
        k.kmemleak_free(page.plus(2048))
        k.kmemleak_update_trace(page)
      },
      () => {},
    )
    expect(sizes(kmemleak!.ended)).toEqual([16, 32, 192, 512, 2048])
  })

  it('its thread scans while the module sleeps', () => {
    const { log } = run(k => {
      k.kzalloc(64, k.GFP_KERNEL)
      const before = k.get_jiffies_64()
      k.msleep(61_000)
      k.pr_info(`${k.get_jiffies_64() - before} ticks`)
    })
    expect(log.slice(0, 2)).toEqual([
      'kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)',
      '15251 ticks',
    ])
  })

  it('nothing, on a kernel without it', () => {
    const report = runModule(
      Machine.boot({ memory: '64M' }),
      {
        init: k => {
          const object = k.kzalloc(64, k.GFP_KERNEL)
          k.kmemleak_not_leak(object)
          k.kmemleak_ignore(object!.plus(8))
          k.kfree(object)
        },
      },
      { name: 'test' },
    )
    expect([report.kmemleak, report.log, isClean(report)]).toEqual([null, [], true])
  })
})

describe('misuse', () => {
  it('allocating without end: kmemleak runs out of records, says so, and ends', () => {
    const { log, error } = run(k => {
      for (let at = 0; at < 40_000; at++) k.kmalloc(8, k.GFP_KERNEL)
    })
    expect(error).toBe(null)
    expect(log.filter(line => line.startsWith('kmemleak: '))).toEqual([
      'kmemleak: Cannot allocate a kmemleak_object structure',
      'kmemleak: Kernel memory leak detector disabled',
    ])
  })

  it('freeing inside of a block is told by kmemleak, too', () => {
    const { log } = run(k => k.kfree(k.kmalloc(64, k.GFP_KERNEL)!.plus(16)))
    expect(log[0]).toMatch(/^kmemleak: Found object by alias at 0xffff8880[0-9a-f]{7}0$/)
    expect(log).toContain('kmemleak:   min_count = 1')
  })

  it('a word to what is no block', () => {
    const { log, error } = run(k => {
      k.kmemleak_not_leak(k.page_address(k.alloc_page(k.GFP_KERNEL)!))
      k.kmemleak_scan_area(k.kzalloc(64, k.GFP_KERNEL)!.plus(60), 8, k.GFP_KERNEL)
    })
    expect(error).toBe(null)
    expect(log[0]).toMatch(/^kmemleak: Trying to color unknown object at 0xffff8880[0-9a-f]{5}000 as Grey$/)
    expect(log.some(line => line.startsWith('kmemleak: Scan area larger than object'))).toBe(true)
  })
})
