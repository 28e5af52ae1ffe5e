// Page tables in frames: a table is an allocated frame, its entries are the frame's bytes. Law: an entry that counts and
// is no leaf holds the frame of a table in use, and such a frame has a slot in physmem.
// Addresses are virtual page numbers (vaddr >>> PAGE_SHIFT), exact doubles; only the bits that the levels use count.
import type { Pfn } from '../base/units.ts'
import { NIL } from '../base/units.ts'
import { __GFP_ACCOUNT, __GFP_ZERO, GFP_KERNEL } from './gfp.ts'
import type { Kernel } from './kernel.ts'
import { memcg_kmem_uncharge_page } from './memcg_charge.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_page, alloc_page } from './page_alloc/alloc_pages.ts'
import type { LevelName, Pgprot, PgtableLevel } from './pgtable_types.ts'
import { frame_bytes_for_write } from './physmem.ts'

const HALF = 4294967296

/** A frame for a table, all of its entries empty; -1 = there is no memory. @kernel arch/x86/mm/pgtable.c:pte_alloc_one_kernel */
export function alloc_table(sys: Sys, gfp: number = GFP_KERNEL | __GFP_ACCOUNT): Pfn {
  const pfn = alloc_page(sys, gfp | __GFP_ZERO)
  if (pfn >= 0) adopt_table(sys, pfn)
  return pfn
}

/** Makes a frame that is in use an empty table. @ours */
export function adopt_table(sys: Sys, pfn: Pfn): void {
  const base = frame_bytes_for_write(sys, pfn)
  sys.physmem.bytes.fill(0, base, base + 2 ** sys.kernel.PAGE_SHIFT)
  sys.page.flags[pfn]! |= PG.table
  sys.pgtable_state.tables[0] = sys.pgtable_state.tables[0]! + 1
}

/** Gives a table's frame back. @kernel mm/memory.c:pte_free_kernel */
export function free_table(sys: Sys, pfn: Pfn): void {
  sys.pgtable_state.tables[0] = sys.pgtable_state.tables[0]! - 1
  sys.page.flags[pfn]! &= ~PG.table
  memcg_kmem_uncharge_page(sys, pfn)
  __free_page(sys, pfn)
}

/** Index of a page's entry in its table of a level. @kernel include/linux/pgtable.h:pte_index */
export function pgtable_index(kernel: Kernel, level: PgtableLevel, page: number): number {
  return Math.floor(page / 2 ** (level.shift - kernel.PAGE_SHIFT)) % level.ptrs
}

/** First word, in physmem_words, of a page's entry in a table. @ours */
export function entry_at(sys: Sys, table: Pfn, depth: number, page: number): number {
  const { PAGE_SHIFT, pgtable } = sys.kernel
  const { split, fields } = pgtable.index
  const high = Math.floor(page / split)
  const part = fields[3 * depth] === 1 ? high : page - high * split
  const index = (part >>> fields[3 * depth + 1]!) & fields[3 * depth + 2]!
  const words = pgtable.entry_bytes === 8 ? index << 1 : index
  return ((sys.page.data[table]! - 1) << (PAGE_SHIFT - 2)) + words
}

/** Reads the entry at a word. @ours */
export function entry_read(sys: Sys, at: number): Pgprot {
  const words = sys.physmem_words
  return { lo: words[at]!, hi: sys.kernel.pgtable.entry_bytes === 8 ? words[at + 1]! : 0 }
}

/** Writes an entry: a frame with flags. @kernel arch/x86/include/asm/pgtable.h:pfn_pte */
export function entry_write(sys: Sys, at: number, pfn: Pfn, prot: Pgprot): void {
  const words = sys.physmem_words
  const { pfn_shift, entry_bytes } = sys.kernel.pgtable
  const wide = pfn * 2 ** pfn_shift
  words[at] = ((wide % HALF) | prot.lo) >>> 0
  if (entry_bytes === 8) words[at + 1] = (Math.floor(wide / HALF) | prot.hi) >>> 0
}

/** Empties an entry. @kernel arch/x86/include/asm/pgtable.h:pte_clear */
export function entry_clear(sys: Sys, at: number): void {
  sys.physmem_words[at] = 0
  if (sys.kernel.pgtable.entry_bytes === 8) sys.physmem_words[at + 1] = 0
}

/** The frame that the entry at a word holds. @kernel arch/x86/include/asm/pgtable.h:pte_pfn */
export function entry_pfn(sys: Sys, at: number): Pfn {
  const words = sys.physmem_words
  const { pfn_shift, entry_bytes } = sys.kernel.pgtable
  if (pfn_shift === 32) return words[at + 1]!
  const low = words[at]! >>> pfn_shift
  // Bits 52 … 62 are the software's and protection keys', bit 63 is NX.
  return entry_bytes === 4 ? low : (words[at + 1]! & 0xfffff) * 2 ** (32 - pfn_shift) + low
}

/** Whether the entry at a word, `depth` levels below the top, is a leaf. @kernel arch/x86/include/asm/pgtable.h:pmd_large */
export function entry_leaf(sys: Sys, at: number, depth: number): boolean {
  const { levels, PSE } = sys.kernel.pgtable
  if (depth === levels.length - 1) return true
  return levels[depth]!.leaf && (sys.physmem_words[at]! & PSE) !== 0
}

