// Which zones a request could use, as far as the report says: nodes by policy, cpuset or __GFP_THISNODE, zones by the
// mask. And whether the report shows all of them: a zone whose line is missing must not be judged as if it were not there.
import { __GFP_THISNODE } from '../../mm/gfp.ts'
import type { ReportFacts, ZoneFacts } from './facts.ts'
import type { Mask } from './masks.ts'
import { highestIndex } from './zone_checks.ts'
import type { Layout } from './zone_layout.ts'

export interface Scope {
  /** Highest zone type of the request. */
  readonly highest: number
  /** Nodes that the request is bound to; null = all. */
  readonly nodes: ReadonlySet<number> | null
  /** The line that says so. */
  readonly boundLine: number | null
  /** Zones that it could use, the preferred one first. */
  readonly zones: readonly ZoneFacts[]
  /** Printed zones with memory that it may not use. */
  readonly others: readonly ZoneFacts[]
  /** The zone that is tried first; null = it is not known to be there. */
  readonly preferred: ZoneFacts | null
  /** A zone whose line is missing. */
  readonly missing: string | null
}

/** `0-1,4` → nodes. */
export function nodeSet(text: string): Set<number> {
  const nodes = new Set<number>()
  for (const part of text.split(',')) {
    const [first, last = first] = part.split('-').map(Number)
    for (let node = first!; node <= Math.min(last!, first! + 1024); node++) nodes.add(node)
  }
  return nodes
}

const populated = ({ kb }: ZoneFacts): boolean => (kb.get('managed') ?? kb.get('present') ?? 1) > 0

function binding(facts: ReportFacts, mask: Mask | null): { nodes: Set<number>; line: number } | null {
  const { constraint, nodemask, memsAllowed } = facts
  if (nodemask && nodemask.value !== '(null)' && constraint?.value !== 'CONSTRAINT_NONE')
    return { nodes: nodeSet(nodemask.value), line: nodemask.line }
  if (constraint?.value === 'CONSTRAINT_CPUSET' && memsAllowed)
    return { nodes: nodeSet(memsAllowed.value), line: memsAllowed.line }
  if (mask && (mask.bits & __GFP_THISNODE) !== 0) {
    const printed = new Set(facts.zones.map(({ node }) => node))
    if (printed.size === 1) return { nodes: printed, line: mask.line }
  }
  return null
}

/** The scope of a request; without mask that of a request which may use any zone. */
export function scopeOf(facts: ReportFacts, layout: Layout, mask: Mask | null): Scope {
  const highest = mask ? highestIndex(layout, mask.bits) : layout.kernel.zones.indexOf('Movable')
  const bound = binding(facts, mask)
  const inNodes = (node: number): boolean => bound === null || bound.nodes.has(node)
  const known = facts.zones.filter(zone => populated(zone) && layout.index(zone.name) >= 0)
  const usable = known.filter(zone => inNodes(zone.node) && layout.index(zone.name) <= highest)
  const zones = usable.toSorted((a, b) => layout.index(b.name) - layout.index(a.name) || a.node - b.node)
  const absent = absentZones(facts, layout, highest, inNodes, zones)
  const top = zones[0] ?? null
  const before = absent.find(zone => comesBefore(zone, top, layout))
  return {
    highest,
    nodes: bound?.nodes ?? null,
    boundLine: bound?.line ?? null,
    zones,
    others: known.filter(zone => !usable.includes(zone)),
    preferred: before || !(top && provenTop(top, facts, layout, highest)) ? null : top,
    missing: absent[0]?.label ?? null,
  }
}

interface Absent {
  readonly node: number
  /** -1 = a whole node. */
  readonly index: number
  readonly label: string
}

/** Whether a request would try the absent zone before `top`. */
function comesBefore({ node, index }: Absent, top: ZoneFacts | null, layout: Layout): boolean {
  if (top === null) return true
  if (index < 0) return node < top.node
  const own = layout.index(top.name)
  return index > own || (index === own && node < top.node)
}

/** Zones of which the report's other lines speak and that have no line of their own. */
function absentZones(
  facts: ReportFacts,
  layout: Layout,
  highest: number,
  inNodes: (node: number) => boolean,
  zones: readonly ZoneFacts[],
): Absent[] {
  const absent: Absent[] = []
  const has = (node: number, name: string): boolean => facts.zones.some(z => z.node === node && z.name === name)
  const add = (node: number, name: string): void => {
    const index = layout.index(name)
    if (index >= 0 && index <= highest && !has(node, name)) absent.push({ node, index, label: `node ${node} ${name}` })
  }
  for (const { node, name, totalKB } of facts.blocks) if (totalKB !== 0 && inNodes(node)) add(node, name)
  for (const node of facts.nodes.keys())
    if (inNodes(node) && facts.zones.length > 0 && !facts.zones.some(zone => zone.node === node))
      absent.push({ node, index: -1, label: `of node ${node}` })
  for (const zone of zones) for (const name of impliedAbove(zone, layout, highest)) add(zone.node, name)
  return absent
}

/** Zones above whose memory a row of reserves counts: where its numbers grow, there is some. */
function impliedAbove(zone: ZoneFacts, layout: Layout, highest: number): string[] {
  const row = zone.reserve?.value ?? []
  const names: string[] = []
  for (let type = layout.index(zone.name) + 1; type <= Math.min(highest, row.length - 1); type++)
    if (row[type]! > row[type - 1]!) names.push(layout.kernel.zones[type]!)
  return names
}

/** Whether nothing above `top` can be missing unseen. */
function provenTop(top: ZoneFacts, facts: ReportFacts, layout: Layout, highest: number): boolean {
  const normal = layout.kernel.zones.indexOf('Normal')
  if (top.reserve !== null || layout.index(top.name) === highest) return true
  return facts.blocks.length > 0 || (!layout.highmem && layout.index(top.name) >= normal)
}
