// G5: what does an object of a cache cost, against SLUB's algorithm in C and the C library's malloc? SLAB, SLOB and kmalloc
// beside it.
import { alternate, build, compile, ratioRow, row, runJson, runNode } from './lib.mjs'
import { DIST } from './machine.mjs'
import { SEED } from './workloads.mjs'

export const title = 'caches of objects'

const SIZES = [64, 256, 1024]
const HOT = { live: 0, batches: 12, ops: 500_000 }
const CHURN = { live: 100_000, batches: 6, ops: 200_000 }

/** Pairs of calls above the page allocator, without a twin in C. */
const PAIRS = [
  ['vmalloc1', 'vmalloc of a page, and vfree'],
  ['vmalloc16', 'vmalloc of 16 pages, and vfree'],
  ['kmap', 'kmap and kunmap of high memory, 32 bits'],
  ['kmap_local', 'kmap_local_page and kunmap_local, 32 bits'],
]

/** The machine with a cache of that size, as a file for C: what C must be told of it. */
function imageOf(size) {
  const path = `${build}slub-${size}.image`
  return { path, ...runNode('slab', 'SLUB', size, 0, 0, 0, path) }
}

/** SLUB in JavaScript and in C in turns, from the same image: both must hand out the same objects and leave the same bytes. */
function duel(program, size, { path, cache, unreclaimable, events }, { live, batches, ops }) {
  const args = [path, cache, live, batches, ops, SEED, unreclaimable, ...events]
  const best = alternate(
    {
      js: () => runNode('slab', 'SLUB', size, live, batches, ops),
      c: program && (() => runJson(program, args)),
    },
    2,
  )
  if (best.c && best.c.sum !== best.js.sum)
    throw new Error(`objects of ${size} bytes: the ends are ${best.js.sum} (JavaScript) and ${best.c.sum} (C)`)
  return { js: best.js.ns, c: best.c?.ns }
}

function mallocRow(program, size, ours) {
  const what = `churn over 100 k live, ${size} B, against malloc`
  if (!program) return { goal: 'G5', what, figure: '', limit: 'faster', verdict: 'no compiler' }
  const { live, batches, ops } = CHURN
  const { malloc } = alternate({ malloc: () => runJson(program, [size, live, batches, ops, SEED, 'fixed']) }, 2)
  return row(
    'G5',
    what,
    `${(malloc.ns / ours).toFixed(2)}× as fast (${malloc.ns.toFixed(0)} ns)`,
    'faster',
    malloc.ns > ours,
  )
}

/** Those that have no twin in C: a figure alone. */
function plainRow(what, args) {
  const { it } = alternate({ it: () => runNode('slab', ...args) }, 2)
  return row('', what, `${it.ns.toFixed(1)} ns`, '', null)
}

export async function run() {
  const program = compile('slub')
  const malloc = compile('malloc')
  const rows = []
  for (const size of SIZES) {
    const image = imageOf(size)
    const hot = duel(program, size, image, HOT)
    const churn = duel(program, size, image, CHURN)
    rows.push(ratioRow('G5', `SLUB, ${size} B, hot`, hot.js, hot.c, 1.2))
    rows.push(ratioRow('G5', `SLUB, ${size} B, churn over 100 k live`, churn.js, churn.c, 2))
    rows.push(mallocRow(malloc, size, churn.js))
  }
  const { batches } = HOT
  for (const [name, what] of PAIRS) {
    const { it } = alternate({ it: () => runNode('pairs', name, DIST) }, 2)
    rows.push(row('', what, `${it.ns.toFixed(1)} ns`, '', null))
  }
  rows.push(plainRow('kmalloc and kfree, 256 B, hot, SLUB', ['SLUB', 256, 0, batches, 500_000, 'kmalloc']))
  rows.push(plainRow('SLAB, 256 B, hot', ['SLAB', 256, 0, 6, 200_000]))
  rows.push(plainRow('SLAB, 256 B, churn over 100 k live', ['SLAB', 256, 100_000, 4, 100_000]))
  rows.push(plainRow('SLOB, 256 B, hot', ['SLOB', 256, 0, 6, 100_000]))
  return rows
}
