// Protection of mapped kernel pages changed later: a huge entry that is to change in part becomes a table of entries like
// it. Law: what was not asked for keeps its protection bit for bit; split huge entries stay split.
import type { Sys } from '../../mm/mmzone.ts'
import { alloc_table, entry_at, entry_leaf, entry_pfn, entry_read, entry_write } from '../../mm/pgtable.ts'
import { massage_pgprot, swapper_pg_dir } from '../../mm/pgtable_map.ts'
import type { Pgprot } from '../../mm/pgtable_types.ts'

/** Sets and clears flags of [page, end) of the kernel's address space; false = no memory for tables. Pages that are not
 * mapped are left alone. @kernel arch/x86/mm/pat/set_memory.c:change_page_attr_set_clr */
export function change_page_attr(sys: Sys, page: number, end: number, set: Pgprot, clear: Pgprot): boolean {
  for (let at = page; at < end; ) {
    const next = change_one(sys, at, end, set, clear)
    if (next < 0) return false
    at = next
  }
  return true
}

/** @kernel arch/x86/mm/pat/set_memory.c:set_memory_ro */
export function set_memory_ro(sys: Sys, page: number, end: number): boolean {
  return change_page_attr(sys, page, end, NONE, { lo: sys.kernel.pgtable.RW, hi: 0 })
}

/** @kernel arch/x86/mm/pat/set_memory.c:set_memory_rw */
export function set_memory_rw(sys: Sys, page: number, end: number): boolean {
  return change_page_attr(sys, page, end, { lo: sys.kernel.pgtable.RW, hi: 0 }, NONE)
}

/** Nothing where the processor has no NX bit. @kernel arch/x86/mm/pat/set_memory.c:set_memory_nx */
export function set_memory_nx(sys: Sys, page: number, end: number): boolean {
  return change_page_attr(sys, page, end, massage_pgprot(sys, { lo: 0, hi: sys.kernel.pgtable.NX }), NONE)
}

/** @kernel arch/x86/mm/pat/set_memory.c:set_memory_x */
export function set_memory_x(sys: Sys, page: number, end: number): boolean {
  return change_page_attr(sys, page, end, NONE, { lo: 0, hi: sys.kernel.pgtable.NX })
}

const NONE: Pgprot = { lo: 0, hi: 0 }

/** Changes the entry that maps `page`; returns the first page behind it, -1 = no memory. */
function change_one(sys: Sys, page: number, end: number, set: Pgprot, clear: Pgprot): number {
  const { levels, PRESENT } = sys.kernel.pgtable
  let table = swapper_pg_dir(sys)
  for (let depth = 0; ; depth++) {
    const at = entry_at(sys, table, depth, page)
    const pages = 2 ** (levels[depth]!.shift - sys.kernel.PAGE_SHIFT)
    const first = Math.floor(page / pages) * pages
    if ((sys.physmem_words[at]! & PRESENT) === 0) return first + pages
    if (!entry_leaf(sys, at, depth)) table = entry_pfn(sys, at)
    else {
      const old = flags_of(sys, at)
      const changed = { lo: (old.lo & ~clear.lo) | set.lo, hi: ((old.hi & ~clear.hi) | set.hi) >>> 0 }
      if (changed.lo === old.lo && changed.hi === old.hi) return first + pages
      if (page === first && first + pages <= end) {
        entry_write(sys, at, entry_pfn(sys, at), changed)
        return first + pages
      }
      if (!split_large_page(sys, at, depth)) return -1
      table = entry_pfn(sys, at)
    }
  }
}

/** Flags of the entry at a word. */
function flags_of(sys: Sys, at: number): Pgprot {
  const { lo, hi } = entry_read(sys, at)
  return { lo: lo & 0xfff, hi: (hi & 0xfff00000) >>> 0 }
}

/** Puts a table of entries like it in the place of the huge entry at a word; false = no memory.
 * @kernel arch/x86/mm/pat/set_memory.c:__split_large_page */
export function split_large_page(sys: Sys, at: number, depth: number): boolean {
  const { levels, PSE, _KERNPG_TABLE, entry_bytes } = sys.kernel.pgtable
  const { lo, hi } = flags_of(sys, at)
  const pfn = entry_pfn(sys, at)
  const below = levels[depth + 1]!
  const lowest = depth + 2 === levels.length
  const table = alloc_table(sys)
  if (table < 0) return false
  const pages = 2 ** (below.shift - sys.kernel.PAGE_SHIFT)
  const first = entry_at(sys, table, depth + 1, 0)
  for (let i = 0; i < below.ptrs; i++)
    entry_write(sys, first + i * (entry_bytes / 4), pfn + i * pages, { lo: lowest ? lo & ~PSE : lo, hi })
  entry_write(sys, at, table, _KERNPG_TABLE)
  return true
}

/** Splits the huge entry that maps a page, if there is one, down to the lowest level. @ours */
export function split_page_mapping(sys: Sys, page: number): boolean {
  const { levels, PRESENT } = sys.kernel.pgtable
  let table = swapper_pg_dir(sys)
  for (let depth = 0; depth < levels.length - 1; depth++) {
    const at = entry_at(sys, table, depth, page)
    if ((sys.physmem_words[at]! & PRESENT) === 0) return true
    if (entry_leaf(sys, at, depth) && !split_large_page(sys, at, depth)) return false
    table = entry_pfn(sys, at)
  }
  return true
}
