// The kernel's own unit tests of SLUB as behaviours, in words of ours: after each mistake the cache is validated, and so
// many errors are counted. The result is a table in docs/fidelity.md.
import { expect, it } from 'vitest'
import { __GFP_ZERO, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kfree, kmalloc, kmalloc_nolock, krealloc } from '../../src/mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_named,
} from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { read_u8, write_u8 } from '../../src/mm/physmem.ts'
import { SLAB_NO_USER_FLAGS, SLAB_POISON, SLAB_RED_ZONE } from '../../src/mm/slab_flags.ts'
import { validate_slab_cache } from '../../src/mm/slub_validate.ts'
import { Machine } from '../../src/sim/machine.ts'
import { runModule } from '../../src/sim/module/run_module.ts'
import { type Cell, expectFidelityTable } from '../fidelity_table.ts'
import { laws, slubKernel, slubMachine } from './slub_machine.ts'

const SIZE = 64
const rows: Cell[][] = []

/** Errors counted since the last time. */
function counted(sys: Sys): number {
  const errors = sys.slab_state.slab_errors[0]!
  sys.slab_state.slab_errors[0] = 0
  return errors
}

interface Stage {
  readonly sys: Sys
  /** Validates a cache; errors counted. */
  readonly validate: (cache: number) => number
}

/** Runs a case on a fresh machine; what it counts must be what the kernel's case expects. */
function slubCase(
  name: string,
  since: string,
  expected: readonly number[],
  run: (stage: Stage) => number[],
  remark = '',
): void {
  it(name, () => {
    const release = since === '6.1' ? '6.1' : '6.12'
    const { sys } = slubMachine(slubKernel(release), [0], {
      cmdline: 'slub_debug=ZU,kmalloc-32,kmalloc-64,kmalloc-128',
    })
    const got = run({
      sys,
      validate: cache => {
        validate_slab_cache(sys, cache)
        return counted(sys)
      },
    })
    expect(got).toEqual(expected)
    expect(laws(sys)).toEqual([])
    rows.push([name, since, expected.join(', '), got.join(', '), remark])
  })
}

/** A cache of its own that is debugged, an object of it; the object is given back and the cache destroyed behind `use`. */
function withObject(
  { sys }: Stage,
  flags: number,
  free: 'before' | 'behind',
  use: (cache: number, object: number) => number[],
): number[] {
  const cache = kmem_cache_create(sys, 'TestSlub', SIZE, 0, flags | SLAB_NO_USER_FLAGS)
  const object = kmem_cache_alloc(sys, cache, GFP_KERNEL)
  if (free === 'before') kmem_cache_free(sys, cache, object)
  const errors = use(cache, object)
  if (free === 'behind') kmem_cache_free(sys, cache, object)
  kmem_cache_destroy(sys, cache)
  return errors
}

slubCase('test_clobber_zone', '6.1', [2], stage =>
  withObject(stage, SLAB_RED_ZONE, 'behind', (cache, object) => {
    write_u8(stage.sys, object + SIZE, 0x12)
    return [stage.validate(cache)]
  }),
)

slubCase(
  'test_next_pointer',
  '6.1',
  [3, 2, 0],
  stage =>
    withObject(stage, SLAB_POISON, 'before', (cache, object) => {
      const { sys } = stage
      const at = object + sys.slub_cache.offset[cache]!
      const before = Array.from({ length: 8 }, (_, byte) => read_u8(sys, at + byte))
      write_u8(sys, at, before[0]! ^ 0xff)
      const broken = stage.validate(cache)
      for (const [byte, value] of before.entries()) write_u8(sys, at + byte, value)
      return [broken, stage.validate(cache), stage.validate(cache)]
    }),
  'the link damaged, put right again, and once more',
)

slubCase('test_first_word', '6.1', [2], stage =>
  withObject(stage, SLAB_POISON, 'before', (cache, object) => {
    write_u8(stage.sys, object, 0x78)
    return [stage.validate(cache)]
  }),
)

slubCase('test_clobber_50th_byte', '6.1', [2], stage =>
  withObject(stage, SLAB_POISON, 'before', (cache, object) => {
    write_u8(stage.sys, object + 50, 0x9a)
    return [stage.validate(cache)]
  }),
)

