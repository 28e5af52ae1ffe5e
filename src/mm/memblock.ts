// memblock: the memory of the machine before there is an allocator, as two lists of byte ranges, what is there and what
// is taken. Law: both lists are ascending and do not overlap; `end` is the first byte behind a range.
// It lives only while booting: what it decided is in the zones afterwards.
import { align_down, align_up } from '../base/bits.ts'

export interface MemblockRegion {
  readonly start: number
  readonly end: number
  /** Node of memory; -1 = not said yet. */
  readonly node: number
}

export interface Memblock {
  memory: MemblockRegion[]
  reserved: MemblockRegion[]
}

/** No memory, nothing taken. @ours */
export function memblock_create(): Memblock {
  return { memory: [], reserved: [] }
}

/** The parts of `region` outside start … end. */
function without(region: MemblockRegion, start: number, end: number): MemblockRegion[] {
  if (region.end <= start || region.start >= end) return [region]
  const parts: MemblockRegion[] = []
  if (region.start < start) parts.push({ ...region, end: start })
  if (region.end > end) parts.push({ ...region, start: end })
  return parts
}

function sorted(regions: MemblockRegion[]): MemblockRegion[] {
  return regions.sort((a, b) => a.start - b.start)
}

/** Joins neighbours of the same node. @kernel mm/memblock.c:memblock_merge_regions */
function merge(regions: MemblockRegion[]): MemblockRegion[] {
  const merged: MemblockRegion[] = []
  for (const region of sorted(regions)) {
    const last = merged.at(-1)
    if (last && last.end === region.start && last.node === region.node)
      merged[merged.length - 1] = { ...last, end: region.end }
    else merged.push(region)
  }
  return merged
}

/** Adds memory; what was there keeps its node. @kernel mm/memblock.c:memblock_add_node */
export function memblock_add(mb: Memblock, start: number, end: number, node: number): void {
  let fresh: MemblockRegion[] = [{ start, end, node }]
  for (const old of mb.memory) fresh = fresh.flatMap(region => without(region, old.start, old.end))
  mb.memory = merge([...mb.memory, ...fresh])
}

/** Takes memory out, as if it were not there. @kernel mm/memblock.c:memblock_remove */
export function memblock_remove(mb: Memblock, start: number, end: number): void {
  mb.memory = mb.memory.flatMap(region => without(region, start, end))
}

/** Takes a range; it need not be memory. @kernel mm/memblock.c:memblock_reserve */
export function memblock_reserve(mb: Memblock, start: number, end: number): void {
  if (end <= start) return
  const others = mb.reserved.flatMap(region => without(region, start, end))
  mb.reserved = merge([...others, { start, end, node: -1 }])
}

/** Gives a taken range back. @kernel mm/memblock.c:memblock_phys_free */
export function memblock_phys_free(mb: Memblock, start: number, end: number): void {
  mb.reserved = mb.reserved.flatMap(region => without(region, start, end))
}

/** Says which node the memory in a range belongs to. @kernel mm/memblock.c:memblock_set_node */
export function memblock_set_node(mb: Memblock, start: number, end: number, node: number): void {
  const inside = mb.memory
    .filter(region => region.start < end && region.end > start)
    .map(region => ({ start: Math.max(region.start, start), end: Math.min(region.end, end), node }))
  mb.memory = merge([...mb.memory.flatMap(region => without(region, start, end)), ...inside])
}

/** Cuts every range of memory to whole units of 2^shift bytes. @kernel mm/memblock.c:memblock_trim_memory */
export function memblock_trim_memory(mb: Memblock, shift: number): void {
  mb.memory = mb.memory
    .map(region => ({ ...region, start: align_up(region.start, shift), end: align_down(region.end, shift) }))
    .filter(region => region.start < region.end)
}

/** Bytes of memory. @kernel mm/memblock.c:memblock_phys_mem_size */
export function memblock_phys_mem_size(mb: Memblock): number {
  return mb.memory.reduce((sum, { start, end }) => sum + end - start, 0)
}

/** Memory that is not taken, ascending; ranges end where a region of memory does.
 * @kernel include/linux/memblock.h:for_each_free_mem_range */
export function memblock_free_ranges(mb: Memblock): MemblockRegion[] {
  const free: MemblockRegion[] = []
  let at = 0
  for (const region of mb.memory) {
    let { start } = region
    while (at < mb.reserved.length && mb.reserved[at]!.end <= start) at++
    for (let i = at; i < mb.reserved.length && mb.reserved[i]!.start < region.end; i++) {
      const taken = mb.reserved[i]!
      if (taken.start > start) free.push({ ...region, start, end: taken.start })
      start = Math.max(start, taken.end)
    }
    if (start < region.end) free.push({ ...region, start })
  }
  return free
}

/** Takes `size` bytes from the highest place below `limit` that has them, on `node` where it can (-1: anywhere);
 * returns the first byte, -1 when nothing fits. @kernel mm/memblock.c:memblock_alloc_range_nid */
export function memblock_alloc(mb: Memblock, size: number, shift: number, limit: number, node: number): number {
  const free = memblock_free_ranges(mb).reverse()
  for (const wanted of node < 0 ? [-1] : [node, -1])
    for (const range of free) {
      if (wanted >= 0 && range.node !== wanted) continue
      const start = align_down(Math.min(range.end, limit) - size, shift)
      if (start < range.start) continue
      memblock_reserve(mb, start, start + size)
      return start
    }
  return -1
}
