// A module's static data: memory of its own in the part of the address space where modules lie. TypeScript's variables are
// not memory of the machine: a pointer that must be found there (by kmemleak, by who looks at the bytes) is written here.
// Law: it comes with the module and goes with it; kmemleak looks at its variables and at nothing else of it.
import { areas_64 } from '../../arch/x86/address_space.ts'
import { __GFP_ZERO, GFP_KERNEL } from '../../mm/gfp.ts'
import { kmemleak_not_leak, kmemleak_scan_area, kmemleak_vmalloc } from '../../mm/kmemleak.ts'
import { kmemleak_page_key } from '../../mm/kmemleak_key.ts'
import { free_percpu } from '../../mm/percpu.ts'
import { __vmalloc_node_range, vfree } from '../../mm/vmalloc.ts'
import { VM_DEFER_KMEMLEAK } from '../../mm/vmalloc_types.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

/** Some of a module's memory. */
export interface ModuleMemory {
  /** First page, a virtual page number. */
  readonly page: number
  readonly bytes: number
  used: number
}

const PAGES = 4
/** Variables begin at multiples of this. */
const ALIGN = 16

/** A variable of `bytes` zeros; null = there is no memory. */
export function defineStatic(ctx: ModuleContext, bytes: number): Pointer | null {
  const size = Math.ceil(bytes / ALIGN) * ALIGN
  let memory = ctx.memory.at(-1)
  if (memory === undefined || memory.used + size > memory.bytes) {
    const taken = moduleAlloc(ctx, size)
    if (taken === null) return null
    ctx.memory.push((memory = taken))
  }
  const at = memory.used
  memory.used += size
  kmemleak_scan_area(ctx.sys, kmemleak_page_key(ctx.sys, memory.page) + at, size)
  return ctx.at(memory.page)!.plus(at)
}

/** @kernel arch/x86/kernel/module.c:module_alloc */
function moduleAlloc({ sys }: ModuleContext, least: number): ModuleMemory | null {
  const { kernel, page_bytes } = sys
  const bytes = Math.max(PAGES, Math.ceil(least / page_bytes)) * page_bytes
  const areas = kernel.arch === 'x86_64' ? areas_64(kernel) : null
  const range = areas === null ? {} : { range: { start: areas.MODULES_VADDR, end: areas.MODULES_END } }
  const request = { gfp: GFP_KERNEL | __GFP_ZERO, flags: VM_DEFER_KMEMLEAK, caller: 'load_module', ...range }
  const page = __vmalloc_node_range(sys, bytes, request)
  if (page === 0) return null
  if (sys.debug_kmemleak) {
    kmemleak_vmalloc(sys, page, bytes)
    kmemleak_not_leak(sys, kmemleak_page_key(sys, page))
  }
  return { page, bytes, used: 0 }
}

/** The module is gone, and its memory with it. @kernel kernel/module/main.c:free_module */
export function freeModuleMemory(ctx: ModuleContext): void {
  for (const { page } of ctx.memory.splice(0)) vfree(ctx.sys, page)
  for (const place of ctx.percpuMemory.splice(0)) free_percpu(ctx.sys, place)
}
