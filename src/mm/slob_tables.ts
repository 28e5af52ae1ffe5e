// SLOB's own table. The free list lies in the bytes of the pages; of a page of objects its frame's columns say the rest:
//   private   free units
//   index     offset of the first free block in bytes + 1; 0 = none
//   flags     PG.slab, and PG.private while it is on one of the three lists, which it is while it has free units
import { u32 } from '../image/table.ts'

/** Words of 4 KiB: a bit per unit. */
export const SLOB_WORDS = 64

/** Row: slot of physmem × 4 KiB of a page. The kernel has nothing like it: it is how a wrong free is seen. */
export const SLOB_OBJECT = {
  start: u32('bit per unit: 1 = an object begins here', SLOB_WORDS),
  end: u32('bit per unit: 1 = an object ends with it', SLOB_WORDS),
} as const

export const SLOB_TABLES = { slob_object: SLOB_OBJECT } as const

/** Rows of SLOB's table; `slots` is 0 in kernels with another allocator. @ours */
export function slob_rows(slots: number, page_shift: number): { slob_object: number } {
  return { slob_object: slots * 2 ** (page_shift - 12) }
}
