// Which kernel wrote a captured folder: the profile of its release and architecture, with the switches that the files
// themselves tell (a zone, a migrate type, a counter is there or not).
import { kernel_for_release, kernel_with_room, with_config } from '../kernels/index.ts'
import type { Kernel, KernelConfig } from '../mm/kernel.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { parseCommandLine } from './command_line.ts'

/** The kernel of a snapshot; a RangeError says which file would be needed, or that there is no profile. */
export function kernelOfSnapshot(snapshot: Snapshot): Kernel {
  const { release, arch } = snapshot
  if (arch === null)
    throw new RangeError('no file of this snapshot tells the architecture: version or zoneinfo is needed')
  // Without `version`, a row that only newer kernels print tells them from older ones.
  const promo = snapshot.zoneinfo?.zones.some(({ pages }) => pages.promo !== undefined) ?? false
  const profile = kernel_for_release(release ?? (promo ? '6.12' : '6.1'), arch)
  const base = profile && kernel_with_room(profile, lowMemory(snapshot), vmallocOption(snapshot))
  if (!base) throw new RangeError(`no kernel profile for release ${release} on ${arch}`)
  const config = { ...switchesOfZones(snapshot), ...switchesOfCounters(snapshot) }
  const changed = Object.entries(config).some(([name, value]) => base.config[name as keyof KernelConfig] !== value)
  const orders = ordersOf(snapshot) ?? base.NR_PAGE_ORDERS
  return changed || orders !== base.NR_PAGE_ORDERS ? with_config(base, config, { NR_PAGE_ORDERS: orders }) : base
}

/** Frames below the end of the zones that the direct map reaches. */
function lowMemory({ zoneinfo }: Snapshot): number {
  const low = zoneinfo?.zones.filter(({ name, pages }) => pages.present > 0 && (name === 'DMA' || name === 'Normal'))
  return Math.max(0, ...(low ?? []).map(({ startPfn, pages }) => startPfn + pages.spanned))
}

const vmallocOption = ({ cmdline }: Snapshot): number => (cmdline ? parseCommandLine(cmdline).vmalloc : 0)

function ordersOf({ buddyinfo, pagetypeinfo }: Snapshot): number | null {
  return buddyinfo?.zones[0]?.free.length ?? (pagetypeinfo && pagetypeinfo.orders > 0 ? pagetypeinfo.orders : null)
}

function switchesOfZones({ zoneinfo, pagetypeinfo }: Snapshot): Partial<KernelConfig> {
  const config: Record<string, boolean> = {}
  if (zoneinfo && zoneinfo.zones.length > 0) {
    const has = (name: string): boolean => zoneinfo.zones.some(zone => zone.name === name)
    config.ZONE_DMA = has('DMA')
    config.ZONE_DMA32 = has('DMA32')
    config.HIGHMEM = has('HighMem')
    config.ZONE_DEVICE = has('Device')
    const populated = zoneinfo.zones.find(({ pages }) => pages.present > 0)
    if (populated) {
      config.SMP = populated.pagesets.some(({ statThreshold }) => statThreshold !== undefined)
      // What needs SMP or NUMA goes with it.
      config.SLUB_CPU_PARTIAL = config.SMP
      config.NUMA = populated.counters.has('numa_hit')
      if (!config.NUMA) config.NUMA_EMU = config.NUMA_BALANCING = false
      config.ZSMALLOC = populated.counters.has('nr_zspages')
    }
  }
  if (pagetypeinfo && pagetypeinfo.migrateTypes.length > 0) {
    const { migrateTypes, pageblockOrder, orders } = pagetypeinfo
    config.CMA = migrateTypes.includes('CMA')
    config.MEMORY_ISOLATION = migrateTypes.includes('Isolate')
    config.HUGETLB_PAGE = pageblockOrder < orders - 1
  }
  return config
}

/** vmstat prints a counter only where it was compiled in. */
const TELLING: readonly (readonly [keyof KernelConfig, string])[] = [
  ['SWAP', 'swap_ra'],
  ['ZSWAP', 'zswpin'],
  ['KSM', 'cow_ksm'],
  ['MEMORY_BALLOON', 'balloon_inflate'],
  ['NUMA_BALANCING', 'numa_pte_updates'],
  ['COMPACTION', 'compact_stall'],
  ['TRANSPARENT_HUGEPAGE', 'thp_fault_alloc'],
  ['HUGETLB_PAGE', 'htlb_buddy_alloc_success'],
]

function switchesOfCounters({ vmstat }: Snapshot): Partial<KernelConfig> {
  if (!vmstat || vmstat.counters.size === 0) return {}
  const config: Record<string, boolean> = {}
  for (const [name, counter] of TELLING) config[name] = vmstat.counters.has(counter)
  return config
}
