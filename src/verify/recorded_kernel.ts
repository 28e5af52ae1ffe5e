// The kernel that made a recording, as its meta line describes it: a profile of the same release and processor, built
// with the switches that the line tells.
import { kernel_for_release, with_config } from '../kernels/index.ts'
import type { Kernel } from '../mm/kernel.ts'
import type { JsonLine } from './types.ts'

/** Line 1 of every recording of the custom kernels. */
export interface Meta {
  readonly release: string
  readonly machine: string
  readonly cpus: number
  readonly page_shift: number
  readonly max_order: number
  readonly pageblock_order: number
  readonly nr_zones: number
  readonly migrate_types: number
  readonly nr_pcp_lists: number
  readonly cmdline: string
}

/** What the rest of a recording tells of its kernel. */
export interface Hints {
  /** Per-CPU counters were dumped. */
  readonly smp: boolean
  /** NUMA counters were dumped. */
  readonly numa: boolean
}

/** Per-CPU lists without huge pages. */
const LOW_ORDER_LISTS = 12

/** The kernel of a meta line; throws a RangeError where there is no profile for it. */
export function kernelOfMeta(meta: Meta, hints: Hints): Kernel {
  const base = kernel_for_release(meta.release, meta.machine)
  if (!base) throw new RangeError(`no kernel profile for ${meta.release} on ${meta.machine}`)
  return with_config(
    base,
    {
      SMP: hints.smp || hints.numa,
      NUMA: hints.numa,
      NUMA_EMU: hints.numa,
      NUMA_BALANCING: false,
      CMA: meta.migrate_types === 6,
      MEMORY_ISOLATION: meta.migrate_types >= 5,
      TRANSPARENT_HUGEPAGE: meta.nr_pcp_lists > LOW_ORDER_LISTS,
      HUGETLB_PAGE: meta.pageblock_order < meta.max_order - 1,
      ZONE_DEVICE: false,
      SLUB_CPU_PARTIAL: hints.smp || hints.numa,
      SLAB_FREELIST_HARDENED: false,
      SLAB_FREELIST_RANDOM: false,
      MEM_SOFT_DIRTY: false,
      HIGHPTE: false,
      MEMCG_KMEM: false,
    },
    {
      name: `${base.name}-recorded`,
      NR_PAGE_ORDERS: meta.max_order,
      nr_pcp_thp: Math.max(meta.nr_pcp_lists - LOW_ORDER_LISTS, 1),
    },
  )
}

/** The first line as `Meta`; null where it is none. */
export function metaOf(line: JsonLine | undefined): Meta | null {
  const row = line?.row as Partial<Meta & { t: string }> | null | undefined
  if (row?.t !== 'meta') return null
  const numbers = [row.cpus, row.max_order, row.pageblock_order, row.nr_zones, row.migrate_types, row.nr_pcp_lists]
  const texts = [row.release, row.machine, row.cmdline]
  return numbers.every(Number.isInteger) && texts.every(text => typeof text === 'string') ? (row as Meta) : null
}
