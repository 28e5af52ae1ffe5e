// Segments: descriptors both ways, what a register may hold, what an access may do, and the LDT of a program that needs
// segments of its own.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { areas_32 } from '../../../src/arch/x86/address_space.ts'
import { GDT_ENTRY_DOUBLEFAULT_TSS } from '../../../src/arch/x86/gdt.ts'
import { destroy_ldt, EINVAL, read_ldt, write_ldt } from '../../../src/arch/x86/ldt.ts'
import {
  decode_segment,
  encode_segment,
  fill_ldt,
  format_descriptor,
  parse_descriptor,
  segment_limit,
  type UserDesc,
} from '../../../src/arch/x86/segment.ts'
import {
  CS,
  current_privilege_level,
  DS,
  ES,
  FS,
  load_segment,
  logical_to_linear,
  return_to_user,
  SS,
  segmentation_init,
} from '../../../src/arch/x86/segmentation.ts'
import { bootSpace, laws } from '../../mm/address_space_machine.ts'

const KERNEL_CS = 0x60
const KERNEL_DS = 0x68
const USER_CS = 0x73
const USER_DS = 0x7b

const OPTIONS = { NR_CPUS: 1, X86_LOCAL_APIC: false, io_apics: 0, PCI_MMCONFIG: true }

function machine(): ReturnType<typeof bootSpace> {
  const sys = bootSpace('6.1-i386', '64M')
  const { CPU_ENTRY_AREA_BASE } = areas_32(sys.kernel, OPTIONS)
  segmentation_init(sys, [{ cpu: 0, node: 0, CPU_ENTRY_AREA_BASE, tls: [] }])
  return sys
}

const user = (changes: Partial<UserDesc> = {}): UserDesc => ({
  entry_number: 0,
  base_addr: 0x10000,
  limit: 0xffff,
  seg_32bit: 0,
  contents: 0,
  read_exec_only: 0,
  limit_in_pages: 0,
  seg_not_present: 0,
  useable: 1,
  ...changes,
})

const LDT = (entry: number): number => entry * 8 + 7

describe('descriptors', () => {
  it('encode and decode are inverse', () => {
    const bit = fc.integer({ min: 0, max: 1 })
    const segment = fc.record({
      base: fc.integer({ min: 0, max: 0xffffffff }),
      limit: fc.integer({ min: 0, max: 0xfffff }),
      type: fc.integer({ min: 0, max: 15 }),
      s: bit,
      dpl: fc.integer({ min: 0, max: 3 }),
      p: bit,
      avl: bit,
      l: bit,
      d: bit,
      g: bit,
    })
    fc.assert(
      fc.property(segment, one => {
        const descriptor = encode_segment(one)
        expect(decode_segment(descriptor)).toEqual(one)
        expect(parse_descriptor(format_descriptor(descriptor))).toEqual(descriptor)
      }),
    )
  })

  it('a flat segment has 4 GiB', () => {
    const flat = decode_segment(parse_descriptor('00cf9a000000ffff'))
    expect(flat).toMatchObject({ base: 0, dpl: 0, s: 1, p: 1, d: 1, g: 1, type: 10 })
    expect(segment_limit(flat)).toBe(0xffffffff)
    expect(decode_segment(parse_descriptor('ff0089c05f980067'))).toMatchObject({ base: 0xffc05f98, s: 0, type: 9 })
    expect(GDT_ENTRY_DOUBLEFAULT_TSS * 8).toBe(0xf8)
  })
})

describe('loading registers', () => {
  it('the kernel runs in flat segments at level 0', () => {
    const sys = machine()
    expect(current_privilege_level(sys)).toBe(0)
    expect(logical_to_linear(sys, DS, 0xc0001234, 4, 'write')).toBe(0xc0001234)
    expect(logical_to_linear(sys, CS, 0xc1000000, 1, 'fetch')).toBe(0xc1000000)
  })

  it('user code may load user segments only', () => {
    const sys = machine()
    expect(return_to_user(sys, USER_CS, USER_DS)).toBeNull()
    expect(current_privilege_level(sys)).toBe(3)
    expect(load_segment(sys, DS, USER_DS)).toBeNull()
    expect(load_segment(sys, DS, KERNEL_DS)).toEqual({ fault: '#GP', vector: 13, error_code: 0x68 })
    expect(load_segment(sys, DS, KERNEL_DS | 3)).toEqual({ fault: '#GP', vector: 13, error_code: 0x68 })
    expect(load_segment(sys, CS, KERNEL_CS)).toEqual({ fault: '#GP', vector: 13, error_code: 0x60 })
    expect(load_segment(sys, SS, KERNEL_DS)).toMatchObject({ fault: '#GP', error_code: 0x68 })
    expect(load_segment(sys, DS, 0x80)).toMatchObject({ fault: '#GP', error_code: 0x80 })
  })

  it('the null selector may wait in a data register, but not be used', () => {
    const sys = machine()
    expect(load_segment(sys, ES, 3)).toBeNull()
    expect(logical_to_linear(sys, ES, 0, 1, 'read')).toEqual({ fault: '#GP', vector: 13, error_code: 0 })
    expect(load_segment(sys, SS, 0)).toEqual({ fault: '#GP', vector: 13, error_code: 0 })
  })

  it('behind the end of a table there is nothing', () => {
    const sys = machine()
    expect(load_segment(sys, DS, 32 * 8)).toMatchObject({ fault: '#GP', error_code: 0x100 })
    expect(load_segment(sys, DS, LDT(0))).toMatchObject({ fault: '#GP', error_code: 4 })
  })
})

