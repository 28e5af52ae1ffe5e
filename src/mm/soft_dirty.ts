// The bit of an entry that says that a page was written since somebody last asked (CONFIG_MEM_SOFT_DIRTY).
import type { Sys } from './mmzone.ts'

/** The bit in kernels that have it, else 0. @kernel arch/x86/include/asm/pgtable_types.h:_PAGE_SOFT_DIRTY */
export function soft_dirty(sys: Sys): number {
  return sys.kernel.config.MEM_SOFT_DIRTY ? 0x800 : 0
}
