// What an entry holds that is not present: type and offset of a swap entry, by the processor's layout. Wide entries (64
// bits) have the type in the highest five bits and below it the offset, all its bits turned over, so that a processor
// that guesses reads no frame that is there; narrow ones have type and offset above the bit "present".
import type { Sys } from './mmzone.ts'

/** Swap entries in kernels with wide entries remember that nobody else had the page. @kernel arch/x86/include/asm/pgtable_types.h:_PAGE_SWP_EXCLUSIVE */
export const _PAGE_SWP_EXCLUSIVE = 0x8
export const _PAGE_SWP_SOFT_DIRTY = 0x2

/** Types up to this are swap areas, those above say other things. @kernel include/linux/swap.h:MAX_SWAPFILES */
export const MAX_SWAPFILES = 23
/** A page that is on its way to another frame. @kernel include/linux/swap.h:SWP_MIGRATION_READ */
export const SWP_MIGRATION_READ = 24
export const SWP_MIGRATION_READ_EXCLUSIVE = 25
export const SWP_MIGRATION_WRITE = 26

/** Was in swap and could not be read when its area was ended: who needs it gets SIGBUS.
 * @kernel include/linux/swapops.h:make_swapin_error_entry */
export const SWP_SWAPIN_ERROR = 31

const HIGH = 0x7ffffff
/** Bits 9 … 31 of an entry's low word. */
const LOW = 0xfffffe00

/** Writes the entry at a word: type, offset, and flags of the low word. @kernel arch/x86/include/asm/pgtable_64.h:__swp_entry */
export function set_swap_entry(sys: Sys, at: number, type: number, offset: number, flags = 0): void {
  const words = sys.physmem_words
  if (sys.kernel.pgtable.entry_bytes === 4) {
    words[at] = ((type << 1) | (offset << 9)) >>> 0
    return
  }
  // Offset bits 0 … 22 lie in the low word's bits 9 … 31, the others in the high word's bits 0 … 26.
  words[at] = ((((~offset << 9) & LOW) | flags) >>> 0) >>> 0
  words[at + 1] = ((type << 27) | (~Math.floor(offset / 2 ** 23) & HIGH)) >>> 0
}

/** Type of the swap entry at a word. @kernel arch/x86/include/asm/pgtable_64.h:__swp_type */
export function swap_entry_type(sys: Sys, at: number): number {
  const words = sys.physmem_words
  return sys.kernel.pgtable.entry_bytes === 4 ? (words[at]! >>> 1) & 0x1f : words[at + 1]! >>> 27
}

/** Offset of the swap entry at a word, pages. @kernel arch/x86/include/asm/pgtable_64.h:__swp_offset */
export function swap_entry_offset(sys: Sys, at: number): number {
  const words = sys.physmem_words
  if (sys.kernel.pgtable.entry_bytes === 4) return words[at]! >>> 9
  return (~words[at + 1]! & HIGH) * 2 ** 23 + (~words[at]! >>> 9)
}

/** Whether the entry's page was this process's alone. @kernel arch/x86/include/asm/pgtable.h:pte_swp_exclusive */
export function swap_entry_exclusive(sys: Sys, at: number): boolean {
  return sys.kernel.pgtable.entry_bytes === 8 && (sys.physmem_words[at]! & _PAGE_SWP_EXCLUSIVE) !== 0
}

/** Whether kernels with this layout have a bit for it. @kernel arch/x86/include/asm/pgtable.h:__HAVE_ARCH_PTE_SWP_EXCLUSIVE */
export function has_swap_exclusive(sys: Sys): boolean {
  return sys.kernel.BITS_PER_LONG === 64
}

/** A type and an offset as one number, as page.private of a page in the swap cache keeps it.
 * @kernel include/linux/swapops.h:swp_entry */
export function swp_entry(type: number, offset: number): number {
  return (type << 26) | offset
}
/** @kernel include/linux/swapops.h:swp_type */
export function swp_type(entry: number): number {
  return entry >>> 26
}
/** @kernel include/linux/swapops.h:swp_offset */
export function swp_offset(entry: number): number {
  return entry & 0x3ffffff
}
