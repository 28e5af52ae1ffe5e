// Commands of the allocators: each does what its function does, is undone by a step back, and wrong use of it ends in a report
// of the kernel (or in a RangeError that has changed nothing) with all laws in force; on SLUB, SLAB and SLOB.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { ALLOCATOR_HANDLERS, type AllocatorCommand } from '../../src/sim/allocator_commands.ts'
import type { Command, Result } from '../../src/sim/commands.ts'
import { isComplaint } from '../../src/sim/complaints.ts'
import { Machine } from '../../src/sim/machine.ts'
import type { MachineDescription } from '../../src/sim/machine_description.ts'
import { Timeline } from '../../src/sim/timeline.ts'

const SLABS = ['slub', 'slab', 'slob'] as const
const GFP = GFP_KERNEL
/** A frame of high memory. */
const HIGH = 240_000

const booted = new Map<string, Machine>()
function machineOf(description: MachineDescription): Machine {
  const key = JSON.stringify(description)
  if (!booted.has(key)) {
    const machine = Machine.boot(description)
    machine.initAllocators()
    booted.set(key, machine)
  }
  return booted.get(key)!.fork()
}

const onEach = SLABS.map(slab => [slab, { memory: '64M', cpus: 2, slab }] as const)
const I386: MachineDescription = { kernel: '6.1-i386', memory: '1G' }

/** What the kernel complained of in a command. */
function complaints(machine: Machine, command: Command): string[] {
  machine.apply(command)
  return machine.latestLog.map(({ line }) => line).filter(isComplaint)
}

