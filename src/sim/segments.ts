// Segments of 32-bit x86 as commands and modules use them: registers by name, descriptors in words, numbers that fit.
// Law: what is wrong throws before anything is changed.
import { areas_32 } from '../arch/x86/address_space.ts'
import { type GdtOf, gdt_layout } from '../arch/x86/gdt.ts'
import { read_ldt } from '../arch/x86/ldt.ts'
import { decode_segment, type Segment, segment_limit, type UserDesc } from '../arch/x86/segment.ts'
import {
  type Access,
  CS,
  DS,
  descriptor_address,
  ES,
  type Fault,
  FS,
  GS,
  logical_to_linear,
  read_descriptor,
  SS,
  segmentation_init,
} from '../arch/x86/segmentation.ts'
import { FIXMAP_BUILD } from '../arch/x86/setup_address_space.ts'
import type { Sys } from '../mm/mmzone.ts'

const REGISTERS = { cs: CS, ds: DS, es: ES, fs: FS, gs: GS, ss: SS } as const
export type SegmentRegister = keyof typeof REGISTERS

const NAMES = Object.keys(REGISTERS) as readonly SegmentRegister[]
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch']

/** A descriptor in words; `limit` is the last offset in bytes. */
export interface SegmentView extends Segment {
  readonly selector: number
}

/** The descriptor of a selector on the running CPU. */
function segmentView(sys: Sys, selector: number): SegmentView {
  const at = descriptor_address(sys, sys.machine.this_cpu[0]!, selector)
  const segment = decode_segment(read_descriptor(sys, at))
  return { selector, ...segment, limit: segment_limit(segment) }
}

/** The running CPU's GDT, the empty entries left out. */
export function gdtViews(sys: Sys): SegmentView[] {
  const { GDT_ENTRIES } = gdt_layout(sys.kernel)
  return Array.from({ length: GDT_ENTRIES }, (_, entry) => segmentView(sys, entry * 8)).filter(({ p }) => p === 1)
}

/** All entries of the process's LDT. */
export function ldtViews(sys: Sys): SegmentView[] {
  return read_ldt(sys).map((_, entry) => segmentView(sys, entry * 8 + 7))
}

/** Gives every CPU its GDT where it has none yet. @throws RangeError where there are no segments */
export function initSegments(sys: Sys): void {
  if (sys.kernel.arch !== 'i386') throw new RangeError(`${sys.kernel.name} does not use segments: 32-bit x86 does`)
  const { CPU_ENTRY_AREA_BASE } = areas_32(sys.kernel, FIXMAP_BUILD)
  const missing = Array.from({ length: sys.nr_cpus }, (_, cpu) => cpu).filter(cpu => sys.segment.gdt_pfn[cpu] === 0)
  const of = (cpu: number): GdtOf => ({ cpu, node: sys.cpu.node[cpu]!, CPU_ENTRY_AREA_BASE, tls: [] })
  if (missing.length > 0) segmentation_init(sys, missing.map(of))
}

/** Number of a register. @throws RangeError for a name that is none */
export const registerOf = (register: string): number => REGISTERS[known(NAMES, register)]

/** The linear address of `bytes` at an offset in a register's segment, or the fault. */
export function linearAddress(
  sys: Sys,
  register: string,
  offset: number,
  bytes: number,
  access: string,
): number | Fault {
  checkLinear(offset, bytes, access)
  return logical_to_linear(sys, registerOf(register), offset, bytes, access as Access)
}

/** @throws RangeError for numbers and words that no access has */
export function checkLinear(offset: number, bytes: number, access: string): void {
  segmentWord(offset, 32)
  if (!(Number.isInteger(bytes) && bytes > 0)) throw new RangeError(`an access of ${bytes} bytes`)
  known(ACCESSES, access)
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

/** `struct user_desc` with fields that are not given as 0. @throws RangeError for what does not fit */
export function userDesc(info: Partial<UserDesc>): UserDesc {
  if (typeof info !== 'object' || info === null) throw new RangeError('modify_ldt takes a struct user_desc')
  const strange = Object.keys(info).find(name => !Object.hasOwn(FIELDS, name))
  if (strange !== undefined) throw new RangeError(`struct user_desc has no member "${strange}"`)
  const fields = Object.entries(FIELDS).map(([name, bits]) => {
    const value = info[name as keyof UserDesc] ?? 0
    if (!(Number.isInteger(value) && value >= 0 && value < 2 ** bits))
      throw new RangeError(`user_desc.${name}: ${value} is not a number of ${bits} bits`)
    return [name, value]
  })
  return Object.fromEntries(fields) as UserDesc
}

/** @throws RangeError for what is no number of so many bits */
export function segmentWord(value: number, bits = 16): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** bits) return value
  throw new RangeError(`${value} is not a number of ${bits} bits`)
}

function known<T extends string>(names: readonly T[], name: string): T {
  if ((names as readonly string[]).includes(name)) return name as T
  throw new RangeError(`"${name}" is none of ${names.join(', ')}`)
}
