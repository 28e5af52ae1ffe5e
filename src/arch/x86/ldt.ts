// modify_ldt: a process's own segments, as programs of 16-bit Windows need them under an emulator such as WINE. Law: a table
// is never changed in place: each call makes a new one, as long as its last entry needs, and frees the old one.
import { __GFP_ZERO, GFP_KERNEL } from '../../mm/gfp.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { __free_page, alloc_page } from '../../mm/page_alloc/alloc_pages.ts'
import { release_frame_bytes } from '../../mm/physmem.ts'
import { vfree, vzalloc } from '../../mm/vmalloc.ts'
import { gdt_layout } from './gdt.ts'
import { type Descriptor, EMPTY_DESCRIPTOR, encode_segment, fill_ldt, type UserDesc } from './segment.ts'
import { descriptor_address, read_descriptor, write_descriptor } from './segmentation.ts'

/** Entries that a table can have. @kernel arch/x86/include/uapi/asm/ldt.h */
export const LDT_ENTRIES = 8192
const LDT_ENTRY_SIZE = 8
const PER_PAGE = 512
const DESC_LDT = 2

/** Return values of the system call. */
export const EINVAL = 22
export const ENOMEM = 12

/** A request that means "empty this entry". @kernel arch/x86/include/asm/desc.h:LDT_empty */
function LDT_empty(info: UserDesc): boolean {
  const { base_addr, limit, contents, read_exec_only, seg_32bit, limit_in_pages, seg_not_present, useable } = info
  const nothing = base_addr === 0 && limit === 0 && contents === 0 && useable === 0
  return nothing && read_exec_only === 1 && seg_32bit === 0 && limit_in_pages === 0 && seg_not_present === 1
}

/** Sets an entry of the running process's table; 0, or a negative error. `oldmode` is the first form of the call, which
 * knew no "useable" bit. @kernel arch/x86/kernel/ldt.c:write_ldt */
export function write_ldt(sys: Sys, info: UserDesc, oldmode = false): number {
  const { entry_number, contents, seg_not_present, base_addr, limit } = info
  if (!Number.isInteger(entry_number) || entry_number < 0 || entry_number >= LDT_ENTRIES) return -EINVAL
  if (contents === 3 && (oldmode || seg_not_present === 0)) return -EINVAL
  const empty = (oldmode && base_addr === 0 && limit === 0) || LDT_empty(info)
  const descriptor = empty ? EMPTY_DESCRIPTOR : fill_ldt(oldmode ? { ...info, useable: 0 } : info)
  return install(sys, entry_number, descriptor)
}

/** All entries of the running process's table. @kernel arch/x86/kernel/ldt.c:read_ldt */
export function read_ldt(sys: Sys): Descriptor[] {
  const cpu = sys.machine.this_cpu[0]!
  const count = sys.segment.ldt_entries[cpu]!
  return Array.from({ length: count }, (_, entry) =>
    read_descriptor(sys, descriptor_address(sys, cpu, ldt_selector(entry))),
  )
}

const ldt_selector = (entry: number): number => entry * 8 + 4

/** Makes the new table and puts it in the old one's place. @kernel arch/x86/kernel/ldt.c:install_ldt */
function install(sys: Sys, entry_number: number, descriptor: Descriptor): number {
  const cpu = sys.machine.this_cpu[0]!
  const { ldt_page, ldt_entries } = sys.segment
  const old = read_ldt(sys)
  const [old_page, old_entries] = [ldt_page[cpu]!, ldt_entries[cpu]!]
  const entries = Math.max(old_entries, entry_number + 1)
  const page = alloc_ldt(sys, entries)
  if (page === 0) return -ENOMEM
  ldt_page[cpu] = page
  ldt_entries[cpu] = entries
  for (const [entry, kept] of old.entries())
    write_descriptor(sys, descriptor_address(sys, cpu, ldt_selector(entry)), kept)
  write_descriptor(sys, descriptor_address(sys, cpu, ldt_selector(entry_number)), descriptor)
  set_ldt(sys, cpu)
  if (old_entries > 0) free_ldt(sys, old_page, old_entries)
  return 0
}

/** One frame where that is enough, else vmalloc; page number of its address, 0 = no memory.
 * @kernel arch/x86/kernel/ldt.c:alloc_ldt_struct */
function alloc_ldt(sys: Sys, entries: number): number {
  if (entries > PER_PAGE) return vzalloc(sys, entries * LDT_ENTRY_SIZE, 'alloc_ldt_struct')
  const pfn = alloc_page(sys, GFP_KERNEL | __GFP_ZERO)
  if (pfn < 0) return 0
  release_frame_bytes(sys, pfn)
  return sys.kernel.PAGE_OFFSET / 4096 + pfn
}

/** @kernel arch/x86/kernel/ldt.c:free_ldt_struct */
function free_ldt(sys: Sys, page: number, entries: number): void {
  if (entries > PER_PAGE) vfree(sys, page)
  else __free_page(sys, page - sys.kernel.PAGE_OFFSET / 4096)
}

/** Enters the table into the CPU's GDT, which is where the processor finds it. @kernel arch/x86/include/asm/desc.h:native_set_ldt */
function set_ldt(sys: Sys, cpu: number): void {
  const { GDT_ENTRY_LDT } = gdt_layout(sys.kernel)
  const entries = sys.segment.ldt_entries[cpu]!
  const descriptor =
    entries === 0
      ? EMPTY_DESCRIPTOR
      : encode_segment({
          base: sys.segment.ldt_page[cpu]! * 4096,
          limit: entries * LDT_ENTRY_SIZE - 1,
          type: DESC_LDT,
          s: 0,
          dpl: 0,
          p: 1,
          avl: 0,
          l: 0,
          d: 0,
          g: 0,
        })
  write_descriptor(sys, descriptor_address(sys, cpu, GDT_ENTRY_LDT * 8), descriptor)
}

/** The process ends: its table goes. @kernel arch/x86/kernel/ldt.c:destroy_context_ldt */
export function destroy_ldt(sys: Sys): void {
  const cpu = sys.machine.this_cpu[0]!
  const { ldt_page, ldt_entries } = sys.segment
  if (ldt_entries[cpu]! > 0) free_ldt(sys, ldt_page[cpu]!, ldt_entries[cpu]!)
  ldt_page[cpu] = 0
  ldt_entries[cpu] = 0
  set_ldt(sys, cpu)
}
