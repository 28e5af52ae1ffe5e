// The global descriptor table of a CPU, built as the kernel builds it: flat segments for kernel and user, the TSS, and what
// BIOS calls, thread-local storage and (32-bit) the double-fault task need. Law: segments are flat, so that a logical
// address is the linear one; what protects the kernel is the privilege level and the page tables.
import type { Kernel } from '../../mm/kernel.ts'
import { get_cpu_entry_area } from './address_space.ts'
import { type Descriptor, EMPTY_DESCRIPTOR, encode_segment, GDT_ENTRY_INIT } from './segment.ts'

/** Entries of the table. @kernel arch/x86/include/asm/segment.h */
export interface GdtLayout {
  readonly GDT_ENTRIES: number
  readonly GDT_ENTRY_KERNEL_CS: number
  readonly GDT_ENTRY_KERNEL_DS: number
  readonly GDT_ENTRY_DEFAULT_USER_CS: number
  readonly GDT_ENTRY_DEFAULT_USER_DS: number
  readonly GDT_ENTRY_TSS: number
  readonly GDT_ENTRY_LDT: number
  readonly GDT_ENTRY_TLS_MIN: number
  readonly GDT_ENTRY_TLS_MAX: number
}

const LAYOUT_32: GdtLayout = {
  GDT_ENTRIES: 32,
  GDT_ENTRY_KERNEL_CS: 12,
  GDT_ENTRY_KERNEL_DS: 13,
  GDT_ENTRY_DEFAULT_USER_CS: 14,
  GDT_ENTRY_DEFAULT_USER_DS: 15,
  GDT_ENTRY_TSS: 16,
  GDT_ENTRY_LDT: 17,
  GDT_ENTRY_TLS_MIN: 6,
  GDT_ENTRY_TLS_MAX: 8,
}

const LAYOUT_64: GdtLayout = {
  GDT_ENTRIES: 16,
  GDT_ENTRY_KERNEL_CS: 2,
  GDT_ENTRY_KERNEL_DS: 3,
  GDT_ENTRY_DEFAULT_USER_CS: 6,
  GDT_ENTRY_DEFAULT_USER_DS: 5,
  GDT_ENTRY_TSS: 8,
  GDT_ENTRY_LDT: 10,
  GDT_ENTRY_TLS_MIN: 12,
  GDT_ENTRY_TLS_MAX: 14,
}

/** 64-bit: kernel and user code for 32-bit programs; the CPU's and node's number as a limit that user space can read. */
export const GDT_ENTRY_KERNEL32_CS = 1
export const GDT_ENTRY_DEFAULT_USER32_CS = 4
export const GDT_ENTRY_CPUNODE = 15
/** 32-bit: PnP and APM BIOS, stack repair, per-CPU data, the double fault's task. */
export const GDT_ENTRY_PNPBIOS_BASE = 18
export const GDT_ENTRY_APMBIOS_BASE = 23
export const GDT_ENTRY_ESPFIX_SS = 26
export const GDT_ENTRY_PERCPU = 27
export const GDT_ENTRY_DOUBLEFAULT_TSS = 31

/** Type of a system descriptor: an available TSS; the running one is busy. */
const DESC_TSS = 0x9
const DESC_TSS_BUSY = 0xb
/** sizeof(struct x86_hw_tss) - 1, without an I/O bitmap. */
const KERNEL_TSS_LIMIT = 0x67

/** @ours */
export function gdt_layout(kernel: Kernel): GdtLayout {
  return kernel.BITS_PER_LONG === 64 ? LAYOUT_64 : LAYOUT_32
}

/** What a CPU's table depends on. */
export interface GdtOf {
  readonly cpu: number
  readonly node: number
  /** First page of the entry areas. */
  readonly CPU_ENTRY_AREA_BASE: number
  /** Descriptors of thread-local storage of the running task, from GDT_ENTRY_TLS_MIN on. */
  readonly tls: readonly Descriptor[]
}

const FLAT = 0xfffff