describe.each(onEach)('on %s', (_, description) => {
  it('caches and objects come and go', () => {
    const machine = machineOf(description)
    const cache = machine.apply({ op: 'kmem_cache_create', name: 'box', size: 100, align: 64, flags: 0x2000 }).cache!
    const one = machine.apply({ op: 'kmem_cache_alloc', cache, gfp: GFP }).object!
    const zeros = machine.apply({ op: 'kmem_cache_zalloc', cache, gfp: GFP, nid: 0, cpu: 1 }).object!
    const many = machine.apply({ op: 'kmem_cache_alloc_bulk', cache, gfp: GFP, count: 40 }).objects!
    expect(new Set([one, zeros, ...many]).size).toBe(42)
    expect([one, zeros, ...many].every(object => object % 64 === 0)).toBe(true)
    expect(machine.check()).toEqual([])
    machine.apply({ op: 'kmem_cache_free_bulk', cache, objects: many })
    for (const object of [one, zeros]) machine.apply({ op: 'kmem_cache_free', cache, object })
    expect(machine.apply({ op: 'kmem_cache_shrink', cache }).error).toBe(0)
    machine.apply({ op: 'kmem_cache_destroy', cache })
    expect(machine.sys.kmem_cache.used[cache]).toBe(0)
    expect(machine.log).toEqual([])
    expect(machine.check()).toEqual([])
  })

  it('kmalloc and its kin', () => {
    const machine = machineOf(description)
    const object = machine.apply({ op: 'kmalloc', size: 100, gfp: GFP }).object!
    expect(machine.apply({ op: 'ksize', object }).bytes).toBeGreaterThanOrEqual(100)
    machine.apply({ op: 'memset', object, value: 0x41, bytes: 100 })
    const larger = machine.apply({ op: 'krealloc', object, size: 5000, gfp: GFP }).object!
    expect(machine.sys.physmem.bytes.includes(0x41)).toBe(true)
    const zeros = machine.apply({ op: 'kcalloc', count: 3, size: 20, gfp: GFP }).object!
    const page = machine.apply({ op: 'kzalloc', size: 20_000, gfp: GFP, nid: 0 }).object!
    expect(machine.apply({ op: 'kcalloc', count: 2 ** 40, size: 2 ** 30, gfp: GFP }).object).toBe(0)
    for (const each of [larger, zeros, page, 0, 16]) machine.apply({ op: 'kfree', object: each })
    expect(machine.log).toEqual([])
    expect(machine.check()).toEqual([])
  })

  it('pools serve from their reserve when the allocator fails', () => {
    const machine = machineOf(description)
    const cache = machine.apply({ op: 'kmem_cache_create', name: 'box', size: 3000 }).cache!
    const pools = [
      machine.apply({ op: 'mempool_create_slab_pool', min_nr: 2, cache }),
      machine.apply({ op: 'mempool_create_kmalloc_pool', min_nr: 2, size: 3000 }),
      machine.apply({ op: 'mempool_create_page_pool', min_nr: 2, order: 1 }),
    ].map(({ pool }) => pool!)
    expect(pools).toEqual([0, 1, 2])
    const atomic = machine.gfp('GFP_NOWAIT')
    while (machine.apply({ op: 'alloc_pages', gfp: machine.gfp('GFP_ATOMIC|__GFP_MEMALLOC'), order: 0 }).pfn! >= 0);
    for (const pool of pools) {
      const none = pool === 2 ? -1 : 0
      const taken: number[] = []
      for (;;) {
        const element = machine.apply({ op: 'mempool_alloc', pool, gfp: atomic }).element!
        if (element === none) break
        taken.push(element)
      }
      expect(taken.length).toBeGreaterThanOrEqual(2)
      expect(machine.sys.mempool.curr_nr[pool]).toBe(0)
      expect(machine.apply({ op: 'mempool_alloc', pool, gfp: GFP })).toEqual({ element: 0, waits: true })
      for (const element of taken) machine.apply({ op: 'mempool_free', pool, element })
      expect(machine.sys.mempool.curr_nr[pool]).toBe(2)
      expect(machine.apply({ op: 'mempool_resize', pool, min_nr: 1 }).error).toBe(0)
      machine.apply({ op: 'mempool_destroy', pool })
    }
    expect(machine.check()).toEqual([])
  })

  it('wrong use is reported, and leaves a machine in order', () => {
    const machine = machineOf(description)
    const make = (name: string): number =>
      machine.apply({ op: 'kmem_cache_create', name, size: 136, flags: 0x80000 }).cache!
    const [cache, other] = [make('one'), make('two')]
    const take = (): number => machine.apply({ op: 'kmem_cache_alloc', cache, gfp: GFP }).object!
    const [object, kept] = [take(), take()]
    take()
    const memory = machine.apply({ op: 'kmalloc', size: 60, gfp: GFP }).object!
    machine.apply({ op: 'kfree', object: memory })
    const wrong: readonly (readonly [Command, (string | null)?])[] = [
      // SLOB has one pool of memory for all caches of a size.
      [{ op: 'kmem_cache_free', cache: other, object: kept }, description.slab === 'slob' ? null : ''],
      [{ op: 'kmem_cache_free', cache, object: object + 8 }],
      [{ op: 'kfree', object: memory }],
      [{ op: 'kfree', object: 3 * 4096 + 8 }],
      [{ op: 'krealloc', object: 5 * 4096 + 3, size: 9000, gfp: GFP }, null],
      [{ op: 'kmem_cache_create', name: 'odd', size: 10, align: 3 }],
      [{ op: 'kmem_cache_create', name: 'none', size: 0 }],
      [{ op: 'kmem_cache_alloc', cache: 99, gfp: GFP }],
      [{ op: 'kmem_cache_alloc_bulk', cache: 99, gfp: GFP, count: 3 }],
      [{ op: 'kmem_cache_free_bulk', cache: 99, objects: [kept] }],
      [{ op: 'kmem_cache_shrink', cache: 99 }],
      [{ op: 'kmem_cache_destroy', cache: 99 }],
      // SLOB does not know what is in use.
      [{ op: 'kmem_cache_destroy', cache }, description.slab === 'slob' ? null : ''],
    ]
    machine.apply({ op: 'kmem_cache_free', cache, object })
    expect(complaints(machine, { op: 'kmem_cache_free', cache, object })).not.toEqual([])
    for (const [command, silent] of wrong) {
      if (silent !== null) expect(complaints(machine, command), JSON.stringify(command)).not.toEqual([])
      else machine.apply(command)
      expect(machine.check(), JSON.stringify(command)).toEqual([])
    }
  })

  it('what sleeps is reported where nothing may', () => {
    const machine = machineOf(description)
    const cache = machine.apply({ op: 'kmem_cache_create', name: 'box', size: 100 }).cache!
    const pfn = machine.apply({ op: 'alloc_pages', gfp: GFP, order: 0 }).pfn!
    const sleeps: readonly Command[] = [
      { op: 'kmalloc', size: 10, gfp: GFP },
      { op: 'kmem_cache_alloc', cache, gfp: GFP },
      { op: 'vmalloc', size: 10 },
      { op: 'vmap', pfns: [pfn] },
      { op: 'kmap', pfn },
      { op: 'vm_unmap_aliases' },
    ]
    for (const [off, on] of [
      ['preempt_disable', 'preempt_enable'],
      ['local_irq_disable', 'local_irq_enable'],
    ] as const)
      for (const command of sleeps) {
        machine.apply({ op: off })
        const said = complaints(machine, command)
        expect(said, command.op).not.toEqual([])
        for (const line of said) expect(line).toContain('BUG: sleeping function called from invalid context at ')
        expect(complaints(machine, { op: 'kmalloc', size: 10, gfp: machine.gfp('GFP_ATOMIC') })).toEqual([])
        machine.apply({ op: on })
        expect(complaints(machine, command), command.op).toEqual([])
      }
    expect(complaints(machine, { op: 'preempt_enable' })).toEqual(['BUG: preempt_enable without its counterpart'])
    expect(machine.check()).toEqual([])
  })
})

