// What page tables are on a processor, as data: levels, index bits, entry bits. An entry is two halves of 32 bits, of
// which narrow entries have only the low one. Law: one walker for 2 … 5 levels; a folded level is simply not there.
import { i32 } from '../image/table.ts'

/** The flags of an entry, or of everything but its frame: hi · 2^32 + lo. */
export interface Pgprot {
  readonly lo: number
  readonly hi: number
}

export type LevelName = 'pgd' | 'p4d' | 'pud' | 'pmd' | 'pte'

export interface PgtableLevel {
  readonly name: LevelName
  /** log2 of the bytes that one entry maps. */
  readonly shift: number
  /** Entries of a table. */
  readonly ptrs: number
  /** Whether an entry may be a leaf. */
  readonly leaf: boolean
}

/** How a page number's bits are split into indexes: whole fields above and below `2^split`, so that each is a small
 * integer. Three numbers a level, from the top: 1 = in the upper part, shift, mask. */
export interface IndexFields {
  readonly split: number
  readonly fields: Int32Array
  /** Bit n = an entry n levels below the top may be a leaf. */
  readonly leaves: number
}

/** The split of a processor's levels. @ours */
export function index_fields(levels: readonly PgtableLevel[], page_shift: number): IndexFields {
  const bits = levels.map(({ ptrs }) => Math.log2(ptrs))
  let split = 0
  for (let depth = levels.length - 1; depth >= 0 && split + bits[depth]! <= 30; depth--) split += bits[depth]!
  const fields = levels.flatMap(({ shift, ptrs }) => {
    const at = shift - page_shift
    return at >= split ? [1, at - split, ptrs - 1] : [0, at, ptrs - 1]
  })
  const leaves = levels.reduce((mask, { leaf }, depth) => mask | (leaf ? 1 << depth : 0), 0)
  return { split: 2 ** split, fields: Int32Array.from(fields), leaves }
}

/** Page tables of a processor in one of its modes. */
export interface Pgtable {
  /** From the top down; the last one maps pages. */
  readonly levels: readonly PgtableLevel[]
  readonly index: IndexFields
  /** Bytes of an entry: 4 or 8. */
  readonly entry_bytes: 4 | 8
  /** log2 of the factor from a frame number to an entry: PAGE_SHIFT on x86, 32 on Alpha. */
  readonly pfn_shift: number
  /** The bit that says that an entry counts. */
  readonly PRESENT: number
  /** The bit that makes an entry above the lowest level a leaf; 0 = there are no huge entries. */
  readonly PSE: number
  readonly RW: number
  readonly USER: number
  readonly ACCESSED: number
  readonly DIRTY: number
  readonly GLOBAL: number
  readonly SPECIAL: number
  /** In the high half; 0 = pages cannot be protected from execution. */
  readonly NX: number
  /** Flags of an entry that points to a table, and of one in tables that only the kernel's own code makes. */
  readonly _PAGE_TABLE: Pgprot
  readonly _KERNPG_TABLE: Pgprot
  /** Flags of an entry of the top level; PAE's have few bits. */
  readonly _PGD_TABLE: Pgprot
  readonly PAGE_KERNEL: Pgprot
  readonly PAGE_KERNEL_RO: Pgprot
  readonly PAGE_KERNEL_EXEC: Pgprot
  readonly PAGE_KERNEL_ROX: Pgprot
  readonly PAGE_KERNEL_NOCACHE: Pgprot
  /** I/O memory that ioremap maps: uncached unless a range register says otherwise. */
  readonly PAGE_KERNEL_IO: Pgprot
  /** User pages by VM_READ, VM_WRITE, VM_EXEC, VM_SHARED as bits 0 … 3. */
  readonly protection_map: readonly Pgprot[]
  /** First and last page number of the vmalloc area where it does not depend on memory; null = it follows the direct map. */
  readonly vmalloc: { readonly start: number; readonly end: number } | null
  /** log2 of the largest alignment that ioremap gives. */
  readonly IOREMAP_MAX_ORDER: number
  /** Areas of vmalloc may be mapped by huge entries. */
  readonly HUGE_VMALLOC: boolean
}

/** Scalars of page tables: one row. */
export const PGTABLE_STATE = {
  swapper_pg_dir: i32("frame + 1 of the kernel's top-level table; 0 = paging is off"),
  tables: i32('tables in use'),
  supported_nx: i32('1 = the processor and its mode have the NX bit'),
  pge: i32('1 = the processor has global entries'),
  pse: i32('1 = the processor has huge entries'),
  gbpages: i32('1 = the processor has huge entries of 1 GiB'),
} as const
