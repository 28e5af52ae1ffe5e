// Segmentation at work (32-bit): selectors are loaded into registers under checks of type, presence and privilege, and a
// logical address becomes a linear one under checks of limit and right. Law: a fault changes nothing but what it says.
//   selector = index * 8 + table (0 GDT, 4 LDT) + requested privilege level (0 … 3)
// The current privilege level is that of the code segment's selector.

import { GFP_KERNEL } from '../../mm/gfp.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { alloc_page } from '../../mm/page_alloc/alloc_pages.ts'
import { vmalloc_to_pfn } from '../../mm/pgtable_map.ts'
import { memset, read_u32, write_u32 } from '../../mm/physmem.ts'
import { cpu_gdt, type GdtOf, gdt_layout } from './gdt.ts'
import { type Descriptor, decode_segment, type Segment, segment_limit } from './segment.ts'

/** Segment registers, as the columns of a CPU's row number them. */
export const ES = 0
export const CS = 1
export const SS = 2
export const DS = 3
export const FS = 4
export const GS = 5
const REGISTERS = 6

export type FaultName = '#GP' | '#SS' | '#NP'

/** What the processor raises instead of going on. */
export interface Fault {
  readonly fault: FaultName
  readonly vector: number
  /** The selector that is to blame without its requested privilege level, or 0. */
  readonly error_code: number
}

const VECTORS: Readonly<Record<FaultName, number>> = { '#NP': 11, '#SS': 12, '#GP': 13 }

const raise = (fault: FaultName, error_code: number): Fault => ({ fault, vector: VECTORS[fault], error_code })

const TI_LDT = 4
const WRITABLE = 2
const READABLE = 2
const EXPAND_DOWN = 4
const CONFORMING = 4
const CODE = 8

/** Gives each CPU its GDT in a frame of its own, flat kernel segments in its registers, and no LDT.
 * @kernel arch/x86/kernel/cpu/common.c:cpu_init */
export function segmentation_init(sys: Sys, cpus: readonly GdtOf[]): void {
  if (sys.kernel.BITS_PER_LONG !== 32) throw new RangeError('segmentation: only 32-bit kernels use segments')
  for (const of of cpus) {
    const pfn = alloc_page(sys, GFP_KERNEL)
    if (pfn < 0) throw new RangeError('segmentation: no memory for a GDT')
    memset(sys, pfn * 4096, 0, 4096)
    for (const [entry, descriptor] of cpu_gdt(sys.kernel, of).entries())
      write_descriptor(sys, pfn * 4096 + 8 * entry, descriptor)
    sys.segment.gdt_pfn[of.cpu] = pfn + 1
    sys.segment.ldt_page[of.cpu] = 0
    sys.segment.ldt_entries[of.cpu] = 0
    reset_registers(sys, of.cpu)
  }
}

/** Code and stack of the kernel; the other registers hold the user's data segment, as after a system call.
 * @kernel arch/x86/entry/entry_32.S:SAVE_ALL */
export function reset_registers(sys: Sys, cpu: number): void {
  const { GDT_ENTRY_KERNEL_CS, GDT_ENTRY_KERNEL_DS, GDT_ENTRY_DEFAULT_USER_DS } = gdt_layout(sys.kernel)
  const user = GDT_ENTRY_DEFAULT_USER_DS * 8 + 3
  const selectors = [user, GDT_ENTRY_KERNEL_CS * 8, GDT_ENTRY_KERNEL_DS * 8, user, 0, 0]
  for (const [register, selector] of selectors.entries()) {
    const at = descriptor_address(sys, cpu, selector)
    set_register(sys, cpu, register, selector, selector === 0 ? { lo: 0, hi: 0 } : read_descriptor(sys, at))
  }
}

function set_register(sys: Sys, cpu: number, register: number, selector: number, { lo, hi }: Descriptor): void {
  const { segment } = sys
  segment.selector[REGISTERS * cpu + register] = selector
  segment.lo[REGISTERS * cpu + register] = lo
  segment.hi[REGISTERS * cpu + register] = hi
}

/** Current privilege level of the running CPU: 0 = kernel, 3 = user. @ours */
export function current_privilege_level(sys: Sys): number {
  return sys.segment.selector[REGISTERS * sys.machine.this_cpu[0]! + CS]! & 3
}

/** Physical address of the frame behind a page of the kernel's address space. */
function physical(sys: Sys, page: number): number {
  const low = page - sys.kernel.PAGE_OFFSET / 4096
  const pfn = low < sys.machine.max_pfn[0]! && vmalloc_to_pfn(sys, page) < 0 ? low : vmalloc_to_pfn(sys, page)
  return pfn * 4096
}

/** Physical address of a selector's descriptor; -1 = behind the end of its table. @ours */
export function descriptor_address(sys: Sys, cpu: number, selector: number): number {
  const { gdt_pfn, ldt_page, ldt_entries } = sys.segment
  const entry = selector >>> 3
  if ((selector & TI_LDT) === 0) {
    const { GDT_ENTRIES } = gdt_layout(sys.kernel)
    return entry < GDT_ENTRIES ? (gdt_pfn[cpu]! - 1) * 4096 + 8 * entry : -1
  }
  if (entry >= ldt_entries[cpu]!) return -1
  return physical(sys, ldt_page[cpu]! + (entry >>> 9)) + 8 * (entry & 511)
}

/** @ours */
export function read_descriptor(sys: Sys, paddr: number): Descriptor {
  return { lo: read_u32(sys, paddr), hi: read_u32(sys, paddr + 4) }
}

