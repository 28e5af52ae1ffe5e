// Described areas of the vmalloc address space: who has them, what for, and which frames are behind them. Law: frames
// that an area holds hang together through their own links, first to last.
import { BUG_ON } from '../base/bug.ts'
import { GFP_KERNEL } from './gfp.ts'
import { kasan_poison_vmalloc, kasan_unpoison_vmalloc } from './kasan_vmalloc.ts'
import { might_sleep } from './might_sleep.ts'
import type { Sys } from './mmzone.ts'
import { vmalloc_to_pfn, vunmap_range } from './pgtable_map.ts'
import { take_row, VM_ALLOC, VM_IOREMAP, VM_NO_GUARD } from './vmalloc_types.ts'
import { find_vmap_area, insert_vmap_area, vmap_area_row } from './vmap_area.ts'
import { alloc_vmap_area, free_vmap_area_noflush } from './vmap_lazy.ts'

const CALLER_LENGTH = 48

/** A fresh row that describes a busy area. */
function setup_vmalloc_vm(sys: Sys, va: number, flags: number, caller: string): number {
  const { vm_struct, vmap_area, vmalloc } = sys
  const vm = take_row(vmalloc.unused_vm, vmalloc.used_vms, vm_struct.next, 1, vm_struct.next.length)
  vm_struct.addr[vm] = vmap_area.va_start[va]!
  vm_struct.size[vm] = vmap_area.va_end[va]! - vmap_area.va_start[va]!
  vm_struct.flags[vm] = flags
  vm_struct.nr_pages[vm] = 0
  vm_struct.page_order[vm] = 0
  vm_struct.first_page[vm] = 0
  vm_struct.pages[vm] = 0
  vm_struct.phys_addr[vm] = 0
  vm_struct.next[vm] = 0
  const length = Math.min(caller.length, CALLER_LENGTH - 1)
  for (let i = 0; i < length; i++) vm_struct.caller[CALLER_LENGTH * vm + i] = caller.charCodeAt(i)
  vmap_area.vm[va] = vm
  return vm
}

/** Forgets a description. @kernel mm/vmalloc.c:kfree */
export function put_vm_struct(sys: Sys, vm: number): void {
  sys.vm_struct.next[vm] = sys.vmalloc.unused_vm[0]!
  sys.vmalloc.unused_vm[0] = vm
  // What lies in an unused row is nothing: equal states have equal bytes.
  sys.vm_struct.caller.fill(0, CALLER_LENGTH * vm, CALLER_LENGTH * (vm + 1))
  sys.vm_struct.addr[vm] = sys.vm_struct.size[vm] = 0
}

/** Who asked for an area. @ours */
export function vm_caller(sys: Sys, vm: number): string {
  let text = ''
  for (let at = CALLER_LENGTH * vm; sys.vm_struct.caller[at] !== 0; at++)
    text += String.fromCharCode(sys.vm_struct.caller[at]!)
  return text
}

const PAGES_MAX = 2 ** 40

/**
 * An area of at least `size` bytes with a guard page behind (unless VM_NO_GUARD); its row, 0 = no room. `align` and
 * 2^`shift`, to which the size is rounded, are bytes; start and end are pages. @kernel mm/vmalloc.c:__get_vm_area_node
 */
export function __get_vm_area_node(
  sys: Sys,
  size: number,
  align: number,
  shift: number,
  flags: number,
  start: number,
  end: number,
  gfp: number,
  caller: string,
): number {
  might_sleep(sys, 'mm/vmalloc.c')
  const { PAGE_SHIFT, pgtable } = sys.kernel
  const unit = 2 ** (shift - PAGE_SHIFT)
  const pages = Math.ceil(size / 2 ** shift) * unit
  if (!(size > 0) || pages > PAGES_MAX) return 0
  const wanted = (flags & VM_IOREMAP) !== 0 ? ioremap_align(pages, PAGE_SHIFT, pgtable.IOREMAP_MAX_ORDER) : align
  const align_pages = Math.max(1, wanted / 2 ** PAGE_SHIFT)
  if (!Number.isInteger(Math.log2(align_pages))) throw new RangeError(`vmalloc: alignment ${wanted} is no power of two`)
  const guard = (flags & VM_NO_GUARD) !== 0 ? 0 : 1
  const va = alloc_vmap_area(sys, pages + guard, align_pages, start, end, gfp)
  if (va === 0) return 0
  // Those of vmalloc may be used once they are mapped.
  if ((flags & VM_ALLOC) === 0) kasan_unpoison_vmalloc(sys, sys.vmap_area.va_start[va]!, size)
  return setup_vmalloc_vm(sys, va, flags, caller)
}