/** The table's initial content. @kernel arch/x86/kernel/cpu/common.c:gdt_page */
function gdt_page(kernel: Kernel): Descriptor[] {
  const gdt = Array.from({ length: gdt_layout(kernel).GDT_ENTRIES }, () => EMPTY_DESCRIPTOR)
  const set = (entry: number, flags: number, limit = FLAT): void => {
    gdt[entry] = GDT_ENTRY_INIT(flags, 0, limit)
  }
  if (kernel.BITS_PER_LONG === 64) {
    // Accessed from the start: the table is mapped read-only.
    set(GDT_ENTRY_KERNEL32_CS, 0xc09b)
    set(LAYOUT_64.GDT_ENTRY_KERNEL_CS, 0xa09b)
    set(LAYOUT_64.GDT_ENTRY_KERNEL_DS, 0xc093)
    set(GDT_ENTRY_DEFAULT_USER32_CS, 0xc0fb)
    set(LAYOUT_64.GDT_ENTRY_DEFAULT_USER_DS, 0xc0f3)
    set(LAYOUT_64.GDT_ENTRY_DEFAULT_USER_CS, 0xa0fb)
    return gdt
  }
  set(LAYOUT_32.GDT_ENTRY_KERNEL_CS, 0xc09a)
  set(LAYOUT_32.GDT_ENTRY_KERNEL_DS, 0xc092)
  set(LAYOUT_32.GDT_ENTRY_DEFAULT_USER_CS, 0xc0fa)
  set(LAYOUT_32.GDT_ENTRY_DEFAULT_USER_DS, 0xc0f2)
  const bios: readonly (readonly [number, number])[] = [
    [0x409a, 0xffff],
    [0x009a, 0xffff],
    [0x0092, 0xffff],
    [0x0092, 0],
    [0x0092, 0],
  ]
  for (const [i, [flags, limit]] of bios.entries()) set(GDT_ENTRY_PNPBIOS_BASE + i, flags, limit)
  set(GDT_ENTRY_APMBIOS_BASE, 0x409a, 0xffff)
  set(GDT_ENTRY_APMBIOS_BASE + 1, 0x009a, 0xffff)
  set(GDT_ENTRY_APMBIOS_BASE + 2, 0x4092, 0xffff)
  set(GDT_ENTRY_ESPFIX_SS, 0xc092)
  set(GDT_ENTRY_PERCPU, 0xc092)
  return gdt
}

/** Page of a CPU's TSS: behind GDT and entry stack; on 32-bit also behind two guard pages and the double fault's stack.
 * @kernel arch/x86/include/asm/cpu_entry_area.h:struct cpu_entry_area */
function tss_page(kernel: Kernel, area: number): number {
  return area + (kernel.BITS_PER_LONG === 64 ? 2 : 5)
}

const system_descriptor = (type: number, base: number, limit: number): Descriptor =>
  encode_segment({ base, limit, type, s: 0, dpl: 0, p: 1, avl: 0, l: 0, d: 0, g: 0 })

/**
 * A CPU's table as it is while a task runs. The processor marks data segments as accessed when they are loaded, and the
 * TSS as busy. @kernel arch/x86/kernel/cpu/common.c:cpu_init
 * @differs code segments of 32-bit kernels stay as they were made: the emulator that was recorded does not mark them
 */
export function cpu_gdt(kernel: Kernel, { cpu, node, CPU_ENTRY_AREA_BASE, tls }: GdtOf): Descriptor[] {
  const gdt = gdt_page(kernel)
  const layout = gdt_layout(kernel)
  const area = get_cpu_entry_area(kernel, CPU_ENTRY_AREA_BASE, cpu)
  const tss = tss_page(kernel, area)
  for (const [i, descriptor] of tls.entries()) gdt[layout.GDT_ENTRY_TLS_MIN + i] = descriptor
  if (kernel.BITS_PER_LONG === 64) {
    // A system descriptor of 64-bit mode has two entries; the second one holds the upper half of the base.
    gdt[layout.GDT_ENTRY_TSS] = system_descriptor(DESC_TSS_BUSY, (tss * 4096) % 2 ** 32, KERNEL_TSS_LIMIT)
    gdt[layout.GDT_ENTRY_TSS + 1] = { lo: Math.floor(tss / 2 ** 20), hi: 0 }
    const limit = (node << 12) | cpu
    gdt[GDT_ENTRY_CPUNODE] = encode_segment({ base: 0, limit, type: 5, s: 1, dpl: 3, p: 1, avl: 0, l: 0, d: 1, g: 0 })
    return gdt
  }
  mark_accessed(gdt, layout.GDT_ENTRY_KERNEL_DS)
  mark_accessed(gdt, layout.GDT_ENTRY_DEFAULT_USER_DS)
  gdt[layout.GDT_ENTRY_TSS] = system_descriptor(DESC_TSS_BUSY, tss * 4096, KERNEL_TSS_LIMIT)
  // The double fault's TSS ends its stack's page.
  const doublefault = (area + 5) * 4096 - (KERNEL_TSS_LIMIT + 1)
  gdt[GDT_ENTRY_DOUBLEFAULT_TSS] = system_descriptor(DESC_TSS, doublefault, KERNEL_TSS_LIMIT)
  return gdt
}

function mark_accessed(gdt: Descriptor[], entry: number): void {
  const { lo, hi } = gdt[entry]!
  gdt[entry] = { lo, hi: (hi | 0x100) >>> 0 }
}
