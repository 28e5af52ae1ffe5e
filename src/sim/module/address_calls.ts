// The kernel's address space as modules see it: where its areas lie, fixed mappings, and the tables that a processor walks.
import { FIXADDR_TOP, fixed_addresses } from '../../arch/x86/fixmap.ts'
import { FIXMAP_BUILD, max_low_pfn } from '../../arch/x86/setup_address_space.ts'
import { walk } from '../../mm/pgtable.ts'
import { swapper_pg_dir, vmalloc_to_pfn } from '../../mm/pgtable_map.ts'
import type { LevelName } from '../../mm/pgtable_types.ts'
import type { ModuleContext } from './context.ts'
import type { Page, Pointer } from './pointer.ts'

/** One table of a walk, and the entry that was read there. */
export interface TableStep {
  readonly level: LevelName
  /** The frame that the table lies in. */
  readonly table: Page
  readonly index: number
  /** The entry in hexadecimal, in all its digits. */
  readonly entry: string
  readonly present: boolean
  /** It maps memory, and points to no other table. */
  readonly leaf: boolean
  /** Bytes of the address space that an entry of this level has. */
  readonly bytes: number
}

/** Where areas begin and end. */
export interface AddressNumbers {
  /** Begin of the direct map. @kernel arch/x86/include/asm/page_types.h:PAGE_OFFSET */
  readonly PAGE_OFFSET: Pointer
  /** End of the direct map. @kernel mm/memory.c:high_memory */
  readonly high_memory: Pointer
  /** @kernel arch/x86/include/asm/pgtable_64_types.h:VMALLOC_START */
  readonly VMALLOC_START: Pointer
  /** First byte behind the vmalloc area. @kernel arch/x86/include/asm/pgtable_64_types.h:VMALLOC_END */
  readonly VMALLOC_END: Pointer
  readonly BITS_PER_LONG: 32 | 64
  /** Levels of page tables. @kernel include/linux/pgtable.h:CONFIG_PGTABLE_LEVELS */
  readonly PGTABLE_LEVELS: number
}

export interface AddressCalls {
  /** Every table from the top one to the entry that maps an address, or to the one that is empty. @ours */
  walk(address: Pointer): TableStep[]
  /** The physical address that the tables lead to; null = nothing is mapped. @kernel arch/x86/mm/pat/set_memory.c:slow_virt_to_phys */
  slow_virt_to_phys(address: Pointer): number | null
  /** Whether it is an address of the direct map. @kernel arch/x86/mm/physaddr.c:__virt_addr_valid */
  virt_addr_valid(address: Pointer): boolean
  /** @kernel mm/vmalloc.c:is_vmalloc_addr */
  is_vmalloc_addr(address: Pointer): boolean
  /** The address of a fixed mapping. @kernel include/asm-generic/fixmap.h:fix_to_virt */
  fix_to_virt(index: number): Pointer
  /** The fixed mapping of an address. @kernel include/asm-generic/fixmap.h:virt_to_fix */
  virt_to_fix(address: Pointer): number
}

export function addressNumbers(ctx: ModuleContext): AddressNumbers {
  const { sys } = ctx
  const { PAGE_OFFSET, PAGE_SHIFT, BITS_PER_LONG, pgtable } = sys.kernel
  const begin = ctx.at(PAGE_OFFSET / 2 ** PAGE_SHIFT)!
  return {
    PAGE_OFFSET: begin,
    high_memory: begin.plus(max_low_pfn(sys) * 2 ** PAGE_SHIFT),
    VMALLOC_START: ctx.at(sys.vmalloc.start[0]!)!,
    VMALLOC_END: ctx.at(sys.vmalloc.end[0]!)!,
    BITS_PER_LONG,
    PGTABLE_LEVELS: pgtable.levels.length,
  }
}

export function addressCalls(ctx: ModuleContext): AddressCalls {
  const { sys } = ctx
  const { kernel } = sys
  return {
    walk: address => tables(ctx, address),
    slow_virt_to_phys: address => {
      const pfn = vmalloc_to_pfn(sys, ctx.pageNumber(address))
      return pfn < 0 ? null : pfn * 2 ** kernel.PAGE_SHIFT + ctx.pageOffset(address)
    },
    virt_addr_valid: address => ctx.paddrOf(address) >= 2 ** kernel.PAGE_SHIFT,
    is_vmalloc_addr: address => {
      const page = ctx.pageNumber(address)
      return page >= sys.vmalloc.start[0]! && page < sys.vmalloc.end[0]!
    },
    fix_to_virt: index => ctx.at(FIXADDR_TOP(kernel) - fixed(ctx, index))!,
    virt_to_fix: address => fixed(ctx, FIXADDR_TOP(kernel) - ctx.pageNumber(address)),
  }
}

function tables(ctx: ModuleContext, address: Pointer): TableStep[] {
  const { sys } = ctx
  const digits = 2 * sys.kernel.pgtable.entry_bytes
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
  return walk(sys, swapper_pg_dir(sys), ctx.pageNumber(address)).map(
    ({ level, table, index, entry, present, leaf, shift }) => ({
      ...{ level, table: ctx.page(table)!, index, present, leaf, bytes: 2 ** shift },
      entry: (hex(entry.hi) + hex(entry.lo)).slice(-digits),
    }),
  )
}

/** The index of a fixed mapping. @throws RangeError where the kernel has none of that index */
function fixed({ sys: { kernel } }: ModuleContext, index: number): number {
  if (kernel.arch === 'alpha') throw new RangeError(`${kernel.name} has no fixed mappings`)
  const { __end_of_fixed_addresses: end } = fixed_addresses(kernel, FIXMAP_BUILD)
  if (index < 0 || index >= end) throw new RangeError(`fixed mapping ${index}: there are 0 to ${end - 1}`)
  return index
}
