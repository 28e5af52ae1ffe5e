// Where everything lies in the kernel's address space. All values are page numbers (vaddr >>> 12) unless they say bytes.
// 64-bit: each area has a place of its own, with five levels another. 32-bit: the areas share the last gigabyte (or two)
// and lie one below the other, so each end decides the next: fixed mappings, per-CPU entry areas, the LDT's window, the
// slots of kmap, vmalloc, and the direct map, which gets what is left below the reserve of 128 MiB.
import { MiB } from '../../base/units.ts'
import type { Kernel } from '../../mm/kernel.ts'
import { FIXADDR_TOP, type FixmapOptions, fixed_addresses } from './fixmap.ts'

const PAGE = 4096

/** Guard hole before the vmalloc area of 32-bit kernels, bytes. @kernel arch/x86/include/asm/pgtable_32_areas.h:VMALLOC_OFFSET */
export const VMALLOC_OFFSET: number = 8 * MiB

/** Pages of one CPU's entry area: GDT, entry stack, TSS, exception stacks, debug store. @kernel arch/x86/include/asm/cpu_entry_area.h
 * @differs CONFIG_X86_IOPL_IOPERM adds the I/O bitmap's two pages */
export const CPU_ENTRY_AREA_SIZE: { readonly [bits in 32 | 64]: number } = { 32: 39, 64: 59 }

/** The pages that hold the IDT, before the CPUs' entry areas. */
export const CPU_ENTRY_AREA_RO_IDT_PAGES = 1

const align_down = (page: number, unit: number): number => Math.floor(page / unit) * unit

/** Areas of 32-bit kernels that do not depend on memory. */
export interface Areas32 {
  readonly CPU_ENTRY_AREA_BASE: number
  readonly LDT_BASE_ADDR: number
  readonly PKMAP_BASE: number
  /** First page behind the vmalloc area. */
  readonly VMALLOC_END: number
  readonly LAST_PKMAP: number
}

/** @kernel arch/x86/include/asm/pgtable_32_areas.h */
export function areas_32(kernel: Kernel, options: FixmapOptions): Areas32 {
  const top = FIXADDR_TOP(kernel)
  const pte = kernel.pgtable.levels.at(-1)!.ptrs
  const tot_start = top - fixed_addresses(kernel, options).__end_of_fixed_addresses
  const entry = options.NR_CPUS * CPU_ENTRY_AREA_SIZE[32]
  const CPU_ENTRY_AREA_BASE = align_down(tot_start - (entry + 1), pte)
  const LDT_BASE_ADDR = align_down(CPU_ENTRY_AREA_BASE - 1, pte)
  const PKMAP_BASE = align_down(LDT_BASE_ADDR - 1, pte)
  const VMALLOC_END = kernel.config.HIGHMEM ? PKMAP_BASE - 2 : LDT_BASE_ADDR - 2
  return { CPU_ENTRY_AREA_BASE, LDT_BASE_ADDR, PKMAP_BASE, VMALLOC_END, LAST_PKMAP: pte }
}

/** Where vmalloc begins on 32-bit: a hole above the direct map. @kernel arch/x86/include/asm/pgtable_32_areas.h:VMALLOC_START */
export function VMALLOC_START_32(kernel: Kernel, max_low_pfn: number): number {
  return kernel.PAGE_OFFSET / PAGE + max_low_pfn + VMALLOC_OFFSET / PAGE
}

/** The vmalloc area of a kernel on a machine whose direct map ends at frame `max_low_pfn`. @ours */
export function vmalloc_range(kernel: Kernel, max_low_pfn: number): { start: number; end: number } {
  const { vmalloc } = kernel.pgtable
  if (vmalloc) return vmalloc
  return { start: VMALLOC_START_32(kernel, max_low_pfn), end: kernel.VMALLOC_END / PAGE }
}

/** Areas of 64-bit kernels. */
export interface Areas64 {
  readonly VMEMMAP_START: number
  readonly CPU_ENTRY_AREA_BASE: number
  /** Kernel image: physical 0 is mapped here. */
  readonly __START_KERNEL_map: number
  readonly MODULES_VADDR: number
  readonly MODULES_END: number
  /** First byte that no user address reaches, less a guard page. */
  readonly TASK_SIZE_MAX: number
  readonly MAX_PHYSMEM_BITS: number
}

/** @kernel arch/x86/include/asm/pgtable_64_types.h */
export function areas_64(kernel: Kernel): Areas64 {
  const five = kernel.pgtable_levels === 5
  return {
    VMEMMAP_START: five ? 0xffd4000000000 : 0xffffea0000000,
    CPU_ENTRY_AREA_BASE: 0xfffffe0000000,
    __START_KERNEL_map: 0xffffffff80000,
    // Without randomisation of the kernel's place its image has 512 MiB.
    MODULES_VADDR: 0xffffffffa0000,
    MODULES_END: 0xffffffffff000,
    TASK_SIZE_MAX: 2 ** (five ? 44 : 35) - 1,
    MAX_PHYSMEM_BITS: five ? 52 : 46,
  }
}

/** First page of a CPU's entry area. @kernel arch/x86/mm/cpu_entry_area.c:get_cpu_entry_area */
export function get_cpu_entry_area(kernel: Kernel, base: number, cpu: number): number {
  return base + CPU_ENTRY_AREA_RO_IDT_PAGES + cpu * CPU_ENTRY_AREA_SIZE[kernel.BITS_PER_LONG]
}
