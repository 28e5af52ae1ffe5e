// Everything that is worked out of one report before a reason is chosen: mask, zones, checks, what fills the memory.
import { __GFP_DIRECT_RECLAIM, __GFP_DMA, __GFP_DMA32, __GFP_MEMALLOC, __GFP_NOMEMALLOC } from '../../mm/gfp.ts'
import type { ReportFacts } from './facts.ts'
import { type Fills, fillsOf } from './fills.ts'
import { type Mask, maskOf } from './masks.ts'
import { type Scope, scopeOf } from './scope.ts'
import { ReportedZones, type Request, type ZoneCheck } from './zone_checks.ts'
import { type Layout, layoutOf } from './zone_layout.ts'

export interface Case {
  readonly facts: ReportFacts
  readonly layout: Layout
  readonly mask: Mask | null
  readonly order: number
  /** The asker had been chosen as a victim before, by the line that says so. */
  readonly victimLine: number | null
  readonly scope: Scope
  readonly request: Request
  readonly zones: ReportedZones
  /** The preferred zone's check; null where that zone is not known. */
  readonly first: ZoneCheck | null
  /** All usable zones, the preferred first. */
  readonly checks: readonly ZoneCheck[]
  readonly fills: Fills
  readonly pageKB: number
}

/** Works a report out; `killed`: lines of earlier kills by pid. */
export function caseOf(facts: ReportFacts, killed: ReadonlyMap<number, number>): Case {
  const layout = layoutOf(facts)
  const mask = maskOf(facts)
  const scope = scopeOf(facts, layout, mask)
  const order = Math.max(0, facts.order?.value ?? 0)
  const pid = facts.process?.value.pid ?? null
  const victimLine = pid !== null && facts.kind !== 'oom-kill' ? (killed.get(pid) ?? null) : null
  const reclaims = mask?.mayReclaim ?? true
  const request = { bits: mask?.bits ?? 0x1000ca, order, victim: victimLine !== null && reclaims }
  const zones = new ReportedZones(facts, layout)
  const checks = scope.zones.filter(hasMarks).map(zone => zones.check(zone, request))
  const first = scope.preferred && hasMarks(scope.preferred) ? checks[0]! : null
  const lastTry = facts.kind === 'oom-kill' && first?.check === 'none' && order >= 0 && facts.order?.value !== -1
  const high = lastTry ? zones.check(first!.zone, request, true) : null
  return {
    facts,
    layout,
    mask,
    order,
    victimLine: request.victim ? victimLine : null,
    scope,
    request,
    zones,
    first: high && high.check !== 'none' ? high : first,
    checks,
    fills: fillsOf(facts, scope, layout),
    pageKB: (layout.pageSize ?? 4096) / 1024,
  }
}

const hasMarks = ({ kb }: { kb: ReadonlyMap<string, number> }): boolean => kb.has('min') && kb.has('high')

/** The request names a zone below Normal: nothing is killed for it, it just fails. */
export function namesZone({ mask }: Case): boolean {
  return mask !== null && (mask.bits & (__GFP_DMA | __GFP_DMA32)) !== 0
}

/** The caller could not wait for memory to be reclaimed. */
export function cannotReclaim({ mask }: Case): boolean {
  return mask !== null && (mask.bits & __GFP_DIRECT_RECLAIM) === 0
}

/** The request could take everything that is left. */
export function ignoresMarks({ mask }: Case): boolean {
  return mask !== null && (mask.bits & __GFP_MEMALLOC) !== 0 && (mask.bits & __GFP_NOMEMALLOC) === 0
}
