// vmalloc and kmap as modules call them: memory that gets an address by page tables.
import type { Gfp } from '../../base/units.ts'
import {
  kmap,
  kmap_atomic,
  kmap_flush_unused,
  kmap_local_page,
  kunmap,
  kunmap_atomic,
  kunmap_local,
  PageHighMem,
} from '../../mm/highmem.ts'
import { warn } from '../../mm/kernel_taint.ts'
import { vmalloc_to_pfn } from '../../mm/pgtable_map.ts'
import { find_vm_area } from '../../mm/vm_struct.ts'
import { __vmalloc_node_range, vfree, vm_area_size, vmalloc, vmap, vunmap, vzalloc } from '../../mm/vmalloc.ts'
import { vm_map_ram, vm_unmap_aliases, vm_unmap_ram } from '../../mm/vmap_block.ts'
import type { ModuleContext } from './context.ts'
import type { Page, Pointer } from './pointer.ts'

export interface VmallocCalls {
  /** Frames from anywhere at addresses that follow one another; null = there is no memory or no room.
   * @kernel mm/vmalloc.c:vmalloc */
  vmalloc(size: number): Pointer | null
  /** @kernel mm/vmalloc.c:vzalloc */
  vzalloc(size: number): Pointer | null
  /** @kernel mm/vmalloc.c:__vmalloc */
  __vmalloc(size: number, gfp: Gfp): Pointer | null
  /** The same at an address that is a multiple of `align`. @kernel mm/vmalloc.c:__vmalloc_node */
  __vmalloc_node(size: number, align: number, gfp: Gfp): Pointer | null
  /** NULL is nothing to free. @kernel mm/vmalloc.c:vfree */
  vfree(address: Pointer | null): void
  /** Shows pages of the module at addresses that follow one another. @kernel mm/vmalloc.c:vmap */
  vmap(pages: readonly Page[]): Pointer | null
  /** @kernel mm/vmalloc.c:vunmap */
  vunmap(address: Pointer | null): void
  /** The same for a short time. @kernel mm/vmalloc.c:vm_map_ram */
  vm_map_ram(pages: readonly Page[]): Pointer | null
  /** @kernel mm/vmalloc.c:vm_unmap_ram */
  vm_unmap_ram(address: Pointer, count: number): void
  /** @kernel mm/vmalloc.c:vm_unmap_aliases */
  vm_unmap_aliases(): void
  /** The page behind an address of vmalloc; null = none. @kernel mm/vmalloc.c:vmalloc_to_page */
  vmalloc_to_page(address: Pointer): Page | null
}

export interface HighmemCalls {
  /** An address for a page; may sleep. null = all slots are in use. @kernel include/linux/highmem-internal.h:kmap */
  kmap(page: Page): Pointer | null
  /** @kernel include/linux/highmem-internal.h:kunmap */
  kunmap(page: Page): void
  /** An address on this CPU; nothing may sleep until it is given back. @kernel include/linux/highmem-internal.h:kmap_atomic */
  kmap_atomic(page: Page): Pointer | null
  /** @kernel include/linux/highmem-internal.h:kunmap_atomic */
  kunmap_atomic(address: Pointer): void
  /** An address on this CPU; the last one is given back first. @kernel mm/highmem.c:__kmap_local_page_prot */
  kmap_local_page(page: Page): Pointer | null
  /** @kernel mm/highmem.c:kunmap_local_indexed */
  kunmap_local(address: Pointer): void
  /** Whether a page is of high memory. @kernel include/linux/page-flags.h:PageHighMem */
  PageHighMem(page: Page): boolean
  /** Takes slots back that nobody uses. @kernel mm/highmem.c:kmap_flush_unused */
  kmap_flush_unused(): void
}

