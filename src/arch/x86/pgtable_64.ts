// 64-bit x86: four or five levels of 512 entries, huge pages of 2 MiB and 1 GiB. The processor decides at boot whether
// there are five levels; then everything above the kernel image has other addresses.
import { index_fields, type Pgtable, type PgtableLevel } from '../../mm/pgtable_types.ts'
import { _PAGE_NX, x86_pgprots } from './pgtable_bits.ts'

const prots = x86_pgprots(_PAGE_NX)

const LOWER: readonly PgtableLevel[] = [
  { name: 'pud', shift: 30, ptrs: 512, leaf: true },
  { name: 'pmd', shift: 21, ptrs: 512, leaf: true },
  { name: 'pte', shift: 12, ptrs: 512, leaf: true },
]

const common = {
  ...prots,
  entry_bytes: 8,
  _PGD_TABLE: prots._PAGE_TABLE,
  IOREMAP_MAX_ORDER: 30,
  HUGE_VMALLOC: true,
} as const

const FOUR: readonly PgtableLevel[] = [{ name: 'pgd', shift: 39, ptrs: 512, leaf: false }, ...LOWER]
const FIVE: readonly PgtableLevel[] = [
  { name: 'pgd', shift: 48, ptrs: 512, leaf: false },
  { name: 'p4d', shift: 39, ptrs: 512, leaf: false },
  ...LOWER,
]

/** Pages of a tebibyte. */
const TiB = 2 ** 28

/** A vmalloc area from a page on; its end is the last byte, rounded down to a page. */
const vmalloc_area = (start: number, tebibytes: number): { start: number; end: number } => ({
  start,
  end: start + tebibytes * TiB - 1,
})

/** Four levels. @kernel arch/x86/include/asm/pgtable_64_types.h */
export const pgtable_64: Pgtable = {
  ...common,
  levels: FOUR,
  index: index_fields(FOUR, 12),
  vmalloc: vmalloc_area(0xffffc90000000, 32),
}

/** Five levels. @kernel arch/x86/include/asm/pgtable_64_types.h:pgtable_l5_enabled */
export const pgtable_64_la57: Pgtable = {
  ...common,
  levels: FIVE,
  index: index_fields(FIVE, 12),
  vmalloc: vmalloc_area(0xffa0000000000, 12800),
}
