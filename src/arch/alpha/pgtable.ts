// Alpha: three levels of 1024 entries over pages of 8 KiB. A frame's number is the entry's high half; reading, writing
// and fetching are forbidden by bits of their own, and kernel and user have their own bits of permission.
import { index_fields, type Pgprot, type Pgtable, type PgtableLevel } from '../../mm/pgtable_types.ts'

/** @kernel arch/alpha/include/asm/pgtable.h */
const _PAGE_VALID = 0x0001
const _PAGE_FOW = 0x0004
const _PAGE_FOE = 0x0008
const _PAGE_ASM = 0x0010
const _PAGE_KRE = 0x0100
const _PAGE_URE = 0x0200
const _PAGE_KWE = 0x1000
const _PAGE_UWE = 0x2000
const _PAGE_DIRTY = 0x20000
const _PAGE_ACCESSED = 0x40000

const prot = (lo: number): Pgprot => ({ lo, hi: 0 })
const KERNEL = prot(_PAGE_VALID | _PAGE_ASM | _PAGE_KRE | _PAGE_KWE)
const KERNEL_RO = prot(KERNEL.lo | _PAGE_FOW)
const TABLE = prot(_PAGE_VALID | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_KRE | _PAGE_KWE)
const READ = _PAGE_VALID | _PAGE_KRE | _PAGE_URE | _PAGE_ACCESSED

/** VM_READ, VM_WRITE, VM_EXEC, VM_SHARED as bits 0 … 3; reading allows fetching. */
const user = (vm_flags: number): Pgprot => {
  if ((vm_flags & 7) === 0) return prot(_PAGE_ACCESSED)
  const writes = (vm_flags & 10) === 10 ? _PAGE_KWE | _PAGE_UWE : _PAGE_FOW
  return prot(READ | writes | ((vm_flags & 5) === 0 ? _PAGE_FOE : 0))
}

const LEVELS: readonly PgtableLevel[] = [
  { name: 'pgd', shift: 33, ptrs: 1024, leaf: false },
  { name: 'pmd', shift: 23, ptrs: 1024, leaf: false },
  { name: 'pte', shift: 13, ptrs: 1024, leaf: true },
]

export const pgtable_alpha: Pgtable = {
  levels: LEVELS,
  index: index_fields(LEVELS, 13),
  entry_bytes: 8,
  pfn_shift: 32,
  PRESENT: _PAGE_VALID,
  PSE: 0,
  RW: _PAGE_KWE,
  USER: _PAGE_URE,
  ACCESSED: _PAGE_ACCESSED,
  DIRTY: _PAGE_DIRTY,
  GLOBAL: _PAGE_ASM,
  SPECIAL: 0,
  NX: 0,
  _PAGE_TABLE: TABLE,
  _KERNPG_TABLE: TABLE,
  _PGD_TABLE: TABLE,
  PAGE_KERNEL: KERNEL,
  PAGE_KERNEL_RO: KERNEL_RO,
  PAGE_KERNEL_EXEC: KERNEL,
  PAGE_KERNEL_ROX: KERNEL_RO,
  PAGE_KERNEL_NOCACHE: KERNEL,
  PAGE_KERNEL_IO: KERNEL,
  protection_map: Array.from({ length: 16 }, (_, vm_flags) => user(vm_flags)),
  // 0xfffffe0000000000 up to the page tables' own window of 8 GiB at the end.
  vmalloc: { start: 0xfffffe0000000000 / 8192, end: 2 ** 51 - 2 ** 20 },
  IOREMAP_MAX_ORDER: 23,
  HUGE_VMALLOC: false,
}
