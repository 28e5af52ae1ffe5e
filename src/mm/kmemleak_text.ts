// What kmemleak says of a block: as a leak in /sys/kernel/debug/kmemleak, and as a record in the log.
import { crc32, crc32_zeros } from '../base/crc32.ts'
import { kernel_jiffies } from './jiffies.ts'
import { stack_depot_fetch } from './kasan_stack.ts'
import { TASK_COMM_LEN } from './kasan_tables.ts'
import { get_text } from './kernel_stack_tables.ts'
import { text_number } from './kernel_text.ts'
import { for_each_piece, kmemleak_address } from './kmemleak_key.ts'
import type { Sys } from './mmzone.ts'

/** Bytes that are shown, and bytes of a line. @kernel mm/kmemleak.c:HEX_MAX_LINES */
const HEX_BYTES = 32
const HEX_ROW = 16
/** Column of the characters behind the bytes. */
const ASCII_COLUMN = 49

/** The check of a block's bytes. @kernel mm/kmemleak.c:update_checksum */
export function object_checksum(sys: Sys, row: number): number {
  const { start, end } = sys.kmemleak_object
  let crc = 0
  for_each_piece(sys, start[row]!, end[row]! - start[row]!, (at, bytes) => {
    crc = at < 0 ? crc32_zeros(crc, bytes) : crc32(crc, sys.physmem.bytes, at, at + bytes)
  })
  return crc
}

function first_bytes(sys: Sys, row: number): number[] {
  const { start, end } = sys.kmemleak_object
  const bytes: number[] = []
  for_each_piece(sys, start[row]!, Math.min(HEX_BYTES, end[row]! - start[row]!), (at, part) => {
    for (let i = 0; i < part; i++) bytes.push(at < 0 ? 0 : sys.physmem.bytes[at + i]!)
  })
  return bytes
}

const printable = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')

/** @kernel mm/kmemleak.c:hex_dump_object */
function hex_dump_object(sys: Sys, row: number): string[] {
  const bytes = first_bytes(sys, row)
  const lines = [`  hex dump (first ${bytes.length} bytes):`]
  for (let at = 0; at < bytes.length; at += HEX_ROW) {
    const part = bytes.slice(at, at + HEX_ROW)
    const hex = part.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    lines.push(`    ${hex.padEnd(ASCII_COLUMN)}${part.map(printable).join('')}`)
  }
  return lines
}

/** Address and name of a function; where only its name is known, the address is a hash, as the kernel prints addresses
 * for who may not see them. @kernel lib/vsprintf.c:restricted_pointer */
const trace_line = (frame: string): string =>
  frame.startsWith('[<') ? frame : `[<${text_number(frame).toString(16).padStart(16, '0')}>] ${frame}`

const who = (sys: Sys, row: number): string => {
  const { comm, pid, jiffies } = sys.kmemleak_object
  const since = kernel_jiffies(sys, jiffies[row]!)
  return `  comm "${get_text(comm, row, TASK_COMM_LEN)}", pid ${pid[row]}, jiffies ${since}`
}

/** A leak as /sys/kernel/debug/kmemleak shows it, line by line. @kernel mm/kmemleak.c:print_unreferenced */
export function print_unreferenced(sys: Sys, row: number): string[] {
  const { start, end, checksum, trace } = sys.kmemleak_object
  const crc = sys.kernel.proc.kmemleak_crc ? ` (crc ${checksum[row]!.toString(16)})` : ''
  return [
    `unreferenced object 0x${kmemleak_address(sys, start[row]!)} (size ${end[row]! - start[row]!}):`,
    who(sys, row),
    ...hex_dump_object(sys, row),
    `  backtrace${crc}:`,
    ...stack_depot_fetch(sys, trace[row]!).map(frame => `    ${trace_line(frame)}`),
  ]
}

/** What is known of a block, into the log. @kernel mm/kmemleak.c:dump_object_info */
export function dump_object_info(sys: Sys, row: number): void {
  const { start, end, min_count, count, flags, checksum, trace } = sys.kmemleak_object
  const lines = [
    `Object 0x${kmemleak_address(sys, start[row]!)} (size ${end[row]! - start[row]!}):`,
    who(sys, row),
    `  min_count = ${min_count[row]}`,
    `  count = ${count[row]}`,
    `  flags = 0x${flags[row]!.toString(16)}`,
    `  checksum = ${checksum[row]}`,
    '  backtrace:',
  ]
  for (const line of lines) sys.printk?.(`kmemleak: ${line}`)
  for (const frame of stack_depot_fetch(sys, trace[row]!)) sys.printk?.(`     ${frame.replace(/^\[<[^>]*>\] /, '')}`)
}
