// Modules that misuse the kernel: each ends in a report, and the machine is sound.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Cache, Pointer } from '../../../src/sim/module/pointer.ts'
import { isClean, type ModuleReport, runModule } from '../../../src/sim/module/run_module.ts'

const booted = Machine.boot({ memory: '64M', cpus: 2 })
booted.initAllocators()

type Init = (k: ModuleKernel) => unknown

/** What the last of some calls returned. */
const last = (...values: unknown[]): unknown => values.at(-1)

function run(init: Init, exit?: Init, limit?: number): ModuleReport {
  const machine = booted.fork()
  const module = exit === undefined ? { init } : { init, exit }
  const report = runModule(machine, module, { name: 'test', ...(limit === undefined ? {} : { limit }) })
  expect(report.faults).toEqual([])
  expect(machine.check()).toEqual([])
  expect([machine.sys.machine.in_atomic[0], machine.sys.machine.irqs_disabled[0]]).toEqual([0, 0])
  return report
}

describe('a module that misbehaves', () => {
  it('throws: what it holds is told', () => {
    const report = run(k => {
      k.kmalloc(10, k.GFP_KERNEL)
      throw new Error('no such device')
    })
    expect(report).toMatchObject({ returned: null, finished: false, error: 'init threw Error: no such device' })
    expect(report.leaks).toMatchObject([{ call: 'kmalloc(10)' }])
  })

  it('throws something that is no error, in exit', () => {
    const report = run(
      () => 0,
      () => {
        throw 'x'
      },
    )
    expect(report).toMatchObject({ returned: 0, finished: false, error: 'exit threw x' })
  })

  it('fails in init: exit does not run', () => {
    const report = run(
      k => -k.EINVAL,
      () => expect.unreachable(),
    )
    expect(report).toMatchObject({ returned: -22, finished: false, error: null })
    expect(isClean(report)).toBe(false)
  })

  it('allocates without end: the kernel fails it', () => {
    let objects = 0
    const report = run(k => {
      while (k.kmalloc(4096, k.GFP_KERNEL) !== null) objects++
      return -k.ENOMEM
    })
    expect(report.returned).toBe(-12)
    expect(objects).toBeGreaterThan(8000)
    expect(report.leaks).toHaveLength(objects)
    expect(report.log.join('\n')).toContain('page allocation failure')
  })

  it('allocates without end and does not look: it is stopped', () => {
    const report = run(
      k => {
        for (;;) if (k.alloc_pages(k.GFP_KERNEL, 10) === null) k.printk('again')
      },
      undefined,
      20_000,
    )
    expect(report.error).toBe('init did not end: stopped after 20000 calls of the kernel: does it end at all?')
    expect(report.calls).toBe(20_001)
    expect([report.log.length, report.unheard > 0]).toEqual([10_000, true])
  })

  it('calls itself without end', () => {
    const again: Init = k => again(k)
    expect(run(k => last(k.kmalloc(1, k.GFP_KERNEL), again(k))).error).toBe('init overran its stack: it calls itself')
  })

  it('returns a promise', () => {
    expect(run(async () => 0).error).toContain('init returned a promise')
  })

  it('exports nothing', () => {
    const report = runModule(booted.fork(), {} as never, { name: 'none' })
    expect(report.error).toBe('the module exports no function init(k)')
  })
})

