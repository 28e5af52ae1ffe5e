// 32-bit x86 with PAE: a top level of four entries that have no flags but "present", then two levels of 512 wide entries,
// huge pages of 2 MiB.
import { index_fields, type Pgtable, type PgtableLevel } from '../../mm/pgtable_types.ts'
import { _PAGE_NX, _PAGE_PRESENT, x86_pgprots } from './pgtable_bits.ts'

const LEVELS: readonly PgtableLevel[] = [
  { name: 'pgd', shift: 30, ptrs: 4, leaf: false },
  { name: 'pmd', shift: 21, ptrs: 512, leaf: true },
  { name: 'pte', shift: 12, ptrs: 512, leaf: true },
]

/** @kernel arch/x86/include/asm/pgtable-3level_types.h */
export const pgtable_pae: Pgtable = {
  ...x86_pgprots(_PAGE_NX),
  levels: LEVELS,
  index: index_fields(LEVELS, 12),
  entry_bytes: 8,
  _PGD_TABLE: { lo: _PAGE_PRESENT, hi: 0 },
  vmalloc: null,
  IOREMAP_MAX_ORDER: 21,
  HUGE_VMALLOC: false,
}
