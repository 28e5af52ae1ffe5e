// Recordings of what real kernels make of requests for caches (`geom*.jsonl`), and of the caches of running systems
// (`caches*.jsonl`): every column of every line. A check is a line.
// Taken as given: the kernel (first line and columns); for a system's caches the object's size, alignment, flags and
// constructor. Caches that several users share (refcount > 1) show the largest object of them: their layout follows
// from the first user's. With a recording of the same kernel under `slab_nomerge` beside it, the system is made anew,
// cache by cache; without, some size of the first user's object must explain the whole line.
import { type Cache, cache_geometry, create_cache, kmem_cache_alias, release_cache } from '../mm/slab_caches.ts'
import type { CacheRequest, SlabSetup } from '../mm/slab_common.ts'
import { metaOf } from './recorded_kernel.ts'
import { type CacheRow, cacheOfRow, requestOfRow, rowOfCache, slabSetupOf } from './recorded_slab.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const FILES = /(^|\/)(geom|caches)[^/]*\.jsonl(\.gz)?$/

/** Kind `slab geometry` of `mmtwin verify`. */
export const slabGeometryKind: VerifyKind = {
  kind: 'slab geometry',
  run: files => {
    const counts = tally('slab geometry')
    for (const file of files) if (FILES.test(file.path)) verifyFile(file, files, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, files: readonly VerifyFile[], counts: Tally): void {
  counts.file(file.path)
  const recorded = readCaches(file)
  if (recorded === null) {
    counts.check(1, 'a first line that describes a kernel that is modelled, and caches', 'neither')
    return
  }
  const geom = recorded.rows.some(({ row }) => row.req !== undefined)
  for (const line of recorded.damaged) counts.check(line, 'a cache', 'something else')
  if (geom) verifyRequests(recorded, systemBeside(file, files, recorded), counts)
  else verifySystem(recorded, systemAnew(file, files, recorded), counts)
}

interface RecordedRow {
  readonly line: number
  readonly row: CacheRow
}

interface RecordedCaches {
  readonly setup: SlabSetup
  readonly rows: readonly RecordedRow[]
  /** Lines that are no caches. */
  readonly damaged: readonly number[]
}

function readCaches(file: VerifyFile): RecordedCaches | null {
  const [first, ...lines] = jsonLines(file.text())
  const meta = metaOf(first)
  if (meta === null) return null
  const rows = lines.filter(isCache).map(({ line, row }) => ({ line, row: row as CacheRow }))
  const damaged = lines.filter(line => !isCache(line)).map(({ line }) => line)
  try {
    const setup = slabSetupOf(
      meta,
      rows.map(({ row }) => row),
    )
    return { setup, rows, damaged }
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function isCache({ row }: JsonLine): boolean {
  const { name, object_size, size, align, flags } = (row ?? {}) as CacheRow
  const numbers = [object_size, size, align, Number(flags)]
  return typeof name === 'string' && numbers.every(value => Number.isInteger(value) && (value as number) >= 0)
}

/** The caches that another recording of the same folder, kernel and number of CPUs shows, oldest first. */
function beside(
  file: VerifyFile,
  files: readonly VerifyFile[],
  { setup }: RecordedCaches,
  nomerge: boolean,
): RecordedCaches | null {
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1)
  const near = files.filter(({ path }) => path.startsWith(folder) && /^caches[^/]*$/.test(path.slice(folder.length)))
  for (const each of near) {
    const other = each === file ? null : readCaches(each)
    if (other === null || other.setup.slab_nomerge !== nomerge || other.setup.nr_cpus !== setup.nr_cpus) continue
    if (other.setup.kernel.slab === setup.kernel.slab) return { ...other, rows: other.rows.toReversed() }
  }
  return null
}

/** The system that requests of a `geom` recording met: as it was recorded, or made anew. */
function systemBeside(file: VerifyFile, files: readonly VerifyFile[], recorded: RecordedCaches): readonly Cache[] {
  if (recorded.setup.slab_nomerge) return []
  const system = beside(file, files, recorded, false)
  return system?.rows.map(({ row }) => cacheOfRow(recorded.setup, row)) ?? systemAnew(file, files, recorded) ?? []
}

/** The system made cache by cache, as a recording without merging names them; null where there is none. */
function systemAnew(file: VerifyFile, files: readonly VerifyFile[], recorded: RecordedCaches): readonly Cache[] | null {
  const { setup } = recorded
  const parts = setup.slab_nomerge ? null : beside(file, files, recorded, true)
  if (parts === null) return null
  let caches: readonly Cache[] = []
  for (const { row } of parts.rows) {
    const made = create_cache(setup, caches, requestOfRow(setup, row))
    if (made === null) continue
    const refcount = Math.min(Number(row.refcount), made.caches[made.at]!.refcount)
    caches = Number(row.refcount) < 0 ? made.caches.with(made.at, { ...made.caches[made.at]!, refcount }) : made.caches
  }
  return caches
}

function verifySystem({ setup, rows }: RecordedCaches, anew: readonly Cache[] | null, counts: Tally): void {
  const newest = anew?.toReversed()
  rows.forEach(({ line, row }, at) => {
    const got = newest ? (newest[at] ?? null) : explained(setup, row)
    compare(line, row, got && rowOfCache(got, row), counts)
  })
  if (newest && newest.length > rows.length)
    counts.check(rows.at(-1)?.line ?? 1, 'no more caches', `${newest.length - rows.length} more`)
}

/** The cache that explains a line: its own request's, or that of a smaller first user. */
function explained(setup: SlabSetup, row: CacheRow): Cache | null {
  const request = requestOfRow(setup, row)
  const alone = systemCache(setup, row, request)
  if (Number(row.refcount) <= 1) return alone
  const columns = JSON.stringify(row)
  for (let size = request.size; size > 0 && size > request.size - 128; size--) {
    const cache = systemCache(setup, row, { ...request, size })
    const joined = cache && { ...kmem_cache_alias(setup, cache, request.size), refcount: cache.refcount }
    if (joined && JSON.stringify(rowOfCache(joined, row)) === columns) return joined
  }
  return alone
}

function systemCache(setup: SlabSetup, row: CacheRow, request: CacheRequest): Cache | null {
  const geometry = cache_geometry(setup, request)
  return geometry && { ...cacheOfRow(setup, row), geometry }
}

/** Plays the requests of a `geom` recording; caches live as long as requests have the same flags. */
function verifyRequests({ setup, rows }: RecordedCaches, system: readonly Cache[], counts: Tally): void {
  let caches = system
  let alive: string[] = []
  let flags: unknown = null
  for (const { line, row } of rows) {
    const request = requestOf(row.req)
    if (request === null) {
      counts.check(line, 'a request for a cache', JSON.stringify(row.req ?? null))
      continue
    }
    if (setup.slab_nomerge || request.flags !== flags) {
      for (const name of alive) caches = released(caches, name)
      alive = []
      flags = request.flags
    }
    const made = create_cache(setup, caches, request)
    const cache = made?.caches[made.at] ?? null
    if (made && cache) {
      caches = made.caches
      alive.push(cache.name)
    }
    const merged = Number(cache !== null && cache.name !== request.name)
    compare(line, row, cache && { ...rowOfCache(cache, row), req: row.req, merged }, counts)
  }
}

function released(caches: readonly Cache[], name: string): readonly Cache[] {
  const at = caches.findIndex(cache => cache.name === name)
  return at < 0 ? caches : release_cache(caches, at)
}

function requestOf(req: unknown): CacheRequest | null {
  const { name, size, align, fv, ctor } = (req ?? {}) as CacheRow
  if (typeof name !== 'string' || ![size, align, Number(fv), ctor].every(Number.isInteger)) return null
  return { name, size: Number(size), align: Number(align), flags: Number(fv), ctor: ctor === 1, usersize: 0 }
}

function compare(line: number, expected: CacheRow, got: CacheRow | null, counts: Tally): void {
  if (got === null) {
    counts.check(line, JSON.stringify(expected), 'no cache')
    return
  }
  const wrong = Object.keys(expected).filter(key => JSON.stringify(got[key]) !== JSON.stringify(expected[key]))
  const show = (side: CacheRow): string => wrong.map(key => `${key}=${JSON.stringify(side[key])}`).join(' ')
  counts.check(line, `${expected.name}: ${show(expected)}`, `${expected.name}: ${show(got)}`)
}
