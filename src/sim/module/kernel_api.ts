// `k`: the kernel as a module sees it, under the kernel's own names. Every call is counted and its arguments are looked
// at before anything happens; an allocation that fails returns null, as NULL is what the kernel's returns.
import * as gfp from '../../mm/gfp.ts'
import * as slab from '../../mm/slab_flags.ts'
import { type AddressCalls, type AddressNumbers, addressCalls, addressNumbers } from './address_calls.ts'
import { type AtomicCalls, atomicCalls } from './atomic_calls.ts'
import { type BasicCalls, basicCalls } from './basic_calls.ts'
import { type BitCalls, bitCalls } from './bit_calls.ts'
import type { ModuleContext } from './context.ts'
import { type DataCalls, dataCalls } from './data_calls.ts'
import { type DeferredCalls, deferredCalls } from './deferred_calls.ts'
import { type KmemleakCalls, kmemleakCalls } from './kmemleak_calls.ts'
import { type MempoolCalls, mempoolCalls } from './mempool_calls.ts'
import { type PageCalls, pageCalls } from './page_calls.ts'
import { type PercpuCalls, percpuCalls } from './percpu_calls.ts'
import { type SegmentCalls, type SegmentNumbers, segmentCalls, segmentNumbers } from './segment_calls.ts'
import { type SlabCalls, slabCalls } from './slab_calls.ts'
import { type StackCalls, stackCalls, threadSize } from './stack_calls.ts'
import { type StringCalls, stringCalls } from './string_calls.ts'
import { type HighmemCalls, highmemCalls, type VmallocCalls, vmallocCalls } from './vmalloc_calls.ts'

type GfpName = Extract<keyof typeof gfp, `GFP_${string}` | `__GFP_${string}`>
type SlabName = Extract<keyof typeof slab, `SLAB_${string}`>

/** Numbers that the machine's kernel has. */
export interface KernelConstants {
  readonly PAGE_SIZE: number
  readonly PAGE_SHIFT: number
  readonly NUMA_NO_NODE: number
  readonly ENOMEM: number
  readonly EINVAL: number
  /** Bytes of a task's kernel stack. @kernel arch/x86/include/asm/page_64_types.h:THREAD_SIZE */
  readonly THREAD_SIZE: number
}

/** The kernel's API. */
export interface ModuleKernel
  extends BasicCalls,
    StringCalls,
    BitCalls,
    AtomicCalls,
    DeferredCalls,
    PageCalls,
    SlabCalls,
    MempoolCalls,
    VmallocCalls,
    HighmemCalls,
    DataCalls,
    KmemleakCalls,
    PercpuCalls,
    AddressCalls,
    SegmentCalls,
    StackCalls,
    AddressNumbers,
    SegmentNumbers,
    KernelConstants,
    Readonly<Record<GfpName, number>>,
    Readonly<Record<SlabName, number>> {}

/** What a module's file exports. */
export interface KernelModule {
  /** 0 or nothing where it went well, else a negated errno. */
  init(k: ModuleKernel): unknown
  exit?(k: ModuleKernel): unknown
}

const numbersOf = (source: object, pattern: RegExp): Record<string, number> =>
  Object.fromEntries(Object.entries(source).filter(([name, value]) => pattern.test(name) && typeof value === 'number'))

function constants(ctx: ModuleContext): object {
  const { kernel } = ctx.sys
  const { PAGE_SHIFT } = kernel
  return {
    ...numbersOf(gfp, /^(__)?GFP_/),
    ...numbersOf(slab, /^SLAB_/),
    // Two masks differ between kernels.
    GFP_ATOMIC: kernel.gfp.GFP_ATOMIC,
    GFP_NOWAIT: kernel.gfp.GFP_NOWAIT,
    ...{ PAGE_SHIFT, PAGE_SIZE: 2 ** PAGE_SHIFT, NUMA_NO_NODE: -1, ENOMEM: 12, EINVAL: 22 },
    ...addressNumbers(ctx),
    ...segmentNumbers(ctx),
    THREAD_SIZE: threadSize(ctx),
  }
}

/** What a constructor may call: what writes its object, and the log. */
const OF_CONSTRUCTORS =
  /^(read[blp]|write[blp]|INIT_LIST_HEAD|mem(set|cpy|move|chr|cmp)|str\w+|\w+_bit(_lock|_unlock)?|atomic_\w+|READ_ONCE|WRITE_ONCE|printk|pr_\w+)$/
/** Counts, sizes, orders and masks are whole; values that are written may be anything that has bits. */
const NOT_NEGATIVE =
  /^(?!.*_node$|pfn_to_page|kmalloc|kzalloc|kmem_cache_create|write|atomic_|WRITE_ONCE|smp_store|mem(set|cpy|move|chr|cmp)|readl|.*_bit)/

type Call = (...args: unknown[]) => unknown

/** A call that is counted and whose arguments are looked at. */
function guarded(ctx: ModuleContext, name: string, call: Call): Call {
  return (...args) => {
    ctx.enter(name)
    if (ctx.constructors > 0 && !OF_CONSTRUCTORS.test(name))
      throw new RangeError(`${name}: a constructor may only write its object`)
    if (args.length < call.length) throw new TypeError(`${name} takes ${call.length} arguments, not ${args.length}`)
    for (const value of args)
      if (typeof value === 'number' && (!Number.isSafeInteger(value) || (value < 0 && NOT_NEGATIVE.test(name))))
        throw new RangeError(`${name}: ${value} is not a number that it can take`)
    try {
      return call(...args)
    } finally {
      if (ctx.constructors === 0) ctx.leave()
    }
  }
}

/** The API for a module's stay. */
export function kernelApi(ctx: ModuleContext): ModuleKernel {
  const pages = pageCalls(ctx)
  const objects = slabCalls(ctx)
  const basic = basicCalls(ctx)
  const { sizeof_list_head, ...data } = dataCalls(ctx, basic)
  const calls = {
    ...basic,
    ...data,
    ...kmemleakCalls(ctx),
    ...stringCalls(ctx),
    ...bitCalls(ctx),
    ...atomicCalls(ctx),
    ...deferredCalls(ctx, objects.kfree),
    ...percpuCalls(ctx),
    ...pages,
    ...objects,
    ...mempoolCalls(ctx, objects, pages),
    ...vmallocCalls(ctx),
    ...highmemCalls(ctx),
    ...addressCalls(ctx),
    ...segmentCalls(ctx),
    ...stackCalls(ctx),
  }
  const wrapped = Object.entries(calls).map(([name, call]) => [name, guarded(ctx, name, call as Call)])
  return Object.freeze({ ...constants(ctx), sizeof_list_head, ...Object.fromEntries(wrapped) }) as ModuleKernel
}