describe('misuse of the API', () => {
  const told = (init: Init): string => {
    const { log, error } = run(init)
    return [...log, error ?? ''].join('\n')
  }

  it.each<[string, Init, RegExp]>([
    [
      'kfree twice',
      k => [1, 2].map(() => k.kfree(k.kmalloc(64, k.GFP_KERNEL))) && twice(k),
      /already free|double free/i,
    ],
    ['kfree of an inner address', k => k.kfree(k.kmalloc(64, k.GFP_KERNEL)!.plus(8)), /BUG/],
    ['kfree of vmalloc', k => k.kfree(k.vmalloc(4096)), /kfree: object pointer: 0xffffc9.* is not in the direct map/],
    ['vfree of kmalloc', k => k.vfree(k.kmalloc(4096, k.GFP_KERNEL)), /Trying to vfree\(\) nonexistent vm area/],
    ['vfree inside', k => k.vfree(k.vmalloc(4096)!.plus(16)), /Trying to vfree\(\) bad address/],
    ['NULL', k => k.readb(null as never), /BUG: kernel NULL pointer dereference, address: 0000000000000000/],
    [
      'behind vmalloc',
      k => k.readb(k.vmalloc(4096)!.plus(4096)),
      /BUG: unable to handle page fault for address: ffffc9/,
    ],
    ['after vfree', k => void k.writeb(1, freed(k)), /#PF: supervisor write access in kernel mode/],
    ['free_pages with another order', k => k.__free_pages(k.alloc_pages(k.GFP_KERNEL, 2)!, 1), /Bad page state/],
    [
      'sleep in atomic',
      k => last(k.preempt_disable(), k.kmalloc(8, k.GFP_KERNEL)),
      /sleeping function called from invalid/,
    ],
    ['sleep with interrupts off', k => last(k.local_irq_disable(), k.vfree(k.vmalloc(1))), /sleeping function called/],
    ['kmap in an interrupt', k => last(k.irq_enter(), k.kmap(k.alloc_page(k.GFP_ATOMIC)!)), /sleeping function called/],
    ['preempt imbalance', k => k.preempt_disable(), /initcall init_module \[test\] returned with preemption imbalance/],
    ['interrupts off', k => k.local_irq_disable(), /returned with disabled interrupts/],
    ['a cache with objects', k => last(k.kmem_cache_destroy(holding(k)), 0), /Slab cache still has objects/],
    [
      'a cache without a size',
      k => k.kmem_cache_create('x', 0, 0, 0, null),
      /kmem_cache_create.*failed with error -22/,
    ],
    ['the wrong cache', k => wrongCache(k), /Wrong slab cache/],
    [
      'too few arguments',
      k => (k.kmalloc as unknown as () => void)(),
      /init threw TypeError: kmalloc takes 2 arguments, not 0/,
    ],
    ['no number', k => k.kmalloc(Number.NaN, 0), /init threw RangeError: kmalloc: NaN is not a number/],
    ['a node that is not', k => k.kmalloc_node(8, k.GFP_KERNEL, 7), /RangeError: node 7 is not online/],
    ['an empty pool, waiting', k => emptyPool(k), /mempool_alloc sleeps for ever/],
  ])('%s', (_, init, report) => {
    const { log, error, faults, ...rest } = run(init)
    expect([...log, error ?? ''].join('\n')).toMatch(report)
    expect(faults).toEqual([])
    // Whoever runs it is told by the exit code, too.
    expect(isClean({ log, error, faults, ...rest, leaks: [], caches: [], pools: 0 })).toBe(false)
  })

  it('what a module prints itself is no complaint of the kernel', () => {
    const report = run(k => {
      k.pr_err('BUG: mine')
      k.printk('------------[ cut here ]------------')
      return 0
    })
    expect(report).toMatchObject({ complaints: [], log: ['BUG: mine', '------------[ cut here ]------------'] })
    expect(isClean(report)).toBe(true)
  })

  it('complaints are told by their first lines', () => {
    const { complaints } = run(k => {
      twice(k)
      k.vfree(k.kmalloc(4096, k.GFP_KERNEL))
      return 0
    })
    expect(complaints).toEqual([
      expect.stringMatching(/^BUG kmalloc-64 .*: Object already free$/),
      expect.stringContaining('Trying to vfree() nonexistent vm area'),
    ])
  })

  it('a constructor that throws or allocates does not break the slab', () => {
    const bad = (ctor: (object: Pointer) => void): string =>
      told(k => k.kmem_cache_alloc(k.kmem_cache_create(`c${ctor.name}`, 64, 0, 0, ctor)!, k.GFP_KERNEL))
    expect(
      bad(function thrower() {
        throw new Error('inside')
      }),
    ).toContain('init threw Error: inside')
    let kernel: ModuleKernel | null = null
    const greedy = told(k => {
      kernel = k
      const cache = k.kmem_cache_create('greedy', 64, 0, 0, () => void kernel!.kmalloc(8, kernel!.GFP_KERNEL))
      return k.kmem_cache_alloc(cache!, k.GFP_KERNEL)
    })
    expect(greedy).toContain('RangeError: kmalloc: a constructor may only write its object')
  })

  it('an allocator of a pool that throws does not break the pool', () => {
    const report = run(k => {
      const alloc = (): null => {
        throw new Error('no')
      }
      k.mempool_create(2, alloc, () => {}, 0)
    })
    expect(report).toMatchObject({ error: 'init threw Error: no', pools: 0, leaks: [] })
  })
})

function twice(k: ModuleKernel): void {
  const object = k.kmalloc(64, k.GFP_KERNEL)
  k.kfree(object)
  k.kfree(object)
}

function freed(k: ModuleKernel): Pointer {
  const buffer = k.vmalloc(4096)!
  k.vfree(buffer)
  k.vm_unmap_aliases()
  return buffer
}

function holding(k: ModuleKernel): Cache {
  const cache = k.kmem_cache_create('holding', 40, 0, k.SLAB_RED_ZONE, null)!
  k.kmem_cache_alloc(cache, k.GFP_KERNEL)
  return cache
}

function wrongCache(k: ModuleKernel): void {
  const [one, two] = ['one', 'two'].map(name => k.kmem_cache_create(name, 40, 0, k.SLAB_POISON, null)!)
  k.kmem_cache_free(two!, k.kmem_cache_alloc(one!, k.GFP_KERNEL)!)
}

function emptyPool(k: ModuleKernel): void {
  let left = 1
  const pool = k.mempool_create(
    1,
    gfp => (left-- > 0 ? k.kmalloc(8, gfp) : null),
    element => k.kfree(element as Pointer),
    0,
  )!
  k.mempool_alloc(pool, k.GFP_KERNEL)
  k.mempool_alloc(pool, k.GFP_KERNEL)
}

describe('what a clean module can do', () => {
  it('maps pages, copies over borders, works in bulk, and leaves no trace', () => {
    const report = run(k => {
      const pages = [0, 1, 2].map(() => k.alloc_page(k.GFP_KERNEL)!)
      for (const [map, unmap] of [
        [k.vmap, k.vunmap],
        [k.vm_map_ram, (address: Pointer) => k.vm_unmap_ram(address, 3)],
      ] as const) {
        const view = map(pages)!
        k.memset(view, 0x5a, 3 * k.PAGE_SIZE)
        k.writel(0xdeadbeef, view)
        k.memcpy(view.plus(k.PAGE_SIZE - 2), view, 4)
        if (k.readl(view.plus(k.PAGE_SIZE - 2)) !== 0xdeadbeef) return -1
        if (k.readb(k.page_address(pages[2]!)!) !== 0x5a || k.vmalloc_to_page(view) !== pages[0]) return -2
        unmap(view)
      }
      for (const page of pages) k.__free_page(page)
      const cache = k.kmem_cache_create('bulk', 100, 0, 0, null)!
      k.kmem_cache_free_bulk(cache, k.kmem_cache_alloc_bulk(cache, k.GFP_KERNEL, 50))
      if (k.kmem_cache_shrink(cache) !== 0) return -3
      k.kmem_cache_destroy(cache)
      const grown = k.krealloc(k.kzalloc(10, k.GFP_KERNEL), 5000, k.GFP_KERNEL)!
      if (k.virt_to_page(grown) === null || k.readl(grown) !== 0) return -4
      k.kfree(grown)
      const pool = k.mempool_create_page_pool(3, 1)!
      k.mempool_free(k.mempool_alloc(pool, k.GFP_NOIO), pool)
      k.mempool_destroy(pool)
      return k.in_interrupt() ? -5 : 0
    })
    expect(report).toMatchObject({ error: null, returned: 0, leaks: [], caches: [], pools: 0 })
    expect(report.log).toEqual([])
    expect(isClean(report)).toBe(true)
  })

  it.each(['slab', 'slob'] as const)('runs on %s', slab => {
    const machine = Machine.boot({ memory: '64M', slab })
    const report = runModule(
      machine,
      {
        init: k => {
          const objects = [8, 100, 3000, 9000].map(size => k.kzalloc(size, k.GFP_KERNEL))
          const cache = k.kmem_cache_create('own', 72, 0, 0, object => void k.memset(object, 1, 72))!
          const object = k.kmem_cache_alloc(cache, k.GFP_KERNEL)!
          if (k.readb(object.plus(71)) !== 1) return -1
          k.kmem_cache_free(cache, object)
          k.kmem_cache_destroy(cache)
          for (const each of objects) k.kfree(each)
          return 0
        },
      },
      { name: 'three' },
    )
    expect(report).toMatchObject({ error: null, returned: 0, leaks: [], caches: [], faults: [], log: [] })
  })
})
