// kmemleak: what is a leak, what is none, and what it says.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernel_by_name, with_config, with_slab } from '../../src/kernels/index.ts'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { kernel_stack_alloc, kernel_stack_free } from '../../src/mm/kernel_stack.ts'
import { stack_paddr } from '../../src/mm/kernel_stack_bytes.ts'
import { kfree, kmalloc, krealloc, kzalloc } from '../../src/mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_create,
  kmem_cache_free_bulk,
} from '../../src/mm/kmem_cache.ts'
import {
  kmemleak_alloc,
  kmemleak_free,
  kmemleak_free_part,
  kmemleak_ignore,
  kmemleak_no_scan,
  kmemleak_not_leak,
  kmemleak_scan_area,
} from '../../src/mm/kmemleak.ts'
import { kmemleak_check, kmemleak_scan_thread, kmemleak_text, kmemleak_write } from '../../src/mm/kmemleak_debugfs.ts'
import { kmemleak_key_address, kmemleak_page_key } from '../../src/mm/kmemleak_key.ts'
import { kmemleak_objects } from '../../src/mm/kmemleak_tables.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { vmalloc_to_pfn } from '../../src/mm/pgtable_map.ts'
import { write_u8, write_u32 } from '../../src/mm/physmem.ts'
import { SLAB_NOLEAKTRACE } from '../../src/mm/slab_flags.ts'
import { vfree, vmalloc } from '../../src/mm/vmalloc.ts'
import { hashSys, restoreSys, snapshotSys } from '../../src/sim/state.ts'
import { type LeakMachine, leakKernel, leakMachine, scanTwice } from './kmemleak_machine.ts'

/** Writes a pointer to a block at a physical address. */
function point(sys: Sys, at: number, key: number): void {
  const { hi, lo } = kmemleak_key_address(sys, key)
  write_u32(sys, at, lo)
  if (sys.kernel.BITS_PER_LONG === 64) write_u32(sys, at + 4, hi)
}

/** Sizes of the leaks in the order of the file. */
const leaks = ({ sys }: LeakMachine): number[] =>
  [...kmemleak_text(sys).matchAll(/^unreferenced object 0x[0-9a-f]+ \(size (\d+)\):$/gm)].map(([, size]) =>
    Number(size),
  )

/** A block that is a root. */
function root(sys: Sys, size = 64): number {
  const object = kzalloc(sys, size, GFP_KERNEL)
  kmemleak_not_leak(sys, object)
  return object
}

const kernels = ['6.1-x86_64', '6.1-x86_64-la57', '6.12-x86_64', '6.1-i386', '6.1-i386-pae']

describe.each(kernels)('on %s', name => {
  const boot = (): LeakMachine => leakMachine(leakKernel(name))

  it('finds what nobody points to: slabs, large kmalloc, vmalloc', () => {
    const machine = boot()
    const { sys } = machine
    kmalloc(sys, 100, GFP_KERNEL)
    kmalloc(sys, 100_000, GFP_KERNEL)
    vmalloc(sys, 5000)
    kmem_cache_alloc(sys, kmem_cache_create(sys, 'own', 40), GFP_KERNEL)
    // Bytes that are all zeros have not changed when they are first looked at.
    const two = 'kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
    expect(scanTwice(machine)).toEqual([two, two])
    expect(leaks(machine)).toEqual([128, 100_000, 8192, 40])
    expect(scanTwice(machine)).toEqual([])
    expect(kmemleak_check(sys)).toEqual([])
  })

  it('follows pointers through blocks, to any byte of the next', () => {
    const machine = boot()
    const { sys } = machine
    const first = root(sys)
    const second = kzalloc(sys, 256, GFP_KERNEL)
    const area = vmalloc(sys, 3 * sys.page_bytes)
    const third = kzalloc(sys, 32, GFP_KERNEL)
    point(sys, first + 16, second + 255)
    point(sys, second + 248, kmemleak_page_key(sys, area) + 2 * sys.page_bytes + 5)
    point(sys, vmalloc_to_pfn(sys, area + 1) * sys.page_bytes + 8, third)
    expect(scanTwice(machine)).toEqual([])
    point(sys, first + 16, 0)
    expect(scanTwice(machine)).toEqual(['kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'])
    expect(leaks(machine)).toEqual([256, 3 * sys.page_bytes, 32])
    point(sys, first + 16, second)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([])
  })
})