describe('modify_ldt', () => {
  it('a 16-bit segment reaches its limit and not a byte further', () => {
    const sys = machine()
    return_to_user(sys, USER_CS, USER_DS)
    expect(write_ldt(sys, user({ entry_number: 2, limit: 0xfff }))).toBe(0)
    expect(load_segment(sys, FS, LDT(2))).toBeNull()
    expect(logical_to_linear(sys, FS, 0xffc, 4, 'read')).toBe(0x10ffc)
    expect(logical_to_linear(sys, FS, 0xffd, 4, 'read')).toEqual({ fault: '#GP', vector: 13, error_code: 0 })
    expect(laws(sys)).toEqual([])
  })

  it('a stack segment raises #SS, one that is not present #NP or #SS with its selector', () => {
    const sys = machine()
    return_to_user(sys, USER_CS, USER_DS)
    write_ldt(sys, user({ entry_number: 1 }))
    write_ldt(sys, user({ entry_number: 3, seg_not_present: 1 }))
    expect(load_segment(sys, SS, LDT(1))).toBeNull()
    expect(logical_to_linear(sys, SS, 0x10000, 2, 'write')).toEqual({ fault: '#SS', vector: 12, error_code: 0 })
    expect(load_segment(sys, DS, LDT(3))).toEqual({ fault: '#NP', vector: 11, error_code: LDT(3) & 0xfffc })
    expect(load_segment(sys, SS, LDT(3))).toEqual({ fault: '#SS', vector: 12, error_code: LDT(3) & 0xfffc })
  })

  it('rights: reading only, executing only, and down from the top', () => {
    const sys = machine()
    return_to_user(sys, USER_CS, USER_DS)
    write_ldt(sys, user({ entry_number: 0, read_exec_only: 1 }))
    write_ldt(sys, user({ entry_number: 1, contents: 2, read_exec_only: 1 }))
    write_ldt(sys, user({ entry_number: 2, contents: 1, limit: 0xfff }))
    load_segment(sys, DS, LDT(0))
    expect(logical_to_linear(sys, DS, 0, 1, 'read')).toBe(0x10000)
    expect(logical_to_linear(sys, DS, 0, 1, 'write')).toMatchObject({ fault: '#GP', error_code: 0 })
    expect(load_segment(sys, SS, LDT(0))).toMatchObject({ fault: '#GP' })
    expect(load_segment(sys, DS, LDT(1))).toMatchObject({ fault: '#GP' })
    expect(load_segment(sys, CS, LDT(1))).toBeNull()
    expect(logical_to_linear(sys, CS, 5, 1, 'fetch')).toBe(0x10005)
    expect(logical_to_linear(sys, CS, 5, 1, 'read')).toMatchObject({ fault: '#GP' })
    load_segment(sys, ES, LDT(2))
    expect(logical_to_linear(sys, ES, 0xfff, 1, 'write')).toMatchObject({ fault: '#GP' })
    expect(logical_to_linear(sys, ES, 0x1000, 2, 'write')).toBe(0x11000)
    expect(logical_to_linear(sys, ES, 0xffff, 2, 'write')).toMatchObject({ fault: '#GP' })
  })

  it('the table grows, moves into vmalloc memory, and keeps its entries', () => {
    const sys = machine()
    return_to_user(sys, USER_CS, USER_DS)
    write_ldt(sys, user({ entry_number: 5, base_addr: 0x123000 }))
    expect(write_ldt(sys, user({ entry_number: 8191, base_addr: 0x456000 }))).toBe(0)
    const table = read_ldt(sys)
    expect(table).toHaveLength(8192)
    expect(table[5]).toEqual(fill_ldt(user({ base_addr: 0x123000 })))
    expect(table[4]).toEqual({ lo: 0, hi: 0 })
    expect(load_segment(sys, FS, LDT(8191))).toBeNull()
    expect(logical_to_linear(sys, FS, 0, 1, 'read')).toBe(0x456000)
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(16 + 0)
    expect(laws(sys)).toEqual([])
    destroy_ldt(sys)
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(0)
    expect(load_segment(sys, FS, LDT(5))).toMatchObject({ fault: '#GP' })
    expect(laws(sys)).toEqual([])
  })

  it('refuses what the kernel refuses', () => {
    const sys = machine()
    expect(write_ldt(sys, user({ entry_number: 8192 }))).toBe(-EINVAL)
    expect(write_ldt(sys, user({ entry_number: -1 }))).toBe(-EINVAL)
    expect(write_ldt(sys, user({ contents: 3 }))).toBe(-EINVAL)
    expect(write_ldt(sys, user({ contents: 3, seg_not_present: 1 }))).toBe(0)
    expect(write_ldt(sys, user({ contents: 3, seg_not_present: 1 }), true)).toBe(-EINVAL)
    const nothing = { base_addr: 0, limit: 0, read_exec_only: 1, seg_not_present: 1, useable: 0 }
    expect(write_ldt(sys, user(nothing))).toBe(0)
    expect(read_ldt(sys)).toEqual([{ lo: 0, hi: 0 }])
  })
})
