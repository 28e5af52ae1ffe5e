// `node programs/policies.mjs QUESTION` prints { ns, sum }: nanoseconds an access, and what tells that C did the same.
import { Clock } from '../../dist/sim/policy/fifo.js'
import { runAll } from '../../dist/sim/policy/index.js'
import { Lru } from '../../dist/sim/policy/lru.js'
import { PageNumbers } from '../../dist/trace/access/page_numbers.js'

const question = process.argv[2]
const simulates = question.startsWith('simulate')
const FRAMES = simulates ? 10_000 : 1 << 20
const scattered = question.startsWith('scattered')
const PAGES = simulates ? 100_000 : question.endsWith('lru') ? FRAMES : 1_200_000
const ACCESSES = 1 << 21
const BATCHES = 12

let state = 0x2545f491
const random = () => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state >>> 0
}
const accesses = new Int32Array(ACCESSES)
for (let i = 0; i < ACCESSES; i++) {
  const share = random() / 2 ** 32
  // In the order of their rows: list operations are measured. Scattered: the computer's own cache misses are, too.
  accesses[i] = Math.floor(simulates ? share * share * share * PAGES : scattered ? share * PAGES : i % PAGES)
}
const low = accesses.map(page => Math.imul(page, 0x9e3779b1))
const high = accesses.map(page => page ^ 0x5bd1e995)

const Kind = question.endsWith('lru') ? Lru : Clock
const numbers = new Int32Array(ACCESSES)

let sum = 0
let best = Number.POSITIVE_INFINITY
let policy = new Kind(FRAMES)
policy.reserve(PAGES)
if (!simulates) {
  // All pages are in memory before the first batch, as far as they fit.
  runAll(
    policy,
    Int32Array.from({ length: FRAMES }, (_, page) => page),
  )
}
for (let batch = 0; batch < BATCHES; batch++) {
  if (simulates) {
    policy = new Kind(FRAMES)
    policy.reserve(PAGES)
  }
  const start = process.cpuUsage()
  let misses
  if (simulates) {
    const names = new PageNumbers()
    for (let i = 0; i < ACCESSES; i++) numbers[i] = names.of(low[i], high[i])
    misses = runAll(policy, numbers)
  } else misses = runAll(policy, accesses)
  const { user, system } = process.cpuUsage(start)
  best = Math.min(best, ((user + system) * 1000) / ACCESSES)
  sum = (Math.imul(sum, 31) + misses) >>> 0
}
console.log(JSON.stringify({ ns: best, sum }))
