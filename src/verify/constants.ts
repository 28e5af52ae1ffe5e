// Constants of the address space (custom, part K): every one that follows from the kernel's build and the machine's memory.
// Given, not compared: the last frame, sizes of the kernel's image and structures, and what the page allocator counted at
// that moment (totalram, totalreserve, min_free_kbytes, totalhigh: kinds boot and sysctl compare those).
import { areas_32, areas_64, VMALLOC_OFFSET, vmalloc_range } from '../arch/x86/address_space.ts'
import { FIXADDR_TOP, fixed_addresses } from '../arch/x86/fixmap.ts'
import {
  GDT_ENTRY_DEFAULT_USER32_CS,
  GDT_ENTRY_DOUBLEFAULT_TSS,
  GDT_ENTRY_ESPFIX_SS,
  GDT_ENTRY_KERNEL32_CS,
  GDT_ENTRY_PERCPU,
  gdt_layout,
} from '../arch/x86/gdt.ts'
import { find_low_pfn_range } from '../arch/x86/init_32.ts'
import { _PAGE_PAT, _PAGE_PCD, _PAGE_PWT } from '../arch/x86/pgtable_bits.ts'
import { MiB } from '../base/units.ts'
import type { Kernel } from '../mm/kernel.ts'
import type { Pgprot } from '../mm/pgtable_types.ts'
import { parseCommandLine } from '../sim/command_line.ts'
import { type ConstFile, type ConstRow, constFiles, readConstFile } from './const_file.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const GIVEN: ReadonlySet<string> = new Set([
  '_etext',
  '_end',
  'max_pfn',
  'totalram_pages()',
  'totalreserve_pages',
  'totalhigh_pages()',
  'min_free_kbytes',
  'sizeof(struct page)',
  'sizeof(struct zone)',
  'sizeof(pg_data_t)',
  'sizeof(struct vm_area_struct)',
  'sizeof(struct mm_struct)',
  'sizeof(struct task_struct)',
  'sizeof(struct per_cpu_pages)',
])

/** Lines of the kind GDT. */
const TABLES: ReadonlySet<unknown> = new Set(['gdt', 'gdtr', 'idtr', 'tr', 'ldtr'])

