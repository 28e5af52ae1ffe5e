// 32-bit x86 without PAE: two levels of 1024 narrow entries, huge pages of 4 MiB, no NX.
import { index_fields, type Pgtable, type PgtableLevel } from '../../mm/pgtable_types.ts'
import { x86_pgprots } from './pgtable_bits.ts'

const prots = x86_pgprots(0)

const LEVELS: readonly PgtableLevel[] = [
  { name: 'pgd', shift: 22, ptrs: 1024, leaf: true },
  { name: 'pte', shift: 12, ptrs: 1024, leaf: true },
]

/** @kernel arch/x86/include/asm/pgtable-2level_types.h */
export const pgtable_32: Pgtable = {
  ...prots,
  levels: LEVELS,
  index: index_fields(LEVELS, 12),
  entry_bytes: 4,
  _PGD_TABLE: prots._PAGE_TABLE,
  vmalloc: null,
  IOREMAP_MAX_ORDER: 22,
  HUGE_VMALLOC: false,
}
