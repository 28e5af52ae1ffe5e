// The report of a replay of slab events, from what was counted, the captured files, and the twin.
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import type { SlabCacheReport, SlabCallSite, SlabCount, SlabReport } from './slab_report.ts'
import type { SlabScan } from './slab_scan.ts'
import type { SlabTwin } from './slab_twin.ts'
import type { ReplayStates } from './start.ts'

/** What a replay counts. */
export interface SlabCounts {
  events: number
  allocations: number
  frees: number
  unseen: number
  unidentified: number
  large: number
  /** Pages of slabs, as recorded: those of the start and what page events add; and those that came and went. */
  followed: number
  taken: number
  returned: number
  /** By cache. */
  readonly cacheAllocations: Float64Array
  readonly cacheFrees: Float64Array
  readonly cacheUnseen: Float64Array
  readonly cacheWaste: Float64Array
}

const countOf = ({ slabs, objects, activeObjects }: SlabinfoCache): SlabCount => ({
  slabs,
  objects,
  active: activeObjects,
})

/** The report. */
export function finishedReport(
  { before, after }: ReplayStates,
  scan: SlabScan,
  twin: SlabTwin,
  counts: SlabCounts,
  series: SlabReport['series'],
  callSites: readonly SlabCallSite[],
): SlabReport {
  const caches = before!.slabinfo!.caches
  const later = new Map(after?.slabinfo?.caches.map(cache => [cache.name, cache]))
  const all = caches.map((cache, row) => cacheReport(cache, row, later.get(cache.name) ?? null, twin, counts))
  const pages = (of: (cache: SlabCacheReport) => number): number =>
    all.reduce((sum, cache) => sum + of(cache) * cache.pagesPerSlab, 0)
  const start = pages(cache => cache.before.slabs)
  const predicted = pages(cache => cache.predicted.slabs)
  return {
    events: counts.events,
    allocations: counts.allocations,
    frees: counts.frees,
    unseen: counts.unseen,
    unidentified: counts.unidentified,
    largeAllocations: counts.large,
    pointers: Number.isNaN(scan.base) ? 'hashed' : 'addresses',
    pages: {
      before: start,
      after: after?.slabinfo ? pages(cache => cache.after?.slabs ?? 0) : null,
      meminfoBefore: slabPages(before),
      meminfoAfter: slabPages(after),
      followed: counts.followed,
      predicted,
      recordedTaken: counts.taken,
      recordedReturned: counts.returned,
      predictedTaken: twin.taken,
      predictedReturned: start + twin.taken - predicted,
    },
    caches: all
      .filter(
        ({ allocations, frees, after: end, before: begin }) => allocations + frees > 0 || end?.slabs !== begin.slabs,
      )
      .sort((x, y) => y.allocations + y.frees - x.allocations - x.frees || (x.name < y.name ? -1 : 1)),
    exactCaches: all.filter(({ after: end, predicted: got }) => end?.slabs === got.slabs).length,
    allCaches: all.length,
    callSites,
    series,
  }
}

/** /proc/meminfo's Slab in pages. */
function slabPages(snapshot: Snapshot | null): number | null {
  const kilobytes = snapshot?.meminfo?.values.get('Slab')
  return kilobytes === undefined || !snapshot ? null : (kilobytes * 1024) / snapshot.pageSize
}

function cacheReport(
  cache: SlabinfoCache,
  row: number,
  after: SlabinfoCache | null,
  twin: SlabTwin,
  counts: SlabCounts,
): SlabCacheReport {
  const info = twin.info(row)
  return {
    name: cache.name,
    objectSize: cache.objectSize,
    objectsPerSlab: cache.objectsPerSlab,
    pagesPerSlab: cache.pagesPerSlab,
    before: countOf(cache),
    after: after && countOf(after),
    predicted: { slabs: info.num_slabs, objects: info.num_objs, active: info.active_objs },
    allocations: counts.cacheAllocations[row]!,
    frees: counts.cacheFrees[row]!,
    unseen: counts.cacheUnseen[row]!,
    wasteInside: counts.cacheWaste[row]!,
    wasteOutside: info.num_slabs * cache.pagesPerSlab * twin.pageSize - twin.used(row) * cache.objectSize,
  }
}