/** I/O areas are aligned to their size, up to a limit, so that huge entries could map them. */
function ioremap_align(pages: number, page_shift: number, max_order: number): number {
  return 2 ** Math.min(Math.ceil(Math.log2(pages)) + page_shift, max_order)
}

/** An area without frames. @kernel mm/vmalloc.c:get_vm_area */
export function get_vm_area(sys: Sys, size: number, flags: number, caller = 'get_vm_area'): number {
  const { start, end } = sys.vmalloc
  return __get_vm_area_node(sys, size, 1, sys.kernel.PAGE_SHIFT, flags, start[0]!, end[0]!, GFP_KERNEL, caller)
}

/** Row of the described area that holds a page; 0 = none. @kernel mm/vmalloc.c:find_vm_area */
export function find_vm_area(sys: Sys, page: number): number {
  const va = find_vmap_area(sys, page)
  return va === 0 ? 0 : sys.vmap_area.vm[va]!
}

/** Takes an area out of the address space and empties its entries. Its row stays until put_vm_struct; 0 = there is none.
 * @kernel mm/vmalloc.c:remove_vm_area */
export function remove_vm_area(sys: Sys, page: number): number {
  might_sleep(sys, 'mm/vmalloc.c')
  const va = find_vmap_area(sys, page)
  const vm = va === 0 ? 0 : sys.vmap_area.vm[va]!
  if (vm === 0) return 0
  sys.vmap_area.vm[va] = 0
  kasan_poison_vmalloc(sys, sys.vmap_area.va_start[va]!, sys.vmap_area.va_end[va]! - sys.vmap_area.va_start[va]!)
  vunmap_range(sys, sys.vmap_area.va_start[va]!, sys.vmap_area.va_end[va]!)
  free_vmap_area_noflush(sys, va)
  return vm
}

/** Undoes get_vm_area. @kernel mm/vmalloc.c:free_vm_area */
export function free_vm_area(sys: Sys, vm: number): void {
  const removed = remove_vm_area(sys, sys.vm_struct.addr[vm]!)
  BUG_ON(removed !== vm, 'free_vm_area: another area lies there', removed, vm)
  put_vm_struct(sys, vm)
}

/** Enters an area at a fixed place, as a machine that was captured has it; its row, 0 = something is there. `size` pages
 * with the guard page. @kernel mm/vmalloc.c:vm_area_register_early */
export function vm_area_register(sys: Sys, start: number, size: number, flags: number, caller: string): number {
  const va = vmap_area_register(sys, start, size)
  return va === 0 ? 0 : setup_vmalloc_vm(sys, va, flags, caller)
}

/** As vm_area_register, without a description: vm_map_ram's. Takes the range out of the free ranges. @ours */
export function vmap_area_register(sys: Sys, start: number, size: number): number {
  const { va_start, va_end } = sys.vmap_area
  const va = vmap_area_row(sys)
  va_start[va] = start
  va_end[va] = start + size
  return insert_vmap_area(sys, va) ? va : 0
}

/** Frames of an area in order. @ours */
export function vm_area_pages(sys: Sys, vm: number): number[] {
  const pages: number[] = []
  const { link } = sys.link
  for (let at = sys.vm_struct.first_page[vm]!; at !== 0; at = link[2 * (at - 1)]!) pages.push(at - 1)
  return pages
}

/** The frame of a page of the vmalloc address space by its page table entry; -1 = none. @kernel mm/vmalloc.c:vmalloc_to_page */
export function vmalloc_to_page(sys: Sys, page: number): number {
  return vmalloc_to_pfn(sys, page)
}
