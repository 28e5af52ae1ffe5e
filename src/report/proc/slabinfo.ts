// /proc/slabinfo (version 2.1): one row per slab cache. Sizes are bytes, `pagesPerSlab` pages, the rest objects or
// slabs. Kernels built to debug SLAB add statistics (globalstat, cpustat) to every row.
import { decimals, joinLines, LineReader, type Read, type Stray, words } from './lines.ts'

export interface SlabinfoCache {
  name: string
  activeObjects: number
  objects: number
  objectSize: number
  objectsPerSlab: number
  pagesPerSlab: number
  /** SLAB's per-CPU arrays; 0 with SLUB. */
  limit: number
  batchcount: number
  shared: number
  activeSlabs: number
  slabs: number
  sharedAvailable: number
  /** listallocs, maxobjs, grown, reaped, error, maxfreeable, nodeallocs, remotefrees, alienoverflow. */
  globalstat?: number[]
  /** allochit, allocmiss, freehit, freemiss. */
  cpustat?: number[]
}

export interface SlabinfoFacts {
  caches: SlabinfoCache[]
  statistics: boolean
  strays: Stray[]
}

const VERSION = 'slabinfo - version: 2.1'
const HEADER =
  '# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> ' +
  '<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>'
const STATISTICS_HEADER =
  ' : globalstat <listallocs> <maxobjs> <grown> <reaped> <error> <maxfreeable> <nodeallocs> <remotefrees> ' +
  '<alienoverflow> : cpustat <allochit> <allocmiss> <freehit> <freemiss>'

/** Reads /proc/slabinfo. Never throws; damage is a diagnostic. */
export function readSlabinfo(text: string): Read<SlabinfoFacts> {
  const reader = new LineReader(text)
  const facts: SlabinfoFacts = { caches: [], statistics: false, strays: reader.strays }
  for (let line = reader.next(); line !== null; line = reader.next()) {
    if (line === `${VERSION} (statistics)`) facts.statistics = true
    else if (!line.startsWith(VERSION) && !line.startsWith('# name ')) addCache(reader, facts, line)
  }
  if (facts.caches.length === 0) reader.complain('no cache in this file: it is no /proc/slabinfo')
  return reader.done(facts)
}

function addCache(reader: LineReader, facts: SlabinfoFacts, line: string): void {
  const cache = parseCache(line)
  if (cache) facts.caches.push(cache)
  else reader.stray('not a row of slabinfo')
}

const SECTIONS: Readonly<Record<string, number>> = { tunables: 3, slabdata: 3, globalstat: 9, cpustat: 4 }

function parseCache(line: string): SlabinfoCache | null {
  const [head = '', ...tail] = line.split(' : ')
  const start = words(head)
  const counts = decimals(start.slice(-5))
  const sections = new Map<string, number[]>()
  for (const part of tail) {
    const [title = '', ...values] = words(part)
    const numbers = decimals(values)
    if (!numbers || numbers.length !== SECTIONS[title]) return null
    sections.set(title, numbers)
  }
  const tunables = sections.get('tunables')
  const slabdata = sections.get('slabdata')
  if (start.length < 6 || !counts || !tunables || !slabdata) return null
  return cacheOf(start.slice(0, -5).join(' '), counts, tunables, slabdata, sections)
}

function cacheOf(
  name: string,
  counts: readonly number[],
  tunables: readonly number[],
  slabdata: readonly number[],
  sections: ReadonlyMap<string, number[]>,
): SlabinfoCache {
  const [activeObjects, objects, objectSize, objectsPerSlab, pagesPerSlab] = counts
  const [limit, batchcount, shared] = tunables
  const [activeSlabs, slabs, sharedAvailable] = slabdata
  const cache: SlabinfoCache = {
    name,
    ...{ activeObjects, objects, objectSize, objectsPerSlab, pagesPerSlab },
    ...{ limit, batchcount, shared },
    ...{ activeSlabs, slabs, sharedAvailable },
  }
  const globalstat = sections.get('globalstat')
  const cpustat = sections.get('cpustat')
  if (globalstat) cache.globalstat = globalstat
  if (cpustat) cache.cpustat = cpustat
  return cache
}

/** /proc/slabinfo of these facts, as the kernel lays it out. */
export function writeSlabinfo(facts: SlabinfoFacts): string {
  const lines = [
    facts.statistics ? `${VERSION} (statistics)` : VERSION,
    facts.statistics ? `${HEADER}${STATISTICS_HEADER}` : HEADER,
    ...facts.caches.map(writeCache),
  ]
  return joinLines(lines, facts.strays)
}

function writeCache(cache: SlabinfoCache): string {
  const counts = columns(
    [cache.activeObjects, cache.objects, cache.objectSize, cache.objectsPerSlab, cache.pagesPerSlab],
    [6, 6, 6, 4, 4],
  )
  const tunables = columns([cache.limit, cache.batchcount, cache.shared], [4, 4, 4])
  const slabdata = columns([cache.activeSlabs, cache.slabs, cache.sharedAvailable], [6, 6, 6])
  let line = `${cache.name.padEnd(17)} ${counts} : tunables ${tunables} : slabdata ${slabdata}`
  if (cache.globalstat) line += ` : globalstat ${columns(cache.globalstat, [7, 6, 5, 4, 4, 4, 4, 4, 4])}`
  if (cache.cpustat) line += ` : cpustat ${columns(cache.cpustat, [6, 6, 6, 6])}`
  return line
}

function columns(values: readonly number[], widths: readonly number[]): string {
  return values.map((value, at) => String(value).padStart(widths[at] ?? 0)).join(' ')
}
