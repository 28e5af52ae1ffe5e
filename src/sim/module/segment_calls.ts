// Segments of 32-bit x86 as modules use them: the descriptors of the GDT, a process's own ones (modify_ldt), selectors that
// are loaded, and logical addresses that become linear ones or a fault. A fault is what a call returns: the module plays
// the processor. Law: the process that loads or unloads a module takes its LDT along when it ends.

import { gdt_layout } from '../../arch/x86/gdt.ts'
import { destroy_ldt, write_ldt } from '../../arch/x86/ldt.ts'
import type { UserDesc } from '../../arch/x86/segment.ts'
import {
  type Access,
  current_privilege_level,
  type Fault,
  load_segment,
  reset_registers,
  return_to_user,
} from '../../arch/x86/segmentation.ts'
import { address_of } from '../../base/address.ts'
import type { Sys } from '../../mm/mmzone.ts'
import {
  gdtViews,
  initSegments,
  ldtViews,
  linearAddress,
  registerOf,
  type SegmentRegister,
  type SegmentView,
  segmentWord,
  userDesc,
} from '../segments.ts'
import type { ModuleContext } from './context.ts'
import { Pointer } from './pointer.ts'

const ENOSYS = 38

export interface SegmentCalls {
  /** The running CPU's GDT, the empty entries left out. @kernel arch/x86/include/asm/desc.h:get_cpu_gdt_rw */
  get_cpu_gdt(): SegmentView[]
  /** Sets an entry of the process's LDT: `func` 0x11, or 1 for the form without the "useable" bit. 0, or a negated errno.
   * Fields that are not given are 0. @kernel arch/x86/kernel/ldt.c:modify_ldt */
  modify_ldt(func: number, info: Partial<UserDesc>): number
  /** What modify_ldt(0) tells: all entries. @kernel arch/x86/kernel/ldt.c:read_ldt */
  read_ldt(): SegmentView[]
  /** null = it is loaded. @kernel arch/x86/include/asm/segment.h:loadsegment */
  loadsegment(register: SegmentRegister, selector: number): Fault | null
  /** The linear address of `bytes` at an offset in a register's segment. @ours */
  linear_address(register: SegmentRegister, offset: number, bytes: number, access: Access): Pointer | Fault
  /** Goes on in user mode; null = done. @kernel arch/x86/entry/entry_32.S:restore_all */
  return_to_user(cs: number, ss: number): Fault | null
  /** Goes on in the kernel, as after `int 0x80`. @kernel arch/x86/entry/entry_32.S:entry_INT80_32 */
  enter_kernel(): void
  /** 0 in the kernel, 3 in user mode. @ours */
  current_privilege_level(): number
}

/** Selectors of the GDT. */
export interface SegmentNumbers {
  readonly __KERNEL_CS: number
  readonly __KERNEL_DS: number
  readonly __USER_CS: number
  readonly __USER_DS: number
}

export function segmentNumbers({ sys }: ModuleContext): SegmentNumbers {
  const layout = gdt_layout(sys.kernel)
  return {
    __KERNEL_CS: layout.GDT_ENTRY_KERNEL_CS * 8,
    __KERNEL_DS: layout.GDT_ENTRY_KERNEL_DS * 8,
    __USER_CS: layout.GDT_ENTRY_DEFAULT_USER_CS * 8 + 3,
    __USER_DS: layout.GDT_ENTRY_DEFAULT_USER_DS * 8 + 3,
  }
}

export function segmentCalls(ctx: ModuleContext): SegmentCalls {
  const { sys } = ctx
  const calls: SegmentCalls = {
    get_cpu_gdt: () => gdtViews(sys),
    modify_ldt: (func, info) => (func === 1 || func === 0x11 ? write_ldt(sys, userDesc(info), func === 1) : -ENOSYS),
    read_ldt: () => ldtViews(sys),
    loadsegment: (register, selector) => load_segment(sys, registerOf(register), segmentWord(selector)),
    linear_address: (register, offset, bytes, access) => {
      const linear = linearAddress(sys, register, offset, bytes, access)
      return typeof linear === 'number' ? new Pointer(address_of(linear), 32) : linear
    },
    return_to_user: (cs, ss) => return_to_user(sys, segmentWord(cs), segmentWord(ss)),
    enter_kernel: () => reset_registers(sys, sys.machine.this_cpu[0]!),
    current_privilege_level: () => current_privilege_level(sys),
  }
  return onSegments(sys, calls)
}

/** The same calls; the first of them gives every CPU its GDT. */
function onSegments(sys: Sys, calls: SegmentCalls): SegmentCalls {
  const made = Object.entries(calls).map(([name, call]: [string, (...args: unknown[]) => unknown]) => {
    const late = (...args: unknown[]): unknown => {
      initSegments(sys)
      return call(...args)
    }
    // The number of arguments is looked at, too.
    return [name, Object.defineProperty(late, 'length', { value: call.length })] as const
  })
  return Object.fromEntries(made) as unknown as SegmentCalls
}

/** The process ends: its LDT goes, and the CPU is the kernel's. @kernel arch/x86/kernel/ldt.c:destroy_context_ldt */
export function endSegments(sys: Sys): void {
  const cpu = sys.machine.this_cpu[0]!
  if (sys.segment.gdt_pfn[cpu] === 0) return
  destroy_ldt(sys)
  reset_registers(sys, cpu)
}
