// Reading and writing physical memory. Addresses are physical, in bytes, exact doubles; values are little endian.
// Law: page.data[pfn] = slot + 1 and physmem_slot.pfn[slot] = pfn say the same; a frame without slot reads as zeros.
// A freed frame keeps its bytes, as real memory does, until its slot is needed for another.
import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'

/** First byte of a frame's slot in `sys.physmem.bytes`; -1 = the frame has no bytes yet and reads as zeros. @ours */
export function frame_bytes(sys: Sys, pfn: number): number {
  return (sys.page.data[pfn]! - 1) * 2 ** sys.kernel.PAGE_SHIFT
}

/** First byte of a frame's slot, which is made when there is none. @ours */
export function frame_bytes_for_write(sys: Sys, pfn: number): number {
  if (sys.page.data[pfn] === 0) sys.page.data[pfn] = take_slot(sys, pfn) + 1
  return (sys.page.data[pfn]! - 1) * 2 ** sys.kernel.PAGE_SHIFT
}

/** Whether another frame or slot can have bytes. @ours */
export function has_free_slot(sys: Sys): boolean {
  const { used, unused } = sys.physmem_state
  const slots = sys.physmem_slot.pfn
  if (unused[0] === 0 && used[0] === slots.length) release_free_frames(sys)
  return unused[0] !== 0 || used[0]! < slots.length
}

function take_slot(sys: Sys, pfn: number): number {
  const { used, unused } = sys.physmem_state
  const slots = sys.physmem_slot.pfn
  if (unused[0] === 0 && used[0] === slots.length) release_free_frames(sys)
  let slot = unused[0]! - 1
  if (slot >= 0) unused[0] = slots[slot]!
  else if (used[0]! < slots.length) slot = new_slot(sys)
  else throw new RangeError(`all ${slots.length} slots of physmem are in use: raise nr_physmem_slots of the machine`)
  slots[slot] = pfn
  return slot
}

/** A slot that was never used since boot; a state that was undone may have left bytes in it. */
function new_slot(sys: Sys): number {
  const slot = sys.physmem_state.used[0]!
  const size = 2 ** sys.kernel.PAGE_SHIFT
  sys.physmem.bytes.fill(0, slot * size, (slot + 1) * size)
  sys.physmem_state.used[0] = slot + 1
  return slot
}

/** Forgets the bytes of frames that nobody owns. */
function release_free_frames(sys: Sys): void {
  const slots = sys.physmem_slot.pfn
  for (let slot = 0; slot < slots.length; slot++)
    if (!is_owned(sys, slots[slot]!)) release_frame_bytes(sys, slots[slot]!)
}

/** Whether a frame lies in an allocated block; tails of a block that is not compound are found through its head. */
function is_owned(sys: Sys, pfn: number): boolean {
  // Not a frame: a slot of a swap area holds the bytes.
  if (pfn < 0) return true
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const head = pfn & -(1 << order)
    const state = sys.page.state[head]!
    if (state >= PAGE_USED && (state & ~PAGE_USED) > order) return true
  }
  return false
}

/** Forgets the bytes of a frame: it reads as zeros. @ours */
export function release_frame_bytes(sys: Sys, pfn: number): void {
  const slot = sys.page.data[pfn]! - 1
  if (slot < 0) return
  const size = 2 ** sys.kernel.PAGE_SHIFT
  sys.physmem.bytes.fill(0, slot * size, (slot + 1) * size)
  sys.page.data[pfn] = 0
  sys.physmem_slot.pfn[slot] = sys.physmem_state.unused[0]!
  sys.physmem_state.unused[0] = slot + 1
}

/** Fills a range of bytes, across frames. @kernel lib/string.c:memset */
export function memset(sys: Sys, paddr: number, value: number, length: number): void {
  const size = 2 ** sys.kernel.PAGE_SHIFT
  for (let at = paddr; at < paddr + length; ) {
    const pfn = Math.floor(at / size)
    const offset = at - pfn * size
    const part = Math.min(size - offset, paddr + length - at)
    if (value !== 0 || sys.page.data[pfn] !== 0) {
      const base = frame_bytes_for_write(sys, pfn)
      sys.physmem.bytes.fill(value, base + offset, base + offset + part)
    }
    at += part
  }
}

/** One byte. @ours */
export function read_u8(sys: Sys, paddr: number): number {
  const size = 2 ** sys.kernel.PAGE_SHIFT
  const pfn = Math.floor(paddr / size)
  const base = frame_bytes(sys, pfn)
  return base < 0 ? 0 : sys.physmem.bytes[base + (paddr - pfn * size)]!
}

/** Writes one byte. @ours */
export function write_u8(sys: Sys, paddr: number, value: number): void {
  const size = 2 ** sys.kernel.PAGE_SHIFT
  const pfn = Math.floor(paddr / size)
  sys.physmem.bytes[frame_bytes_for_write(sys, pfn) + (paddr - pfn * size)] = value
}

/** Four bytes at an address that is a multiple of four. @ours */
export function read_u32(sys: Sys, paddr: number): number {
  const size = 2 ** sys.kernel.PAGE_SHIFT
  const pfn = Math.floor(paddr / size)
  const base = frame_bytes(sys, pfn)
  return base < 0 ? 0 : sys.physmem_words[(base + (paddr - pfn * size)) >>> 2]!
}

/** Writes four bytes at an address that is a multiple of four. @ours */
export function write_u32(sys: Sys, paddr: number, value: number): void {
  const size = 2 ** sys.kernel.PAGE_SHIFT
  const pfn = Math.floor(paddr / size)
  sys.physmem_words[(frame_bytes_for_write(sys, pfn) + (paddr - pfn * size)) >>> 2] = value
}
