// A kernel profile is a record of what was decided at compile time; what follows from that is derived here, and a
// combination that no kernel ever had is refused, unless the record says `counterfactual`.
import { pgtable_alpha } from '../arch/alpha/pgtable.ts'
import { pgtable_32 } from '../arch/x86/pgtable_32.ts'
import { pgtable_64, pgtable_64_la57 } from '../arch/x86/pgtable_64.ts'
import { pgtable_pae } from '../arch/x86/pgtable_pae.ts'
import type { GfpFeatures } from '../mm/gfp.ts'
import { gfp_table } from '../mm/gfp_names.ts'
import type { KasanRules, Kernel, KernelConfig, PageAllocRules, ReportText, ZoneName } from '../mm/kernel.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { Pgtable } from '../mm/pgtable_types.ts'
import { kernel_stacks, type StackGeneration } from './kernel_stacks.ts'
import { kernel_proc, type ProcGeneration } from './proc_items.ts'

/** What a profile's file says; the rest of `Kernel` follows from it. */
export interface KernelRecord extends PageAllocRules {
  readonly name: string
  readonly release: string
  readonly arch: Kernel['arch']
  readonly PAGE_SHIFT: number
  readonly NR_PAGE_ORDERS: number
  readonly memory_model: Kernel['memory_model']
  readonly SECTION_SIZE_BITS: number
  readonly sizeof_page: number
  readonly huge_order: number
  readonly nr_pcp_thp: number
  readonly PAGE_OFFSET: number
  readonly pgtable_levels: number
  readonly VMALLOC_RESERVE: number
  readonly VMALLOC_END: number
  readonly DMA_LIMIT: number
  readonly movable_shares_min_free: boolean
  readonly split_rss_counting: boolean
  readonly bss_is_heap: boolean
  readonly report_text: ReportText
  readonly kasan: KasanRules
  readonly slab: Kernel['slab']
  readonly config: KernelConfig
  readonly zone_set_pageset_high_and_batch: (sys: Sys, zone: number) => void
  readonly gfp_features: GfpFeatures
  readonly proc_generation: ProcGeneration
  readonly stack_generation: StackGeneration
  readonly reclaim: Kernel['reclaim']
  /** Set to true to define a kernel that never existed. */
  readonly counterfactual?: boolean
}

const records = new WeakMap<Kernel, KernelRecord>()

/** A kernel of a record. Throws a RangeError for a combination that never existed and is not `counterfactual`.
 * @ours */
export function define_kernel(record: KernelRecord): Kernel {
  const complaint = record.counterfactual ? null : never_existed(record)
  if (complaint)
    throw new RangeError(`kernel ${record.name}: ${complaint}; say counterfactual: true to define it anyway`)
  const { gfp_features, proc_generation, stack_generation: _, ...facts } = record
  const { config } = record
  const BITS_PER_LONG = record.arch === 'i386' ? 32 : 64
  const zones = zone_names(config)
  const kernel: Kernel = {
    ...facts,
    BITS_PER_LONG,
    pageblock_order: pageblock_order(record),
    pgtable: pgtable_of(record),
    zones,
    migratetypes: migratetypes(config),
    gfp: gfp_table(zones, gfp_features),
    stack: kernel_stacks(record),
    proc: kernel_proc(proc_generation, config, zones, BITS_PER_LONG),
    counterfactual: record.counterfactual ?? false,
  }
  records.set(kernel, record)
  return kernel
}

/** The same kernel built with other switches: `with_config(kernel, { NUMA: false }, { name: 'mine' })`.
 * `changes` are other fields of its record; the name says `custom` where none is given.
 * @ours
 */
export function with_config(
  kernel: Kernel,
  config: Partial<KernelConfig>,
  changes: Partial<Omit<KernelRecord, 'config'>> = {},
): Kernel {
  const record = records.get(kernel)
  if (!record) throw new RangeError(`kernel ${kernel.name} was not made with define_kernel`)
  const name = changes.name ?? `${record.name}-custom`
  return define_kernel({ ...record, ...changes, name, config: { ...record.config, ...config } })
}

