// From what was worked out to the one reason, and to the others that also hold. Law: each is chosen by evidence in the
// report; what is not proved is `unknown`. Who before where: memory that one counter holds explains more than the zone
// that is short of it; a cgroup's limit comes first.
import type { ReasonCode } from './answer.ts'
import { type Case, cannotReclaim, ignoresMarks, namesZone } from './case.ts'
import type { FillCode } from './fills.ts'

/** A counter that holds more than this part of the memory is the reason. */
const MOST = 0.5
/** Below this part nothing is. */
const MUCH = 0.25
/** Swap with less than this part free is as good as full. */
const SWAP_LEFT = 0.05
/** A mark above this part of a zone is what makes requests fail. */
const HIGH_MARK = 0.25

export interface Reasons {
  readonly reason: ReasonCode
  readonly also: readonly ReasonCode[]
}

const CODES: Partial<Record<FillCode, ReasonCode>> = {
  shmem: 'shmem-full',
  slab: 'slab-unreclaimable',
  unaccounted: 'kernel-unaccounted',
  mlocked: 'mlocked',
  hugetlb: 'hugetlb-pool',
}

/** The part of the memory that a counter holds; 0 = not counted. */
export function share({ fills: { fills, managedKB } }: Case, code: FillCode): number {
  const fill = fills.get(code)
  return fill && managedKB ? fill.kB / managedKB : 0
}

/** Counters that hold more than half, the largest first. */
export function holders(case_: Case): ReasonCode[] {
  const codes = Object.keys(CODES) as FillCode[]
  return codes
    .filter(code => share(case_, code) > MOST)
    .sort((a, b) => share(case_, b) - share(case_, a))
    .map(code => CODES[code]!)
}

/** Why anonymous memory was not written to swap; null = the report does not say whether there is any. */
export function swapReason({ facts }: Case): ReasonCode | null {
  const { totalSwapKB, freeSwapKB } = facts
  if (totalSwapKB?.value === 0) return 'anon-no-swap'
  if (!totalSwapKB || !freeSwapKB) return null
  return freeSwapKB.value <= totalSwapKB.value * SWAP_LEFT ? 'swap-full' : 'anon-swap-unused'
}

/** Who fills the memory when no counter holds more than half of it: the largest. */
function largest(case_: Case): ReasonCode | null {
  const { dirtyKB, fills } = case_.fills
  const file = fills.get('file')?.kB ?? 0
  const [anon, cache] = [share(case_, 'anon'), share(case_, 'file')]
  const others = (['slab', 'shmem', 'unaccounted'] as const).toSorted((a, b) => share(case_, b) - share(case_, a))
  const most = Math.max(anon, cache, share(case_, others[0]!))
  if (most < MUCH) return null
  if (most === anon) return swapReason(case_)
  if (most === cache) return dirtyKB !== null && dirtyKB > file * MOST ? 'page-cache-dirty' : null
  return CODES[others[0]!]!
}

/** Memory that lies in zones the request may not use, kB; null = not printed. */
function freeElsewhere({ facts, layout, pageKB, checks }: Case): { kB: number; high: boolean } | null {
  const free = facts.counters.get('free')
  if (!free) return null
  const own = checks.reduce((sum, { freeKB }) => sum + freeKB, 0)
  return { kB: free.value * pageKB - own, high: layout.highmem }
}

/** The zones that a 32-bit request may use are low memory only, and there is high memory. */
function lowmemOnly(case_: Case): boolean {
  const { layout, scope, facts } = case_
  if (!layout.highmem || scope.highest >= layout.index('HighMem') || namesZone(case_)) return false
  const shown = facts.zones.some(({ name, kb }) => name === 'HighMem' && (kb.get('free') ?? 0) > (kb.get('high') ?? 0))
  const elsewhere = freeElsewhere(case_)
  const hidden = (facts.highmemPages?.value ?? 0) > 0 && elsewhere !== null && elsewhere.kB > 1024
  return shown || hidden
}

