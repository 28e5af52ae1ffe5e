// Puts what a report counts into the machine that it was printed on. Law: only counters, free blocks, tasks and limits
// come from the report; zones, their sizes, marks and reserves are those of the captured files.

import { zone_named } from '../mm/kernel.ts'
import { MAX_RECLAIM_RETRIES } from '../mm/kswapd.ts'
import { populated_zone, type Sys } from '../mm/mmzone.ts'
import type { NodeItem, ZoneItem } from '../mm/show_mem_state.ts'
import { NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS, ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'
import type { LoggedReport } from './oom_report_lines.ts'

/** Numbers of a line by their names: `name:12`, `name:12kB`, `name = 12kB`. */
function numbersOf(text: string): Map<string, number> {
  const pairs = [...text.matchAll(/([\w()]+): ?(\d+)(?:kB|KB)?(?= |$)/g)]
  return new Map(pairs.map(([, name, value]) => [name!, Number(value)]))
}

const NODE_FIELDS: Readonly<Record<string, NodeItem>> = {
  active_anon: 'nr_active_anon',
  inactive_anon: 'nr_inactive_anon',
  active_file: 'nr_active_file',
  inactive_file: 'nr_inactive_file',
  unevictable: 'nr_unevictable',
  'isolated(anon)': 'nr_isolated_anon',
  'isolated(file)': 'nr_isolated_file',
  mapped: 'nr_mapped',
  dirty: 'nr_dirty',
  writeback: 'nr_writeback',
  shmem: 'nr_shmem',
  shmem_thp: 'nr_shmem_hugepages',
  shmem_pmdmapped: 'nr_shmem_pmdmapped',
  anon_thp: 'nr_anon_transparent_hugepages',
  writeback_tmp: 'nr_writeback_temp',
  pagetables: 'nr_page_table_pages',
  sec_pagetables: 'nr_sec_page_table_pages',
}

/** Those that only the first lines have, and names that differ there. */
const GLOBAL_FIELDS: Readonly<Record<string, NodeItem>> = {
  ...NODE_FIELDS,
  isolated_anon: 'nr_isolated_anon',
  isolated_file: 'nr_isolated_file',
  slab_reclaimable: 'nr_slab_reclaimable',
  slab_unreclaimable: 'nr_slab_unreclaimable',
  kernel_misc_reclaimable: 'nr_kernel_misc_reclaimable',
}

const ZONE_FIELDS: Readonly<Record<string, ZoneItem>> = {
  free: 'nr_free_pages',
  active_anon: 'nr_zone_active_anon',
  inactive_anon: 'nr_zone_inactive_anon',
  active_file: 'nr_zone_active_file',
  inactive_file: 'nr_zone_inactive_file',
  unevictable: 'nr_zone_unevictable',
  writepending: 'nr_zone_write_pending',
  mlocked: 'nr_mlock',
  bounce: 'nr_bounce',
  free_cma: 'nr_free_cma',
}

/** Fills the machine; `texts` are the lines of one report. */
export function fillMemory(sys: Sys, { lines, cpu }: LoggedReport): void {
  const texts = lines.map(({ text }) => text)
  const kb = 2 ** (sys.kernel.PAGE_SHIFT - 10)
  sys.machine.this_cpu[0] = cpu
  sys.node_stat.vm_stat.fill(0)
  sys.zone_stat.vm_stat.fill(0)
  sys.pcp.count.fill(0)
  const nodes = new Set(texts.flatMap(text => fillNode(sys, text, kb)))
  const zones = new Set(texts.flatMap(text => fillZone(sys, text, kb)))
  for (const text of texts) fillBlocks(sys, text)
  fillHidden(sys, texts, nodes, zones)
  fillTotals(sys, texts, kb)
}

const nodeItem = (node: number, item: NodeItem): number => node * NODE_STAT_ITEMS.length + NODE_STAT_ITEMS.indexOf(item)
const zoneItem = (zone: number, item: ZoneItem): number => zone * NR_VM_ZONE_STAT_ITEMS + ZONE_STAT_ITEMS.indexOf(item)

function fillNode(sys: Sys, text: string, kb: number): number[] {
  const match = /^Node (\d+) active_anon:/.exec(text)
  const node = Number(match?.[1])
  if (!match || node >= sys.nr_nodes) return []
  const numbers = numbersOf(text)
  for (const [name, item] of Object.entries(NODE_FIELDS))
    sys.node_stat.vm_stat[nodeItem(node, item)] = (numbers.get(name) ?? 0) / kb
  sys.node_stat.vm_stat[nodeItem(node, 'nr_kernel_stack')] = numbers.get('kernel_stack') ?? 0
  return [node]
}

/** Row of the zone that a line begins with; -1 = none. */
function zoneOf(sys: Sys, text: string): number {
  const match = /^(?:Node (\d+) )?(\w+)(?: free:|: \d+\*)/.exec(text)
  const type = match ? zone_named(sys.kernel, match[2]!) : -1
  const node = Number(match?.[1] ?? 0)
  return type < 0 || node >= sys.nr_nodes ? -1 : node * sys.nr_zone_types + type
}

function fillZone(sys: Sys, text: string, kb: number): number[] {
  const zone = text.includes(' free:') ? zoneOf(sys, text) : -1
  if (zone < 0) return []
  const numbers = numbersOf(text)
  const pages = (name: string): number => (numbers.get(name) ?? 0) / kb
  for (const [name, item] of Object.entries(ZONE_FIELDS)) sys.zone_stat.vm_stat[zoneItem(zone, item)] = pages(name)
  sys.zone.watermark_boost[zone] = pages('boost')
  sys.zone.nr_reserved_highatomic[zone] = pages('reserved_highatomic')
  const here = sys.machine.this_cpu[0]!
  sys.pcp.count[zone * sys.nr_cpus + here] = pages('local_pcp')
  const other = sys.nr_cpus === 1 ? here : (here + 1) % sys.nr_cpus
  if (other !== here) sys.pcp.count[zone * sys.nr_cpus + other] = pages('free_pcp') - pages('local_pcp')
  return [zone]
}

const LETTERS = 'UMEHCI'
const LETTER_NAMES = ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic', 'CMA', 'Isolate']

function fillBlocks(sys: Sys, text: string): void {
  const zone = / = \d+kB$/.test(text) ? zoneOf(sys, text) : -1
  if (zone < 0) return
  const types = sys.MIGRATE_TYPES
  sys.free_mask.orders.fill(0, zone * types, (zone + 1) * types)
  const orders = [...text.matchAll(/(\d+)\*\d+kB (?:\(([A-Z]+)\) )?/g)]
  orders.forEach(([, count, letters = ''], order) => {
    sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + order] = Number(count)
    for (const letter of letters) {
      const type = sys.kernel.migratetypes.indexOf(LETTER_NAMES[LETTERS.indexOf(letter)] ?? '')
      if (type >= 0) sys.free_mask.orders[zone * types + type]! |= 1 << order
    }
  })
}