/** @kernel arch/x86/include/asm/desc.h:write_gdt_entry */
export function write_descriptor(sys: Sys, paddr: number, { lo, hi }: Descriptor): void {
  write_u32(sys, paddr, lo)
  write_u32(sys, paddr + 4, hi)
}

const is_code = ({ s, type }: Segment): boolean => s === 1 && (type & CODE) !== 0
const is_data = ({ s, type }: Segment): boolean => s === 1 && (type & CODE) === 0

/**
 * Loads a selector into a register of the running CPU; null = done. CS is loaded as by a far jump: it cannot change the
 * privilege level. @ours
 */
export function load_segment(sys: Sys, register: number, selector: number): Fault | null {
  const cpu = sys.machine.this_cpu[0]!
  const blame = selector & 0xfffc
  if (blame === 0) {
    if (register === CS || register === SS) return raise('#GP', 0)
    set_register(sys, cpu, register, selector, { lo: 0, hi: 0 })
    return null
  }
  const at = descriptor_address(sys, cpu, selector)
  if (at < 0) return raise('#GP', blame)
  const descriptor = read_descriptor(sys, at)
  const segment = decode_segment(descriptor)
  const cpl = current_privilege_level(sys)
  if (!may_load(segment, register, cpl, selector & 3)) return raise('#GP', blame)
  if (segment.p === 0) return raise(register === SS ? '#SS' : '#NP', blame)
  const accessed = { lo: descriptor.lo, hi: (descriptor.hi | 0x100) >>> 0 }
  if (accessed.hi !== descriptor.hi) write_descriptor(sys, at, accessed)
  set_register(sys, cpu, register, register === CS ? blame | cpl : selector, accessed)
  return null
}

/** Whether type and privilege allow a register to hold a segment. */
function may_load(segment: Segment, register: number, cpl: number, rpl: number): boolean {
  const { type, dpl } = segment
  if (register === CS) {
    if (!is_code(segment)) return false
    return (type & CONFORMING) !== 0 ? dpl <= cpl : rpl <= cpl && dpl === cpl
  }
  if (register === SS) return is_data(segment) && (type & WRITABLE) !== 0 && rpl === cpl && dpl === cpl
  if (is_code(segment)) {
    if ((type & READABLE) === 0) return false
    return (type & CONFORMING) !== 0 || dpl >= Math.max(cpl, rpl)
  }
  return is_data(segment) && dpl >= Math.max(cpl, rpl)
}

/** Returns to user mode: code and stack of privilege 3, as the selectors ask for; null = done.
 * @kernel arch/x86/entry/entry_32.S:restore_all */
export function return_to_user(sys: Sys, cs: number, ss: number): Fault | null {
  const cpu = sys.machine.this_cpu[0]!
  const code = checked(sys, cpu, cs, segment => is_code(segment) && segment.dpl === 3)
  if ('fault' in code) return code
  const stack = checked(
    sys,
    cpu,
    ss,
    segment => is_data(segment) && (segment.type & WRITABLE) !== 0 && segment.dpl === 3,
  )
  if ('fault' in stack) return stack.fault === '#NP' ? raise('#SS', stack.error_code) : stack
  set_register(sys, cpu, CS, cs, code)
  set_register(sys, cpu, SS, ss, stack)
  return null
}

/** The descriptor of a selector with user privilege that passes `fits` and is present. */
function checked(sys: Sys, cpu: number, selector: number, fits: (segment: Segment) => boolean): Descriptor | Fault {
  const blame = selector & 0xfffc
  const at = blame === 0 ? -1 : descriptor_address(sys, cpu, selector)
  if (at < 0 || (selector & 3) !== 3) return raise('#GP', blame)
  const descriptor = read_descriptor(sys, at)
  const segment = decode_segment(descriptor)
  if (!fits(segment)) return raise('#GP', blame)
  return segment.p === 0 ? raise('#NP', blame) : descriptor
}

export type Access = 'read' | 'write' | 'fetch'

/**
 * The linear address of `size` bytes at `offset` in a register's segment, or the fault. A stack segment raises #SS, the
 * others #GP, both with error code 0. @ours
 */
export function logical_to_linear(
  sys: Sys,
  register: number,
  offset: number,
  size: number,
  access: Access,
): number | Fault {
  const at = REGISTERS * sys.machine.this_cpu[0]! + register
  const denied = raise(register === SS ? '#SS' : '#GP', 0)
  const hi = sys.segment.hi[at]!
  if (hi === 0) return raise('#GP', 0)
  const segment = decode_segment({ lo: sys.segment.lo[at]!, hi })
  if (!may_access(segment, access)) return raise('#GP', 0)
  if (!in_limit(segment, offset, size)) return denied
  return (segment.base + offset) % 2 ** 32
}

function may_access(segment: Segment, access: Access): boolean {
  const { type } = segment
  if (access === 'fetch') return is_code(segment)
  if (is_code(segment)) return access === 'read' && (type & READABLE) !== 0
  return access === 'read' || (type & WRITABLE) !== 0
}

/** A segment that expands down has everything above its limit, up to 64 KiB or 4 GiB. */
function in_limit(segment: Segment, offset: number, size: number): boolean {
  const limit = segment_limit(segment)
  const last = offset + size - 1
  if (is_data(segment) && (segment.type & EXPAND_DOWN) !== 0)
    return offset > limit && last <= (segment.d === 1 ? 0xffffffff : 0xffff)
  return last <= limit
}