/** Other nodes, which this request may not use, have memory. */
function nodesBound(case_: Case): boolean {
  const { scope, facts, checks } = case_
  if (scope.nodes === null) return nodesHidden(case_)
  const shown = scope.others.some(
    ({ node, kb }) => !scope.nodes!.has(node) && (kb.get('free') ?? 0) > (kb.get('high') ?? 0),
  )
  const elsewhere = freeElsewhere(case_)
  const needed = checks.reduce((sum, { zone }) => sum + (zone.kb.get('high') ?? 0), 0)
  // A mask of nodes is a binding by itself; which memory the others have is then not printed.
  return shown || (elsewhere !== null && elsewhere.kB > needed) || facts.counters.size === 0
}

/** Zones of every kind could serve, and far more is free than those that are printed have: nodes were left out because
 * a cpuset or policy does not allow them. */
function nodesHidden(case_: Case): boolean {
  const { scope, layout, facts, checks, fills } = case_
  const elsewhere = freeElsewhere(case_)
  if (layout.highmem || scope.missing !== null || elsewhere === null || !fills.managedKB) return false
  const printed = checks.reduce((sum, { freeKB }) => sum + freeKB, 0)
  const all = scope.highest === layout.kernel.zones.indexOf('Movable') && facts.kind === 'oom-kill'
  return all && elsewhere.kB > 4 * printed && elsewhere.kB > fills.managedKB * 0.1
}

/** Zone codes: where, not who. */
function places(case_: Case): ReasonCode[] {
  const found: ReasonCode[] = []
  if (nodesBound(case_)) found.push('nodes-bound')
  if (namesZone(case_)) found.push('zone-exhausted')
  else if (lowmemOnly(case_)) found.push('lowmem-exhausted')
  return found
}

/** Reasons of a request that found its zones too empty. */
function tooEmpty(case_: Case): Reasons {
  const who = holders(case_)
  const where = places(case_)
  const also = (reason: ReasonCode, ...codes: (ReasonCode | null)[]): Reasons => ({
    reason,
    also: [...new Set([...codes, ...who, ...where])].filter(code => code !== null && code !== reason) as ReasonCode[],
  })
  const { first } = case_
  if (ignoresMarks(case_)) return also('reserve-exhausted')
  if (first && markTooHigh(case_)) return also('reserve-too-high')
  if (first && first.freeKB > first.neededKB && first.usableKB <= first.neededKB && first.keptKB > 0)
    return also('cma-only')
  if (namesZone(case_)) return also('zone-exhausted')
  if (cannotReclaim(case_)) return also('atomic-below-watermark')
  // A driver's pages in low memory: the place explains more than the missing counter.
  if (where.includes('lowmem-exhausted') && (who[0] === undefined || who[0] === 'kernel-unaccounted'))
    return also('lowmem-exhausted')
  if (who[0] !== undefined) return also(who[0])
  const whom = largest(case_)
  if (where[0] !== undefined) return also(where[0], whom)
  if (case_.victimLine !== null) return also('reserve-exhausted', whom)
  return also(whom ?? 'unknown')
}

/** Most of what must stay free is not the boost of the moment but a setting. */
function markTooHigh({ first, mask }: Case): boolean {
  const managed = first!.zone.kb.get('managed') ?? first!.zone.kb.get('present')
  if (!managed || first!.check === 'none' || mask === null) return false
  const boost = first!.zone.kb.get('boost') ?? 0
  return first!.markKB - boost > managed * HIGH_MARK && first!.freeKB > managed * (HIGH_MARK / 2)
}

/** A block of the order exists only where this request may not take it. */
function onlyKeptBlocks({ first, order }: Case): boolean {
  const { blocks } = first!
  if (!blocks) return false
  let kept = 0
  for (let each = order; each < blocks.counts.length; each++)
    if (blocks.types[each] !== '' && !/[UMER]/.test(blocks.types[each]!))
      kept += blocks.counts[each]! * 2 ** each * (blocks.unit / 1024)
  return kept > first!.usableKB / 2
}

