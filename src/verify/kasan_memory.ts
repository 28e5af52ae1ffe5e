// The memory that a recorded mistake was made with: a machine with KASAN on which the allocators hand out exactly that
// memory.
import { type Address, address_add, address_distance } from '../base/address.ts'
import { kernel_for_release, with_config } from '../kernels/index.ts'
import { __GFP_DMA32, __GFP_NOWARN, GFP_KERNEL } from '../mm/gfp.ts'
import { kasan_enter_frame } from '../mm/kasan_frames.ts'
import { kasan_register_global } from '../mm/kasan_globals.ts'
import {
  direct_address,
  direct_paddr,
  KASAN_SLAB_FREE,
  KASAN_SLAB_FREETRACK,
  KASAN_SLAB_REDZONE,
  page_of_address,
  page_start,
  set_shadow_byte,
} from '../mm/kasan_shadow.ts'
import { kasan_set_stack, kasan_set_task } from '../mm/kasan_stack.ts'
import { KASAN_GRANULE_SIZE } from '../mm/kasan_tables.ts'
import { kfree, kmalloc } from '../mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_create,
  kmem_cache_free,
  kmem_cache_init,
  kmem_cache_named,
} from '../mm/kmem_cache.ts'
import { PG } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __alloc_pages, alloc_pages } from '../mm/page_alloc/alloc_pages.ts'
import { pgtable_init } from '../mm/pgtable_map.ts'
import { NO_CACHE } from '../mm/slab_allocator.ts'
import { slab_allocator } from '../mm/slab_allocators.ts'
import { SLAB_CONSISTENCY_CHECKS, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from '../mm/slab_flags.ts'
import { get_vm_area } from '../mm/vm_struct.ts'
import { vmalloc, vmalloc_init } from '../mm/vmalloc.ts'
import { VM_ALLOC, VM_NO_GUARD } from '../mm/vmalloc_types.ts'
import type { RecordedReport, RecordedTrack } from './kasan_text.ts'
import { RecordedFrames } from './recorded_frames.ts'

const DEBUG_FLAGS = SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS
const PAGE_BYTES = 4096
const THREAD_ORDER = 3
/** Frames behind the last one that is named. */
const MORE_FRAMES = 64

/** What a mistake is about. */
export interface Subject {
  readonly report: RecordedReport
  /** Bytes that were asked for. */
  readonly bytes: number
  /** Where the access lies, from the memory's start. */
  readonly offset: number
  /** The memory was given back before. */
  readonly freed: boolean
}

/** Makes the memory of a mistake; a RangeError where it cannot be made as recorded. */
export type Maker = (subject: Subject) => Sys

/** Kinds of memory. */
export const MEMORY = {
  kmalloc: subject => slabMemory(subject, KMALLOC),
  cache: subject => slabMemory(subject, CACHE),
  large: largeMemory,
  vmalloc: vmallocMemory,
  global: globalMemory,
  stack: stackMemory,
} as const satisfies Readonly<Record<string, Maker>>

/** A machine without memory but a block of 2^order frames of the zone DMA32, and a few single ones behind it. */
function machine(pfn: number, order: number, singles: readonly number[] = []): Sys {
  const base = kernel_for_release('6.1', 'x86_64')!
  const config = {
    KASAN: true,
    SMP: false,
    NUMA: false,
    NUMA_EMU: false,
    NUMA_BALANCING: false,
    ZONE_DEVICE: false,
    TRANSPARENT_HUGEPAGE: false,
    HUGETLB_PAGE: false,
    VMAP_STACK: false,
    SLUB_CPU_PARTIAL: false,
    SLAB_FREELIST_HARDENED: false,
    SLAB_FREELIST_RANDOM: false,
    MEMCG_KMEM: false,
  }
  const kernel = with_config(base, config, { name: `${base.name}-kasan` })
  const frames = new RecordedFrames(kernel, 1, pfn + MORE_FRAMES, GFP_KERNEL | __GFP_DMA32, order)
  const { sys } = frames
  kmem_cache_init(sys)
  pgtable_init(sys)
  for (let at = kernel.NR_PAGE_ORDERS - 1; at >= 0; at--)
    while (__alloc_pages(sys, GFP_KERNEL | __GFP_NOWARN, at, 0) >= 0);
  for (const single of singles) frames.offer(single)
  frames.offer(pfn)
  return sys
}

/** Where the memory begins. */
const startOf = ({ report, offset }: Subject): Address => address_add(report.address, -offset)

function mustBe(what: string, expected: number, got: number): void {
  if (expected !== got) throw new RangeError(`${what} lies at 0x${got.toString(16)}, not at 0x${expected.toString(16)}`)
}

/** Sets the recorded shadow of what lies outside of a range. */
function setOtherShadow(sys: Sys, { rows }: RecordedReport, start: Address, bytes: number): void {
  for (const [address, values] of rows)
    for (const [at, value] of values.entries()) {
      const here = address_add(address, at * KASAN_GRANULE_SIZE)
      const distance = address_distance(start, here)
      if (distance < 0 || distance >= bytes) set_shadow_byte(sys, here, value)
    }
}

/** The recorded shadow of an address; -1 = it was not shown. */
function recordedShadow({ rows }: RecordedReport, address: Address): number {
  for (const [row, values] of rows) {
    const at = address_distance(row, address) / KASAN_GRANULE_SIZE
    if (Number.isInteger(at) && at >= 0 && at < values.length) return values[at]!
  }
  return -1
}

/** Does something as the task, and through the calls, that a record names. */
function as(sys: Sys, { report }: Subject, track: RecordedTrack | null, action: () => void): void {
  kasan_set_task(sys, report.comm, track?.pid ?? report.pid)
  kasan_set_stack(sys, track?.frames ?? [])
  action()
}

/** Takes objects, and gives them back, as the code of a mistake does. */
interface Taker {
  take(sys: Sys, bytes: number): number
  give(sys: Sys, object: number): void
}

const KMALLOC: Taker = { take: (sys, bytes) => kmalloc(sys, bytes, GFP_KERNEL), give: kfree }

/** Of a cache of its own, which the first object makes. */
const CACHE: Taker = {
  take: (sys, bytes) => {
    const known = kmem_cache_named(sys, 'mtbug')
    const cache = known === NO_CACHE ? kmem_cache_create(sys, 'mtbug', bytes, 0, DEBUG_FLAGS) : known
    return kmem_cache_alloc(sys, cache, GFP_KERNEL)
  },
  give: (sys, object) => kmem_cache_free(sys, kmem_cache_named(sys, 'mtbug'), object),
}

/** Takes the objects of a new slab, from the first up to the last that was in use, and gives those back that were free;
 * all of them as the record says of the one that the report describes. */
function slabMemory(subject: Subject, { take, give }: Taker): Sys {
  const { report, bytes, freed } = subject
  const sys = machine(report.pfn, 0)
  const wanted = direct_paddr(sys, startOf(subject))
  const slab = report.pfn * PAGE_BYTES
  const objects: number[] = []
  as(sys, subject, report.allocated, () => {
    while ((objects.at(-1) ?? 0) < lastInUse(sys, report, wanted, objects)) {
      const object = take(sys, bytes)
      if (object < slab || object >= slab + PAGE_BYTES) throw new RangeError('the slab has no such object')
      objects.push(object)
    }
  })
  if (!objects.includes(wanted)) mustBe('the object', wanted, objects.at(-1)!)
  setOtherShadow(sys, report, direct_address(sys, slab), PAGE_BYTES)
  as(sys, subject, report.freed, () => {
    for (const object of objects) {
      const shadow = recordedShadow(report, direct_address(sys, object))
      const waits = shadow === KASAN_SLAB_FREETRACK || shadow === KASAN_SLAB_FREE
      if (object === wanted ? freed : waits) give(sys, object)
      if (shadow === KASAN_SLAB_FREE) set_shadow_byte(sys, direct_address(sys, object), KASAN_SLAB_FREE)
    }
  })
  return sys
}

/** The last object of a slab that had been in use, `wanted` or behind it. Nothing is known before the first was taken. */
function lastInUse(sys: Sys, report: RecordedReport, wanted: number, [first]: readonly number[]): number {
  if (first === undefined) return wanted
  const size = sys.kmem_cache.size[slab_allocator(sys).cache_of(sys, first)]!
  let last = wanted
  for (let at = wanted + size; at < (report.pfn + 1) * PAGE_BYTES; at += size) if (wasUsed(sys, report, at)) last = at
  return last
}

/** Whether an object was in use or had been, by the shadow that is shown. */
function wasUsed(sys: Sys, report: RecordedReport, object: number): boolean {
  const shadow = recordedShadow(report, direct_address(sys, object))
  return shadow >= 0 && shadow !== KASAN_SLAB_REDZONE
}

function largeMemory(subject: Subject): Sys {
  const { report, bytes, freed } = subject
  const order = Math.ceil(Math.log2(bytes / PAGE_BYTES))
  const sys = machine(report.pfn, order)
  const start = startOf(subject)
  const object = kmalloc(sys, bytes, GFP_KERNEL)
  mustBe('the block', direct_paddr(sys, start), object)
  setOtherShadow(sys, report, start, PAGE_BYTES * 2 ** order)
  if (freed) kfree(sys, object)
  return sys
}

function vmallocMemory(subject: Subject): Sys {
  const { report, bytes } = subject
  const { pfn } = report
  const sys = machine(
    pfn,
    0,
    [8, 4, 2].map(bit => pfn ^ bit),
  )
  const range = sys.kernel.pgtable.vmalloc
  if (range === null) throw new RangeError('the kernel has no fixed range for vmalloc')
  vmalloc_init(sys, range)
  const page = page_of_address(sys, startOf(subject))
  const pages = Math.ceil(bytes / PAGE_BYTES) + 1
  if (page > range.start) get_vm_area(sys, (page - range.start) * PAGE_BYTES, VM_ALLOC | VM_NO_GUARD)
  mustBe('the area', page, vmalloc(sys, bytes, report.symbol))
  setOtherShadow(sys, report, page_start(sys, page), pages * PAGE_BYTES)
  return sys
}

/** Multiple that a variable's red zone ends at, and its least size. */
const GLOBAL_REDZONE = 32

function globalMemory(subject: Subject): Sys {
  const { report, bytes } = subject
  const sys = machine(report.pfn, 0)
  const address = startOf(subject)
  const size_with_redzone = Math.ceil(bytes / GLOBAL_REDZONE) * GLOBAL_REDZONE + GLOBAL_REDZONE
  sys.page.flags[report.pfn]! |= PG.reserved
  sys.page._refcount[report.pfn] = 1
  kasan_register_global(sys, { address, size: bytes, size_with_redzone, name: report.symbol })
  setOtherShadow(sys, report, address, size_with_redzone)
  return sys
}

/** Where the first variable of a frame lies. */
const FIRST_VARIABLE = 32

function stackMemory(subject: Subject): Sys {
  const { report, bytes } = subject
  const first = report.pfn - (report.pfn % 2 ** THREAD_ORDER)
  const sys = machine(first, THREAD_ORDER)
  mustBe('the stack', first, alloc_pages(sys, GFP_KERNEL, THREAD_ORDER))
  const frame = address_add(startOf(subject), -FIRST_VARIABLE)
  const length = kasan_enter_frame(sys, frame, report.symbol, [{ name: 'st', size: bytes }])
  setOtherShadow(sys, report, frame, length)
  return sys
}
