// What users of SLUB and kmalloc do wrong: each is reported in the kernel's words, and afterwards all laws of the machine
// hold and the cache serves on.
import { describe, expect, it } from 'vitest'
import { __GFP_DMA, __GFP_HIGHMEM, __GFP_RECLAIMABLE, GFP_ATOMIC, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { caller_text } from '../../src/mm/kernel_text.ts'
import { kfree, kmalloc } from '../../src/mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_named,
  kmem_cache_shrink,
} from '../../src/mm/kmem_cache.ts'
import { kmem_cache_name } from '../../src/mm/kmem_cache_rows.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { alloc_page } from '../../src/mm/page_alloc/alloc_pages.ts'
import { memset, write_u32 } from '../../src/mm/physmem.ts'
import { SLAB_PANIC, SLAB_TYPESAFE_BY_RCU } from '../../src/mm/slab_flags.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'

interface Misuse {
  readonly name: string
  /** Lines that must be among what is said. */
  readonly says: readonly RegExp[]
  run(sys: Sys, cache: number, object: number): void
}

const MISUSES: readonly Misuse[] = [
  {
    name: 'freed twice',
    says: [
      /^BUG victim \(.*\): (Object already free|Slab has 0 allocated)/,
      /^FIX victim: Object at 0x[0-9a-f]{16} not freed$/,
    ],
    run: (sys, cache, object) => {
      kmem_cache_free(sys, cache, object)
      kmem_cache_free(sys, cache, object)
    },
  },
  {
    name: 'freed twice, with others in between',
    says: [/^BUG victim \(.*\): Object already free/],
    run: (sys, cache, object) => {
      const others = Array.from({ length: 70 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
      kmem_cache_free(sys, cache, object)
      kmem_cache_free(sys, cache, others[0]!)
      kmem_cache_free(sys, cache, object)
      for (const other of others.slice(1)) kmem_cache_free(sys, cache, other)
    },
  },
  {
    name: 'freed twice at once',
    says: [/^BUG victim \(.*\): (Object already free|Slab has 0 allocated)/],
    run: (sys, cache, object) => kmem_cache_free_bulk(sys, cache, 2, Float64Array.of(object, object)),
  },
  {
    name: 'through the wrong cache',
    says: [
      /^cache_from_obj: Wrong slab cache\. other but object is from victim$/,
      /^WARNING: CPU: 0 PID: \d+ at cache_from_obj/,
    ],
    run: (sys, _, object) => kmem_cache_free(sys, kmem_cache_named(sys, 'other'), object),
  },
  {
    name: 'an address inside of an object',
    says: [/^BUG victim \(.*\): Invalid object pointer 0x[0-9a-f]{16}$/],
    run: (sys, cache, object) => kmem_cache_free(sys, cache, object + 16),
  },
  {
    name: 'an address that is not aligned',
    says: [/^BUG victim \(.*\): Invalid object pointer 0x[0-9a-f]{16}$/],
    run: (sys, cache, object) => kmem_cache_free(sys, cache, object + 3),
  },
  {
    name: 'an address behind the last object',
    says: [/^BUG victim \(.*\): Invalid object pointer 0x[0-9a-f]{16}$/],
    run: (sys, cache, object) => kmem_cache_free(sys, cache, Math.floor(object / 4096) * 4096 + 4088),
  },
  {
    name: 'a page that is no slab',
    says: [/^virt_to_cache: Object is not a Slab page!$/],
    run: (sys, cache) => kmem_cache_free(sys, cache, alloc_page(sys, GFP_KERNEL) * 4096),
  },
  {
    name: 'an address where no memory is',
    says: [/^virt_to_cache: Object is not a Slab page!$/],
    run: (sys, cache) => {
      kmem_cache_free(sys, cache, 2 ** 45)
      kmem_cache_free(sys, cache, -8)
      kmem_cache_free(sys, cache, Number.NaN)
    },
  },
  {
    name: 'after the cache was destroyed',
    says: [/^kmem_cache_alloc: there is no cache \d+/, /^kmem_cache_free: there is no cache \d+/],
    run: (sys, _, object) => {
      const gone = kmem_cache_create(sys, 'gone', 48, 0, SLAB_TYPESAFE_BY_RCU)
      kmem_cache_destroy(sys, gone)
      expect(kmem_cache_alloc(sys, gone, GFP_KERNEL)).toBe(0)
      kmem_cache_free(sys, gone, object)
      kmem_cache_destroy(sys, gone)
      expect(kmem_cache_shrink(sys, gone)).toBe(0)
    },
  },
  {
    name: 'destroyed with objects',
    says: [
      /^BUG leaky \(.*\): Objects remaining in leaky on __kmem_cache_shutdown\(\)$/,
      /^Object 0x[0-9a-f]{16} @offset=\d+$/,
      /^kmem_cache_destroy leaky: Slab cache still has objects when called from a_module$/,
    ],
    run: sys => {
      sys.slab_state.caller[0] = caller_text('a_module')
      const leaky = kmem_cache_create(sys, 'leaky', 48, 0, SLAB_TYPESAFE_BY_RCU)
      kmem_cache_alloc(sys, leaky, GFP_KERNEL)
      kmem_cache_destroy(sys, leaky)
      expect(kmem_cache_name(sys, leaky)).toBe('leaky')
      kmem_cache_destroy(sys, leaky)
    },
  },
  {
    name: 'sleeping where one must not',
    says: [/^BUG: sleeping function called from invalid context at include\/linux\/sched\/mm\.h$/],
    run: (sys, cache) => {
      sys.machine.in_atomic[0]! += 1
      expect(kmem_cache_alloc(sys, cache, GFP_ATOMIC)).toBeGreaterThan(0)
      expect(kmem_cache_alloc(sys, cache, GFP_KERNEL)).toBeGreaterThan(0)
      sys.machine.in_atomic[0]! -= 1
    },
  },
  {
    name: 'kfree of what kmalloc never gave',
    says: [/^object pointer: 0x/],
    run: sys => {
      kfree(sys, alloc_page(sys, GFP_KERNEL) * 4096)
      kfree(sys, 4096)
      kfree(sys, 2 ** 50)
    },
  },
  {
    name: 'kfree twice',
    says: [/^BUG kmalloc-(128|64) \(.*\): (Object already free|Slab has 0 allocated)/],
    run: sys => {
      const object = kmalloc(sys, 60, GFP_KERNEL)
      kfree(sys, object)
      kfree(sys, object)
    },
  },
  {
    name: 'kfree of a large block twice',
    says: [/^object pointer: 0x/],
    run: sys => {
      const object = kmalloc(sys, 20000, GFP_KERNEL)
      kfree(sys, object)
      kfree(sys, object)
    },
  },
  {
    name: 'kmalloc of high memory',
    says: [/^Unexpected gfp: 0x2 \(__GFP_HIGHMEM\)\. Fixing up to gfp: 0xcc0 \(GFP_KERNEL\)\. Fix your code!$/],
    run: sys => kfree(sys, kmalloc(sys, 20000, GFP_KERNEL | __GFP_HIGHMEM)),
  },
  {
    name: 'a cache of nonsense',
    says: [
      /^kmem_cache_create_usercopy\(nothing\) failed with error -22$/,
      /^kmem_cache_create_usercopy\(crooked\) failed with error -22$/,
      /^Kernel panic - not syncing: kmem_cache_create_usercopy: Failed to create slab 'huge'\. Error -22$/,
    ],
    run: sys => {
      expect(kmem_cache_create(sys, 'nothing', 0)).toBe(-1)
      expect(kmem_cache_create(sys, 'crooked', 64, 24)).toBe(-1)
      expect(kmem_cache_create(sys, 'huge', 2 ** 30, 0, SLAB_PANIC)).toBe(-1)
      expect(() => kmem_cache_create(sys, '', 64)).toThrow(RangeError)
      kmem_cache_destroy(sys, -1)
    },
  },
]

describe.each(['', 'slub_debug', 'slub_debug=P', 'slub_debug=ZU'])('misuse with "%s"', cmdline => {
  it.each(MISUSES)('$name', ({ name, says, run }) => {
    const { sys, said } = slubMachine(slubKernel(), [0, 0], { cmdline })
    const cache = kmem_cache_create(sys, 'victim', 72, 0, SLAB_TYPESAFE_BY_RCU)
    kmem_cache_create(sys, 'other', 136, 0, SLAB_TYPESAFE_BY_RCU)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    expect(said).toEqual([])
    run(sys, cache, object)
    for (const line of says) expect(said, `${name}: ${line}`).toContainEqual(expect.stringMatching(line))
    expect(laws(sys)).toEqual([])
    const more = Array.from({ length: 100 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
    expect(new Set(more).size).toBe(100)
    for (const each of more) kmem_cache_free(sys, cache, each)
    expect(laws(sys)).toEqual([])
  })
})

describe('free pointers that a user wrote over', () => {
  const clobbered = (lo: number, hi: number): { sys: Sys; cache: number; said: string[] } => {
    const { sys, said } = slubMachine(slubKernel(), [0, 0])
    const cache = kmem_cache_create(sys, 'victim', 72)
    const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
    kmem_cache_free(sys, cache, object)
    write_u32(sys, object + sys.slub_cache.offset[cache]!, lo)
    write_u32(sys, object + sys.slub_cache.offset[cache]! + 4, hi)
    return { sys, cache, said }
  }

  it('with rubbish: the list ends there, the cache serves on', () => {
    const { sys, cache } = clobbered(0x6b6b6b6b, 0x6b6b6b6b)
    const more = Array.from({ length: 100 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
    expect(new Set(more).size).toBe(100)
    for (const each of more) kmem_cache_free(sys, cache, each)
    kmem_cache_shrink(sys, cache)
    expect(new Set(more.map(() => kmem_cache_alloc(sys, cache, GFP_KERNEL))).size).toBe(100)
  })

  it('with an address of memory that is no object: it is not handed out', () => {
    const { sys, cache, said } = clobbered(5 * 4096, 0xffff8880)
    const [first, second] = [kmem_cache_alloc(sys, cache, GFP_KERNEL), kmem_cache_alloc(sys, cache, GFP_KERNEL)]
    expect(first).toBeGreaterThan(0)
    expect(second).toBeGreaterThan(0)
    expect(Math.floor(second / 4096)).not.toBe(5)
    expect(said).toContainEqual(expect.stringMatching(/^BUG victim \(.*\): Freechain corrupt$/))
    expect(said).toContain('FIX victim: Isolate corrupted freechain')
    expect(laws(sys)).toEqual([])
  })

  it('with its own address: a list without end does not hang', () => {
    const { sys } = slubMachine(slubKernel(), [0, 0])
    const cache = kmem_cache_create(sys, 'victim', 72)
    const objects = Array.from({ length: 3 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
    for (const object of objects) kmem_cache_free(sys, cache, object)
    const at = objects[2]! + sys.slub_cache.offset[cache]!
    write_u32(sys, at, objects[2]!)
    write_u32(sys, at + 4, 0xffff8880)
    kmem_cache_shrink(sys, cache)
    for (let i = 0; i < 300; i++) expect(kmem_cache_alloc(sys, cache, GFP_KERNEL)).toBeGreaterThan(0)
    expect(laws(sys)).toEqual([])
  })

  it('by an overflow into the neighbour, found by poison and red zone', () => {
    const { sys, said } = slubMachine(slubKernel(), [0], { cmdline: 'slub_debug' })
    const object = kmalloc(sys, 100, GFP_KERNEL)
    memset(sys, object, 0x41, 140)
    kfree(sys, object)
    expect(said).toContainEqual(expect.stringMatching(/^BUG kmalloc-128 \(.*\): Right Redzone overwritten$/))
    expect(laws(sys)).toEqual([])
  })
})

it('each kind of kmalloc has caches of its own', () => {
  const { sys } = slubMachine()
  for (const [gfp, name] of [
    [GFP_KERNEL, 'kmalloc-64'],
    [GFP_KERNEL | __GFP_RECLAIMABLE, 'kmalloc-rcl-64'],
    [GFP_KERNEL | __GFP_DMA, 'dma-kmalloc-64'],
  ] as const) {
    expect(kmem_cache_named(sys, name)).toBeGreaterThan(0)
    if ((gfp & __GFP_DMA) !== 0) continue
    const object = kmalloc(sys, 50, gfp)
    const slab = Math.floor(object / 4096)
    expect(kmem_cache_name(sys, sys.page.mapping[slab]! - 1)).toBe(name)
  }
})
