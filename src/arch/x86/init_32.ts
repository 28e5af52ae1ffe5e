// 32-bit x86: how much of memory the direct map reaches. Above max_low_pfn lies high memory.
import { MiB } from '../../base/units.ts'
import type { Kernel } from '../../mm/kernel.ts'

/** The guard hole before the vmalloc area, which `vmalloc=` comes on top of. @kernel arch/x86/include/asm/pgtable_32_areas.h:VMALLOC_OFFSET */
const VMALLOC_OFFSET = 8 * MiB

export interface LowmemOptions {
  /** `vmalloc=` in bytes, 0 = not given. */
  readonly vmalloc: number
  /** `highmem=` in bytes, -1 = not given. */
  readonly highmem: number
}

export interface LowmemRange {
  readonly max_low_pfn: number
  /** Frames behind this one are not used. */
  readonly max_pfn: number
}

/** Ends of low memory and of all memory for a machine whose last frame is `last_pfn` - 1.
 * @kernel arch/x86/mm/init_32.c:find_low_pfn_range */
export function find_low_pfn_range(kernel: Kernel, last_pfn: number, options: LowmemOptions): LowmemRange {
  if (kernel.arch !== 'i386') return { max_low_pfn: last_pfn, max_pfn: last_pfn }
  const frames = (bytes: number): number => Math.floor(bytes / 2 ** kernel.PAGE_SHIFT)
  const reserve = options.vmalloc > 0 ? options.vmalloc + VMALLOC_OFFSET : kernel.VMALLOC_RESERVE
  const maxmem_pfn = frames(kernel.VMALLOC_END - kernel.PAGE_OFFSET - reserve)
  const highmem = options.highmem < 0 ? -1 : frames(options.highmem)
  if (last_pfn <= maxmem_pfn) return lowmem_pfn_init(last_pfn, highmem, frames(64 * MiB))
  return highmem_pfn_init(kernel, last_pfn, maxmem_pfn, highmem)
}

/** All memory fits: `highmem=` may still cut some off, but 64 MiB must stay.
 * @kernel arch/x86/mm/init_32.c:lowmem_pfn_init */
function lowmem_pfn_init(max_pfn: number, highmem: number, least: number): LowmemRange {
  const cut = highmem > 0 && highmem < max_pfn && max_pfn - highmem >= least ? highmem : 0
  return { max_low_pfn: max_pfn - cut, max_pfn }
}

/** @kernel arch/x86/mm/init_32.c:highmem_pfn_init */
function highmem_pfn_init(kernel: Kernel, last_pfn: number, maxmem_pfn: number, highmem: number): LowmemRange {
  const wanted = highmem < 0 ? last_pfn - maxmem_pfn : highmem
  let max_pfn = Math.min(last_pfn, maxmem_pfn + wanted)
  if (!kernel.config.HIGHMEM) max_pfn = maxmem_pfn
  const without_pae = 2 ** (32 - kernel.PAGE_SHIFT)
  if (kernel.pgtable_levels < 3) max_pfn = Math.min(max_pfn, without_pae)
  return { max_low_pfn: maxmem_pfn, max_pfn }
}
