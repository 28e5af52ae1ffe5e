// Segments of 32-bit x86 as modules use them: the descriptors of the GDT, a process's own ones (modify_ldt), selectors that
// are loaded, and logical addresses that become linear ones or a fault. A fault is what a call returns: the module plays
// the processor. Law: the process that loads or unloads a module takes its LDT along when it ends.

import { areas_32 } from '../../arch/x86/address_space.ts'
import { type GdtOf, gdt_layout } from '../../arch/x86/gdt.ts'
import { destroy_ldt, read_ldt, write_ldt } from '../../arch/x86/ldt.ts'
import { decode_segment, type Segment, segment_limit, type UserDesc } from '../../arch/x86/segment.ts'
import {
  type Access,
  CS,
  current_privilege_level,
  DS,
  descriptor_address,
  ES,
  type Fault,
  FS,
  GS,
  load_segment,
  logical_to_linear,
  read_descriptor,
  reset_registers,
  return_to_user,
  SS,
  segmentation_init,
} from '../../arch/x86/segmentation.ts'
import { FIXMAP_BUILD } from '../../arch/x86/setup_address_space.ts'
import { address_of } from '../../base/address.ts'
import type { Sys } from '../../mm/mmzone.ts'
import type { ModuleContext } from './context.ts'
import { Pointer } from './pointer.ts'

const REGISTERS = { cs: CS, ds: DS, es: ES, fs: FS, gs: GS, ss: SS } as const
export type SegmentRegister = keyof typeof REGISTERS

const NAMES = Object.keys(REGISTERS) as readonly SegmentRegister[]
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch']
const ENOSYS = 38

/** A descriptor in words; `limit` is the last offset in bytes. */
export interface SegmentView extends Segment {
  readonly selector: number
}

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
  const cpu = (): number => sys.machine.this_cpu[0]!
  const view = (selector: number): SegmentView => {
    const segment = decode_segment(read_descriptor(sys, descriptor_address(sys, cpu(), selector)))
    return { selector, ...segment, limit: segment_limit(segment) }
  }
  const calls: SegmentCalls = {
    get_cpu_gdt: () => entries(gdt_layout(sys.kernel).GDT_ENTRIES, entry => view(entry * 8)).filter(({ p }) => p === 1),
    modify_ldt: (func, info) => (func === 1 || func === 0x11 ? write_ldt(sys, user_desc(info), func === 1) : -ENOSYS),
    read_ldt: () => entries(read_ldt(sys).length, entry => view(entry * 8 + 7)),
    loadsegment: (register, selector) => load_segment(sys, REGISTERS[known(NAMES, register)], word(selector)),
    linear_address: (register, offset, bytes, access) => {
      const linear = logical_to_linear(
        sys,
        REGISTERS[known(NAMES, register)],
        word(offset, 32),
        length(bytes),
        known(ACCESSES, access),
      )
      return typeof linear === 'number' ? new Pointer(address_of(linear), 32) : linear
    },
    return_to_user: (cs, ss) => return_to_user(sys, word(cs), word(ss)),
    enter_kernel: () => reset_registers(sys, cpu()),
    current_privilege_level: () => current_privilege_level(sys),
  }
  return onSegments(sys, calls)
}

const entries = (count: number, view: (entry: number) => SegmentView): SegmentView[] =>
  Array.from({ length: count }, (_, entry) => view(entry))

/** The same calls; the first of them gives every CPU its GDT. */
function onSegments(sys: Sys, calls: SegmentCalls): SegmentCalls {
  const made = Object.entries(calls).map(([name, call]: [string, (...args: unknown[]) => unknown]) => {
    const late = (...args: unknown[]): unknown => {
      cpu_gdts(sys)
      return call(...args)
    }
    // The number of arguments is looked at, too.
    return [name, Object.defineProperty(late, 'length', { value: call.length })] as const
  })
  return Object.fromEntries(made) as unknown as SegmentCalls
}

function cpu_gdts(sys: Sys): void {
  if (sys.kernel.arch !== 'i386') throw new RangeError(`${sys.kernel.name} does not use segments: 32-bit x86 does`)
  const { CPU_ENTRY_AREA_BASE } = areas_32(sys.kernel, FIXMAP_BUILD)
  const missing = Array.from({ length: sys.nr_cpus }, (_, cpu) => cpu).filter(cpu => sys.segment.gdt_pfn[cpu] === 0)
  const of = (cpu: number): GdtOf => ({ cpu, node: sys.cpu.node[cpu]!, CPU_ENTRY_AREA_BASE, tls: [] })
  if (missing.length > 0) segmentation_init(sys, missing.map(of))
}

/** The process ends: its LDT goes, and the CPU is the kernel's. @kernel arch/x86/kernel/ldt.c:destroy_context_ldt */
export function endSegments(sys: Sys): void {
  const cpu = sys.machine.this_cpu[0]!
  if (sys.segment.gdt_pfn[cpu] === 0) return
  destroy_ldt(sys)
  reset_registers(sys, cpu)
}

/** Bits of each field. */
const FIELDS: Readonly<Record<keyof UserDesc, number>> = {
  entry_number: 32,
  base_addr: 32,
  limit: 20,
  seg_32bit: 1,
  contents: 2,
  read_exec_only: 1,
  limit_in_pages: 1,
  seg_not_present: 1,
  useable: 1,
}

function user_desc(info: Partial<UserDesc>): UserDesc {
  if (typeof info !== 'object' || info === null) throw new TypeError('modify_ldt takes a struct user_desc')
  const strange = Object.keys(info).find(name => !Object.hasOwn(FIELDS, name))
  if (strange !== undefined) throw new TypeError(`struct user_desc has no member "${strange}"`)
  const fields = Object.entries(FIELDS).map(([name, bits]) => {
    const value = info[name as keyof UserDesc] ?? 0
    if (!(Number.isInteger(value) && value >= 0 && value < 2 ** bits))
      throw new RangeError(`user_desc.${name}: ${value} is not a number of ${bits} bits`)
    return [name, value]
  })
  return Object.fromEntries(fields) as UserDesc
}

function word(value: number, bits = 16): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** bits) return value
  throw new RangeError(`${value} is not a number of ${bits} bits`)
}

function length(bytes: number): number {
  if (Number.isInteger(bytes) && bytes > 0) return bytes
  throw new RangeError(`an access of ${bytes} bytes`)
}

function known<T extends string>(names: readonly T[], name: T): T {
  if (names.includes(name)) return name
  throw new RangeError(`"${name}" is none of ${names.join(', ')}`)
}