/** Kind `constants` of `mmtwin verify`. */
export const constantsKind: VerifyKind = {
  kind: 'constants',
  run(files) {
    const counts = tally('constants')
    for (const file of constFiles(files)) verifyFile(file, files, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, files: readonly VerifyFile[], counts: Tally): void {
  counts.file(file.path)
  const read = readConstFile(file, files)
  if (read === null) {
    counts.check(1, 'a first line that describes the kernel', 'none')
    return
  }
  const derived = constants(read)
  for (const { line, row, text } of read.lines) {
    const { c, v } = (row ?? {}) as ConstRow
    if (TABLES.has(c) || GIVEN.has(String(c))) continue
    if (typeof c !== 'string') counts.check(line, 'a constant', text.slice(0, 80))
    else counts.check(line, `${c} = ${v}`, `${c} = ${derived[c] ?? 'not known'}`)
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`
/** The address of a page: its digits and three zeros, exact at any size. */
const at = (page: number): string => (page === 0 ? '0x0' : `0x${page.toString(16)}000`)
const last = (page: number): string => `0x${page.toString(16)}fff`
const entry = ({ lo, hi }: Pgprot): string => (hi === 0 ? hex(lo) : hex(hi) + lo.toString(16).padStart(8, '0'))

/** All constants that follow. */
function constants(file: ConstFile): Record<string, string> {
  const { kernel, values } = file
  const { max_low_pfn } = memory(file)
  const wide = kernel.BITS_PER_LONG === 64
  const page_offset = kernel.PAGE_OFFSET / 4096
  const { start } = vmalloc_range(kernel, max_low_pfn)
  return {
    PAGE_OFFSET: at(page_offset),
    VMALLOC_START: at(start),
    high_memory: at(page_offset + max_low_pfn),
    FIXADDR_TOP: at(FIXADDR_TOP(kernel)),
    ...fixmap(file),
    PAGE_SIZE: hex(2 ** kernel.PAGE_SHIFT),
    MAX_ORDER: hex(kernel.NR_PAGE_ORDERS),
    MAX_NR_ZONES: hex(kernel.zones.length),
    pageblock_order: hex(kernel.pageblock_order),
    THREAD_SIZE: hex(wide ? (kernel.config.KASAN ? 0x8000 : 0x4000) : 0x2000),
    max_low_pfn: hex(max_low_pfn),
    min_low_pfn: '0x0',
    max_mapnr: kernel.memory_model === 'FLATMEM' ? values.get('max_pfn')! : '0x0',
    'sizeof(pte_t)': hex(kernel.pgtable.entry_bytes),
    'sizeof(pgd_t)': hex(kernel.pgtable.entry_bytes),
    __PHYSICAL_MASK: kernel.pgtable.entry_bytes === 8 ? hex(2 ** 52 - 1) : '0xffffffff',
    ...bits(file),
    ...selectors(kernel),
    ...(wide ? constants64(kernel) : constants32(file, max_low_pfn)),
  }
}

function memory({ kernel, meta, values }: ConstFile): { max_low_pfn: number } {
  const { vmalloc, highmem } = parseCommandLine(meta.cmdline)
  return find_low_pfn_range(kernel, Number(values.get('max_pfn')), { vmalloc, highmem })
}

function fixmap({ kernel, options }: ConstFile): Record<string, string> {
  const { __end_of_permanent_fixed_addresses: size } = fixed_addresses(kernel, options)
  return { FIXADDR_START: at(FIXADDR_TOP(kernel) - size), FIXADDR_SIZE: at(size) }
}

function bits({ kernel, values }: ConstFile): Record<string, string> {
  const { pgtable } = kernel
  // Whether the processor has NX shows in the first protection; the others must agree.
  const nx = (values.get('pgprot_val(PAGE_KERNEL)') ?? '').length > 10
  const prot = ({ lo, hi }: Pgprot): string => entry({ lo, hi: nx ? hi : 0 })
  return {
    _PAGE_PRESENT: hex(pgtable.PRESENT),
    _PAGE_RW: hex(pgtable.RW),
    _PAGE_USER: hex(pgtable.USER),
    _PAGE_PWT: hex(_PAGE_PWT),
    _PAGE_PCD: hex(_PAGE_PCD),
    _PAGE_ACCESSED: hex(pgtable.ACCESSED),
    _PAGE_DIRTY: hex(pgtable.DIRTY),
    _PAGE_PSE: hex(pgtable.PSE),
    _PAGE_GLOBAL: hex(pgtable.GLOBAL),
    _PAGE_PAT: hex(_PAGE_PAT),
    _PAGE_NX: entry({ lo: 0, hi: pgtable.NX }),
    'pgprot_val(PAGE_KERNEL)': prot(pgtable.PAGE_KERNEL),
    'pgprot_val(PAGE_KERNEL_EXEC)': prot(pgtable.PAGE_KERNEL_EXEC),
    'pgprot_val(PAGE_KERNEL_RO)': prot(pgtable.PAGE_KERNEL_RO),
    'pgprot_val(PAGE_KERNEL_NOCACHE)': prot(pgtable.PAGE_KERNEL_NOCACHE),
  }
}

/** Selectors: entry * 8, with privilege 3 for user segments. */
function selectors(kernel: Kernel): Record<string, string> {
  const layout = gdt_layout(kernel)
  const common = {
    __KERNEL_CS: hex(layout.GDT_ENTRY_KERNEL_CS * 8),
    __KERNEL_DS: hex(layout.GDT_ENTRY_KERNEL_DS * 8),
    __USER_CS: hex(layout.GDT_ENTRY_DEFAULT_USER_CS * 8 + 3),
    __USER_DS: hex(layout.GDT_ENTRY_DEFAULT_USER_DS * 8 + 3),
    'GDT_ENTRY_TSS * 8': hex(layout.GDT_ENTRY_TSS * 8),
    'GDT_ENTRY_LDT * 8': hex(layout.GDT_ENTRY_LDT * 8),
    GDT_ENTRIES: hex(layout.GDT_ENTRIES),
  }
  if (kernel.BITS_PER_LONG === 64)
    return {
      ...common,
      __USER32_CS: hex(GDT_ENTRY_DEFAULT_USER32_CS * 8 + 3),
      __KERNEL32_CS: hex(GDT_ENTRY_KERNEL32_CS * 8),
    }
  return {
    ...common,
    __KERNEL_PERCPU: hex(kernel.config.SMP ? GDT_ENTRY_PERCPU * 8 : 0),
    'GDT_ENTRY_DOUBLEFAULT_TSS * 8': hex(GDT_ENTRY_DOUBLEFAULT_TSS * 8),
    __ESPFIX_SS: hex(GDT_ENTRY_ESPFIX_SS * 8),
  }
}

function constants64(kernel: Kernel): Record<string, string> {
  const areas = areas_64(kernel)
  const section = kernel.SECTION_SIZE_BITS
  return {
    VMALLOC_END: last(kernel.pgtable.vmalloc!.end),
    MAXMEM: hex(2 ** areas.MAX_PHYSMEM_BITS),
    TASK_SIZE: at(areas.TASK_SIZE_MAX),
    TASK_SIZE_MAX: at(areas.TASK_SIZE_MAX),
    // Stacks stay below 47 bits unless a program asks for more.
    STACK_TOP: at(2 ** 35 - 1),
    MODULES_VADDR: at(areas.MODULES_VADDR),
    MODULES_END: at(areas.MODULES_END),
    _text: at(areas.__START_KERNEL_map + (16 * MiB) / 4096),
    PAGES_PER_SECTION: hex(2 ** (section - kernel.PAGE_SHIFT)),
    NR_MEM_SECTIONS: hex(2 ** (areas.MAX_PHYSMEM_BITS - section)),
    VMEMMAP_START: at(areas.VMEMMAP_START),
    CPU_ENTRY_AREA_BASE: at(areas.CPU_ENTRY_AREA_BASE),
  }
}

function constants32({ kernel, options, meta, values }: ConstFile, max_low_pfn: number): Record<string, string> {
  const areas = areas_32(kernel, options)
  const { start, end } = vmalloc_range(kernel, max_low_pfn)
  const { vmalloc } = parseCommandLine(meta.cmdline)
  const reserve = vmalloc > 0 ? vmalloc + VMALLOC_OFFSET : kernel.VMALLOC_RESERVE
  return {
    VMALLOC_END: at(end),
    MAXMEM: hex(kernel.VMALLOC_END - kernel.PAGE_OFFSET - reserve),
    TASK_SIZE: hex(kernel.PAGE_OFFSET),
    TASK_SIZE_MAX: hex(kernel.PAGE_OFFSET),
    STACK_TOP: hex(kernel.PAGE_OFFSET),
    MODULES_VADDR: at(start),
    MODULES_END: at(end),
    _text: hex(kernel.PAGE_OFFSET + 16 * MiB),
    PKMAP_BASE: at(areas.PKMAP_BASE),
    LAST_PKMAP: hex(areas.LAST_PKMAP),
    VMALLOC_OFFSET: hex(VMALLOC_OFFSET),
    CPU_ENTRY_AREA_BASE: at(areas.CPU_ENTRY_AREA_BASE),
    LDT_BASE_ADDR: at(areas.LDT_BASE_ADDR),
    __VMALLOC_RESERVE: hex(reserve),
    highstart_pfn: hex(max_low_pfn),
    highend_pfn: values.get('max_pfn')!,
  }
}
