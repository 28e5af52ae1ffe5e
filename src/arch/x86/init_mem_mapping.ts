// The direct map of x86: which parts of memory are mapped by entries of 4 KiB, 2 or 4 MiB, and 1 GiB, and those entries
// in true tables. Law: a huge entry maps only what is all memory; memory is mapped from the top down in steps that grow,
// since the tables of each step lie in what the step before it mapped; so a step's borders decide where 1 GiB can be.
import { align_down, align_up, clamp } from '../../base/bits.ts'
import { MiB } from '../../base/units.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { entry_alloc, entry_leaf, entry_write } from '../../mm/pgtable.ts'
import { massage_pgprot, swapper_pg_dir } from '../../mm/pgtable_map.ts'

/** Memory, ascending, in bytes. */
export interface MemoryRange {
  readonly start: number
  readonly end: number
}

/** A part of memory and log2 of the bytes of its entries. */
export interface MapRange extends MemoryRange {
  readonly shift: number
}

const PAGE_SHIFT = 12
/** Always mapped, whatever holes it has. */
const ISA_END_ADDRESS: number = MiB

/** log2 of the bytes of huge entries that this processor has, ascending. @kernel arch/x86/mm/init.c:probe_page_size_mask */
function huge_shifts(sys: Sys): number[] {
  const { pse, gbpages } = sys.pgtable_state
  const { levels } = sys.kernel.pgtable
  const shifts = levels.filter(level => level.leaf && level.shift > PAGE_SHIFT).map(level => level.shift)
  return shifts.filter(shift => (shift >= 30 ? gbpages[0] === 1 : pse[0] === 1)).sort((a, b) => a - b)
}

/** log2 of the bytes of an entry one level above the lowest, whether it may be huge or not. */
const pmd_shift = (sys: Sys): number => sys.kernel.pgtable.levels.at(-2)!.shift

/**
 * Cuts a range by the entries that can map it: pages up to the first border of a huge entry, huge ones, huger ones, and
 * the same back down at the end. @kernel arch/x86/mm/init.c:split_mem_range
 */
export function split_mem_range(
  sys: Sys,
  start: number,
  end: number,
  memory: readonly MemoryRange[],
  max_low: number,
): MapRange[] {
  const shifts = huge_shifts(sys)
  const parts: MapRange[] = []
  let at = start
  const save = (until: number, shift: number): void => {
    if (until > at) {
      parts.push({ start: at, end: until, shift })
      at = until
    }
  }
  const pmd = pmd_shift(sys)
  // 32-bit: registers of fixed memory ranges often cover the first bytes, which a huge entry would straddle.
  const head = sys.kernel.BITS_PER_LONG === 32 && at === 0 ? 2 ** pmd : align_up(at, pmd)
  save(Math.min(head, end), PAGE_SHIFT)
  const [middle, large] = shifts
  const has_pud = sys.kernel.BITS_PER_LONG === 64
  const of = (shift: number | undefined): number => shift ?? PAGE_SHIFT
  if (has_pud) {
    save(Math.min(align_up(at, 30), align_down(end, pmd)), of(middle))
    save(align_down(end, 30), of(large ?? middle))
  }
  save(align_down(end, pmd), of(middle))
  save(end, PAGE_SHIFT)
  return merge_ranges(adjust_range_page_size(parts, shifts, memory, max_low))
}

/** Larger entries for a part where what they would map besides is memory, too.
 * @kernel arch/x86/mm/init.c:adjust_range_page_size_mask */
function adjust_range_page_size(
  parts: readonly MapRange[],
  shifts: readonly number[],
  memory: readonly MemoryRange[],
  max_low: number,
): MapRange[] {
  return parts.map(part => {
    let { shift } = part
    for (const huge of shifts) {
      if (huge <= shift) continue
      const [start, end] = [align_down(part.start, huge), align_up(part.end, huge)]
      if (end > max_low) continue
      if (memory.some(range => range.start <= start && end <= range.end)) shift = huge
    }
    return { ...part, shift }
  })
}