describe('mappings', () => {
  it('areas, frames in a row, and their wrong ends', () => {
    const machine = machineOf({ memory: '64M', cpus: 2 })
    const pfns = [1, 2, 3].map(() => machine.apply({ op: 'alloc_pages', gfp: GFP, order: 0 }).pfn!)
    const page = (command: Command): number => machine.apply(command).page!
    const area = page({ op: 'vmalloc', size: 10_000 })
    const zeros = page({ op: 'vzalloc', size: 1 })
    const map = page({ op: 'vmap', pfns })
    const short = page({ op: 'vm_map_ram', pfns })
    for (const command of [
      { op: 'vfree', page: area + 1 },
      { op: 'vunmap', page: short },
      { op: 'vunmap', page: map + 1 },
      { op: 'vm_unmap_ram', page: map, count: 3 },
      { op: 'vm_unmap_ram', page: short, count: 30 },
      { op: 'vfree', page: 12345 },
    ] as const) {
      expect(complaints(machine, command), JSON.stringify(command)).toHaveLength(1)
      expect(machine.check()).toEqual([])
    }
    machine.apply({ op: 'vfree', page: area })
    machine.apply({ op: 'vfree', page: zeros })
    machine.apply({ op: 'vfree', page: 0 })
    machine.apply({ op: 'vunmap', page: map })
    machine.apply({ op: 'vm_unmap_ram', page: short, count: 3 })
    machine.apply({ op: 'vm_unmap_aliases' })
    expect(machine.sys.vmalloc.lazy_nr[0]).toBe(0)
    expect(complaints(machine, { op: 'vfree', page: area })).toHaveLength(1)
    expect(machine.check()).toEqual([])
  })

  it('slots of kmap, and of each CPU', () => {
    const machine = machineOf(I386)
    const { pkmap } = machine.sys
    const page = machine.apply({ op: 'kmap', pfn: HIGH }).page!
    expect(machine.apply({ op: 'kmap', pfn: HIGH }).page).toBe(page)
    machine.apply({ op: 'kunmap', pfn: HIGH })
    machine.apply({ op: 'kunmap', pfn: HIGH })
    expect(complaints(machine, { op: 'kunmap', pfn: HIGH })).toEqual([expect.stringContaining('which nobody uses')])
    machine.apply({ op: 'kmap_flush_unused' })
    expect(pkmap.count.some(count => count > 0)).toBe(false)
    const [first, second] = [1, 2].map(step => machine.apply({ op: 'kmap_local_page', pfn: HIGH + step }).page!)
    expect(complaints(machine, { op: 'kunmap_local', page: first! })).toEqual([
      expect.stringContaining('is not the last one mapped'),
    ])
    machine.apply({ op: 'kunmap_local', page: second! })
    const atomic = machine.apply({ op: 'kmap_atomic', pfn: HIGH }).page!
    expect(complaints(machine, { op: 'kmap', pfn: HIGH })).toHaveLength(1)
    machine.apply({ op: 'kunmap_atomic', page: atomic })
    expect(complaints(machine, { op: 'kunmap_atomic', page: atomic })).not.toEqual([])
    expect(machine.check()).toEqual([])
  })
})

