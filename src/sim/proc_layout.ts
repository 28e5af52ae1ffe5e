// Which rows the /proc files of a machine have: its kernel's switches as the features of a layout.
import type { Kernel } from '../mm/kernel.ts'
import { defineProcLayout, type LayoutFeature, type ProcLayout } from '../report/proc/layouts.ts'

const layouts = new WeakMap<Kernel, ProcLayout>()

/** The rows that a kernel prints. */
export function procLayoutOf(kernel: Kernel): ProcLayout {
  const known = layouts.get(kernel)
  if (known) return known
  const layout = defineProcLayout(featuresOf(kernel))
  layouts.set(kernel, layout)
  return layout
}

function featuresOf(kernel: Kernel): LayoutFeature[] {
  const { config, zones, proc, arch, pgtable_levels } = kernel
  const switches: readonly (readonly [boolean, LayoutFeature])[] = [
    [!proc.vmstat_memmap, 'v6_1'],
    [proc.vmstat_memmap, 'v6_12'],
    [config.SMP, 'smp'],
    [zones.includes('DMA32'), 'dma32'],
    [zones.includes('HighMem'), 'highmem'],
    [zones.includes('Device'), 'device'],
    [config.ZSMALLOC, 'zsmalloc'],
    [config.NUMA, 'numa'],
    [config.NUMA_BALANCING, 'numaBalancing'],
    [config.SWAP, 'swap'],
    [config.ZSWAP, 'zswap'],
    [config.COMPACTION, 'migration'],
    [config.HUGETLB_PAGE, 'hugetlb'],
    [config.CMA, 'cma'],
    [config.MEMORY_ISOLATION, 'isolation'],
    [config.TRANSPARENT_HUGEPAGE, 'thp'],
    [config.TRANSPARENT_HUGEPAGE && arch === 'x86_64', 'thpPud'],
    [config.MEMORY_BALLOON, 'balloon'],
    [config.KSM, 'ksm'],
    // The distributions that build with KSM build with memory failure handling, too; nothing else depends on it.
    [config.KSM, 'memoryFailure'],
    [arch === 'i386' && pgtable_levels === 2, 'map4M'],
    [arch === 'x86_64' || pgtable_levels === 3, 'map2M'],
  ]
  return switches.filter(([has]) => has).map(([, feature]) => feature)
}
