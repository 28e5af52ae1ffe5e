// The top-level table of an address space. Law: its upper part is the kernel's own and the same in all of them.
import type { Pfn } from '../base/units.ts'
import { NIL } from '../base/units.ts'
import type { Sys } from './mmzone.ts'
import { alloc_table, entry_at, entry_pfn, entry_write, free_table } from './pgtable.ts'
import { swapper_pg_dir } from './pgtable_map.ts'

/** Index of the first entry that is the kernel's. @kernel arch/x86/include/asm/pgtable.h:KERNEL_PGD_BOUNDARY */
export function KERNEL_PGD_BOUNDARY(sys: Sys): number {
  const { levels } = sys.kernel.pgtable
  if (sys.kernel.BITS_PER_LONG === 64) return levels[0]!.ptrs / 2
  return Math.floor(sys.kernel.PAGE_OFFSET / 2 ** levels[0]!.shift)
}

/** A new address space; -1 = no memory. PAE reads its four entries only when the table is loaded, so the tables below
 * them are there from the start. @kernel arch/x86/mm/pgtable.c:pgd_alloc */
export function pgd_alloc(sys: Sys): Pfn {
  const pgd = alloc_table(sys)
  if (pgd < 0) return NIL
  const { entry_bytes, levels } = sys.kernel.pgtable
  const boundary = KERNEL_PGD_BOUNDARY(sys)
  if (levels.length === 3 && entry_bytes === 8 && sys.kernel.arch === 'i386' && !preallocate_pmds(sys, pgd, boundary)) {
    free_table(sys, pgd)
    return NIL
  }
  const kernel = entry_at(sys, swapper_pg_dir(sys), 0, 0)
  const words = entry_bytes / 4
  const [from, to] = [kernel + boundary * words, kernel + levels[0]!.ptrs * words]
  sys.physmem_words.copyWithin(entry_at(sys, pgd, 0, 0) + boundary * words, from, to)
  return pgd
}

/** @kernel arch/x86/mm/pgtable.c:preallocate_pmds */
function preallocate_pmds(sys: Sys, pgd: Pfn, count: number): boolean {
  const first = entry_at(sys, pgd, 0, 0)
  for (let i = 0; i < count; i++) {
    const pmd = alloc_table(sys)
    if (pmd < 0) {
      for (let made = 0; made < i; made++) free_table(sys, entry_pfn(sys, first + 2 * made))
      return false
    }
    entry_write(sys, first + 2 * i, pmd, sys.kernel.pgtable._PGD_TABLE)
  }
  return true
}