/** Switches that an allocator of objects does not have, or that the model has for SLUB only. */
const SLUB_ONLY: Partial<KernelConfig> = {
  SLUB_DEBUG: false,
  SLUB_CPU_PARTIAL: false,
  SLUB_KMALLOC_REDZONE: false,
  SLAB_FREELIST_HARDENED: false,
  SLAB_FREELIST_RANDOM: false,
}
const WITHOUT: Readonly<Record<Kernel['slab'], Partial<KernelConfig>>> = {
  SLUB: { DEBUG_SLAB: false },
  SLAB: SLUB_ONLY,
  SLOB: { ...SLUB_ONLY, DEBUG_SLAB: false, MEMCG_KMEM: false },
}

/** The same kernel built with another allocator of objects, and with the switches that differ beside that. Its name says
 * which: `6.1-x86_64-slab`.
 * @ours
 */
export function with_slab(kernel: Kernel, slab: Kernel['slab'], config: Partial<KernelConfig> = {}): Kernel {
  if (slab === kernel.slab) return Object.keys(config).length === 0 ? kernel : with_config(kernel, config)
  const custom = Object.keys(config).length === 0 ? '' : '-custom'
  const name = `${kernel.name}-${slab.toLowerCase()}${custom}`
  return with_config(kernel, { ...WITHOUT[slab], ...config }, { slab, name })
}

/** @kernel include/linux/mmzone.h:enum zone_type */
function zone_names(config: KernelConfig): readonly ZoneName[] {
  const all: readonly (readonly [boolean, ZoneName])[] = [
    [config.ZONE_DMA, 'DMA'],
    [config.ZONE_DMA32, 'DMA32'],
    [true, 'Normal'],
    [config.HIGHMEM, 'HighMem'],
    [true, 'Movable'],
    [config.ZONE_DEVICE, 'Device'],
  ]
  return all.filter(([has]) => has).map(([, name]) => name)
}

/** @kernel include/linux/mmzone.h:enum migratetype */
function migratetypes(config: KernelConfig): readonly string[] {
  const types = ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic']
  if (config.CMA) types.push('CMA')
  if (config.MEMORY_ISOLATION) types.push('Isolate')
  return types
}

/** A huge page where the kernel has a pool of them, else the highest order.
 * @kernel include/linux/pageblock-flags.h:pageblock_order */
function pageblock_order({ config, huge_order, NR_PAGE_ORDERS }: KernelRecord): number {
  return config.HUGETLB_PAGE ? Math.min(huge_order, NR_PAGE_ORDERS - 1) : NR_PAGE_ORDERS - 1
}

/** Page tables of a processor with so many levels. */
function pgtable_of({ arch, pgtable_levels }: KernelRecord): Pgtable {
  if (arch === 'alpha') return pgtable_alpha
  if (arch === 'x86_64') return pgtable_levels === 5 ? pgtable_64_la57 : pgtable_64
  return pgtable_levels === 3 ? pgtable_pae : pgtable_32
}

const LAST_DISCONTIGMEM = [5, 13]
const LAST_SLAB = [6, 7]
const LAST_SLOB = [6, 3]

function newer_than(release: string, [major, minor]: readonly number[]): boolean {
  const [a = 0, b = 0] = release.split('.').map(Number)
  return a > major! || (a === major && b > minor!)
}

