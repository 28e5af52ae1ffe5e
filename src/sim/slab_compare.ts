// The same program of calls on SLUB, SLAB and SLOB, side by side: memory used, what of it nobody uses inside and outside
// objects, and how many objects meet in one set of a cache of the processor, with SLAB's colouring and without.
//   compareSlabAllocators(k => { const box = k.create('box', 500); const a = k.alloc(box); k.free(box, a) })
// Law: the program is run once per allocator, each time on a fresh machine; what it does may not depend on addresses.
import { with_slab } from '../kernels/index.ts'
import { x86_64_6_1 } from '../kernels/x86_64_6_1.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { type SlabAllocator as AllocatorName, zone_type } from '../mm/kernel.ts'
import { kfree, kmalloc, ksize } from '../mm/kmalloc.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free, kmem_cache_init } from '../mm/kmem_cache.ts'
import type { Sys } from '../mm/mmzone.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'
import { plainMachine } from './plain_machine.ts'

/** What a program calls. Objects are numbers of this machine; 0 = there was no memory. */
export interface SlabCalls {
  create(name: string, size: number): number
  alloc(cache: number): number
  free(cache: number, object: number): void
  kmalloc(size: number): number
  kfree(object: number): void
}

export type SlabProgram = (calls: SlabCalls) => void

/** What became of a program under one allocator, when it had ended. */
export interface SlabComparison {
  /** `SLAB, no colour`: SLAB whose slabs all begin at their first byte. */
  readonly allocator: AllocatorName | 'SLAB, no colour'
  /** Pages taken since the caches of boot were there. */
  readonly pages: number
  /** Objects in use, and bytes that their users asked for. */
  readonly objects: number
  readonly asked: number
  /** Bytes of objects in use beyond what was asked for. */
  readonly wasteInside: number
  /** Bytes of these pages that are in no object in use: free objects, descriptors, rests of slabs. */
  readonly wasteOutside: number
  /** Objects in use beyond the first in each set of the processor's cache that their first bytes fall into. */
  readonly conflicts: number
  /** Objects in the fullest set. */
  readonly fullestSet: number
}

/** A processor's cache: 32 KiB, 8 ways. */
const LINE = 64
const SETS = 64
/** Pages of the machines. */
const PAGES = 1 << 14

const PLAIN = {
  ...{ NUMA: false, NUMA_EMU: false, NUMA_BALANCING: false, MEMCG_KMEM: false },
  ...{ SLAB_FREELIST_HARDENED: false, SLAB_FREELIST_RANDOM: false },
}

/** Runs a program under every allocator. */
export function compareSlabAllocators(program: SlabProgram): SlabComparison[] {
  return (['SLUB', 'SLAB', 'SLAB, no colour', 'SLOB'] as const).map(allocator => runUnder(allocator, program))
}

function runUnder(allocator: SlabComparison['allocator'], program: SlabProgram): SlabComparison {
  const slab: AllocatorName = allocator === 'SLAB, no colour' ? 'SLAB' : allocator
  const sys = plainMachine(with_slab(x86_64_6_1, slab, PLAIN), PAGES, 1)
  kmem_cache_init(sys, { cmdline: 'slab_nomerge' })
  const free = freePages(sys)
  const live = new Map<number, { asked: number; given: number }>()
  program(callsOf(sys, allocator === 'SLAB, no colour', live))
  return comparisonOf(sys, allocator, free - freePages(sys), live)
}

type Live = Map<number, { asked: number; given: number }>

function callsOf(sys: Sys, plain: boolean, live: Live): SlabCalls {
  const note = (object: number, asked: number): number => {
    if (object !== 0) live.set(object, { asked, given: Math.max(asked, ksize(sys, object)) })
    return object
  }
  return {
    create: (name, size) => {
      const cache = kmem_cache_create(sys, name, size)
      // One colour: every slab begins like the first.
      if (plain && cache >= 0) sys.slab_cache.colour[cache] = 0
      return cache
    },
    alloc: cache => noteCached(kmem_cache_alloc(sys, cache, GFP_KERNEL), cache),
    free: (cache, object) => {
      live.delete(object)
      kmem_cache_free(sys, cache, object)
    },
    kmalloc: size => note(kmalloc(sys, size, GFP_KERNEL), size),
    kfree: object => {
      live.delete(object)
      kfree(sys, object)
    },
  }

  function noteCached(object: number, cache: number): number {
    const { object_size, size } = sys.kmem_cache
    if (object !== 0) live.set(object, { asked: object_size[cache]!, given: size[cache]! })
    return object
  }
}

function comparisonOf(sys: Sys, allocator: SlabComparison['allocator'], pages: number, live: Live): SlabComparison {
  const sets = new Int32Array(SETS)
  let [asked, given] = [0, 0]
  for (const [object, of] of live) {
    asked += of.asked
    given += of.given
    sets[Math.floor(object / LINE) % SETS]! += 1
  }
  return {
    allocator,
    pages,
    objects: live.size,
    asked,
    wasteInside: given - asked,
    wasteOutside: pages * sys.page_bytes - given,
    conflicts: sets.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
    fullestSet: sets.reduce((most, count) => Math.max(most, count), 0),
  }
}

function freePages(sys: Sys): number {
  const row = zone_type(sys.kernel, 'Normal')
  const kept = sys.pcp.count.reduce((sum, count) => sum + count, 0)
  return sys.zone_stat.vm_stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]! + kept
}

/** A program that shows where the three differ: objects of an odd size of which most are freed again, one large object a page
 * that everybody looks at first, and requests of all sizes. */
export const EXAMPLE_PROGRAM: SlabProgram = k => {
  const [odd, hot] = [k.create('odd', 500), k.create('hot', 1300)]
  const objects = Array.from({ length: 2000 }, () => k.alloc(odd))
  for (const [at, object] of objects.entries()) if (at % 4 !== 0) k.free(odd, object)
  for (let i = 0; i < 400; i++) k.alloc(hot)
  for (let size = 1; size < 4000; size += 7) k.kmalloc(size)
}

/** The comparison as a table. */
export function slabComparisonText(rows: readonly SlabComparison[]): string {
  const head = ['allocator', 'pages', 'objects', 'asked', 'inside', 'outside', 'conflicts', 'fullest set']
  const cells = rows.map(row => [
    row.allocator,
    ...[row.pages, row.objects, row.asked, row.wasteInside, row.wasteOutside, row.conflicts, row.fullestSet].map(
      String,
    ),
  ])
  const widths = head.map((name, column) => Math.max(name.length, ...cells.map(row => row[column]!.length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  ')
  return `${[head, ...cells].map(line).join('\n')}\n`
}