describe('any graph of blocks', () => {
  const SIZES = [64, 96, 128, 256]
  const graphs = fc.record({
    blocks: fc.array(fc.constantFrom(...SIZES), { minLength: 1, maxLength: 30, size: '+1' }),
    roots: fc.array(fc.nat(29), { maxLength: 3 }),
    edges: fc.array(fc.tuple(fc.nat(29), fc.nat(7), fc.nat(29), fc.nat(63)), { maxLength: 60, size: '+1' }),
    gone: fc.array(fc.nat(29), { maxLength: 5 }),
  })
  const { sys: booted } = leakMachine()
  const snapshot = snapshotSys(booted)

  it('leaks are what no way leads to from a root', () => {
    fc.assert(
      fc.property(graphs, ({ blocks, roots, edges, gone }) => {
        restoreSys(booted, snapshot)
        const machine = { sys: booted, said: () => [] }
        const objects = blocks.map(size => kzalloc(booted, size, GFP_KERNEL))
        const there = (at: number): boolean => at < blocks.length && !gone.includes(at)
        // A later word at the same place wins.
        const words = new Map<string, readonly [number, number, number, number]>()
        for (const edge of edges) if (there(edge[0]) && there(edge[2])) words.set(`${edge[0]} ${edge[1]}`, edge)
        for (const [from, word, to, byte] of words.values())
          point(booted, objects[from]! + 8 * word, objects[to]! + byte)
        for (const at of roots) if (there(at)) kmemleak_not_leak(booted, objects[at]!)
        for (const at of new Set(gone)) if (at < blocks.length) kfree(booted, objects[at]!)
        const reached = new Set(roots.filter(there))
        for (const at of reached) for (const [from, , to] of words.values()) if (from === at) reached.add(to)
        scanTwice(machine)
        const expected = blocks.filter((_, at) => there(at) && !reached.has(at))
        expect(leaks(machine)).toEqual(expected)
        expect(kmemleak_check(booted)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})

describe('what is no leak', () => {
  it('is what a stack of a task points to, but not with stack=off', () => {
    const machine = leakMachine(leakKernel('6.1-i386'))
    const { sys } = machine
    const object = kzalloc(sys, 64, GFP_KERNEL)
    const stack = kernel_stack_alloc(sys, 'task')
    point(sys, stack_paddr(sys, stack, 4096), object)
    expect(scanTwice(machine)).toEqual([])
    kmemleak_write(sys, 'stack=off')
    expect(scanTwice(machine)).toEqual(['kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'])
    kmemleak_write(sys, 'stack=on')
    kernel_stack_free(sys, stack)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([64])
  })

  it('is a stack in the vmalloc area, in use or kept, and what it points to', () => {
    const machine = leakMachine()
    const { sys } = machine
    const object = kzalloc(sys, 64, GFP_KERNEL)
    const stack = kernel_stack_alloc(sys, 'task')
    point(sys, stack_paddr(sys, stack, 4096), object)
    expect(scanTwice(machine)).toEqual([])
    kernel_stack_free(sys, stack)
    expect(scanTwice(machine)).toEqual([])
  })

  it('is what is younger than five seconds, or changed since the last scan', () => {
    const machine = leakMachine()
    const { sys, said } = machine
    const object = kzalloc(sys, 64, GFP_KERNEL)
    said()
    sys.machine.jiffies[0]! += 1249
    kmemleak_write(sys, 'scan')
    expect(said()).toEqual([])
    sys.machine.jiffies[0]! += 1
    write_u8(sys, object + 9, 1)
    kmemleak_write(sys, 'scan')
    expect(said()).toEqual([])
    kmemleak_write(sys, 'scan')
    expect(said()).toHaveLength(1)
  })

  it('is what points to itself only: that is a leak', () => {
    const machine = leakMachine()
    const { sys } = machine
    const object = kzalloc(sys, 64, GFP_KERNEL)
    point(sys, object, object + 8)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([64])
  })

  it('is a ring that a root points into; without the root it is a leak', () => {
    const machine = leakMachine()
    const { sys } = machine
    const [a, b, start] = [kzalloc(sys, 64, GFP_KERNEL), kzalloc(sys, 96, GFP_KERNEL), root(sys, 8)]
    point(sys, a, b)
    point(sys, b, a)
    point(sys, start, b)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([])
    kfree(sys, start)
    scanTwice(machine)
    // Each is pointed to by the other, and neither by anybody else: no scan begins there.
    expect(leaks(machine)).toEqual([64, 96])
  })

  it('is what was freed, moved, or never noted', () => {
    const machine = leakMachine()
    const { sys } = machine
    kfree(sys, kmalloc(sys, 64, GFP_KERNEL))
    kfree(sys, kmalloc(sys, 50_000, GFP_KERNEL))
    vfree(sys, vmalloc(sys, 4096))
    kmalloc(sys, 0, GFP_KERNEL)
    const quiet = kmem_cache_create(sys, 'quiet', 64, 0, SLAB_NOLEAKTRACE)
    kmem_cache_alloc(sys, quiet, GFP_KERNEL)
    const cache = kmem_cache_create(sys, 'many', 72)
    const objects = new Float64Array(20)
    kmem_cache_alloc_bulk(sys, cache, GFP_KERNEL, 20, objects)
    kmem_cache_free_bulk(sys, cache, 20, objects)
    expect(kmemleak_objects(sys)).toEqual([])
    krealloc(sys, kmalloc(sys, 64, GFP_KERNEL), 300, GFP_KERNEL)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([512])
  })
})

describe('words to kmemleak', () => {
  it('not_leak, ignore, no_scan, scan_area', () => {
    const machine = leakMachine()
    const { sys } = machine
    const [gray, black, blind, parts] = [1, 2, 3, 4].map(() => kzalloc(sys, 64, GFP_KERNEL)) as [
      number,
      number,
      number,
      number,
    ]
    const seen = [32, 16, 8, 96, 192].map(size => kzalloc(sys, size, GFP_KERNEL))
    kmemleak_not_leak(sys, gray)
    kmemleak_ignore(sys, black)
    kmemleak_not_leak(sys, blind)
    kmemleak_no_scan(sys, blind)
    kmemleak_not_leak(sys, parts)
    kmemleak_scan_area(sys, parts + 16, 16)
    point(sys, gray, seen[0]!)
    point(sys, black, seen[1]!)
    point(sys, blind, seen[2]!)
    point(sys, parts + 8, seen[3]!)
    point(sys, parts + 24, seen[4]!)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([16, 8, 96])
    expect(kmemleak_check(sys)).toEqual([])
  })

  it('free_part leaves one or two blocks', () => {
    const machine = leakMachine()
    const { sys } = machine
    const object = kzalloc(sys, 256, GFP_KERNEL)
    kmemleak_free_part(sys, object + 64, 32)
    kmemleak_free_part(sys, object, 16)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([160, 48])
    expect(kmemleak_check(sys)).toEqual([])
  })

  it('complains of what it does not know', () => {
    const { sys, said } = leakMachine()
    const object = kzalloc(sys, 64, GFP_KERNEL)
    said()
    kmemleak_not_leak(sys, 0x5000)
    kmemleak_ignore(sys, object + 8)
    kmemleak_scan_area(sys, 0x5000, 8)
    kmemleak_scan_area(sys, object + 60, 8)
    kmemleak_no_scan(sys, 0x5000)
    const text = said().filter(line => line.startsWith('kmemleak: ') && !/^kmemleak: ( |Object)/.test(line))
    const at = kmemleak_key_address(sys, object).lo.toString(16).padStart(8, '0')
    expect(text).toEqual([
      'kmemleak: Trying to color unknown object at 0xffff888000005000 as Grey',
      `kmemleak: Found object by alias at 0xffff8880${(Number.parseInt(at, 16) + 8).toString(16).padStart(8, '0')}`,
      `kmemleak: Trying to color unknown object at 0xffff8880${(Number.parseInt(at, 16) + 8).toString(16).padStart(8, '0')} as Black`,
      'kmemleak: Adding scan area to unknown object at 0xffff888000005000',
      `kmemleak: Scan area larger than object 0xffff8880${(Number.parseInt(at, 16) + 60).toString(16).padStart(8, '0')}`,
      'kmemleak: Not scanning unknown object at 0xffff888000005000',
    ])
  })

  it('an overlapping block ends it, as do more blocks than there is room for', () => {
    const { sys, said } = leakMachine()
    const object = kzalloc(sys, 64, GFP_KERNEL)
    said()
    kmemleak_alloc(sys, object + 8, 8, 1, 'test')
    expect(said().slice(0, 5)).toEqual([
      expect.stringMatching(
        /^kmemleak: Cannot insert 0xffff8880[0-9a-f]{8} into the object search tree \(overlaps existing\)$/,
      ),
      expect.stringMatching(/^CPU: 0 PID: 0 Comm: swapper\/0 Not tainted/),
      'kmemleak: Kernel memory leak detector disabled',
      expect.stringContaining(''),
      expect.stringContaining(''),
    ])
    expect(kmemleak_write(sys, 'scan')).toBe(-1)
    expect(kmemleak_check(sys)).toEqual([])
  })
})

describe('the file', () => {
  it('clear greys what was reported; off forgets all unless leaks were found', () => {
    const machine = leakMachine()
    const { sys, said } = machine
    kzalloc(sys, 64, GFP_KERNEL)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([64])
    expect(kmemleak_write(sys, 'clear')).toBe(0)
    expect([leaks(machine), scanTwice(machine)]).toEqual([[], []])
    kzalloc(sys, 32, GFP_KERNEL)
    scanTwice(machine)
    kmemleak_write(sys, 'off')
    expect(said()).toEqual([
      'kmemleak: Kernel memory leak detector disabled',
      'kmemleak: Kmemleak disabled without freeing internal data. Reclaim the memory with "echo clear > /sys/kernel/debug/kmemleak".',
    ])
    expect(leaks(machine)).toEqual([32])
    expect([kmemleak_write(sys, 'scan'), kmemleak_write(sys, 'clear')]).toEqual([-1, 0])
    expect([leaks(machine), kmemleak_objects(sys)]).toEqual([[], []])
    kzalloc(sys, 32, GFP_KERNEL)
    expect(kmemleak_objects(sys)).toEqual([])
  })

  it('dump= tells of a block', () => {
    const machine = leakMachine()
    const { sys, said } = machine
    const object = kzalloc(sys, 64, GFP_KERNEL)
    const { hi, lo } = kmemleak_key_address(sys, object)
    const address = `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`
    scanTwice(machine)
    expect(kmemleak_write(sys, `dump=${address}`)).toBe(0)
    expect(said()).toEqual([
      `kmemleak: Object ${address} (size 64):`,
      'kmemleak:   comm "swapper/0", pid 0, jiffies 4294892296',
      'kmemleak:   min_count = 1',
      'kmemleak:   count = 0',
      'kmemleak:   flags = 0x3',
      'kmemleak:   checksum = 0',
      'kmemleak:   backtrace:',
      '     __kmem_cache_alloc_node',
    ])
    expect(kmemleak_write(sys, 'dump=0x1000')).toBe(-22)
    expect(kmemleak_write(sys, 'dump=tree')).toBe(-22)
    expect(kmemleak_write(sys, 'nonsense')).toBe(-22)
    expect(kmemleak_write(sys, 'scan=soon')).toBe(-22)
  })

  it('the thread scans after a minute and then every ten, or as told', () => {
    const { sys, said } = leakMachine()
    kzalloc(sys, 64, GFP_KERNEL)
    said()
    const pass = (seconds: number): string[] => {
      sys.machine.jiffies[0]! += 250 * seconds
      kmemleak_scan_thread(sys)
      return said()
    }
    expect([pass(59), pass(1)]).toEqual([
      [],
      ['kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'],
    ])
    kzalloc(sys, 64, GFP_KERNEL)
    expect([pass(599), pass(1)].map(lines => lines.length)).toEqual([0, 1])
    kzalloc(sys, 64, GFP_KERNEL)
    kmemleak_write(sys, 'scan=20')
    expect([pass(19), pass(1)].map(lines => lines.length)).toEqual([0, 1])
    kmemleak_write(sys, 'scan=off')
    kzalloc(sys, 64, GFP_KERNEL)
    expect(pass(1000)).toEqual([])
    kmemleak_write(sys, 'scan=on')
    expect([pass(19), pass(1)].map(lines => lines.length)).toEqual([0, 1])
  })

  it('6.12 prints the check of the bytes', () => {
    const machine = leakMachine(leakKernel('6.12-x86_64'))
    const object = kzalloc(machine.sys, 16, GFP_KERNEL)
    for (const [at, byte] of [...'123456789'].entries()) write_u8(machine.sys, object + at, byte.charCodeAt(0))
    scanTwice(machine)
    expect(kmemleak_text(machine.sys)).toMatch(
      /^ {4}31 32 33 34 35 36 37 38 39 00 00 00 00 00 00 00 {2}123456789\.{7}$/m,
    )
    expect(kmemleak_text(machine.sys)).toMatch(/^ {2}backtrace \(crc [0-9a-f]+\):$/m)
  })
})

describe('machines', () => {
  it('kmemleak=off on the command line', () => {
    const { sys, said } = leakMachine(leakKernel(), 'quiet kmemleak=off')
    expect(said()).toEqual(['kmemleak: Kernel memory leak detector disabled'])
    kzalloc(sys, 64, GFP_KERNEL)
    expect(kmemleak_objects(sys)).toEqual([])
    expect(kmemleak_write(sys, 'scan')).toBe(-1)
  })

  it('without it have no rows and no file', () => {
    const { sys } = leakMachine(with_config(kernel_by_name('6.1-x86_64'), {}, { name: 'plain' }))
    expect([sys.kmemleak_state.enabled.length, sys.kmemleak_object.start.length]).toEqual([0, 0])
    expect([kmemleak_write(sys, 'scan'), kmemleak_text(sys)]).toEqual([-2, ''])
  })

  it.each(['SLAB', 'SLOB'] as const)('with %s', slab => {
    const machine = leakMachine(with_slab(kernel_by_name('6.1-x86_64'), slab, { DEBUG_KMEMLEAK: true }))
    const { sys } = machine
    kmalloc(sys, 100, GFP_KERNEL)
    kfree(sys, kmalloc(sys, 100, GFP_KERNEL))
    kmem_cache_alloc(sys, kmem_cache_create(sys, 'own', 40), GFP_KERNEL)
    scanTwice(machine)
    expect(leaks(machine)).toEqual([slab === 'SLAB' ? 128 : 100, 40])
  })

  it('what came and went leaves no byte', () => {
    const { sys } = leakMachine()
    kfree(sys, kzalloc(sys, 64, GFP_KERNEL))
    const before = hashSys(sys)
    kmemleak_alloc(sys, 0x100000, 64, 1, '__kmem_cache_alloc_node')
    kmemleak_scan_area(sys, 0x100010, 8)
    kmemleak_free(sys, 0x100000)
    const area = sys.kmemleak_state
    area.unused_area[0] = area.used_areas[0] = 0
    expect(hashSys(sys)).toBe(before)
  })
})
