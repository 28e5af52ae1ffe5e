// What /sys/kernel/slab shows of SLUB's caches follows what is done with them.
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_destroy, kmem_cache_free } from '../../src/mm/kmem_cache.ts'
import { SLAB_ACCOUNT, SLAB_RECLAIM_ACCOUNT } from '../../src/mm/slab_flags.ts'
import { slab_attr_show, slab_attr_store, slab_folders } from '../../src/mm/slub_sysfs.ts'
import { laws, numaMachine, slubMachine } from './slub_machine.ts'

const show = (sys: ReturnType<typeof slubMachine>['sys'], cache: number, names: string): string =>
  names
    .split(' ')
    .map(name => slab_attr_show(sys, cache, name))
    .join(' ')

describe('counters', () => {
  it('count slabs, their objects, and what a CPU has', () => {
    const { sys } = slubMachine()
    const cache = kmem_cache_create(sys, 'box', 1000, 0, 0, { name: 'box', construct: () => {} })
    const objects = Array.from({ length: 20 }, () => kmem_cache_alloc(sys, cache, GFP_KERNEL))
    // Slabs of eight objects: two full ones, and the CPU's.
    expect(show(sys, cache, 'objs_per_slab slabs objects total_objects partial cpu_slabs')).toBe(
      '8 3 N0=3 24 N0=24 24 N0=24 0 1 N0=1',
    )
    kmem_cache_free(sys, cache, objects[0]!)
    expect(show(sys, cache, 'slabs_cpu_partial cpu_slabs')).toBe('4(1) C0=4(1) 2 N0=2')
    expect(slab_attr_store(sys, cache, 'shrink', '1\n')).toBe(0)
    expect(show(sys, cache, 'partial objects_partial objects cpu_slabs')).toBe('2 N0=2 11 N0=11 19 N0=19 0')
    expect(laws(sys)).toEqual([])
  })

  it('tell nodes apart', () => {
    const { sys } = numaMachine()
    const cache = kmem_cache_create(sys, 'box', 1000, 0, 0, { name: 'box', construct: () => {} })
    for (const cpu of [0, 1, 1]) {
      sys.machine.this_cpu[0] = cpu
      kmem_cache_alloc(sys, cache, GFP_KERNEL)
    }
    expect(show(sys, cache, 'slabs cpu_slabs')).toBe('2 N0=1 N1=1 2 N0=1 N1=1')
  })
})

describe('folders', () => {
  it('caches that may be joined have a name by size, and their users are links', () => {
    const { sys } = slubMachine()
    const first = kmem_cache_create(sys, 'one', 120)
    expect(kmem_cache_create(sys, 'two', 116)).toBe(first)
    const own = kmem_cache_create(sys, 'own', 120, 0, 0, { name: 'own', construct: () => {} })
    kmem_cache_create(sys, 'counted', 120, 0, SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT)
    const { caches, links } = slab_folders(sys)
    expect(caches.get(':0000120')).toBe(first)
    expect(caches.get('own')).toBe(own)
    expect([...links]).toEqual([
      ['one', ':0000120'],
      ['two', ':0000120'],
      ['counted', ':aA-0000120'],
    ])
    expect(slab_attr_show(sys, first, 'aliases')).toBe('1')
  })

  it('a link goes with its cache, or to who takes the name', () => {
    const { sys } = slubMachine()
    const first = kmem_cache_create(sys, 'one', 120)
    kmem_cache_create(sys, 'two', 120)
    kmem_cache_destroy(sys, first)
    // The kernel leaves the link of a user that is gone.
    expect([...slab_folders(sys).links.keys()]).toEqual(['one', 'two'])
    kmem_cache_destroy(sys, first)
    expect(slab_folders(sys).links.size).toBe(0)
    expect(sys.kmem_alias.cache.some(row => row !== 0)).toBe(false)
  })
})

describe('writing', () => {
  it.each([
    ['min_partial', '9', 0, '9'],
    ['min_partial', 'many', -22, '5'],
    ['cpu_partial', '0', 0, '0'],
    ['shrink', '2', -22, ''],
    ['validate', '1', -22, ''],
    ['order', '3', -5, '0'],
    ['nothing', '1', -5, null],
  ])('%s = %s → %i', (name, value, error, after) => {
    const { sys } = slubMachine()
    const cache = kmem_cache_create(sys, 'one', 120)
    expect(slab_attr_store(sys, cache, name, value)).toBe(error)
    expect(slab_attr_show(sys, cache, name)).toBe(after)
  })

  it('a debugged cache is validated', () => {
    const { sys, said } = slubMachine(undefined, [0], { cmdline: 'slub_debug=FZP,one' })
    const cache = kmem_cache_create(sys, 'one', 120)
    kmem_cache_alloc(sys, cache, GFP_KERNEL)
    expect(slab_attr_store(sys, cache, 'validate', '1')).toBe(0)
    expect(said).toEqual([])
  })
})
