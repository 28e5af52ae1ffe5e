// G1, G2, G3: what does the page allocator cost, against the same algorithm in C, malloc and npm's malloc?

import { PGFREE } from '../dist/mm/vmstat_item.js'
import { writeImage } from './c_layout.mjs'
import { alternate, build, compile, ratioRow, row, runJson, runNode } from './lib.mjs'
import { benchMachine, DIST } from './machine.mjs'
import { SEED, WORKLOADS } from './workloads.mjs'

export const title = 'page allocator'
const IMAGE = `${build}machine.image`

/** JavaScript and C in turns; the image at the end must be the same, byte for byte. */
function duel(name, sys, program) {
  const { live, mixed, batches, ops } = WORKLOADS[name]
  const events = [...sys.pgalloc_events.subarray(0, sys.nr_zone_types), PGFREE]
  const args = [IMAGE, live, mixed, batches, ops, SEED, ...events]
  const { js, two, c } = alternate({
    js: () => runNode('alloc', name),
    two: () => runNode('alloc', name, DIST, 'two'),
    c: program && (() => runJson(program, args)),
  })
  if (c && c.sum !== js.sum) throw new Error(`${name}: images end with ${js.sum} (JavaScript) and ${c.sum} (C)`)
  if (two.sum !== js.sum) throw new Error(`${name}: a second machine in the process changes what the first does`)
  return { js: js.ns, two: two.ns, c: c?.ns }
}

/** Two rivals that know no page: the C library's malloc and npm's, with blocks of the same proportions. */
function rivals(program) {
  const { live, batches, ops } = WORKLOADS.mixed
  const malloc = unit => program && (() => runJson(program, [unit, live, batches, ops, SEED]))
  const best = alternate({ small: malloc(64), pages: malloc(4096), npm: () => runNode('npm_malloc') }, 3)
  return { small: best.small?.ns, pages: best.pages?.ns, npm: best.npm.ns }
}

function fasterRow(what, ours, theirs, least) {
  if (!theirs) return { goal: 'G2', what, figure: '', limit: `≥ ${least}× as fast`, verdict: 'no compiler' }
  const ratio = theirs / ours
  return row(
    'G2',
    what,
    `${ratio.toFixed(1)}× as fast (${theirs.toFixed(0)} ns)`,
    `≥ ${least}× as fast`,
    ratio >= least,
  )
}

/** The same where the process has used another machine before: the engine no longer compiles addresses in. */
function twoMachinesRow(what, { two, c }) {
  const ratio = c ? `${(two / c).toFixed(2)}× C, ` : ''
  return row('', `${what}, one of two machines`, `${ratio}${two.toFixed(1)} ns`, '', null)
}

export async function run() {
  const sys = await benchMachine(WORKLOADS.hot.frames)
  const program = compile('page_alloc')
  if (program) writeImage(sys, IMAGE)
  const hot = duel('hot', sys, program)
  const churn = duel('churn', sys, program)
  const mixed = duel('mixed', sys, program)
  const big = duel('big', sys, program)
  const { small, pages, npm } = rivals(compile('malloc'))
  return [
    ratioRow('G1', 'order 0 through the per-CPU list, hot', hot.js, hot.c, 1.5),
    row('G1', 'the same, with all bookkeeping', `${hot.js.toFixed(1)} ns`, '≤ 15 ns', hot.js <= 15),
    ratioRow('G1', 'order 0, churn over 100 k live', churn.js, churn.c, 1.5),
    ratioRow('G2', 'mixed orders and types, 100 k live', mixed.js, mixed.c, 1.5),
    fasterRow('… against malloc, blocks of 64 B × 2^order', mixed.js, small, 2.5),
    fasterRow('… against malloc, blocks of 4096 B × 2^order', mixed.js, pages, 2.5),
    fasterRow('… against npm malloc, blocks of 64 B × 2^order', mixed.js, npm, 60),
    twoMachinesRow('order 0, hot', hot),
    twoMachinesRow('order 0, churn over 100 k live', churn),
    twoMachinesRow('mixed orders and types', mixed),
    ratioRow('G3', 'order 0, 3 M live', big.js, big.c, 1.6),
  ]
}