/** What the first lines count and no line of a node or zone shows lies on those that are not shown. */
function fillHidden(sys: Sys, texts: readonly string[], nodes: ReadonlySet<number>, zones: ReadonlySet<number>): void {
  const numbers = numbersOf(texts.filter(text => /^ ?(\w+:\d+ ?)+$/.test(text)).join(' '))
  const hiddenNode = Array.from({ length: sys.nr_nodes }, (_, node) => node).find(
    node => !nodes.has(node) && sys.node.present_pages[node]! > 0,
  )
  for (const [name, item] of Object.entries(GLOBAL_FIELDS)) {
    const shown = [...nodes].reduce((sum, node) => sum + sys.node_stat.vm_stat[nodeItem(node, item)]!, 0)
    const rest = (numbers.get(name) ?? shown) - shown
    const only = ['nr_slab_reclaimable', 'nr_slab_unreclaimable', 'nr_kernel_misc_reclaimable'].includes(item)
    const at = hiddenNode ?? (only ? 0 : -1)
    if (at >= 0) sys.node_stat.vm_stat[nodeItem(at, item)] = rest
  }
  const hidden = Array.from({ length: sys.nr_zones }, (_, zone) => zone).filter(
    zone => populated_zone(sys, zone) && !zones.has(zone),
  )
  if (hidden.length === 0) return
  for (const [name, item] of [
    ['free', 'nr_free_pages'],
    ['bounce', 'nr_bounce'],
    ['free_cma', 'nr_free_cma'],
  ] as const) {
    const shown = [...zones].reduce((sum, zone) => sum + sys.zone_stat.vm_stat[zoneItem(zone, item)]!, 0)
    sys.zone_stat.vm_stat[zoneItem(hidden[0]!, item)] = (numbers.get(name) ?? shown) - shown
  }
  // Only zones of shown nodes count here.
  const zone = hidden.find(each => nodes.has(sys.zone_to_nid[each]!))
  if (zone === undefined) return
  const lists = [...zones].reduce((sum, each) => sum + listed(sys, each), 0)
  sys.pcp.count[zone * sys.nr_cpus] = (numbers.get('free_pcp') ?? lists) - lists
}

const listed = (sys: Sys, zone: number): number =>
  sys.pcp.count.subarray(zone * sys.nr_cpus, (zone + 1) * sys.nr_cpus).reduce((sum, count) => sum + count, 0)

function fillTotals(sys: Sys, texts: readonly string[], kb: number): void {
  const number = (pattern: RegExp): number => Number(texts.map(text => pattern.exec(text)).find(Boolean)?.[1] ?? 0)
  sys.node_stat.vm_stat[nodeItem(0, 'nr_file_pages')] = number(/^(\d+) total pagecache pages/)
  sys.node_stat.vm_stat[nodeItem(0, 'nr_swapcached')] = number(/^(\d+) pages in swap cache/)
  const [free, total] = [number(/^Free swap += (\d+)kB/) / kb, number(/^Total swap = (\d+)kB/) / kb]
  sys.seams.swap = { nr_swap_pages: () => free, total_swap_pages: () => total } as unknown as NonNullable<
    Sys['seams']['swap']
  >
  const given_up = new Set(
    texts.flatMap(text => /^Node (\d+) .*all_unreclaimable\? yes/.exec(text)?.[1] ?? []).map(Number),
  )
  for (let node = 0; node < sys.nr_nodes; node++)
    sys.kswapd.failures[node] = given_up.has(node) ? MAX_RECLAIM_RETRIES : 0
  const slabs = texts.flatMap(text => {
    const match = /^(\S+) +(\d+)KB +(\d+)KB$/.exec(text)
    return match ? [{ name: match[1]!, used: Number(match[2]) * 1024, total: Number(match[3]) * 1024 }] : []
  })
  sys.seams.slab_info = { unreclaimable: () => slabs }
  const pool = texts
    .map(text => /hugepages_total=(\d+) hugepages_free=(\d+) hugepages_surp=(\d+)/.exec(text))
    .find(Boolean)
  sys.vm_state.hugetlb_total[0] = Number(pool?.[1] ?? 0)
  sys.vm_state.hugetlb_free[0] = Number(pool?.[2] ?? 0)
  sys.vm_state.hugetlb_surplus[0] = Number(pool?.[3] ?? 0)
}