it('segments: entries, registers, linear addresses and faults', () => {
  const machine = machineOf(I386)
  const info = { entry_number: 2, base_addr: 0x1000, limit: 0xfff, seg_32bit: 1, useable: 1 }
  const linear = (offset: number): Result =>
    machine.apply({ op: 'linear_address', register: 'fs', offset, bytes: 4, access: 'write' })
  expect(machine.apply({ op: 'modify_ldt', info }).error).toBe(0)
  expect(machine.apply({ op: 'loadsegment', register: 'fs', selector: 0x17 })).toEqual({})
  expect(linear(0x10)).toEqual({ linear: 0x1010 })
  expect(linear(0xffe).fault).toEqual({ fault: '#GP', vector: 13, error_code: 0 })
  const missing = { ...info, entry_number: 3, seg_not_present: 1 }
  machine.apply({ op: 'modify_ldt', info: missing })
  expect(machine.apply({ op: 'loadsegment', register: 'gs', selector: 0x1f }).fault?.fault).toBe('#NP')
  expect(machine.apply({ op: 'return_to_user', cs: 0x73, ss: 0x7b })).toEqual({})
  expect(machine.apply({ op: 'loadsegment', register: 'ss', selector: 0x1f }).fault?.fault).toBe('#SS')
  machine.apply({ op: 'enter_kernel' })
  expect(machine.apply({ op: 'modify_ldt', info: { entry_number: 8192 } }).error).toBe(-22)
  expect(machine.check()).toEqual([])
})

