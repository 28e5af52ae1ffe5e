// Commands of the allocators above the page allocator: caches and their objects, slots of kmap, vmalloc.
// Law: they need what mm_core_init makes; before it they throw a RangeError.
import type { Gfp, Paddr, Pfn } from '../base/units.ts'
import { kmap, kunmap } from '../mm/highmem.ts'
import { kmem_cache_alloc, kmem_cache_create, kmem_cache_free } from '../mm/kmem_cache.ts'
import type { Sys } from '../mm/mmzone.ts'
import { vfree, vmalloc } from '../mm/vmalloc.ts'
import { hasAllocators } from './mm_core_init.ts'

/** Where a command runs; default: the CPU that runs now. */
interface OnCpu {
  readonly cpu?: number
}

/** `cache` is a row of kmem_cache, `object` a physical address. */
export type AllocatorCommand =
  | (OnCpu & { readonly op: 'kmem_cache_create'; readonly name: string; readonly size: number })
  | (OnCpu & { readonly op: 'kmem_cache_alloc'; readonly cache: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'kmem_cache_free'; readonly cache: number; readonly object: Paddr })
  | (OnCpu & { readonly op: 'kmap' | 'kunmap'; readonly pfn: Pfn })
  | (OnCpu & { readonly op: 'vmalloc'; readonly size: number })
  | (OnCpu & { readonly op: 'vfree'; readonly page: number })

export type AllocatorCommandName = AllocatorCommand['op']

export interface AllocatorResult {
  /** Row of a cache; -1 = it could not be made. */
  readonly cache?: number
  /** Physical address of an object; 0 = no memory. */
  readonly object?: Paddr
  /** Page number of a mapping or area; 0 = none. */
  readonly page?: number
}

type Handlers = {
  readonly [Name in AllocatorCommandName]: (sys: Sys, command: AllocatorCommand & { op: Name }) => AllocatorResult
}

const nothing = (_: unknown): AllocatorResult => ({})

export const ALLOCATOR_HANDLERS: Handlers = {
  kmem_cache_create: (sys, { name, size }) => ({ cache: kmem_cache_create(sys, name, size) }),
  kmem_cache_alloc: (sys, { cache, gfp }) => ({ object: kmem_cache_alloc(sys, cache, gfp) }),
  kmem_cache_free: (sys, { cache, object }) => nothing(kmem_cache_free(sys, cache, object)),
  kmap: (sys, { pfn }) => ({ page: kmap(sys, pfn) }),
  kunmap: (sys, { pfn }) => nothing(kunmap(sys, pfn)),
  vmalloc: (sys, { size }) => ({ page: vmalloc(sys, size) }),
  vfree: (sys, { page }) => nothing(vfree(sys, page)),
}

/** Fields that a command must have. */
export const ALLOCATOR_REQUIRED: { readonly [Name in AllocatorCommandName]: readonly string[] } = {
  kmem_cache_create: ['name', 'size'],
  kmem_cache_alloc: ['cache', 'gfp'],
  kmem_cache_free: ['cache', 'object'],
  kmap: ['pfn'],
  kunmap: ['pfn'],
  vmalloc: ['size'],
  vfree: ['page'],
}

/** @throws RangeError where there are no allocators yet, or no such cache or frame */
export function checkAllocatorCommand(sys: Sys, command: { readonly op: string }): void {
  if (!Object.hasOwn(ALLOCATOR_HANDLERS, command.op)) return
  if (!hasAllocators(sys)) throw new RangeError(`${command.op} needs mm_core_init before it`)
  const { cache, pfn } = command as { readonly cache?: number; readonly pfn?: number }
  if (cache !== undefined && sys.kmem_cache.used[cache] !== 1) throw new RangeError(`there is no cache ${cache}`)
  if (pfn !== undefined && !(pfn >= 0)) throw new RangeError(`there is no frame ${pfn}`)
}
