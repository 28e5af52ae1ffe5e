// Fixed mappings: addresses that the compiler knows, counted down from the top of the address space. Law: index i lies
// i pages below FIXADDR_TOP; which indexes there are is decided by what the kernel was built with.
import type { Kernel } from '../../mm/kernel.ts'

/** What a kernel was built with, as far as it has fixed mappings. */
export interface FixmapOptions {
  /** CONFIG_NR_CPUS: each has 16 slots for kmap_local on 32-bit. */
  readonly NR_CPUS: number
  readonly X86_LOCAL_APIC: boolean
  /** MAX_IO_APICS, 0 = none. */
  readonly io_apics: number
  readonly PCI_MMCONFIG: boolean
}

/** First index of each mapping, in their order. @kernel arch/x86/include/asm/fixmap.h:enum fixed_addresses */
export interface FixedAddresses {
  readonly FIX_DBGP_BASE: number
  readonly FIX_EARLYCON_MEM_BASE: number
  /** -1 = the kernel has none; so with the others. */
  readonly FIX_APIC_BASE: number
  readonly FIX_IO_APIC_BASE_0: number
  readonly FIX_KMAP_BEGIN: number
  readonly FIX_KMAP_END: number
  readonly FIX_PCIE_MCFG: number
  readonly __end_of_permanent_fixed_addresses: number
  /** With the mappings of early boot. */
  readonly __end_of_fixed_addresses: number
}

/** Slots of a CPU for kmap_local. */
const KM_MAX_IDX = 16
/** Mappings of early_ioremap: 8 slots of 64 pages. */
const TOTAL_FIX_BTMAPS = 512

/** The fixed mappings of a kernel. @ours */
export function fixed_addresses(kernel: Kernel, options: FixmapOptions): FixedAddresses {
  const narrow = kernel.BITS_PER_LONG === 32
  let next = narrow ? 1 : 0
  const take = (has: boolean, count = 1): number => {
    if (!has) return -1
    next += count
    return next - count
  }
  const FIX_DBGP_BASE = take(true)
  const FIX_EARLYCON_MEM_BASE = take(true)
  const FIX_APIC_BASE = take(options.X86_LOCAL_APIC)
  const FIX_IO_APIC_BASE_0 = take(options.io_apics > 0, options.io_apics)
  const FIX_KMAP_BEGIN = take(narrow, KM_MAX_IDX * options.NR_CPUS)
  const FIX_KMAP_END = narrow ? next - 1 : -1
  const FIX_PCIE_MCFG = take(narrow && options.PCI_MMCONFIG)
  const end = next
  return {
    FIX_DBGP_BASE,
    FIX_EARLYCON_MEM_BASE,
    FIX_APIC_BASE,
    FIX_IO_APIC_BASE_0,
    FIX_KMAP_BEGIN,
    FIX_KMAP_END,
    FIX_PCIE_MCFG,
    __end_of_permanent_fixed_addresses: end,
    __end_of_fixed_addresses: btmap_end(kernel, end) + TOTAL_FIX_BTMAPS,
  }
}

/** The early mappings must not straddle two page tables: else they begin in the next one.
 * @kernel arch/x86/include/asm/fixmap.h:FIX_BTMAP_END */
function btmap_end(kernel: Kernel, end: number): number {
  const ptrs = kernel.pgtable.levels.at(-1)!.ptrs
  const straddles = Math.floor(end / ptrs) !== Math.floor((end + TOTAL_FIX_BTMAPS - 1) / ptrs)
  return straddles ? end + TOTAL_FIX_BTMAPS - (end % TOTAL_FIX_BTMAPS) : end
}

/** Page of fixmap index 0. @kernel arch/x86/include/asm/fixmap.h:FIXADDR_TOP */
export function FIXADDR_TOP(kernel: Kernel): number {
  // 64-bit: below the vsyscall page's huge page, 8 MiB from the end; 32-bit: the last page but one.
  return kernel.BITS_PER_LONG === 64 ? 2 ** 52 - 0x801 : 2 ** 20 - 1
}