function merge_ranges(parts: readonly MapRange[]): MapRange[] {
  const merged: MapRange[] = []
  for (const part of parts) {
    const before = merged.at(-1)
    if (before && before.end === part.start && before.shift === part.shift)
      merged[merged.length - 1] = { ...before, end: part.end }
    else merged.push(part)
  }
  return merged
}

/** What the direct map is made of, in the order in which it is made. @ours */
export function direct_map_ranges(sys: Sys, memory: readonly MemoryRange[], end: number): MapRange[] {
  const max_low = sys.kernel.BITS_PER_LONG === 32 ? end : Number.POSITIVE_INFINITY
  const made = split_mem_range(sys, 0, ISA_END_ADDRESS, memory, max_low)
  const add = (start: number, until: number): number => {
    let mapped = 0
    for (const range of memory) {
      const [first, last] = [clamp(range.start, start, until), clamp(range.end, start, until)]
      if (first >= last) continue
      made.push(...split_mem_range(sys, first, last, memory, max_low))
      mapped += last - first
    }
    return mapped
  }
  const pmd = pmd_shift(sys)
  const top = highest_block(memory, end, 2 ** pmd)
  let step = 2 ** pmd
  let mapped = 0
  for (let last = top; last > ISA_END_ADDRESS; ) {
    const below = Math.floor((last - 1) / step) * step
    const start = last > step ? Math.max(below, ISA_END_ADDRESS) : ISA_END_ADDRESS
    mapped += add(start, last)
    last = start
    if (mapped >= step) step *= 2 ** (pmd - PAGE_SHIFT - 1)
  }
  if (top < end) add(top, end)
  return made
}

/** End of the highest aligned block of memory: from there downwards mapping begins. @kernel arch/x86/mm/init.c:memory_map_top_down */
function highest_block(memory: readonly MemoryRange[], end: number, size: number): number {
  for (const range of memory.toReversed()) {
    const top = Math.floor(Math.min(range.end, end) / size) * size
    if (top - size >= Math.max(range.start, ISA_END_ADDRESS)) return top
  }
  return end
}

/**
 * Makes the direct map up to `end`: every entry in tables below swapper_pg_dir. 32-bit kernels came with tables for the
 * range up to `early_end` that only the kernel may enter. @kernel arch/x86/mm/init.c:init_mem_mapping
 */
export function init_mem_mapping(sys: Sys, memory: readonly MemoryRange[], end: number, early_end = 0): void {
  for (const range of direct_map_ranges(sys, memory, end)) kernel_physical_mapping_init(sys, range, early_end)
}

/** Entries for a range. @kernel arch/x86/mm/init_64.c:kernel_physical_mapping_init */
function kernel_physical_mapping_init(sys: Sys, range: MapRange, early_end: number): void {
  const { kernel } = sys
  const pgd = swapper_pg_dir(sys)
  const { levels, PSE, PAGE_KERNEL, _PAGE_TABLE, _KERNPG_TABLE } = kernel.pgtable
  const depth = levels.findIndex(level => level.shift === range.shift)
  const prot = massage_pgprot(sys, PAGE_KERNEL)
  const leaf = depth === levels.length - 1 ? prot : { lo: prot.lo | PSE, hi: prot.hi }
  const size = 2 ** range.shift
  const offset = kernel.PAGE_OFFSET / 2 ** PAGE_SHIFT
  for (let at = Math.floor(range.start / size) * size; at < range.end; at += size) {
    const page = offset + at / 2 ** PAGE_SHIFT
    const entry = entry_alloc(sys, pgd, page, depth, at < early_end ? _KERNPG_TABLE : _PAGE_TABLE)
    if (entry < 0 || (entry_present(sys, entry) && !entry_leaf(sys, entry, depth))) continue
    entry_write(sys, entry, at / 2 ** PAGE_SHIFT, leaf)
  }
}

const entry_present = (sys: Sys, at: number): boolean => (sys.physmem_words[at]! & sys.kernel.pgtable.PRESENT) !== 0
