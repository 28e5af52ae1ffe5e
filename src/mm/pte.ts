// One entry of a user's page table. Law: an entry is none (all zero), present (the processor or PROT_NONE), or a swap
// entry. The kernel calls an entry present that the processor does not when its area allows nothing (PROT_NONE): the bit
// GLOBAL then stands for it, and in wide entries the frame's bits are turned over.
import type { Sys } from './mmzone.ts'

export const _PAGE_PROTNONE = 0x100
/** A software bit of entries above the lowest level and of swap entries. */
export const _PAGE_SOFT_DIRTY_HI = 0

const PRESENT = 1
const ANY: number = PRESENT | _PAGE_PROTNONE

/** @kernel arch/x86/include/asm/pgtable.h:pte_none */
export function pte_none(sys: Sys, at: number): boolean {
  const words = sys.physmem_words
  // Some processors set DIRTY or ACCESSED in entries that are not there; the kernel looks past both.
  return (words[at]! & ~0x60) === 0 && (sys.kernel.pgtable.entry_bytes === 4 || words[at + 1] === 0)
}

/** @kernel arch/x86/include/asm/pgtable.h:pte_present */
export function pte_present(sys: Sys, at: number): boolean {
  return (sys.physmem_words[at]! & ANY) !== 0
}

/** Whether the entry at a word says where a page was swapped to, or another thing of the kind.
 * @kernel include/linux/swapops.h:is_swap_pte */
export function is_swap_pte(sys: Sys, at: number): boolean {
  return !pte_none(sys, at) && !pte_present(sys, at)
}

/** @kernel arch/x86/include/asm/pgtable-invert.h:__pte_needs_invert */
function inverted(low: number): boolean {
  return low !== 0 && (low & PRESENT) === 0
}

/** The frame. @kernel arch/x86/include/asm/pgtable.h:pte_pfn */
export function pte_pfn(sys: Sys, at: number): number {
  const words = sys.physmem_words
  const low = words[at]!
  if (sys.kernel.pgtable.entry_bytes === 4) return low >>> 12
  const high = words[at + 1]!
  // Frames of memory are below 2^31.
  return inverted(low) ? ((~high & 0x7ff) << 20) | (~low >>> 12) : ((high & 0x7ff) << 20) | (low >>> 12)
}

/** Writes an entry: frame, flags of the low and of the high word. @kernel arch/x86/include/asm/pgtable.h:pfn_pte */
export function set_pte(sys: Sys, at: number, pfn: number, low: number, high: number): void {
  const words = sys.physmem_words
  if (sys.kernel.pgtable.entry_bytes === 4) {
    words[at] = ((pfn << 12) | low) >>> 0
    return
  }
  if (!inverted(low)) {
    words[at] = ((pfn << 12) | low) >>> 0
    words[at + 1] = ((pfn >>> 20) | high) >>> 0
    return
  }
  words[at] = (((~pfn << 12) | low) >>> 0) >>> 0
  words[at + 1] = ((~(pfn >>> 20) & 0xfffff) | high) >>> 0
}

/** @kernel arch/x86/include/asm/pgtable.h:pte_clear */
export function clear_pte(sys: Sys, at: number): void {
  sys.physmem_words[at] = 0
  if (sys.kernel.pgtable.entry_bytes === 8) sys.physmem_words[at + 1] = 0
}

/** Flags in the low word, without the frame. @kernel arch/x86/include/asm/pgtable.h:pte_flags */
export function pte_flags(sys: Sys, at: number): number {
  return sys.physmem_words[at]! & 0xfff
}

/** Gives the entry an area's new protection; what the processor noted, and special, stay.
 * @kernel arch/x86/include/asm/pgtable.h:pte_modify */
export function pte_modify(sys: Sys, at: number, prot: { readonly lo: number; readonly hi: number }): void {
  const pfn = pte_pfn(sys, at)
  const { ACCESSED, DIRTY, SPECIAL, PSE } = sys.kernel.pgtable
  const kept = pte_flags(sys, at) & (ACCESSED | DIRTY | SPECIAL | PSE)
  set_pte(sys, at, pfn, prot.lo | kept, massaged_hi(sys, prot.hi))
}

/** The high word's flags on this processor. @kernel arch/x86/include/asm/pgtable.h:check_pgprot */
export function massaged_hi(sys: Sys, hi: number): number {
  return sys.pgtable_state.supported_nx[0] === 0 ? hi & 0x7fffffff : hi
}