describe('a wrong command throws, and changes nothing', () => {
  const plain = machineOf({ memory: '64M', cpus: 2 })
  const wide = machineOf(I386)
  const wrong: readonly (readonly [string, unknown, Machine?])[] = [
    ['kmalloc needs mm_core_init before it', { op: 'kmalloc', size: 1, gfp: 1 }, Machine.boot({ memory: '64M' })],
    ['size -1 is not', { op: 'kmalloc', size: -1, gfp: 1 }],
    ['there is no cache 1000000', { op: 'kmem_cache_alloc', cache: 1e6, gfp: 1 }],
    ['count 70000 is not', { op: 'kmem_cache_alloc_bulk', cache: 1, gfp: 1, count: 70_000 }],
    ['objects must be a list', { op: 'kmem_cache_free_bulk', cache: 1, objects: [] }],
    ['object x is not', { op: 'kmem_cache_free_bulk', cache: 1, objects: ['x'] }],
    ['frame 16384 is not', { op: 'vmap', pfns: [16384] }],
    ['frame -1 is not', { op: 'kmap', pfn: -1 }],
    ['value 256 is not', { op: 'memset', object: 4096, value: 256, bytes: 1 }],
    ['memory ends at', { op: 'memset', object: 64 * 2 ** 20 - 1, value: 1, bytes: 2 }],
    ['there is no memory pool 3', { op: 'mempool_alloc', pool: 3, gfp: 1 }],
    ['element -2 is not', { op: 'mempool_free', pool: 0, element: -2 }],
    ['does not use segments', { op: 'enter_kernel' }],
    ['user_desc.limit: 1048576 is not a number of 20 bits', { op: 'modify_ldt', info: { limit: 2 ** 20 } }, wide],
    ['has no member "foo"', { op: 'modify_ldt', info: { foo: 1 } }, wide],
    ['"xs" is none of', { op: 'loadsegment', register: 'xs', selector: 0 }, wide],
    ['65536 is not a number of 16 bits', { op: 'loadsegment', register: 'fs', selector: 65536 }, wide],
    ['"look" is none of', { op: 'linear_address', register: 'fs', offset: 0, bytes: 1, access: 'look' }, wide],
  ]
  it.each(wrong)('%s', (message, command, other) => {
    const machine = (other as Machine | undefined) ?? plain
    const before = machine.hash()
    expect(() => machine.apply(command as Command)).toThrow(RangeError)
    expect(() => machine.apply(command as Command)).toThrow(message)
    expect(machine.hash()).toBe(before)
  })
})

/** A random command; `known` are numbers that earlier commands gave. */
function randomCommand(op: string, draw: readonly number[], known: readonly number[]): AllocatorCommand {
  const [a = 0, b = 0, c = 0, d = 0] = draw
  const one = (value: number): number => (known.length === 0 ? value : known[value % known.length]!)
  const some = a % 3 === 0 ? one(b) + (c % 5 === 0 ? d % 64 : 0) : one(b)
  const fields = {
    name: `cache-${a % 7}`,
    size: 1 + (b % 9000),
    align: [0, 8, 64, 4096][c % 4]!,
    flags: [0, 0x2000, 0x80000, 0x20000, 0xc00][d % 5]!,
    cache: (a + b) % 60,
    gfp: [GFP_KERNEL, 0xa20][a % 2]!,
    object: some,
    objects: [one(a), one(b), one(c)],
    count: 1 + (a % 40),
    page: some,
    pfn: a % 16000,
    pfns: Array.from({ length: 1 + (b % 40) }, (_, i) => (a + i) % 16000),
    pool: 0,
    min_nr: 1 + (a % 5),
    order: a % 4,
    element: some,
    cpu: a % 2,
  }
  return { op, ...fields } as unknown as AllocatorCommand
}

describe.each(onEach)('any commands on %s', (_, description) => {
  // Writing anywhere is no call of an allocator.
  const ops = Object.keys(ALLOCATOR_HANDLERS).filter(
    op => op !== 'memset' && !/ldt|segment|linear|return_to|enter_k/.test(op),
  )
  const step = fc.record({ op: fc.constantFrom(...ops), draw: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }) })

  it('keep the laws, and can be undone', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: '+1' }), steps => {
        const machine = machineOf(description)
        const timeline = new Timeline(machine)
        const [begin, known] = [machine.hash(), [] as number[]]
        for (const { op, draw } of steps) {
          try {
            const { cache, object, page, objects = [], element } = timeline.do(randomCommand(op, draw, known))
            for (const value of [cache, object, page, ...objects, element]) if ((value ?? 0) > 0) known.push(value!)
          } catch (error) {
            if (!(error instanceof RangeError)) throw error
          }
          expect(machine.check()).toEqual([])
        }
        const end = machine.hash()
        timeline.goto(0)
        expect(machine.hash()).toBe(begin)
        timeline.goto(timeline.length)
        expect(machine.hash()).toBe(end)
      }),
      { numRuns: 25 },
    )
  })
})
