// What the kernel's test module for kmemleak loses (samples/kmemleak/kmemleak-test.c), in our own words: which of it is found
// while the module is loaded, and which when it is gone. The result is a table of docs/fidelity.md.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Pointer } from '../../../src/sim/module/pointer.ts'
import { runModule } from '../../../src/sim/module/run_module.ts'
import { expectFidelityTable } from '../../fidelity_table.ts'

/** A loss: how many blocks of it there are, and when the kernel finds them. */
interface Loss {
  readonly what: string
  readonly blocks: number
  readonly found: 'loaded' | 'removed'
  lose(k: ModuleKernel): Pointer | null
}

const CPUS = 2
const LIST = 10
/** 25 longs before and behind the links of a list. */
const ELEMENT = 416
const LINKS = 200

let list: Pointer
let perCpu: (k: ModuleKernel) => Pointer

const lost = (what: string, blocks: number, lose: Loss['lose']): Loss => ({ what, blocks, found: 'loaded', lose })
const kmalloc = (size: number): Loss => lost(`kmalloc(${size})`, 2, k => k.kmalloc(size, k.GFP_KERNEL))

const LOSSES: readonly Loss[] = [
  kmalloc(32),
  kmalloc(1024),
  kmalloc(2048),
  kmalloc(4096),
  lost('an object of a cache (of open files)', 2, k => k.kmem_cache_alloc(files, k.GFP_KERNEL)),
  lost('vmalloc(64)', 5, k => k.vmalloc(64)),
  {
    what: 'elements of a list of the module (kzalloc), which it does not free',
    blocks: LIST,
    found: 'removed',
    lose: k => {
      const element = k.kzalloc(ELEMENT, k.GFP_KERNEL)!
      k.list_add_tail(element.plus(LINKS), list)
      return element
    },
  },
  {
    what: 'what a static per-CPU pointer of the module points to (kmalloc)',
    blocks: CPUS,
    found: 'removed',
    lose: k => {
      const object = k.kmalloc(129, k.GFP_KERNEL)
      k.writep(object, perCpu(k))
      return object
    },
  },
]

let files: Parameters<ModuleKernel['kmem_cache_alloc']>[0]

function lose(k: ModuleKernel, addresses: string[][]): void {
  files = k.kmem_cache_create('files_cache', 704, 64, 0, null)!
  list = k.static_data(k.sizeof_list_head)
  k.INIT_LIST_HEAD(list)
  const pointers = k.static_percpu(8)
  let cpu = 0
  perCpu = () => k.per_cpu_ptr(pointers, cpu++)
  for (const { blocks, lose: one } of LOSSES) addresses.push(Array.from({ length: blocks }, () => String(one(k))))
}

describe('the kernel’s kmemleak test', () => {
  const addresses: string[][] = []
  const machine = Machine.boot({ memory: '64M', cpus: CPUS, config: { DEBUG_KMEMLEAK: true } })
  const report = runModule(
    machine,
    {
      init: k => lose(k, addresses),
      exit: k => {
        while (!k.list_empty(list)) k.list_del(k.readp(list)!)
      },
    },
    { name: 'kmemleak_test' },
  )
  const found = (at: number, text: string): number =>
    addresses[at]!.filter(address => text.includes(`unreferenced object 0x${address} `)).length

  it('runs, and the machine is sound', () => {
    expect([report.error, report.faults]).toEqual([null, []])
  })

  it.each(LOSSES.map((loss, at) => ({ ...loss, at })))('$what: found when $found', ({ blocks, found: when, at }) => {
    expect(found(at, report.kmemleak!.loaded)).toBe(when === 'loaded' ? blocks : 0)
    expect(found(at, report.kmemleak!.ended)).toBe(blocks)
  })

  it('reports nothing else', () => {
    const all = LOSSES.reduce((sum, { blocks }) => sum + blocks, 0)
    expect(report.kmemleak!.ended.match(/^unreferenced/gm)).toHaveLength(all)
  })

  it('is a table', () => {
    const cells = LOSSES.map(({ what, blocks, found: when }, at) => {
      const twin = [found(at, report.kmemleak!.loaded), found(at, report.kmemleak!.ended)]
      return [what, blocks, when === 'loaded' ? blocks : 0, twin[0]!, blocks, twin[1]!]
    })
    const columns = ['lost', 'blocks', 'loaded: a kernel', 'loaded: the twin', 'removed: a kernel', 'removed: the twin']
    expectFidelityTable('kmemleak orphans', columns, cells)
  })
})