/** Why no kernel was ever like this; null when one was. */
function never_existed(record: KernelRecord): string | null {
  const { arch, config, memory_model, PAGE_SHIFT, pgtable_levels: levels, NR_PAGE_ORDERS } = record
  const rules: readonly (readonly [boolean, string])[] = [
    [config.HIGHMEM && arch !== 'i386', `HIGHMEM belongs to 32-bit processors, not to ${arch}`],
    [config.ZONE_DMA32 && arch !== 'x86_64', `ZONE_DMA32 belongs to x86_64, not to ${arch}`],
    [arch === 'alpha' ? PAGE_SHIFT !== 13 : PAGE_SHIFT !== 12, `${arch} has no pages of ${2 ** PAGE_SHIFT} bytes`],
    [arch === 'i386' && levels !== 2 && levels !== 3, `i386 has 2 or (PAE) 3 levels of page tables, not ${levels}`],
    [arch === 'x86_64' && levels !== 4 && levels !== 5, `x86_64 has 4 or 5 levels of page tables, not ${levels}`],
    [arch === 'alpha' && levels !== 3, `alpha has 3 levels of page tables, not ${levels}`],
    [arch === 'x86_64' && memory_model !== 'SPARSEMEM', `x86_64 has SPARSEMEM, not ${memory_model}`],
    [
      memory_model === 'DISCONTIGMEM' && newer_than(record.release, LAST_DISCONTIGMEM),
      `DISCONTIGMEM ended with Linux 5.13, this is ${record.release}`,
    ],
    [config.NUMA && !config.SMP, 'NUMA needs SMP'],
    [config.NUMA_EMU && !config.NUMA, 'NUMA_EMU needs NUMA'],
    [config.CMA && !config.MEMORY_ISOLATION, 'CMA needs MEMORY_ISOLATION'],
    [config.SLUB_DEBUG && record.slab !== 'SLUB', `SLUB_DEBUG belongs to SLUB, not to ${record.slab}`],
    [config.SLUB_CPU_PARTIAL && record.slab !== 'SLUB', `SLUB_CPU_PARTIAL belongs to SLUB, not to ${record.slab}`],
    [config.SLUB_CPU_PARTIAL && !config.SMP, 'SLUB_CPU_PARTIAL needs SMP'],
    [config.DEBUG_SLAB && record.slab !== 'SLAB', `DEBUG_SLAB belongs to SLAB, not to ${record.slab}`],
    [config.DEBUG_KMEMLEAK && arch === 'alpha', 'DEBUG_KMEMLEAK does not exist for alpha'],
    [record.slab === 'SLAB' && newer_than(record.release, LAST_SLAB), `SLAB ended with 6.7, this is ${record.release}`],
    [record.slab === 'SLOB' && newer_than(record.release, LAST_SLOB), `SLOB ended with 6.3, this is ${record.release}`],
    [config.MEMCG_KMEM && record.slab === 'SLOB', 'MEMCG_KMEM needs SLUB or SLAB'],
    [config.KASAN && record.slab === 'SLOB', 'KASAN needs SLUB or SLAB'],
    [config.KASAN && config.DEBUG_SLAB, 'KASAN with SLAB needs DEBUG_SLAB off'],
    [config.KASAN && arch !== 'x86_64', `generic KASAN is there for x86_64, not for ${arch}`],
    [config['4KSTACKS'] && arch !== 'i386', `4KSTACKS belongs to i386, not to ${arch}`],
    [config['4KSTACKS'] && newer_than(record.release, [2, 6]), `4KSTACKS ended with 2.6, this is ${record.release}`],
    [config.VMAP_STACK && arch !== 'x86_64', `VMAP_STACK belongs to 64-bit processors, not to ${arch}`],
    [config.VMAP_STACK && !config.THREAD_INFO_IN_TASK, 'VMAP_STACK needs THREAD_INFO_IN_TASK'],
    [config.DEBUG_STACKOVERFLOW && arch !== 'i386', `DEBUG_STACKOVERFLOW belongs to i386, not to ${arch}`],
    [config.ZSWAP && !config.SWAP, 'ZSWAP needs SWAP'],
    [config.TRANSPARENT_HUGEPAGE && !config.COMPACTION, 'TRANSPARENT_HUGEPAGE needs COMPACTION'],
    [
      memory_model === 'SPARSEMEM' && NR_PAGE_ORDERS - 1 + PAGE_SHIFT > record.SECTION_SIZE_BITS,
      `a block of order ${NR_PAGE_ORDERS - 1} does not fit into a section of 2^${record.SECTION_SIZE_BITS} bytes`,
    ],
  ]
  return rules.find(([broken]) => broken)?.[1] ?? null
}
