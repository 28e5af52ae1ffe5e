// Kernels from 6.1 on do not print zones above those that a request may use. What they have is told by the counters of
// the machine: a zone is made of it, for requests that could use it.
import type { Case } from '../../report/explain/case.ts'
import type { ZoneFacts } from '../../report/explain/facts.ts'

/** kB below which nothing is hidden. */
const LEAST = 1024

/** The zone that is not printed, with the free memory that no printed zone has; null = there is none. */
export function unseenZone({ facts, layout, scope, pageKB }: Case): ZoneFacts | null {
  const { counters, ramPages, reservedPages, highmemPages, zones } = facts
  const free = counters.get('free')
  if (!free || !ramPages || !reservedPages || scope.nodes !== null || zones.length === 0) return null
  const sum = (name: string): number => zones.reduce((all, { kb }) => all + (kb.get(name) ?? 0), 0)
  const rest = free.value * pageKB - sum('free')
  const managed = (ramPages.value - reservedPages.value) * pageKB - sum('managed')
  const high = layout.highmem && !zones.some(({ name }) => name === 'HighMem') && (highmemPages?.value ?? 0) > 0
  const name = high ? 'HighMem' : nameAbove(zones[0]!, layout)
  if (rest < LEAST || managed < rest || name === null || zones.some(zone => zone.name === name)) return null
  const [known] = zones.toSorted((a, b) => (b.kb.get('managed') ?? 0) - (a.kb.get('managed') ?? 0))
  const share = (known!.kb.get('min') ?? 0) - (known!.kb.get('boost') ?? 0)
  const min = high
    ? Math.min(128, Math.max(32, Math.floor(managed / pageKB / 1024))) * pageKB
    : Math.floor((share * managed) / Math.max(1, known!.kb.get('managed') ?? 1))
  const kb = new Map([
    ['free', rest],
    ['min', min],
    ['low', min],
    ['high', min],
    ['managed', managed],
    ['present', managed],
  ])
  return { node: zones[0]!.node, name, line: free.line, kb, reserve: null, unreclaimable: null }
}

/** The first zone above whose memory a row of reserves counts. */
function nameAbove(zone: ZoneFacts, layout: Case['layout']): string | null {
  const row = zone.reserve?.value ?? []
  for (let type = layout.index(zone.name) + 1; type < row.length; type++)
    if (row[type]! > row[type - 1]!) return layout.kernel.zones[type] ?? null
  return null
}
