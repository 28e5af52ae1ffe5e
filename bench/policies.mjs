// G7: replacement policies against the same steps in C: list operations on a million frames, and whole simulations.
import { alternate, compile, ratioRow, row, runJson, runNode } from './lib.mjs'

export const title = 'replacement policies'

/** Question, what it is, its goal: at most so many times C, or at least so much of C's speed. */
const QUESTIONS = [
  ['lru', 'LRU, 1 Mi frames, all hits: to the front', { most: 1.15 }],
  ['clock', 'CLOCK, 1 Mi frames, 1.2 Mi pages', { most: 1.15 }],
  ['scattered-lru', 'LRU, 1 Mi frames, all hits, scattered', { most: 1.15 }],
  ['scattered-clock', 'CLOCK, 1 Mi frames, 1.2 Mi pages, scattered', { most: 1.15 }],
  ['simulate-lru', 'identifiers to numbers, and LRU of 10 k', { least: 0.45 }],
  ['simulate-clock', 'identifiers to numbers, and CLOCK of 10 k', { least: 0.45 }],
]

export async function run() {
  const program = compile('policies')
  return QUESTIONS.map(([name, what, goal]) => {
    const { js, c } = alternate({
      js: () => runNode('policies', name),
      c: program && (() => runJson(program, [name])),
    })
    if (c && c.sum !== js.sum) throw new Error(`${name}: JavaScript ends with ${js.sum}, C with ${c.sum}`)
    if (goal.most) return ratioRow('G7', what, js.ns, c?.ns, goal.most)
    const speed = c ? c.ns / js.ns : 0
    const figure = `${(1e3 / js.ns).toFixed(1)} M requests/s, ${speed.toFixed(2)}× C`
    return c
      ? row('G7', what, figure, `≥ ${goal.least}× C`, speed >= goal.least)
      : { goal: 'G7', what, figure, limit: `≥ ${goal.least}× C`, verdict: 'no compiler' }
  })
}