export function vmallocCalls(ctx: ModuleContext): VmallocCalls {
  const { sys } = ctx
  const caller = (): string => `${ctx.phase}_module+0x0/0x0 [${ctx.module}]`
  const taken = (page: number, call: string, bytes: number): Pointer | null => {
    if (page !== 0) ctx.areas.set(page, { call, bytes })
    return ctx.at(page)
  }
  const size = (page: number): number => vm_area_size(sys, find_vm_area(sys, page)) * 2 ** sys.kernel.PAGE_SHIFT
  const fresh = (page: number, call: string): Pointer | null => taken(page, call, page === 0 ? 0 : size(page))
  /** First page of an area to give back; the kernel warns of an address inside of a page, and does nothing. */
  const given = (address: Pointer, who: string): number => {
    const page = ctx.pageNumber(address)
    if (ctx.pageOffset(address) !== 0) {
      warn(sys, 'mm/vmalloc.c', `Trying to ${who} bad address (${address})`)
      return 0
    }
    ctx.areas.delete(page)
    return page
  }
  const mapped = (pages: readonly Page[]): number[] => pages.map(page => page.pfn)
  const bytes = (pages: readonly Page[]): number => pages.length * 2 ** sys.kernel.PAGE_SHIFT
  return {
    vmalloc: bytes => fresh(vmalloc(sys, bytes, caller()), `vmalloc(${bytes})`),
    vzalloc: bytes => fresh(vzalloc(sys, bytes, caller()), `vzalloc(${bytes})`),
    __vmalloc: (bytes, gfp) =>
      fresh(__vmalloc_node_range(sys, bytes, { gfp, caller: caller() }), `__vmalloc(${bytes})`),
    __vmalloc_node: (bytes, align, gfp) =>
      fresh(__vmalloc_node_range(sys, bytes, { align, gfp, caller: caller() }), `__vmalloc_node(${bytes}, ${align})`),
    vfree: address => {
      if (address !== null) vfree(sys, given(address, 'vfree()'))
    },
    vmap: pages => {
      const page = pages.length === 0 ? 0 : vmap(sys, mapped(pages), undefined, undefined, caller())
      return taken(page, `vmap of ${pages.length} pages`, bytes(pages))
    },
    vunmap: address => {
      if (address !== null) vunmap(sys, given(address, 'vunmap()'))
    },
    vm_map_ram: pages => taken(vm_map_ram(sys, mapped(pages)), `vm_map_ram of ${pages.length} pages`, bytes(pages)),
    vm_unmap_ram: (address, count) => {
      vm_unmap_ram(sys, ctx.pageNumber(address), count)
      if (vmalloc_to_pfn(sys, ctx.pageNumber(address)) < 0) ctx.areas.delete(ctx.pageNumber(address))
    },
    vm_unmap_aliases: () => vm_unmap_aliases(sys),
    vmalloc_to_page: address => ctx.page(vmalloc_to_pfn(sys, ctx.pageNumber(address))),
  }
}

export function highmemCalls(ctx: ModuleContext): HighmemCalls {
  const { sys, kmaps } = ctx
  const local = (page: number): Pointer | null => {
    if (page !== 0) ctx.locals++
    return ctx.at(page)
  }
  const unmapped = (): void => {
    if (ctx.locals > 0) ctx.locals--
  }
  return {
    kmap: page => {
      const address = kmap(sys, page.pfn)
      if (address !== 0) kmaps.set(page.pfn, (kmaps.get(page.pfn) ?? 0) + 1)
      return ctx.at(address)
    },
    kunmap: page => {
      const left = (kmaps.get(page.pfn) ?? 0) - 1
      if (left > 0) kmaps.set(page.pfn, left)
      else kmaps.delete(page.pfn)
      kunmap(sys, page.pfn)
    },
    kmap_atomic: page => local(kmap_atomic(sys, page.pfn)),
    kunmap_atomic: address => {
      unmapped()
      kunmap_atomic(sys, ctx.pageNumber(address))
    },
    kmap_local_page: page => local(kmap_local_page(sys, page.pfn)),
    kunmap_local: address => {
      unmapped()
      kunmap_local(sys, ctx.pageNumber(address))
    },
    PageHighMem: page => PageHighMem(sys, page.pfn),
    kmap_flush_unused: () => kmap_flush_unused(sys),
  }
}
