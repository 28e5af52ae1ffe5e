// Which zones a kernel has and in which order it numbers them: the index in lowmem_reserve[] and the zone that a mask
// leads to depend on it, and reports do not print it. Found from the zones' names, the length of the reserve rows and
// where in a row the numbers begin: a row is 0 up to its own zone's index.
import { with_config } from '../../kernels/define_kernel.ts'
import { x86_64_6_1 } from '../../kernels/x86_64_6_1.ts'
import type { Kernel } from '../../mm/kernel.ts'
import type { ReportFacts, ZoneFacts } from './facts.ts'

/** The zone types of kernels, most usual first; Device, which is never printed, may follow. */
const LAYOUTS: readonly (readonly string[])[] = [
  ['DMA', 'DMA32', 'Normal', 'Movable', 'Device'],
  ['DMA', 'DMA32', 'Normal', 'Movable'],
  ['DMA', 'Normal', 'HighMem', 'Movable'],
  ['DMA', 'Normal', 'HighMem'],
  ['Normal', 'HighMem', 'Movable'],
  ['DMA', 'DMA32', 'Normal', 'HighMem', 'Movable'],
  ['DMA', 'DMA32', 'Normal'],
  ['DMA', 'Normal', 'Movable', 'Device'],
  ['DMA', 'Normal', 'Movable'],
  ['DMA32', 'Normal', 'Movable', 'Device'],
  ['DMA32', 'Normal', 'Movable'],
  ['DMA', 'Normal'],
  ['Normal', 'Movable', 'Device'],
  ['Normal', 'Movable'],
  ['Normal', 'HighMem'],
]
const LAYOUTS_32: readonly (readonly string[])[] = LAYOUTS.filter(layout => !layout.includes('DMA32'))

/** The kernel that a report's zones belong to. */
export interface Layout {
  readonly kernel: Kernel
  /** 32 bits: memory above the direct map is HighMem. */
  readonly highmem: boolean
  index(name: string): number
  pageSize: number | null
}

const kernels = new Map<string, Kernel>()

/** A record with these zones, page size and orders; behaviour is that of 6.1. */
function kernelWith(zones: readonly string[], pageShift: number, orders: number): Kernel {
  const key = `${zones.join()}/${pageShift}/${orders}`
  const known = kernels.get(key)
  if (known) return known
  const made = with_config(
    x86_64_6_1,
    {
      CMA: true,
      MEMORY_ISOLATION: true,
      HIGHMEM: zones.includes('HighMem'),
      ZONE_DMA: zones.includes('DMA'),
      ZONE_DMA32: zones.includes('DMA32'),
      ZONE_DEVICE: true,
    },
    { name: `report-${key}`, counterfactual: true, PAGE_SHIFT: pageShift, NR_PAGE_ORDERS: orders },
  )
  kernels.set(key, made)
  return made
}

/** The processor, from registers, functions, and the kernel's own name. */
export function archOf({ arch, kernel }: ReportFacts): string | null {
  if (arch) return arch.value
  const [, said] = /(amd64|x86_64|i[3-6]86|686|aarch64|arm64|armv?\d?|ppc64le|ppc64)\b/.exec(kernel?.value ?? '') ?? []
  if (said === undefined) return null
  if (/86$/.test(said)) return 'i386'
  if (/amd64|x86_64/.test(said)) return 'x86_64'
  return said === 'aarch64' ? 'arm64' : said.startsWith('ppc') ? 'ppc64' : said
}

const is32 = (arch: string | null): boolean => arch === 'i386' || (arch !== null && /^armv?\d?$/.test(arch))

function fits(layout: readonly string[], zones: readonly ZoneFacts[]): boolean {
  return zones.every(({ name, reserve }) => {
    const index = layout.indexOf(name)
    if (index < 0) return false
    if (!reserve || reserve.value.length === 0) return true
    // Names of the list may end earlier than the row (Device) but not the row earlier than the list.
    if (reserve.value.length !== layout.length) return false
    return reserve.value.every((pages, at) => at > index || pages === 0)
  })
}

/** Between rows of one node: what lies above a zone and is printed makes its row's number positive there. */
function agrees(layout: readonly string[], zones: readonly ZoneFacts[]): boolean {
  return zones.every(low =>
    zones.every(high => {
      if (low.node !== high.node || !low.reserve) return true
      const [i, j] = [layout.indexOf(low.name), layout.indexOf(high.name)]
      const managed = high.kb.get('managed') ?? high.kb.get('present') ?? 0
      return j <= i || managed < 65536 || low.reserve.value.every(pages => pages === 0) || low.reserve.value[j]! > 0
    }),
  )
}

/** The layout of a report's kernel. */
export function layoutOf(facts: ReportFacts): Layout {
  const arch = archOf(facts)
  const order = is32(arch) || facts.zones.some(({ name }) => name === 'HighMem') ? [...LAYOUTS_32, ...LAYOUTS] : LAYOUTS
  const names =
    order.find(layout => fits(layout, facts.zones) && agrees(layout, facts.zones)) ??
    order.find(layout => fits(layout, facts.zones)) ??
    order.find(layout => facts.zones.every(({ name }) => layout.includes(name))) ??
    LAYOUTS[0]!
  const pageSize = pageSizeOf(facts)
  const orders = Math.max(11, ...facts.blocks.map(({ counts }) => counts.length))
  const kernel = kernelWith(names, Math.log2(pageSize ?? 4096), orders)
  return {
    kernel,
    highmem: names.includes('HighMem'),
    index: name => (kernel.zones as readonly string[]).indexOf(name),
    pageSize,
  }
}

const SIZES = [4096, 8192, 16384, 65536, 262144]
const nearestSize = (bytes: number): number | null => SIZES.find(size => Math.abs(bytes - size) < size / 20) ?? null

/** Bytes of a page; null where nothing tells. */
export function pageSizeOf(facts: ReportFacts): number | null {
  const smallest = facts.blocks.find(({ unit }) => unit > 0)?.unit
  if (smallest !== undefined) return smallest
  const { kill } = facts
  const row = kill && facts.tasks.find(({ pid }) => pid === kill.pid)
  if (kill?.totalVmKB && row?.columns.total_vm) return nearestSize((kill.totalVmKB * 1024) / row.columns.total_vm)
  const pages = facts.counters.get('inactive_anon')?.value
  const [first] = facts.nodes.values()
  if (pages && facts.nodes.size === 1) return nearestSize(((first!.kb.get('inactive_anon') ?? 0) * 1024) / pages)
  const arch = archOf(facts)
  return arch === 'i386' || arch === 'x86_64' || arch === 'arm' ? 4096 : null
}
