// Bits of x86 page table entries and the protections made of them, which all three formats share.
import type { Pgprot, Pgtable } from '../../mm/pgtable_types.ts'

/** @kernel arch/x86/include/asm/pgtable_types.h */
export const _PAGE_PRESENT = 0x001
export const _PAGE_RW = 0x002
export const _PAGE_USER = 0x004
export const _PAGE_PWT = 0x008
export const _PAGE_PCD = 0x010
export const _PAGE_ACCESSED = 0x020
export const _PAGE_DIRTY = 0x040
export const _PAGE_PSE = 0x080
/** In an entry of the lowest level the bit of PSE is PAT. */
export const _PAGE_PAT = 0x080
export const _PAGE_GLOBAL = 0x100
/** First bit for software: the page has no struct page of its own to count (the zero page). */
export const _PAGE_SPECIAL = 0x200
/** In the high half. */
export const _PAGE_NX = 0x80000000

const RWAD: number = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY
const KERNEL: number = RWAD | _PAGE_GLOBAL
const USER: number = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED

/** User protections: private mappings are never writable at first, a write copies.
 * @kernel arch/x86/mm/pgprot.c:protection_map */
function protection_map(nx: number): readonly Pgprot[] {
  return Array.from({ length: 16 }, (_, vm_flags) => {
    if ((vm_flags & 7) === 0) return { lo: _PAGE_ACCESSED | _PAGE_GLOBAL, hi: 0 }
    const writable = (vm_flags & 10) === 10 ? _PAGE_RW : 0
    return { lo: USER | writable, hi: (vm_flags & 4) === 0 ? nx : 0 }
  })
}

/** What depends on nothing but whether entries have the NX bit. @ours */
export function x86_pgprots(
  nx: number,
): Omit<Pgtable, 'levels' | 'index' | 'entry_bytes' | '_PGD_TABLE' | 'vmalloc' | 'IOREMAP_MAX_ORDER' | 'HUGE_VMALLOC'> {
  return {
    pfn_shift: 12,
    PRESENT: _PAGE_PRESENT,
    PSE: _PAGE_PSE,
    RW: _PAGE_RW,
    USER: _PAGE_USER,
    ACCESSED: _PAGE_ACCESSED,
    DIRTY: _PAGE_DIRTY,
    GLOBAL: _PAGE_GLOBAL,
    SPECIAL: _PAGE_SPECIAL,
    NX: nx,
    _PAGE_TABLE: { lo: RWAD | _PAGE_USER, hi: 0 },
    _KERNPG_TABLE: { lo: RWAD, hi: 0 },
    PAGE_KERNEL: { lo: KERNEL, hi: nx },
    PAGE_KERNEL_RO: { lo: KERNEL & ~_PAGE_RW, hi: nx },
    PAGE_KERNEL_EXEC: { lo: KERNEL, hi: 0 },
    PAGE_KERNEL_ROX: { lo: KERNEL & ~_PAGE_RW, hi: 0 },
    PAGE_KERNEL_NOCACHE: { lo: KERNEL | _PAGE_PWT | _PAGE_PCD, hi: nx },
    PAGE_KERNEL_IO: { lo: KERNEL | _PAGE_PCD, hi: nx },
    protection_map: protection_map(nx),
  }
}