/** The frame that a page is mapped to by the tables below `pgd`; -1 = not mapped. One loop for all numbers of levels.
 * @kernel mm/memory.c:follow_pte */
export function translate(sys: Sys, pgd: Pfn, page: number): Pfn {
  const { PAGE_SHIFT, pgtable } = sys.kernel
  const { PRESENT, PSE, pfn_shift, index } = pgtable
  const { split, fields, leaves } = index
  const words = sys.physmem_words
  const { data } = sys.page
  const high = Math.floor(page / split)
  const low = page - high * split
  const wide = pgtable.entry_bytes === 8 ? 1 : 0
  const end = fields.length - 3
  let table = pgd
  for (let at = 0; ; at += 3) {
    const slot = (((fields[at] === 1 ? high : low) >>> fields[at + 1]!) & fields[at + 2]!) << wide
    const word = ((data[table]! - 1) << (PAGE_SHIFT - 2)) + slot
    const lo = words[word]!
    if ((lo & PRESENT) === 0) return NIL
    if (at === end) return entry_pfn(sys, word)
    if ((lo & PSE) !== 0 && ((leaves >>> (at / 3)) & 1) === 1) return huge_pfn(sys, word, at / 3, page)
    // Tables lie in frames of memory, whose numbers are small.
    if (pfn_shift === 32) table = words[word + 1]!
    else table = wide === 1 ? ((words[word + 1]! & 0x7ff) << (32 - pfn_shift)) | (lo >>> pfn_shift) : lo >>> pfn_shift
  }
}

/** The frame of a page that a huge entry maps. In a leaf above the lowest level bit 12 is PAT, not a part of the frame. */
function huge_pfn(sys: Sys, word: number, depth: number, page: number): Pfn {
  const pages = 2 ** (sys.kernel.pgtable.levels[depth]!.shift - sys.kernel.PAGE_SHIFT)
  return Math.floor(entry_pfn(sys, word) / pages) * pages + (page % pages)
}

/** One step of a walk. */
export interface WalkStep {
  readonly level: LevelName
  /** log2 of the bytes that the entry maps. */
  readonly shift: number
  /** The table's frame. */
  readonly table: Pfn
  readonly index: number
  readonly entry: Pgprot
  readonly present: boolean
  readonly leaf: boolean
}

/** All steps from the top table down to the leaf or to the entry that is empty. @ours */
export function walk(sys: Sys, pgd: Pfn, page: number): WalkStep[] {
  const { levels, PRESENT } = sys.kernel.pgtable
  const steps: WalkStep[] = []
  let table = pgd
  for (const [depth, level] of levels.entries()) {
    const at = entry_at(sys, table, depth, page)
    const entry = entry_read(sys, at)
    const present = (entry.lo & PRESENT) !== 0
    const leaf = present && entry_leaf(sys, at, depth)
    const index = pgtable_index(sys.kernel, level, page)
    steps.push({ level: level.name, shift: level.shift, table, index, entry, present, leaf })
    if (!present || leaf) break
    table = entry_pfn(sys, at)
  }
  return steps
}

/** Word of the entry for a page, `depth` levels below the top, with the tables above it made where they are missing; the
 * last of them, in which the entry lies, is pointed to with `flags`. -1 = no memory for them, or a huge entry is in the
 * way. @kernel mm/memory.c:__pte_alloc_kernel */
export function entry_alloc(
  sys: Sys,
  pgd: Pfn,
  page: number,
  depth: number,
  flags: Pgprot = sys.kernel.pgtable._PAGE_TABLE,
): number {
  const { PRESENT, _PAGE_TABLE, _PGD_TABLE } = sys.kernel.pgtable
  let table = pgd
  for (let level = 0; ; level++) {
    const at = entry_at(sys, table, level, page)
    if (level === depth) return at
    if ((sys.physmem_words[at]! & PRESENT) === 0) {
      const below = alloc_table(sys)
      if (below < 0) return -1
      // PAE's top entries know no flags but "present".
      const narrow = level === 0 && _PGD_TABLE.lo !== _PAGE_TABLE.lo
      entry_write(sys, at, below, narrow ? _PGD_TABLE : level === depth - 1 ? flags : _PAGE_TABLE)
    } else if (entry_leaf(sys, at, level)) return -1
    table = entry_pfn(sys, at)
  }
}

/** Word of a page's entry of the lowest level; -1 = its tables are not there, or a huge entry maps it. @kernel mm/vmalloc.c:virt_to_kpte */
export function lookup_entry(sys: Sys, pgd: Pfn, page: number): number {
  const { levels, PRESENT } = sys.kernel.pgtable
  let table = pgd
  for (let depth = 0; ; depth++) {
    const at = entry_at(sys, table, depth, page)
    if (depth === levels.length - 1) return at
    if ((sys.physmem_words[at]! & PRESENT) === 0 || entry_leaf(sys, at, depth)) return -1
    table = entry_pfn(sys, at)
  }
}
