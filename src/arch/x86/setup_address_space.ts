// The kernel's address space on a booted machine, all of it in one call: top-level table, direct map, fixed mappings, slots
// of kmap, vmalloc area. Law: it is made once, after memory was given to the allocator, which the tables come from.
import { MiB } from '../../base/units.ts'
import { kmap_init } from '../../mm/highmem.ts'
import { page_zone, type Sys } from '../../mm/mmzone.ts'
import { is_highmem } from '../../mm/page_alloc/setup.ts'
import { entry_alloc } from '../../mm/pgtable.ts'
import { type PgtableFeatures, pgtable_init, swapper_pg_dir } from '../../mm/pgtable_map.ts'
import { vmalloc_init } from '../../mm/vmalloc.ts'
import { areas_32, vmalloc_range } from './address_space.ts'
import { FIXADDR_TOP, type FixmapOptions, fixed_addresses } from './fixmap.ts'
import { init_mem_mapping, type MemoryRange } from './init_mem_mapping.ts'

export interface AddressSpaceOptions extends PgtableFeatures {
  /** Memory, ascending, in bytes; default: what the zones hold. */
  readonly memory?: readonly MemoryRange[]
  /** What the kernel was built with. */
  readonly fixmap?: Partial<FixmapOptions>
}

/** End of the direct map: the first frame of high memory, else the end of memory. @ours */
export function max_low_pfn(sys: Sys): number {
  for (let zone = 0; zone < sys.nr_zones; zone++)
    if (is_highmem(sys, zone) && sys.zone.spanned_pages[zone]! > 0) return sys.zone.zone_start_pfn[zone]!
  return sys.machine.max_pfn[0]!
}

/** Makes the address space. Alpha reaches its memory without page tables, so it has no direct map in them.
 * @kernel arch/x86/kernel/setup.c:setup_arch */
export function setup_address_space(sys: Sys, options: AddressSpaceOptions = {}): void {
  const { kernel } = sys
  const low = max_low_pfn(sys)
  pgtable_init(sys, options)
  if (kernel.arch !== 'alpha') {
    const early = kernel.BITS_PER_LONG === 32 ? 4 * MiB : 0
    init_mem_mapping(sys, options.memory ?? memory_of_zones(sys), low * 2 ** kernel.PAGE_SHIFT, early)
  }
  if (kernel.arch === 'i386') setup_fixed(sys, { ...FIXMAP_BUILD, ...options.fixmap })
  vmalloc_init(sys, vmalloc_range(kernel, low))
}

/** What kernels were built with unless it is said otherwise. */
export const FIXMAP_BUILD: FixmapOptions = { NR_CPUS: 32, X86_LOCAL_APIC: true, io_apics: 64, PCI_MMCONFIG: true }

/** Tables of the fixed mappings and of kmap's slots. @kernel arch/x86/mm/init_32.c:page_table_range_init */
function setup_fixed(sys: Sys, options: FixmapOptions): void {
  const { kernel } = sys
  const lowest = kernel.pgtable.levels.length - 1
  const { LAST_PKMAP, PKMAP_BASE } = areas_32(kernel, options)
  const { FIX_KMAP_BEGIN, __end_of_permanent_fixed_addresses: size } = fixed_addresses(kernel, options)
  const top = FIXADDR_TOP(kernel)
  for (let page = top - 1; page >= top - size; page--) entry_alloc(sys, swapper_pg_dir(sys), page, lowest)
  if (!kernel.config.HIGHMEM) return
  entry_alloc(sys, swapper_pg_dir(sys), PKMAP_BASE, lowest)
  kmap_init(sys, { PKMAP_BASE, LAST_PKMAP, FIXADDR_TOP: top, FIX_KMAP_BEGIN })
}

/** Runs of frames that belong to a zone. */
function memory_of_zones(sys: Sys): MemoryRange[] {
  const unit = 2 ** sys.kernel.PAGE_SHIFT
  const frames = 2 ** sys.block_shift
  const ranges: MemoryRange[] = []
  for (let pfn = 0; pfn < sys.machine.max_pfn[0]!; pfn += frames) {
    if (sys.block.state[pfn / frames] === 0 || page_zone(sys, pfn + frames - 1) < 0) continue
    const last = ranges.at(-1)
    const end = Math.min(pfn + frames, sys.machine.max_pfn[0]!) * unit
    if (last && last.end === pfn * unit) ranges[ranges.length - 1] = { start: last.start, end }
    else ranges.push({ start: pfn * unit, end })
  }
  return ranges
}
