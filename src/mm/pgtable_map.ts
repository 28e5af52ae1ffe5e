// The kernel's own mappings above the direct map: entries of the tables below swapper_pg_dir. Law: every page of a
// vmalloc area has an entry of its own; a guard page has none.
import type { Pfn } from '../base/units.ts'
import { NIL } from '../base/units.ts'
import type { Sys } from './mmzone.ts'
import {
  alloc_table,
  entry_alloc,
  entry_at,
  entry_clear,
  entry_leaf,
  entry_pfn,
  entry_write,
  lookup_entry,
  translate,
} from './pgtable.ts'
import type { Pgprot } from './pgtable_types.ts'

/** What a processor can, of what its page tables have; default: all. */
export interface PgtableFeatures {
  readonly nx?: boolean
  readonly pge?: boolean
  readonly pse?: boolean
  readonly gbpages?: boolean
}

/** Makes the kernel's empty top-level table. @kernel arch/x86/mm/init.c:init_mem_mapping */
export function pgtable_init(sys: Sys, features: PgtableFeatures = {}): void {
  const { swapper_pg_dir, supported_nx, pge, pse, gbpages } = sys.pgtable_state
  supported_nx[0] = Number(sys.kernel.pgtable.NX !== 0 && (features.nx ?? true))
  pge[0] = Number(features.pge ?? true)
  pse[0] = Number(features.pse ?? true)
  gbpages[0] = Number(features.gbpages ?? false)
  const pgd = alloc_table(sys)
  if (pgd < 0) throw new RangeError("no memory for the kernel's top-level page table")
  swapper_pg_dir[0] = pgd + 1
}

/** The kernel's top-level table; -1 = paging is off. @kernel arch/x86/include/asm/pgtable.h:swapper_pg_dir */
export function swapper_pg_dir(sys: Sys): Pfn {
  return sys.pgtable_state.swapper_pg_dir[0]! - 1
}

/** Flags without the bits that the processor does not have. @kernel arch/x86/include/asm/pgtable.h:massage_pgprot */
export function massage_pgprot(sys: Sys, prot: Pgprot): Pgprot {
  const { NX, GLOBAL } = sys.kernel.pgtable
  const lo = sys.pgtable_state.pge[0] === 0 ? prot.lo & ~GLOBAL : prot.lo
  return { lo, hi: sys.pgtable_state.supported_nx[0] === 0 ? (prot.hi & ~NX) >>> 0 : prot.hi }
}

/** Maps frames one by one from `page` on. False = no memory for tables; what was mapped stays. Where paging is off there
 * is nothing to map. @kernel mm/vmalloc.c:vmap_pages_range */
export function vmap_pages_range(
  sys: Sys,
  page: number,
  pfns: ArrayLike<number>,
  prot: Pgprot = sys.kernel.pgtable.PAGE_KERNEL,
): boolean {
  const pgd = swapper_pg_dir(sys)
  if (pgd < 0) return true
  const flags = massage_pgprot(sys, prot)
  const depth = sys.kernel.pgtable.levels.length - 1
  const { ptrs } = sys.kernel.pgtable.levels[depth]!
  const step = sys.kernel.pgtable.entry_bytes / 4
  let at = 0
  for (let i = 0; i < pfns.length; i++, at += step) {
    if (i === 0 || (page + i) % ptrs === 0) at = entry_alloc(sys, pgd, page + i, depth)
    if (at < 0) return false
    entry_write(sys, at, pfns[i]!, flags)
  }
  return true
}

/** Maps one huge page at `page`. @kernel mm/vmalloc.c:vmap_try_huge_pmd */
export function vmap_huge(sys: Sys, page: number, pfn: Pfn, depth: number, prot: Pgprot): boolean {
  const pgd = swapper_pg_dir(sys)
  if (pgd < 0) return true
  const at = entry_alloc(sys, pgd, page, depth)
  if (at < 0) return false
  const flags = massage_pgprot(sys, prot)
  entry_write(sys, at, pfn, { lo: flags.lo | sys.kernel.pgtable.PSE, hi: flags.hi })
  return true
}

/** Empties the entries of [page, end); tables stay. @kernel mm/vmalloc.c:vunmap_range_noflush */
export function vunmap_range(sys: Sys, page: number, end: number): void {
  const pgd = swapper_pg_dir(sys)
  if (pgd < 0) return
  for (let at = page; at < end; ) at = clear_run(sys, pgd, at, end)
}

/** Empties what one table of the lowest level, or one huge entry, has of [page, end); returns the next page. */
function clear_run(sys: Sys, pgd: Pfn, page: number, end: number): number {
  const { levels, PRESENT, entry_bytes } = sys.kernel.pgtable
  let table = pgd
  for (let depth = 0; ; depth++) {
    const pages = 2 ** (levels[depth]!.shift - sys.kernel.PAGE_SHIFT)
    const at = entry_at(sys, table, depth, page)
    if (depth === levels.length - 1) {
      const count = Math.min(end - page, levels[depth]!.ptrs - (page % levels[depth]!.ptrs))
      sys.physmem_words.fill(0, at, at + count * (entry_bytes / 4))
      return page + count
    }
    const next = Math.floor(page / pages + 1) * pages
    if ((sys.physmem_words[at]! & PRESENT) === 0) return next
    if (entry_leaf(sys, at, depth)) {
      entry_clear(sys, at)
      return next
    }
    table = entry_pfn(sys, at)
  }
}

/** Writes one entry of the kernel's lowest level; its tables are made where they are missing. False = no memory.
 * @kernel arch/x86/mm/init_64.c:set_pte_vaddr */
export function set_pte_vaddr(sys: Sys, page: number, pfn: Pfn, prot: Pgprot): boolean {
  const pgd = swapper_pg_dir(sys)
  if (pgd < 0) return true
  const at = entry_alloc(sys, pgd, page, sys.kernel.pgtable.levels.length - 1)
  if (at < 0) return false
  entry_write(sys, at, pfn, massage_pgprot(sys, prot))
  return true
}

/** Empties one entry of the kernel's lowest level. @kernel mm/highmem.c:pte_clear */
export function clear_pte_vaddr(sys: Sys, page: number): void {
  const pgd = swapper_pg_dir(sys)
  const at = pgd < 0 ? -1 : lookup_entry(sys, pgd, page)
  if (at >= 0) entry_clear(sys, at)
}

/** The frame behind a page of the kernel's address space; -1 = not mapped. @kernel mm/vmalloc.c:vmalloc_to_pfn */
export function vmalloc_to_pfn(sys: Sys, page: number): Pfn {
  const pgd = swapper_pg_dir(sys)
  return pgd < 0 ? NIL : translate(sys, pgd, page)
}
