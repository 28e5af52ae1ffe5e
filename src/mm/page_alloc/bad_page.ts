// What the allocator says when it is used wrongly or cannot serve: the kernel's own lines, through sys.printk.
// After a report the machine is as it was before the call.
import { __GFP_NOWARN } from '../gfp.ts'
import { bad_gfp } from '../gfp_check.ts'
import { PAGE_FREE, PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED, PG } from '../mm_types.ts'
import type { Sys } from '../mmzone.ts'
import { buddy_order } from './buddy.ts'

const hex = (value: number): string => (value >>> 0).toString(16)

/** Prints what a frame is. @kernel mm/debug.c:dump_page */
export function dump_page(sys: Sys, pfn: number, reason: string): void {
  const { _refcount, _mapcount, index, flags } = sys.page
  sys.printk?.(
    `page:pfn ${hex(pfn)} refcount:${_refcount[pfn]} mapcount:${_mapcount[pfn]} index:0x${hex(index[pfn]!)} pfn:0x${hex(pfn)}`,
  )
  const names = Object.entries(PG).filter(([, bit]) => (flags[pfn]! & bit) !== 0)
  sys.printk?.(`flags: 0x${hex(flags[pfn]!)}(${names.map(([name]) => name).join('|')})`)
  sys.printk?.(`page dumped because: ${reason}`)
}

/** Reports a free that must not be done: of a frame that is not allocated, or with another order than it was.
 * @ours */
export function bad_free(sys: Sys, pfn: number, order: number): void {
  sys.printk?.(`BUG: Bad page state in process swapper/${sys.machine.this_cpu[0]}  pfn:${hex(pfn)}`)
  if (!(pfn >= 0 && pfn < sys.nr_frames) || pfn % 1 !== 0) {
    sys.printk?.(`page dumped because: VM_BUG_ON_PAGE(!pfn_valid(pfn)): the machine has ${sys.nr_frames} frames`)
    return
  }
  dump_page(sys, pfn, bad_free_reason(sys, pfn, order))
}

function bad_free_reason(sys: Sys, pfn: number, order: number): string {
  const state = sys.page.state[pfn]!
  const head_order = (state & PAGE_STATE_ORDER) - 1
  if ((state & PAGE_USED) !== 0 && sys.page._refcount[pfn]! > 0)
    return `VM_BUG_ON_PAGE(compound_order(page) != order): allocated with order ${head_order}, freed with order ${order}`
  const where = freed_where(sys, pfn, state)
  return `VM_BUG_ON_PAGE(page_ref_count(page) == 0)${where}`
}

function freed_where(sys: Sys, pfn: number, state: number): string {
  if ((sys.page.flags[pfn]! & PG.tail) !== 0) return `: a tail page of the block at pfn 0x${hex(sys.page.index[pfn]!)}`
  if ((state & PAGE_PCP) !== 0) return ': it is on a per-CPU list'
  if (state !== PAGE_FREE || buddy_order(sys, pfn) >= 0) return ': it is free'
  return ': it is not the first frame of an allocated block'
}

/** An order that no zone can have. @kernel mm/page_alloc.c:__alloc_pages */
export function warn_order(sys: Sys, gfp: number, order: number): void {
  if ((gfp & __GFP_NOWARN) === 0)
    sys.printk?.(
      `WARNING: CPU: ${sys.machine.this_cpu[0]} at mm/page_alloc.c __alloc_pages: order ${order} >= MAX_ORDER ${sys.NR_PAGE_ORDERS}`,
    )
}

/** A mask that contradicts itself, as the check in the function `where` prints it; each time, not only the first.
 * @ours */
export function warn_gfp(sys: Sys, gfp: number, order: number, where: string): void {
  if (sys.printk === null) return
  for (const fault of bad_gfp(sys, gfp, order).faults)
    if (fault.report !== null && fault.where.endsWith(`:${where}`)) sys.printk?.(fault.report)
}
