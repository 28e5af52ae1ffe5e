// What fills the memory that a request could use: counters of the report, summed over its zones where the kernel
// counts by zone, else over its nodes or the machine. Law: only what the report counts; the rest is "in no counter"
// where everything that is counted was printed.
import type { ReportFacts, ZoneFacts } from './facts.ts'
import type { Scope } from './scope.ts'
import type { Layout } from './zone_layout.ts'

export type FillCode = 'anon' | 'file' | 'shmem' | 'slab' | 'unaccounted' | 'mlocked' | 'hugetlb' | 'pagetables'

export interface Fill {
  readonly code: FillCode
  readonly kB: number
  readonly lines: readonly number[]
}

export interface Fills {
  /** Memory of the zones in question, kB; null = not printed. */
  readonly managedKB: number | null
  readonly managedLines: readonly number[]
  readonly fills: ReadonlyMap<FillCode, Fill>
  readonly dirtyKB: number | null
}

class Summing {
  readonly facts: ReportFacts
  readonly zones: readonly ZoneFacts[]
  readonly pageKB: number
  readonly found = new Map<FillCode, Fill>()
  /** The zones are all that the machine has, or all but high memory. */
  readonly whole: boolean
  /** They are all zones of their nodes, high memory included. */
  readonly wholeNodes: boolean

  constructor(facts: ReportFacts, scope: Scope, layout: Layout) {
    this.facts = facts
    this.zones = scope.zones
    this.pageKB = (layout.pageSize ?? 4096) / 1024
    const normal = layout.kernel.zones.indexOf('Normal')
    const top = layout.highmem ? layout.index('HighMem') : normal
    this.wholeNodes = scope.missing === null && scope.highest >= top
    this.whole = scope.nodes === null && scope.missing === null && scope.highest >= normal
  }

  /** A sum over the zones; null where a zone does not count it. */
  zoneSum(names: readonly string[]): number | null {
    let sum = 0
    for (const { kb } of this.zones)
      for (const name of names) {
        const value = kb.get(name)
        if (value === undefined) return null
        sum += value
      }
    return this.zones.length === 0 ? null : sum
  }

  zoneLines(): number[] {
    return this.zones.map(({ line }) => line)
  }

  counter(name: string): number | null {
    const said = this.facts.counters.get(name)
    return said ? said.value * this.pageKB : null
  }

  counterLine(...names: string[]): number[] {
    return names.flatMap(name => this.facts.counters.get(name)?.line ?? [])
  }

  /** By zone where zones count it, else the machine's counter where the zones are all there is. */
  either(code: FillCode, zoneNames: readonly string[], counters: readonly string[]): number | null {
    const byZone = this.zoneSum(zoneNames)
    if (byZone !== null) return this.put(code, byZone, this.zoneLines())
    const values = counters.map(name => this.counter(name))
    if (!this.whole || values.includes(null)) return null
    return this.put(
      code,
      values.reduce<number>((sum, value) => sum + value!, 0),
      this.counterLine(...counters),
    )
  }

  put(code: FillCode, kB: number, lines: readonly number[]): number {
    this.found.set(code, { code, kB, lines })
    return kB
  }
}

/** Shared memory in the scope: counted by zone, by node, or for the machine. */
function shared(sums: Summing): number | null {
  const byZone = sums.zoneSum(['shmem'])
  if (byZone !== null) return sums.put('shmem', byZone, sums.zoneLines())
  if (!sums.wholeNodes) return null
  const nodes = [...new Set(sums.zones.map(({ node }) => node))].map(node => sums.facts.nodes.get(node))
  if (nodes.length > 0 && nodes.every(node => node?.kb.has('shmem')))
    return sums.put(
      'shmem',
      nodes.reduce((sum, node) => sum + node!.kb.get('shmem')!, 0),
      nodes.map(node => node!.line),
    )
  const all = sums.counter('shmem')
  return all !== null && sums.whole ? sums.put('shmem', all, sums.counterLine('shmem')) : null
}

