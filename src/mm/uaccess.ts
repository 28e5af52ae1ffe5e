// Bytes of a process's memory, written and read by the kernel through its page tables. Law: the pages are present.
import type { Sys } from './mmzone.ts'
import { read_u8, write_u8 } from './physmem.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { pte_lookup } from './user_pgtable.ts'

/** Physical address of a byte; -1 = nothing is mapped there. @kernel mm/memory.c:access_remote_vm */
export function user_paddr(sys: Sys, mm: number, address: number): number {
  const page = Math.floor(address / sys.page_bytes)
  const at = pte_lookup(sys, sys.mm.pgd[mm]! - 1, page)
  if (at === -1 || !pte_present(sys, at)) return -1
  return pte_pfn(sys, at) * sys.page_bytes + (address - page * sys.page_bytes)
}

/** @kernel include/linux/uaccess.h:copy_to_user */
export function put_user_bytes(sys: Sys, mm: number, address: number, bytes: Uint8Array): void {
  for (const [i, byte] of bytes.entries()) write_u8(sys, user_paddr(sys, mm, address + i), byte)
}

/** A word of the process, low byte first. @kernel include/linux/uaccess.h:put_user */
export function put_user_word(sys: Sys, mm: number, address: number, value: number): void {
  let left = value
  for (let i = 0; i < sys.kernel.BITS_PER_LONG / 8; i++) {
    write_u8(sys, user_paddr(sys, mm, address + i), left % 256)
    left = Math.floor(left / 256)
  }
}

/** @kernel include/linux/uaccess.h:get_user */
export function get_user_word(sys: Sys, mm: number, address: number): number {
  let value = 0
  for (let i = sys.kernel.BITS_PER_LONG / 8 - 1; i >= 0; i--)
    value = value * 256 + read_u8(sys, user_paddr(sys, mm, address + i))
  return value
}

/** Bytes of a text at most: no argument is longer. */
const MOST_BYTES = 131072

/** Text up to a byte of 0. @kernel lib/strncpy_from_user.c:strncpy_from_user */
export function get_user_text(sys: Sys, mm: number, address: number): string {
  const bytes: number[] = []
  for (let at = address; at < address + MOST_BYTES; at++) {
    const paddr = user_paddr(sys, mm, at)
    const byte = paddr < 0 ? 0 : read_u8(sys, paddr)
    if (byte === 0) break
    bytes.push(byte)
  }
  return new TextDecoder().decode(Uint8Array.from(bytes))
}
