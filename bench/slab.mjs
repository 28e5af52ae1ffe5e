// G5: what does an object of a cache cost, against SLUB's algorithm in C and the C library's malloc? SLAB, SLOB and kmalloc
// beside it.
import { alternate, compile, ratioRow, row, runJson, runNode } from './lib.mjs'
import { SEED } from './workloads.mjs'

export const title = 'caches of objects'

const SIZES = [64, 256, 1024]
const HOT = { live: 0, batches: 10, ops: 1_000_000 }
const CHURN = { live: 100_000, batches: 10, ops: 300_000 }

/** SLUB in JavaScript and in C in turns: both must hand out the same places of the same slabs. */
function duel(program, size, { live, batches, ops }) {
  const { order, cpuPartial } = runNode('slab', 'SLUB', size, 0, 1, 1)
  const args = [size, order, cpuPartial, live, batches, ops, SEED]
  const best = alternate(
    {
      js: () => runNode('slab', 'SLUB', size, live, batches, ops),
      c: program && (() => runJson(program, args)),
    },
    3,
  )
  if (best.c && best.c.sum !== best.js.sum)
    throw new Error(`objects of ${size} bytes: the ends are ${best.js.sum} (JavaScript) and ${best.c.sum} (C)`)
  return { js: best.js.ns, c: best.c?.ns }
}

function mallocRow(program, size, ours) {
  const what = `churn over 100 k live, ${size} B, against malloc`
  if (!program) return { goal: 'G5', what, figure: '', limit: 'faster', verdict: 'no compiler' }
  const { live, batches, ops } = CHURN
  const { malloc } = alternate({ malloc: () => runJson(program, [size, live, batches, ops, SEED, 'fixed']) }, 3)
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
    const hot = duel(program, size, HOT)
    const churn = duel(program, size, CHURN)
    rows.push(ratioRow('G5', `SLUB, ${size} B, hot`, hot.js, hot.c, 1.2))
    rows.push(ratioRow('G5', `SLUB, ${size} B, churn over 100 k live`, churn.js, churn.c, 2))
    rows.push(mallocRow(malloc, size, churn.js))
  }
  const { batches } = HOT
  rows.push(plainRow('kmalloc and kfree, 256 B, hot, SLUB', ['SLUB', 256, 0, batches, 500_000, 'kmalloc']))
  rows.push(plainRow('SLAB, 256 B, hot', ['SLAB', 256, 0, batches, 500_000]))
  rows.push(plainRow('SLAB, 256 B, churn over 100 k live', ['SLAB', 256, 100_000, 5, 200_000]))
  rows.push(plainRow('SLOB, 256 B, hot', ['SLOB', 256, 0, batches, 200_000]))
  return rows
}