slubCase('test_clobber_redzone_free', '6.1', [2], stage =>
  withObject(stage, SLAB_RED_ZONE, 'before', (cache, object) => {
    write_u8(stage.sys, object + SIZE, 0xab)
    return [stage.validate(cache)]
  }),
)

slubCase('test_kmalloc_redzone_access', '6.2', [2], ({ sys, validate }) => {
  const object = kmalloc(sys, 18, GFP_KERNEL)
  write_u8(sys, object + 18, 0xab)
  write_u8(sys, object + 19, 0xab)
  const errors = validate(kmem_cache_named(sys, 'kmalloc-32'))
  kfree(sys, object)
  return [errors]
})

slubCase('test_leak_destroy', '6.12', [2], ({ sys }) => {
  const cache = kmem_cache_create(sys, 'TestSlub', SIZE, 0, SLAB_NO_USER_FLAGS)
  kmem_cache_alloc(sys, cache, GFP_KERNEL)
  kmem_cache_destroy(sys, cache)
  return [counted(sys)]
})

slubCase('test_krealloc_redzone_zeroing', '6.13', [0], ({ sys, validate }) => {
  const object = kmalloc(sys, 48, GFP_KERNEL)
  const all = (from: number, to: number, value: number): boolean => {
    for (let at = from; at < to; at++) if (read_u8(sys, object + at) !== value) return false
    return true
  }
  for (let at = 0; at < 48; at++) write_u8(sys, object + at, 0xff)
  expect(krealloc(sys, object, 40, GFP_KERNEL | __GFP_ZERO)).toBe(object)
  expect(all(40, 64, 0xcc)).toBe(true)
  expect(krealloc(sys, object, 56, GFP_KERNEL | __GFP_ZERO)).toBe(object)
  expect([all(40, 56, 0), all(56, 64, 0xcc)]).toEqual([true, true])
  const errors = validate(kmem_cache_named(sys, 'kmalloc-64'))
  kfree(sys, krealloc(sys, object, 112, GFP_KERNEL | __GFP_ZERO))
  return [errors]
})

slubCase(
  'test_kmalloc_kfree_nolock',
  '6.18',
  [0],
  ({ sys, validate }) => {
    const objects = [17, 33, 65].map(size => kmalloc_nolock(sys, size, 0, -1))
    expect(objects).not.toContain(0)
    for (const object of objects) kfree(sys, object)
    return [validate(kmem_cache_named(sys, 'kmalloc-32'))]
  },
  'nothing runs at the same time in the twin',
)

/** Objects that go when nobody reads them any more: through the calls that modules have. */
it('test_kfree_rcu', () => {
  const names = ['test_kfree_rcu', 'test_kfree_rcu_wq_destroy'] as const
  for (const name of names) {
    const machine = Machine.boot({ memory: '64M' })
    const report = runModule(
      machine,
      {
        init: k => {
          const cache = k.kmem_cache_create('TestSlub_kfree_rcu', SIZE, 0, k.SLAB_NO_USER_FLAGS, null)!
          const object = k.kmem_cache_alloc(cache, k.GFP_KERNEL)!
          k.kfree_rcu(object)
          if (name === 'test_kfree_rcu') {
            k.rcu_barrier()
            k.kmem_cache_destroy(cache)
          } else {
            k.queue_work(object, () => k.kmem_cache_destroy(cache))
            k.flush_workqueue()
          }
        },
      },
      { name: 'test' },
    )
    expect(report).toMatchObject({ error: null, faults: [], leaks: [], caches: [] })
    const errors = counted(machine.sys)
    expect(errors).toBe(0)
    const remark = 'behind rcu_barrier: the twin’s kmem_cache_destroy does not wait, as that of 6.1'
    rows.push([name, '6.12', '0', String(errors), name === 'test_kfree_rcu' ? remark : ''])
  }
})

it('docs/fidelity.md has the results', () => {
  expectFidelityTable('slub cases', ['case', 'since', 'errors expected', 'errors counted', 'remark'], rows)
})
