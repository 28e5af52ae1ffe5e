// Would a request succeed on a machine as its /proc files show it? The files become the facts of a report, as the kernel
// would print it now, and the same checks are made.
// Law: nothing is asked that only the kernel knows: whether reclaim would find enough is not told, only what there is.

import type { Snapshot } from '../snapshot.ts'
import { type Case, caseOf } from './case.ts'
import { emptyFacts, type ReportFacts, type ZoneFacts } from './facts.ts'
import { type Mask, maskOfText } from './masks.ts'
import type { ZoneCheck } from './zone_checks.ts'

/** How a request would go: at once; at once, while kswapd is woken; only after somebody has reclaimed; not at all. */
export type LiveOutcome = 'at-once' | 'kswapd-woken' | 'reclaim-first' | 'fails'

export interface LiveZone {
  readonly node: number
  readonly name: string
  readonly freeKB: number
  /** Free memory that this request may count. */
  readonly usableKB: number
  /** It had to be more than this. */
  readonly neededKB: number
  /** Memory that lacks; 0 = the zone has enough, though perhaps no block that is large enough. */
  readonly missingKB: number
  /** A block of the order is free and may be used; null = buddyinfo could not be read. */
  readonly hasBlock: boolean | null
  readonly check: ZoneCheck['check']
}

/** The answer; also the JSON of `mmtwin explain --live`. */
export interface LiveAnswer {
  readonly kernel: string | null
  readonly gfp: { readonly mask: string; readonly names: readonly string[] }
  readonly order: number
  readonly wouldSucceed: boolean
  readonly outcome: LiveOutcome
  /** The zone that would serve; null where none would. */
  readonly zone: { readonly node: number; readonly name: string } | null
  /** The least that lacks in a zone which may serve; 0 = nothing, or only a block that is large enough. */
  readonly missingKB: number
  readonly zones: readonly LiveZone[]
  readonly explanation: readonly string[]
}

/** What would happen to alloc_pages(`gfp`, `order`). @throws RangeError for a mask or order that cannot be, or files
 * without zones */
export function explainLive(snapshot: Snapshot, gfp: string, order: number): LiveAnswer {
  const mask = maskOfText(gfp)
  const case_ = caseOf(factsOfSnapshot(snapshot, mask, order), new Map())
  const orders = snapshot.buddyinfo?.zones[0]?.free.length ?? case_.layout.kernel.NR_PAGE_ORDERS
  if (!Number.isInteger(order) || order < 0 || order >= orders)
    throw new RangeError(`order=${order}: this kernel has orders 0 to ${orders - 1}`)
  const served = case_.checks.find(({ check }) => check === 'none') ?? null
  const outcome = outcomeOf(case_, served, mask)
  const zones = case_.checks.map(check => liveZone(check, case_.pageKB))
  const missingKB = served ? 0 : Math.min(...zones.map(({ missingKB: each }) => each))
  return {
    kernel: snapshot.release,
    gfp: { mask: mask.printed, names: mask.names },
    order,
    wouldSucceed: served !== null,
    outcome,
    zone: served && { node: served.zone.node, name: served.zone.name },
    missingKB: Number.isFinite(missingKB) ? missingKB : 0,
    zones,
    explanation: [...sentences(case_, outcome, served, zones), ...unseen(snapshot, order)],
  }
}

function outcomeOf({ checks }: Case, served: ZoneCheck | null, mask: Mask): LiveOutcome {
  if (served === null) return mask.mayReclaim && checks.length > 0 ? 'reclaim-first' : 'fails'
  return checks.some(check => check.check === 'none' && aboveLow(check)) ? 'at-once' : 'kswapd-woken'
}

/** Above the low mark kswapd sleeps on. */
function aboveLow({ zone, usableKB, reserveKB, hasBlock }: ZoneCheck): boolean {
  return hasBlock !== false && usableKB > zone.kb.get('low')! + reserveKB
}

function liveZone({ zone, freeKB, usableKB, neededKB, hasBlock, check }: ZoneCheck, pageKB: number): LiveZone {
  const missingKB = Math.max(0, neededKB + pageKB - usableKB)
  return { node: zone.node, name: zone.name, freeKB, usableKB, neededKB, missingKB, hasBlock, check }
}

function sentences(case_: Case, outcome: LiveOutcome, served: ZoneCheck | null, zones: readonly LiveZone[]): string[] {
  const what = `alloc_pages(${case_.mask?.names.join('|')}, ${case_.order})`
  if (zones.length === 0) return [`${what} may use no zone of this machine.`]
  const head: Readonly<Record<LiveOutcome, string>> = {
    'at-once': `${what} would succeed at once, from node ${served?.zone.node} ${served?.zone.name}.`,
    'kswapd-woken': `${what} would succeed, from node ${served?.zone.node} ${served?.zone.name}: below the low mark, so kswapd is woken.`,
    'reclaim-first': `${what} would have to wait: memory must be reclaimed or compacted first.`,
    fails: `${what} would fail: it may not wait for reclaim.`,
  }
  return [head[outcome], ...zones.map(zone => zoneSentence(zone, case_.order)), ...reclaimSentence(case_, outcome)]
}

