// The bytes of frames. Only frames whose content matters (slab objects, shadow, swapped pages) have any: such a frame
// has a slot, page.data says which, and all others read as zeros.
import { i32, u8 } from '../image/table.ts'

/** One row: which slots are in use. */
export const PHYSMEM_STATE = {
  used: i32('slots that were ever used: rows from here on are zeros'),
  unused: i32('first slot + 1 of a chain of slots that were given back; 0 = none'),
} as const

/** One row a slot. */
export const PHYSMEM_SLOT = {
  pfn: i32('the frame whose bytes it holds; of an unused slot the next of the chain, slot + 1'),
} as const

/** One row a byte: slot * PAGE_SIZE + offset in the page. */
export const PHYSMEM = {
  bytes: u8('content'),
} as const

/** Slots of a machine whose shape does not say. */
export const NR_PHYSMEM_SLOTS = 16384
