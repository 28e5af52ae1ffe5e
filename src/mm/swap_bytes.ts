// Where the bytes of swapped pages are: in a byte store of the host (a sparse file), or, of areas without one, in the
// image, in slots of physmem that no frame has. A page whose frame has no bytes is written as a hole.
// Law: physmem_slot.pfn of a slot that swap_map.data names is -2 - its row.
import type { Sys } from './mmzone.ts'
import { frame_bytes, frame_bytes_for_write, has_free_slot, release_frame_bytes } from './physmem.ts'
import { SWP_ZRAM } from './swapfile_slots.ts'
import { ZSLOT_STORED, zslot_free, zslot_store } from './zslot.ts'
import { ZSWAP_POOL } from './zsmalloc_tables.ts'
import { zswap_unlist } from './zswap.ts'

/** Pages of a swap area on the host. It is not state: what it holds is outside of the image. Requests of all stores are
 * numbered (swap_state.io), so that a store can give a request that is made again, after the machine was put back, the
 * answer that it had. */
export interface SwapStore {
  /** Bytes that it has now. */
  size(): number
  /** Reads a page; false = it cannot be read. */
  read(offset: number, into: Uint8Array, io: number): boolean
  /** Writes a page, null = a hole; false = it cannot be written. */
  write(offset: number, bytes: Uint8Array | null, io: number): boolean
  /** The requests from this one on were never made. */
  forget?(io: number): void
  /** The same pages for a copy of the machine. */
  fork?(io: number): SwapStore
}

const store_of = (sys: Sys, area: number): SwapStore | undefined => sys.swap_stores[sys.swap_info.store[area]! - 1]

function next_io(sys: Sys): number {
  const { io } = sys.swap_state
  io[0] = io[0]! + 1
  return io[0]! - 1
}

/** Whether all bytes of a frame that has bytes are zeros. @kernel mm/page_io.c:is_folio_zero_filled */
export function is_zero_filled(sys: Sys, pfn: number): boolean {
  const at = frame_bytes(sys, pfn)
  if (at < 0) return false
  const words = sys.physmem_words
  for (let word = at / 4; word < (at + sys.page_bytes) / 4; word++) if (words[word] !== 0) return false
  return true
}

/** Copies a frame's bytes to a slot of an area; false = the device failed. @ours */
export function write_slot(sys: Sys, area: number, offset: number, pfn: number): boolean {
  const from = frame_bytes(sys, pfn)
  const bytes = from < 0 ? null : sys.physmem.bytes.subarray(from, from + sys.page_bytes)
  if (sys.swap_info.store[area] !== 0) return store_of(sys, area)?.write(offset, bytes, next_io(sys)) ?? false
  const row = sys.swap_info.base[area]! + offset
  forget_slot_bytes(sys, row)
  if ((sys.swap_info.flags[area]! & SWP_ZRAM) !== 0 && zslot_store(sys, row, area, pfn, true) !== ZSLOT_STORED)
    return false
  if (copy_bytes_to_slot(sys, row, pfn)) return true
  forget_slot_bytes(sys, row)
  return false
}

/** Keeps a frame's bytes in the image; false = there is no room for them. @ours */
export function copy_bytes_to_slot(sys: Sys, row: number, pfn: number): boolean {
  if (frame_bytes(sys, pfn) < 0) return true
  if (!has_free_slot(sys)) return false
  sys.swap_map.data[row] = copy_to_slot(sys, row, pfn)
  return true
}

/** Takes a slot of physmem under the frame's name, copies, and gives it to the row of swap_map. */
function copy_to_slot(sys: Sys, row: number, pfn: number): number {
  const { data } = sys.page
  const kept = data[pfn]!
  data[pfn] = 0
  const to = frame_bytes_for_write(sys, pfn)
  const slot = data[pfn]!
  data[pfn] = kept
  sys.physmem.bytes.copyWithin(to, (kept - 1) * sys.page_bytes, kept * sys.page_bytes)
  sys.physmem_slot.pfn[slot - 1] = -2 - row
  return slot
}

/** Copies the bytes of a slot of an area to a frame; false = the device failed. @ours */
export function read_slot(sys: Sys, area: number, offset: number, pfn: number): boolean {
  const row = sys.swap_info.base[area]! + offset
  if (sys.swap_info.store[area] !== 0 && sys.swap_map.zpool[row] === 0) return read_store(sys, area, offset, pfn)
  const slot = sys.swap_map.data[row]!
  if (slot === 0) release_frame_bytes(sys, pfn)
  else {
    const to = frame_bytes_for_write(sys, pfn)
    sys.physmem.bytes.copyWithin(to, (slot - 1) * sys.page_bytes, slot * sys.page_bytes)
  }
  return true
}

let scratch = new Uint8Array(0)

/** A page of zeros needs no bytes in memory. */
function read_store(sys: Sys, area: number, offset: number, pfn: number): boolean {
  if (scratch.length !== sys.page_bytes) scratch = new Uint8Array(sys.page_bytes)
  if (!(store_of(sys, area)?.read(offset, scratch, next_io(sys)) ?? false)) return false
  if (is_zero(scratch)) release_frame_bytes(sys, pfn)
  else sys.physmem.bytes.set(scratch, frame_bytes_for_write(sys, pfn))
  return true
}

/** Whether all bytes of a page are zeros. @ours */
export function is_zero(bytes: Uint8Array): boolean {
  const { length } = bytes
  for (let at = 0; at < length; at++) if (bytes[at] !== 0) return false
  return true
}

/** Forgets what the image holds of a slot. @ours */
export function forget_slot_bytes(sys: Sys, row: number): void {
  if (sys.swap_map.zpool[row] !== 0) {
    if (sys.swap_map.zpool[row] === ZSWAP_POOL + 1) zswap_unlist(sys, row)
    zslot_free(sys, row)
  }
  const slot = sys.swap_map.data[row]!
  if (slot === 0) return
  const { unused } = sys.physmem_state
  sys.physmem.bytes.fill(0, (slot - 1) * sys.page_bytes, slot * sys.page_bytes)
  sys.physmem_slot.pfn[slot - 1] = unused[0]!
  unused[0] = slot
  sys.swap_map.data[row] = 0
}
