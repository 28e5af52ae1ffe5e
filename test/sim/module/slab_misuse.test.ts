// Objects given back wrongly: twice, through another cache, by an inner address, after their cache is gone; on kernels
// with KASAN (SLUB and SLAB), with slub_debug, and plain. Each is told in the kernel's words, and all laws hold afterwards.
import { describe, expect, it } from 'vitest'
import { kernels, with_config } from '../../../src/kernels/index.ts'
import type { Kernel } from '../../../src/mm/kernel.ts'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Cache, Pointer } from '../../../src/sim/module/pointer.ts'
import { type ModuleReport, runModule } from '../../../src/sim/module/run_module.ts'

const plain = kernels['6.1-x86_64']!
const slab = { SLUB_DEBUG: false, SLUB_CPU_PARTIAL: false }
const KERNELS: Readonly<Record<string, readonly [Kernel, string]>> = {
  'KASAN and SLUB': [with_config(plain, { KASAN: true }, { name: 'kasan-slub' }), 'kasan_multi_shot'],
  'KASAN and SLAB': [
    with_config(plain, { KASAN: true, ...slab }, { name: 'kasan-slab', slab: 'SLAB' }),
    'kasan_multi_shot',
  ],
  slub_debug: [plain, 'slub_debug=FZPU'],
  plain: [plain, ''],
}

type Misuse = (k: ModuleKernel, cache: Cache, object: Pointer) => void

const MISUSE: Readonly<Record<string, readonly [use: Misuse, kasan: RegExp, other: RegExp]>> = {
  'free twice': [
    (k, cache, object) => {
      k.kmem_cache_free(cache, object)
      k.kmem_cache_free(cache, object)
    },
    /^BUG: KASAN: double-free in kmem_cache_free$/m,
    /^BUG test_cache \(.*\): Object already free$/m,
  ],
  'free through another cache': [
    (k, _cache, object) => {
      const other = k.kmem_cache_create('other_cache', 500, 0, 0, null)!
      k.kmem_cache_free(other, object)
      k.kmem_cache_destroy(other)
    },
    /^cache_from_obj: Wrong slab cache\. other_cache but object is from test_cache$/m,
    /^cache_from_obj: Wrong slab cache\. other_cache but object is from test_cache$/m,
  ],
  'free an inner address': [
    (k, cache, object) => k.kmem_cache_free(cache, object.plus(8)),
    /^BUG: KASAN: invalid-free in kmem_cache_free$/m,
    /^BUG test_cache \(.*\): Invalid object pointer 0x[0-9a-f]{16}$/m,
  ],
  'free after destroy': [
    (k, cache, object) => {
      k.kmem_cache_destroy(cache)
      k.kmem_cache_free(cache, object)
    },
    /^kmem_cache_destroy test_cache: Slab cache still has objects when called from init_module/m,
    /^kmem_cache_destroy test_cache: Slab cache still has objects when called from init_module/m,
  ],
}

function misused([kernel, commandLine]: readonly [Kernel, string], use: Misuse): ModuleReport {
  const machine = Machine.boot({ memory: '64M', commandLine }, { kernel })
  const report = runModule(
    machine,
    {
      init: k => {
        const cache = k.kmem_cache_create('test_cache', 200, 0, 0, null)!
        // Another object is in use: a slab with none has another word for a second free.
        k.kmem_cache_alloc(cache, k.GFP_KERNEL)
        use(k, cache, k.kmem_cache_alloc(cache, k.GFP_KERNEL)!)
      },
    },
    { name: 'test' },
  )
  expect(machine.check()).toEqual([])
  return report
}

describe.each(Object.entries(KERNELS))('%s', (name, kernel) => {
  it.each(Object.entries(MISUSE))('%s', (_what, [use, kasan, other]) => {
    const { error, faults, log } = misused(kernel, use)
    expect({ error, faults }).toEqual({ error: null, faults: [] })
    expect(log.join('\n')).toMatch(name.startsWith('KASAN') ? kasan : other)
  })
})

describe('SLAB with KASAN', () => {
  it('objects wait in the quarantine, and come back when their cache is destroyed', () => {
    const [kernel, commandLine] = KERNELS['KASAN and SLAB']!
    const machine = Machine.boot({ memory: '64M', commandLine }, { kernel })
    const report = runModule(
      machine,
      {
        init: k => {
          const cache = k.kmem_cache_create('own', 100, 0, 0, object => k.memset(object, 1, 100))!
          const objects = Array.from({ length: 100 }, () => k.kmem_cache_alloc(cache, k.GFP_KERNEL)!)
          for (const object of objects) expect(k.readb(object.plus(99))).toBe(1)
          k.readb(objects[3]!.plus(100))
          for (const object of objects) k.kmem_cache_free(cache, object)
          k.readb(objects[3]!)
          k.kmem_cache_destroy(cache)
        },
      },
      { name: 'test' },
    )
    expect(report.kasanReports.map(title => title.split(' ')[0])).toEqual(['slab-out-of-bounds', 'use-after-free'])
    expect(report).toMatchObject({ error: null, faults: [], caches: [], leaks: [] })
  })
})
