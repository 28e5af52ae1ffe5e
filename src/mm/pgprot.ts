// Protections of user pages: from what an area allows to the bits of an entry, by how the page was first touched.
import type { Kernel } from './kernel.ts'
import type { Pgprot } from './pgtable_types.ts'

/** Bits of an area's flags. @kernel include/linux/mm.h */
export const VM_READ = 0x1
export const VM_WRITE = 0x2
export const VM_EXEC = 0x4
export const VM_SHARED = 0x8

/** @kernel arch/x86/mm/pgprot.c:vm_get_page_prot */
export function vm_get_page_prot(kernel: Kernel, vm_flags: number): Pgprot {
  return kernel.pgtable.protection_map[vm_flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)]!
}

/** An area's protection. A shared mapping whose file must hear of the first write is mapped as a private one at first.
 * @kernel mm/mmap.c:vma_set_page_prot */
export function vma_page_prot(kernel: Kernel, vm_flags: number, writenotify: boolean): Pgprot {
  return vm_get_page_prot(kernel, writenotify ? vm_flags & ~VM_SHARED : vm_flags)
}

/** Flags of a page that was read. @kernel arch/x86/include/asm/pgtable.h:pte_mkyoung */
export function pte_mkyoung(kernel: Kernel, prot: Pgprot): Pgprot {
  return { lo: prot.lo | kernel.pgtable.ACCESSED, hi: prot.hi }
}

/** Flags of a page that was written. @kernel mm/memory.c:do_anonymous_page */
export function pte_mkwrite_dirty(kernel: Kernel, prot: Pgprot): Pgprot {
  const { ACCESSED, DIRTY, RW } = kernel.pgtable
  return { lo: prot.lo | ACCESSED | DIRTY | RW, hi: prot.hi }
}

/** Flags of the page of zeros, which nobody counts. @kernel arch/x86/include/asm/pgtable.h:pte_mkspecial */
export function pte_mkspecial(kernel: Kernel, prot: Pgprot): Pgprot {
  return { lo: prot.lo | kernel.pgtable.SPECIAL, hi: prot.hi }
}