function managed(sums: Summing): number | null {
  return sums.zoneSum(['managed']) ?? sums.zoneSum(['present'])
}

/** Pages that no counter knows: what is left of the managed memory. */
function unaccounted(sums: Summing, managedKB: number, counted: readonly (number | null)[]): void {
  if (!sums.whole || counted.includes(null)) return
  const left = managedKB - counted.reduce<number>((sum, value) => sum + value!, 0)
  const lines = [...sums.zoneLines(), ...sums.counterLine('slab_unreclaimable', 'slab', 'pagetables')]
  if (left > 0) sums.put('unaccounted', left, lines)
}

/** What fills the zones of `scope`. */
export function fillsOf(facts: ReportFacts, scope: Scope, layout: Layout): Fills {
  const sums = new Summing(facts, scope, layout)
  // Parts of a whole that is not all there say nothing.
  const managedKB = scope.missing === null ? managed(sums) : null
  const lru = sums.either('anon', ['active_anon', 'inactive_anon'], ['active_anon', 'inactive_anon'])
  const file = sums.either('file', ['active_file', 'inactive_file'], ['active_file', 'inactive_file'])
  const shmem = shared(sums)
  const unevictable = sums.zoneSum(['unevictable']) ?? (sums.whole ? sums.counter('unevictable') : null)
  const mlocked = sums.zoneSum(['mlocked'])
  if (mlocked !== null) sums.put('mlocked', mlocked, sums.zoneLines())
  else if (unevictable !== null)
    sums.put('mlocked', unevictable, [...sums.zoneLines(), ...sums.counterLine('unevictable')])
  const slab = sums.either('slab', ['slab_unreclaimable'], ['slab_unreclaimable'])
  const reclaimable =
    sums.zoneSum(['slab_reclaimable']) ?? sums.counter('slab_reclaimable') ?? (slab === null ? null : 0)
  const tables = sums.either('pagetables', ['pagetables'], ['pagetables'])
  const huge = hugePages(sums)
  // Up to 2.6.27 lists and slab are one number each.
  const oldLru = sums.zoneSum(['active', 'inactive'])
  const lists = lru !== null && file !== null ? lru + file + (unevictable ?? 0) : oldLru
  const slabs = slab !== null ? slab + (reclaimable ?? 0) : sums.whole ? sums.counter('slab') : null
  const rest = (sums.zoneSum(['kernel_stack']) ?? 0) + (sums.zoneSum(['free_pcp']) ?? 0) + huge
  if (managedKB !== null) unaccounted(sums, managedKB, [sums.zoneSum(['free']), lists, slabs, tables ?? 0, rest])
  // Shared memory lies on the lists of anonymous memory.
  if (lru !== null && shmem !== null && facts.counters.has('inactive_anon'))
    sums.put('anon', Math.max(0, lru - shmem), sums.found.get('anon')!.lines)
  return { managedKB, managedLines: sums.zoneLines(), fills: sums.found, dirtyKB: dirty(sums) }
}

function hugePages(sums: Summing): number {
  const nodes = new Set(sums.zones.map(({ node }) => node))
  const pools = sums.facts.hugepages.filter(({ node, total }) => nodes.has(node) && total > 0)
  const kB = pools.reduce((sum, { total, sizeKB }) => sum + total * sizeKB, 0)
  if (kB > 0)
    sums.put(
      'hugetlb',
      kB,
      pools.map(({ line }) => line),
    )
  return kB
}

function dirty(sums: Summing): number | null {
  const byZone = sums.zoneSum(['writepending']) ?? sums.zoneSum(['dirty', 'writeback'])
  if (byZone !== null) return byZone
  const [dirtyKB, writing] = [sums.counter('dirty'), sums.counter('writeback')]
  return sums.whole && dirtyKB !== null && writing !== null ? dirtyKB + writing : null
}