/** The reason of a request for pages. */
export function pageReasons(case_: Case): Reasons {
  const { facts, first, scope, mask } = case_
  if (facts.order?.value === -1 || facts.occasion?.value === 'sysrq-f') return { reason: 'manual', also: [] }
  if (mask !== null && mask.bits === 0 && Number(mask.printed) === 0) return { reason: 'pagefault-oom', also: [] }
  if (case_.order >= case_.layout.kernel.NR_PAGE_ORDERS) return { reason: 'size-impossible', also: [] }
  if (facts.zones.length === 0) return withoutZones(case_)
  if (mask === null) return unasked(case_)
  if (scope.zones.length === 0 && facts.blocks.every(({ name }) => case_.layout.index(name) > scope.highest))
    return { reason: 'no-usable-zone', also: [] }
  if (first?.check === 'no-free-block')
    return onlyKeptBlocks(case_)
      ? { reason: 'cma-only', also: ['fragmentation'] }
      : { reason: 'fragmentation', also: [] }
  if (first === null || first.hasBlock === null) return undecided(case_)
  if (facts.kind !== 'oom-kill' && first?.check === 'none') return { reason: 'unknown', also: holders(case_) }
  return tooEmpty(case_)
}

/** Without the zone that is tried first, or its blocks, only a counter that holds most of the memory tells. */
function undecided(case_: Case): Reasons {
  const [who] = holders(case_)
  return { reason: case_.order === 0 && who !== undefined ? who : 'unknown', also: [] }
}

/** Without zone lines: the kernel prints slab caches only where they hold more than all user memory. */
function withoutZones({ facts }: Case): Reasons {
  return { reason: facts.slabTable !== null ? 'slab-unreclaimable' : 'unknown', also: [] }
}

/** The reason of a dump without request. */
export function dumpReasons(case_: Case): Reasons {
  const { facts, first, checks } = case_
  const asked = facts.occasion?.value
  if (facts.kind === 'sysrq-m' || asked === 'sysrq-m' || asked === 'hung-task')
    return { reason: 'not-a-failure', also: [] }
  if (case_.mask !== null) return pageReasons(case_)
  const plenty = ({ zone }: (typeof checks)[number]): boolean => zone.kb.get('free')! > zone.kb.get('high')!
  if (first !== null && checks.every(plenty) && facts.hasMemInfo) return { reason: 'not-a-failure', also: [] }
  return unasked(case_)
}

/** Without its head nobody knows what was asked for; but where the first zone is below its mark, what fills it tells. */
function unasked(case_: Case): Reasons {
  const { first } = case_
  if (first === null || first.check === 'none') return { reason: 'unknown', also: [] }
  return { reason: holders(case_)[0] ?? largest(case_) ?? 'unknown', also: [] }
}

/** The reason of a cgroup's kill, and what its own counters add. */
export function memcgReasons({ facts: { memcg } }: Case): Reasons {
  const also: ReasonCode[] = []
  const limit = memcg.limitKB?.value
  const stat = (name: string): number => ((memcg.stat.get(name)?.value ?? 0) * memcg.statUnit) / 1024
  if (
    limit !== undefined &&
    stat('file_dirty') + stat('file_writeback') + stat('dirty') + stat('writeback') > limit / 2
  )
    also.push('page-cache-dirty')
  const [swap, swapLimit] = [memcg.swapUsageKB?.value, memcg.swapLimitKB?.value]
  if (
    swap !== undefined &&
    swapLimit !== undefined &&
    swapLimit > 0 &&
    !memcg.swapCountsMemory &&
    swap >= swapLimit * 0.99
  )
    also.push('swap-full')
  return { reason: 'memcg-limit', also }
}
