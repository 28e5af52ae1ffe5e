// Settings of transparent huge pages: /sys/kernel/mm/transparent_hugepage.
import type { Sys } from './mmzone.ts'

/** vm_state.thp_enabled. */
export const THP_NEVER = 0
export const THP_ALWAYS = 1
export const THP_MADVISE = 2
/** vm_state.thp_defrag. */
export const THP_DEFRAG_NEVER = 0
export const THP_DEFRAG_ALWAYS = 1
export const THP_DEFRAG_DEFER = 2
export const THP_DEFRAG_DEFER_MADVISE = 3
export const THP_DEFRAG_MADVISE = 4

/** @kernel include/linux/huge_mm.h:hugepage_flags_enabled */
export function thp_enabled(sys: Sys): boolean {
  return sys.vm_state.thp_enabled[0] !== THP_NEVER
}

/** @kernel include/linux/huge_mm.h:hugepage_flags_always */
export function thp_always(sys: Sys): boolean {
  return sys.vm_state.thp_enabled[0] === THP_ALWAYS
}
