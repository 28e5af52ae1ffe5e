// The firmware's memory map on x86 and what the command line makes of it: `mem=` cuts, `memmap=` adds and takes.
// Ranges are bytes, `end` is the first byte behind. Where entries overlap, the one less usable wins.
import type { Memblock } from '../../mm/memblock.ts'
import { memblock_add, memblock_create, memblock_trim_memory } from '../../mm/memblock.ts'

/** @kernel arch/x86/include/asm/e820/types.h:enum e820_type */
export type E820Type = 'usable' | 'reserved' | 'acpi' | 'nvs' | 'unusable' | 'pmem'

export interface E820Entry {
  readonly start: number
  readonly end: number
  readonly type: E820Type
}

/** From the most usable to the least. */
const RANK: readonly E820Type[] = ['usable', 'reserved', 'acpi', 'nvs', 'unusable', 'pmem']

/** The same map without overlaps, ascending, neighbours of a type joined. @kernel arch/x86/kernel/e820.c:e820__update_table */
export function e820__update_table(entries: readonly E820Entry[]): E820Entry[] {
  const borders = [...new Set(entries.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b)
  const table: E820Entry[] = []
  for (let i = 0; i + 1 < borders.length; i++) {
    const [start, end] = [borders[i]!, borders[i + 1]!]
    const rank = Math.max(-1, ...entries.filter(e => e.start <= start && e.end >= end).map(e => RANK.indexOf(e.type)))
    if (rank < 0) continue
    const last = table.at(-1)
    if (last && last.end === start && last.type === RANK[rank]) table[table.length - 1] = { ...last, end }
    else table.push({ start, end, type: RANK[rank]! })
  }
  return table
}

/** Takes entries of a type out of a range. @kernel arch/x86/kernel/e820.c:e820__range_remove */
export function e820__range_remove(
  table: readonly E820Entry[],
  start: number,
  end: number,
  type: E820Type,
): E820Entry[] {
  return table.flatMap(entry => {
    if (entry.type !== type || entry.end <= start || entry.start >= end) return [entry]
    const parts: E820Entry[] = []
    if (entry.start < start) parts.push({ ...entry, end: start })
    if (entry.end > end) parts.push({ ...entry, start: end })
    return parts
  })
}

/** One `memmap=` of the command line: `@` usable, `#` ACPI, `$` reserved, `!` persistent, '' = cut all above `size`. */
export interface MemmapOption {
  readonly size: number
  readonly kind: '@' | '#' | '$' | '!' | ''
  readonly start: number
}

export interface E820Options {
  /** `mem=` in bytes, 0 = not given. */
  readonly mem: number
  readonly memmap: readonly MemmapOption[]
  /** `memmap=exactmap`: forget the firmware's map. */
  readonly exactmap: boolean
}

const KINDS: Readonly<Record<string, E820Type>> = { '@': 'usable', '#': 'acpi', $: 'reserved', '!': 'pmem' }
const END = Number.MAX_SAFE_INTEGER

/** The map after the command line; `bios`: the machine has a PC's first MiB. @kernel arch/x86/kernel/e820.c:parse_memmap_one */
export function e820_apply_options(firmware: readonly E820Entry[], options: E820Options, bios: boolean): E820Entry[] {
  let table: E820Entry[] = options.exactmap ? [] : e820__update_table(firmware)
  if (options.mem > 0) table = e820__range_remove(table, options.mem, END, 'usable')
  for (const { size, kind, start } of options.memmap)
    if (kind === '') table = e820__range_remove(table, size, END, 'usable')
    else table = [...table, { start, end: start + size, type: KINDS[kind]! }]
  const updated = e820__update_table(table)
  return bios ? trim_bios_range(updated) : updated
}

/** The first page belongs to the firmware, and 640 KiB … 1 MiB is no memory.
 * @kernel arch/x86/kernel/setup.c:trim_bios_range */
function trim_bios_range(table: readonly E820Entry[]): E820Entry[] {
  const first = e820__update_table([...table, { start: 0, end: 0x1000, type: 'reserved' }])
  return e820__range_remove(first, 0xa0000, 0x100000, 'usable')
}

/** Usable memory in whole pages. An entry whose end does not fit into an address of `address_bits` is left out whole.
 * @kernel arch/x86/kernel/e820.c:e820__memblock_setup */
export function e820__memblock_setup(table: readonly E820Entry[], page_shift: number, address_bits: number): Memblock {
  const mb = memblock_create()
  for (const { start, end, type } of table)
    if (type === 'usable' && end < 2 ** address_bits) memblock_add(mb, start, end, -1)
  memblock_trim_memory(mb, page_shift)
  return mb
}
