// Objects of SLAB_TYPESAFE_BY_RCU caches under KASAN, in kernels that look after them (CONFIG_SLUB_RCU_DEBUG): a freed one
// may still be read until a grace period is over, and waits for that; then it is freed like any other.
// Law: what waits is noted in memory of its own, chained as all memory that waits for a grace period.
import { address_distance, address_of } from '../base/address.ts'
import { __GFP_NOWARN } from './gfp.ts'
import { direct_address } from './kasan_shadow.ts'
import { kmalloc } from './kmalloc.ts'
import { kvfree_rcu } from './kvfree_rcu.ts'
import type { Sys } from './mmzone.ts'
import { read_u32, write_u32 } from './physmem.ts'

/** Bytes of the note, and where in it the object's address is; before it comes the rcu_head. */
const NOTE_BYTES = 32
const NOTE_OBJECT = 16
/** Offset that tells the chain that this is a note: no rcu_head of an object lies there. */
export const NOTE_OFFSET = 4095

/** An object waits for the end of a grace period; false = there was no memory for the note.
 * @kernel mm/slub.c:slab_free_hook */
export function kasan_free_later(sys: Sys, object: number): boolean {
  const note = kmalloc(sys, NOTE_BYTES, __GFP_NOWARN)
  if (note === 0) return false
  const { hi, lo } = direct_address(sys, object)
  write_u32(sys, note + NOTE_OBJECT, lo)
  write_u32(sys, note + NOTE_OBJECT + 4, hi)
  kvfree_rcu(sys, direct_address(sys, note - NOTE_OFFSET), NOTE_OFFSET)
  return true
}

/** The object of a note, by physical address. @kernel mm/slub.c:slab_free_after_rcu_debug */
export function kasan_noted_object(sys: Sys, note: number): number {
  const address = { lo: read_u32(sys, note + NOTE_OBJECT), hi: read_u32(sys, note + NOTE_OBJECT + 4) }
  return address_distance(address_of(sys.kernel.PAGE_OFFSET), address)
}
