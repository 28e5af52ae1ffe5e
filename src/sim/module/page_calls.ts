// The page allocator as modules call it.
import { NULL_ADDRESS } from '../../base/address.ts'
import type { Gfp, Order } from '../../base/units.ts'
import { __GFP_HIGHMEM, __GFP_ZERO } from '../../mm/gfp.ts'
import { __pa, __va, page_address, virt_to_page } from '../../mm/page_address.ts'
import { __free_pages, alloc_pages, alloc_pages_node } from '../../mm/page_alloc/alloc_pages.ts'
import { memset } from '../../mm/physmem.ts'
import { page_to_nid } from '../../mm/slab_account.ts'
import type { ModuleContext } from './context.ts'
import type { Page, Pointer } from './pointer.ts'

export interface PageCalls {
  /** 2^order frames that lie together; null = there are none. @kernel include/linux/gfp.h:alloc_pages */
  alloc_pages(gfp: Gfp, order: Order): Page | null
  /** The same, from a node first. @kernel include/linux/gfp.h:alloc_pages_node */
  alloc_pages_node(nid: number, gfp: Gfp, order: Order): Page | null
  /** @kernel include/linux/gfp.h:alloc_page */
  alloc_page(gfp: Gfp): Page | null
  /** The address of 2^order frames. @kernel mm/page_alloc.c:__get_free_pages */
  __get_free_pages(gfp: Gfp, order: Order): Pointer | null
  /** @kernel include/linux/gfp.h:__get_free_page */
  __get_free_page(gfp: Gfp): Pointer | null
  /** @kernel mm/page_alloc.c:get_zeroed_page */
  get_zeroed_page(gfp: Gfp): Pointer | null
  /** @kernel mm/page_alloc.c:__free_pages */
  __free_pages(page: Page, order: Order): void
  /** @kernel include/linux/gfp.h:__free_page */
  __free_page(page: Page): void
  /** NULL is nothing to free. @kernel mm/page_alloc.c:free_pages */
  free_pages(address: Pointer | null, order: Order): void
  /** @kernel include/linux/gfp.h:free_page */
  free_page(address: Pointer | null): void
  /** null for high memory that is not mapped. @kernel mm/highmem.c:page_address */
  page_address(page: Page): Pointer | null
  /** null for an address outside of the direct map. @kernel arch/x86/include/asm/page.h:virt_to_page */
  virt_to_page(address: Pointer): Page | null
  /** @kernel include/linux/mm.h:page_to_pfn */
  page_to_pfn(page: Page): number
  /** The physical address behind one of the direct map. @kernel arch/x86/include/asm/page.h:__pa */
  __pa(address: Pointer): number
  /** @kernel arch/x86/include/asm/page.h:__va */
  __va(physical: number): Pointer
  /** The node that a page belongs to. @kernel include/linux/mm.h:page_to_nid */
  page_to_nid(page: Page): number
  /** @kernel include/linux/nodemask.h:num_online_nodes */
  num_online_nodes(): number
  /** null for a frame that there is not. @kernel include/linux/mm.h:pfn_to_page */
  pfn_to_page(pfn: number): Page | null
}

export function pageCalls(ctx: ModuleContext): PageCalls {
  const { sys } = ctx
  const taken = (pfn: number, gfp: number, order: number, call: string): number => {
    if (pfn < 0) return pfn
    const bytes = 2 ** (sys.kernel.PAGE_SHIFT + order)
    if ((gfp & __GFP_ZERO) !== 0) memset(sys, pfn * 2 ** sys.kernel.PAGE_SHIFT, 0, bytes)
    ctx.pages.set(pfn, { call: `${call} of order ${order}`, bytes, order })
    return pfn
  }
  const addressed = (gfp: number, order: number, call: string): Pointer | null => {
    const pfn = taken(alloc_pages(sys, gfp & ~__GFP_HIGHMEM, order), gfp, order, call)
    return ctx.pointer(pfn < 0 ? NULL_ADDRESS : page_address(sys, pfn))
  }
  const free = (pfn: number, order: number): void => {
    if (ctx.pages.get(pfn)?.order === order) ctx.pages.delete(pfn)
    __free_pages(sys, pfn, order)
  }
  const freeAddress = (address: Pointer | null, order: number): void => {
    if (address !== null) free(virt_to_page(sys, address.address), order)
  }
  return {
    alloc_pages: (gfp, order) => ctx.page(taken(alloc_pages(sys, gfp, order), gfp, order, 'alloc_pages')),
    alloc_pages_node: (nid, gfp, order) =>
      ctx.page(taken(alloc_pages_node(sys, node(ctx, nid), gfp, order), gfp, order, 'alloc_pages_node')),
    alloc_page: gfp => ctx.page(taken(alloc_pages(sys, gfp, 0), gfp, 0, 'alloc_page')),
    __get_free_pages: (gfp, order) => addressed(gfp, order, '__get_free_pages'),
    __get_free_page: gfp => addressed(gfp, 0, '__get_free_page'),
    get_zeroed_page: gfp => addressed(gfp | __GFP_ZERO, 0, 'get_zeroed_page'),
    __free_pages: (page, order) => free(page.pfn, order),
    __free_page: page => free(page.pfn, 0),
    free_pages: freeAddress,
    free_page: address => freeAddress(address, 0),
    page_address: page => ctx.pointer(page_address(sys, page.pfn)),
    virt_to_page: address => ctx.page(virt_to_page(sys, address.address)),
    page_to_pfn: page => page.pfn,
    __pa: address => __pa(sys, address.address),
    __va: physical => ctx.pointer(__va(sys, physical))!,
    page_to_nid: page => page_to_nid(sys, page.pfn),
    num_online_nodes: () => sys.machine.nr_online_nodes[0]!,
    pfn_to_page: pfn => (pfn >= 0 && pfn < sys.nr_frames ? ctx.page(pfn) : null),
  }
}

/** A node that is online, or -1. @throws RangeError for another */
export function node({ sys }: ModuleContext, nid: number): number {
  if (nid !== -1 && (nid < 0 || nid >= sys.nr_nodes || sys.node.online[nid] === 0))
    throw new RangeError(`node ${nid} is not online`)
  return nid
}
