// The address spaces that khugepaged looks through: those in which a huge page could lie. Law: an mm is on the list at
// most once, and as long as it lives.
import type { Sys } from './mmzone.ts'
import { MMF_VM_HUGEPAGE } from './vm_flags.ts'

/** @kernel mm/khugepaged.c:khugepaged_enter_vma */
export function khugepaged_enter_vma(sys: Sys, vma: number): void {
  const mm = sys.vma.mm[vma]!
  if ((sys.mm.flags[mm]! & MMF_VM_HUGEPAGE) !== 0) return
  sys.mm.flags[mm]! |= MMF_VM_HUGEPAGE
  let at = sys.vm_state.khugepaged_mm[0]!
  if (at === 0) {
    sys.vm_state.khugepaged_mm[0] = mm
    return
  }
  while (sys.mm.khugepaged[at] !== 0) at = sys.mm.khugepaged[at]!
  sys.mm.khugepaged[at] = mm
}

/** An address space ends. @kernel mm/khugepaged.c:__khugepaged_exit */
export function khugepaged_exit(sys: Sys, mm: number): void {
  if ((sys.mm.flags[mm]! & MMF_VM_HUGEPAGE) === 0) return
  sys.mm.flags[mm]! &= ~MMF_VM_HUGEPAGE
  const { khugepaged_mm, khugepaged_address } = sys.vm_state
  const next = sys.mm.khugepaged[mm]!
  sys.mm.khugepaged[mm] = 0
  if (khugepaged_mm[0] === mm) {
    khugepaged_mm[0] = next
    khugepaged_address[0] = 0
    return
  }
  for (let at = khugepaged_mm[0]!; at !== 0; at = sys.mm.khugepaged[at]!)
    if (sys.mm.khugepaged[at] === mm) sys.mm.khugepaged[at] = next
}
