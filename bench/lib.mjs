// How the benches measure. Law: CPU time, never the clock on the wall; rivals take turns and each one's fastest run
// counts; figures are ratios of runs of one session. A rival that cannot run here says why instead of a figure.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { layoutHeader } from './c_layout.mjs'

export const here = fileURLToPath(new URL('.', import.meta.url))
export const build = `${here}build/`
/** How often each rival has its turn. */
export const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)

mkdirSync(build, { recursive: true })

/** Name of the C compiler, or null. */
export const compiler = ['cc', 'gcc', 'clang'].find(name => spawnSync(name, ['--version']).status === 0) ?? null

let layoutWritten = false

/** Compiles c/NAME.c; path of the program, or null without a compiler. */
export function compile(name) {
  if (compiler === null) return null
  if (!layoutWritten) writeFileSync(`${build}layout.h`, layoutHeader())
  layoutWritten = true
  execFileSync(compiler, ['-O2', '-Wall', `-I${build}`, '-o', `${build}${name}`, `${here}c/${name}.c`])
  return `${build}${name}`
}

/** Runs a program that prints one JSON object. */
export function runJson(command, args) {
  return JSON.parse(
    execFileSync(command, args.map(String), { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] }),
  )
}

export const runNode = (program, ...args) => runJson(process.execPath, [`${here}programs/${program}.mjs`, ...args])

/**
 * Lets rivals take turns: `runners` is { name: () => ({ ns, sum? }) }, null for one that cannot run. Returns
 * { name: { ns, sum } } with the fastest run of each; throws where two runs end in different states.
 */
export function alternate(runners, rounds = ROUNDS) {
  const best = {}
  for (let round = 0; round < rounds; round++)
    for (const [name, run] of Object.entries(runners)) {
      if (run === null) continue
      const result = run()
      const before = best[name]
      if (before && before.sum !== result.sum)
        throw new Error(`${name}: two runs end with ${before.sum} and ${result.sum}`)
      if (!before || result.ns < before.ns) best[name] = result
    }
  return best
}

/** A row of the table; `limit` as text, `ok` null where there is nothing to say. */
export function row(goal, what, figure, limit, ok) {
  return { goal, what, figure, limit, verdict: ok === null ? '' : ok ? 'reached' : 'not reached' }
}

/** A row that compares `ours` with `theirs` (ns): the ratio must be at most `most`. */
export function ratioRow(goal, what, ours, theirs, most) {
  if (!theirs) return { goal, what, figure: `${ours.toFixed(1)} ns`, limit: `≤ ${most}× C`, verdict: 'no compiler' }
  const ratio = ours / theirs
  return row(
    goal,
    what,
    `${ratio.toFixed(2)}× C (${ours.toFixed(1)} / ${theirs.toFixed(1)} ns)`,
    `≤ ${most}× C`,
    ratio <= most,
  )
}
