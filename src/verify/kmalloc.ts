// Recordings of where kmalloc's memory comes from (`kmalloc*.jsonl`): ranges of sizes with equal result for several
// masks, sizes around powers of two, and constants. A check is a line; of a range every size must give the line's result.
// Taken as given: the kernel (first line; SLOB or SLAB or SLUB by the names of the caches) and the cache line's size.
// Under SLOB the ranges leave `roundup` out (it is 0 there).
import { with_config } from '../kernels/index.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { parse_gfp } from '../mm/gfp_names.ts'
import type { Kernel, SlabAllocator } from '../mm/kernel.ts'
import {
  ARCH_KMALLOC_MINALIGN,
  KMALLOC_MAX_CACHE_SIZE,
  KMALLOC_MAX_SIZE,
  KMALLOC_MIN_SIZE,
  KMALLOC_SHIFT_HIGH,
  KMALLOC_SHIFT_LOW,
  kmalloc_place,
  kmalloc_size_roundup,
} from '../mm/kmalloc_caches.ts'
import { ARCH_SLAB_MINALIGN } from '../mm/slab_common.ts'
import { kernelOfMeta, type Meta, metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

type Row = Readonly<Record<string, unknown>>

/** Largest range that is tried size by size: more than any kernel serves. */
const MOST_SIZES = 1 << 24

/** Kind `kmalloc` of `mmtwin verify`. */
export const kmallocKind: VerifyKind = {
  kind: 'kmalloc',
  run: files => {
    const counts = tally('kmalloc')
    for (const file of files) if (/(^|\/)kmalloc[^/]*\.jsonl(\.gz)?$/.test(file.path)) verifyFile(file, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const [first, ...lines] = jsonLines(file.text())
  const meta = metaOf(first)
  const kernel = meta && kernelOf(meta, lines)
  if (kernel === null) {
    counts.check(1, 'a first line that describes a kernel that is modelled', first?.text.slice(0, 80) ?? 'nothing')
    return
  }
  for (const line of lines) verifyLine(kernel, line, counts)
}

function kernelOf(meta: Meta, lines: readonly JsonLine[]): Kernel | null {
  const names = new Set(lines.map(({ row }) => (row as Row | null)?.cache))
  const slab: SlabAllocator = names.has('slob') ? 'SLOB' : names.has('kmalloc-8') ? 'SLUB' : 'SLAB'
  const SLUB = slab === 'SLUB'
  const MEMCG_KMEM = [...names].some(name => String(name).startsWith('kmalloc-cg-'))
  try {
    const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
    return with_config(kernel, { SLUB_DEBUG: SLUB, SLUB_CPU_PARTIAL: SLUB && meta.cpus > 1, MEMCG_KMEM }, { slab })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function verifyLine(kernel: Kernel, { line, row, text }: JsonLine, counts: Tally): void {
  const got = derived(kernel, (row ?? {}) as Row)
  if (got === null) counts.check(line, 'a row of a known type', text.slice(0, 80))
  else counts.check(line, JSON.stringify(row), got.map(each => JSON.stringify({ ...(row as Row), ...each })).join(' '))
}

/** What the model says about a row: one result, or several where the sizes of a range differ. */
function derived(kernel: Kernel, row: Row): readonly Row[] | null {
  switch (row.t) {
    case 'const':
      return [constants(kernel)]
    case 'big': {
      const size = Number(row.size)
      if (!(size > 0 && size <= KMALLOC_MAX_SIZE(kernel))) return null
      return [{ ksize: kmalloc_place(kernel, size, GFP_KERNEL).ksize, roundup: kmalloc_size_roundup(kernel, size) }]
    }
    case 'range':
      return range(kernel, row)
    default:
      return null
  }
}

function range(kernel: Kernel, row: Row): readonly Row[] | null {
  const [from, to] = [Number(row.from), Number(row.to)]
  const gfp = maskOf(String(row.gfp), kernel)
  if (gfp === null || !(from >= 0 && to >= from && to - from < MOST_SIZES && to <= KMALLOC_MAX_SIZE(kernel)))
    return null
  const results = new Map<string, Row>()
  for (let size = from; size <= to; size++) {
    const result = place(kernel, size, gfp)
    results.set(JSON.stringify(result), result)
  }
  return [...results.values()]
}

function place(kernel: Kernel, size: number, gfp: number): Row {
  if (size === 0) return { ksize: 0, roundup: 0, cache: '-', page_order: 0 }
  const { ksize, cache, order } = kmalloc_place(kernel, size, gfp)
  const slob = kernel.slab === 'SLOB'
  return {
    ksize,
    roundup: slob ? 0 : kmalloc_size_roundup(kernel, size),
    cache: cache ?? (order >= 0 ? 'page' : 'slob'),
    page_order: Math.max(order, 0),
  }
}

/** A mask as it is written; null where a word is unknown. C calls __GFP_DMA what kernels print as GFP_DMA. */
function maskOf(text: string, { gfp }: Kernel): number | null {
  const { value, unknown } = parse_gfp(gfp, text.replaceAll('__GFP_DMA', 'GFP_DMA'))
  return unknown.length > 0 ? null : value
}

function constants(kernel: Kernel): Row {
  return {
    ARCH_KMALLOC_MINALIGN,
    ARCH_SLAB_MINALIGN,
    KMALLOC_MIN_SIZE: KMALLOC_MIN_SIZE(kernel),
    KMALLOC_MAX_SIZE: KMALLOC_MAX_SIZE(kernel),
    KMALLOC_MAX_CACHE_SIZE: KMALLOC_MAX_CACHE_SIZE(kernel),
    KMALLOC_SHIFT_LOW: KMALLOC_SHIFT_LOW(kernel),
    KMALLOC_SHIFT_HIGH: KMALLOC_SHIFT_HIGH(kernel),
  }
}