function zoneSentence(zone: LiveZone, order: number): string {
  const { node, name, usableKB, neededKB, missingKB, hasBlock, check } = zone
  const have = `Node ${node} ${name} has ${usableKB} kB that it may count and must stay above ${neededKB} kB`
  if (missingKB > 0) return `${have}: ${missingKB} kB are missing.`
  if (check === 'no-free-block') return `${have}, but no block of order ${order} is free.`
  return hasBlock === null ? `${have}; whether a block of order ${order} is free is not known.` : `${have}.`
}

/** What nobody but root may read. */
function unseen({ pagetypeinfo, buddyinfo }: Snapshot, order: number): string[] {
  if (order === 0 || pagetypeinfo !== null || buddyinfo === null) return []
  return ['Which migrate types the free blocks have is told to root only: all are taken to be usable.']
}

/** What reclaim could look at. */
function reclaimSentence({ fills: { fills } }: Case, outcome: LiveOutcome): string[] {
  const file = fills.get('file')
  if (outcome !== 'reclaim-first' || !file) return []
  return [`Page cache in these zones, most of which can be given back: ${file.kB} kB.`]
}

/** The facts of a report that the kernel would print in this state. Line numbers are 0: there is no text. */
function factsOfSnapshot(snapshot: Snapshot, mask: Mask, order: number): ReportFacts {
  const { zoneinfo, buddyinfo, release, vmstat, pageSize } = snapshot
  if (!zoneinfo || zoneinfo.zones.length === 0)
    throw new RangeError('without /proc/zoneinfo there are no zones to look at')
  const facts = emptyFacts('alloc-failure', 0, null)
  facts.kernel = release === null ? null : { value: release, line: 0 }
  facts.gfp = { value: { number: mask.printed, words: mask.names.join('|') }, line: 0 }
  facts.order = { value: order, line: 0 }
  facts.hasMemInfo = true
  for (const zone of zoneinfo.zones) if (zone.pages.present > 0) facts.zones.push(zoneOf(snapshot, zone))
  for (const { node, name, free } of buddyinfo?.zones ?? [])
    facts.blocks.push({
      node,
      name,
      line: 0,
      unit: pageSize,
      counts: free,
      types: free.map((_, at) => lettersOf(snapshot, node, name, at)),
      totalKB: free.reduce((sum, count, at) => sum + (count * 2 ** at * pageSize) / 1024, 0),
    })
  for (const [name, value] of vmstat?.counters ?? [])
    if (name.startsWith('nr_')) facts.counters.set(name.slice('nr_'.length), { value, line: 0 })
  return facts
}

type ProcZone = NonNullable<Snapshot['zoneinfo']>['zones'][number]

/** Counters of a zone by the names that reports use. */
const COUNTERS: readonly (readonly [report: string, counter: string])[] = [
  ['active_anon', 'nr_zone_active_anon'],
  ['inactive_anon', 'nr_zone_inactive_anon'],
  ['active_file', 'nr_zone_active_file'],
  ['inactive_file', 'nr_zone_inactive_file'],
  ['unevictable', 'nr_zone_unevictable'],
  ['writepending', 'nr_zone_write_pending'],
  ['mlocked', 'nr_mlock'],
  ['free_cma', 'nr_free_cma'],
]

function zoneOf(snapshot: Snapshot, { node, name, pages, protection, counters }: ProcZone): ZoneFacts {
  const pageKB = snapshot.pageSize / 1024
  const kb = new Map<string, number>()
  for (const field of ['free', 'boost', 'min', 'low', 'high', 'present', 'managed'] as const)
    if (pages[field] !== undefined) kb.set(field, pages[field] * pageKB)
  for (const [report, counter] of COUNTERS) {
    const value = counters.get(counter)
    if (value !== undefined) kb.set(report, value * pageKB)
  }
  kb.set('reserved_highatomic', reservedHighatomic(snapshot, node, name) * pageKB)
  return { node, name, line: 0, kb, reserve: { value: protection, line: 0 }, unreclaimable: null }
}

/** Pages in pageblocks that are kept for atomic requests. */
function reservedHighatomic({ pagetypeinfo }: Snapshot, node: number, name: string): number {
  const type = pagetypeinfo?.migrateTypes.indexOf('HighAtomic') ?? -1
  const zone = pagetypeinfo?.zones.find(each => each.node === node && each.name === name)
  return type < 0 ? 0 : (zone?.blocks[type] ?? 0) * pagetypeinfo!.pagesPerBlock
}

const LETTERS: Readonly<Record<string, string>> = {
  Unmovable: 'U',
  Movable: 'M',
  Reclaimable: 'E',
  HighAtomic: 'H',
  CMA: 'C',
  Isolate: 'I',
}

/** Letters of the types of which a block of an order is free; '' = nobody says (only root may read pagetypeinfo). */
function lettersOf({ pagetypeinfo }: Snapshot, node: number, name: string, order: number): string {
  const zone = pagetypeinfo?.zones.find(each => each.node === node && each.name === name)
  if (!zone) return ''
  return pagetypeinfo!.migrateTypes.map((type, at) => (zone.free[at]?.[order] ? (LETTERS[type] ?? '') : '')).join('')
}
