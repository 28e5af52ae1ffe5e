// Story: twelve accesses, five pages. More memory makes FIFO miss more; what the other policies make of the same string.

import { nextUses, type PolicyKind, policies } from '../sim/policy/index.ts'
import { missesOf } from '../sim/policy/simulate.ts'
import type { Scenario, Step } from './scenario.ts'

/** Belady's string; pages from 0, as the policies number them. */
const STRING = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
const accesses = Int32Array.from(STRING, page => page - 1)
const PAGES = 5

const kind = (name: string): PolicyKind => policies.find(each => each.name === name)!

/** Accesses that found their page in memory. */
function hits(name: string, frames: number): number {
  const future = { nextUse: nextUses(accesses, PAGES) }
  return accesses.length - missesOf({ accesses, pages: PAGES }, kind(name), frames, future)
}

function* steps(): Generator<Step> {
  const [fifo3, fifo4] = [hits('fifo', 3), hits('fifo', 4)]
  yield {
    say: `A program touches the pages ${STRING.join(', ')}. With three frames and FIFO, ${fifo3} of the ${STRING.length} accesses find their page in memory. With four frames it is ${fifo4}: more memory, more misses. That is Belady's anomaly.`,
    expect: { 'FIFO hits 3 with three frames': fifo3 === 3, 'and 2 with four': fifo4 === 2 },
  }

  const [lru3, lru4] = [hits('lru', 3), hits('lru', 4)]
  yield {
    say: `LRU hits ${lru3} with three frames and ${lru4} with four. What LRU has in three frames it also has in four, so more memory never hurts it; but here, with three, it is worse than FIFO.`,
    expect: { 'LRU hits 2 and 4': lru3 === 2 && lru4 === 4 },
  }

  const [opt3, opt4] = [hits('opt', 3), hits('opt', 4)]
  yield {
    say: `Who knows the future throws out what is used again last: ${opt3} hits with three frames, ${opt4} with four. No policy can have more.`,
    expect: {
      'OPT hits 5 and 6': opt3 === 5 && opt4 === 6,
      'nobody has more': policies.every(({ name }) => hits(name, 3) <= opt3 && hits(name, 4) <= opt4),
    },
  }

  const rest = policies.filter(({ name }) => !['fifo', 'lru', 'opt'].includes(name))
  yield {
    say: `The others, with three and with four frames: ${rest.map(({ title, name }) => `${title} ${hits(name, 3)} and ${hits(name, 4)}`).join(', ')}. Twelve accesses decide nothing: \`mmtwin replay ACCESSES --policy …\` runs them over a trace.`,
    expect: { 'each hits something in one of them': rest.every(({ name }) => hits(name, 3) + hits(name, 4) > 0) },
  }
}

export const beladysAnomaly: Scenario = {
  name: 'beladys_anomaly',
  title: "Page replacement: Belady's anomaly",
  story:
    'When memory is full, a policy says which page goes. The simplest, first in first out, has a strange fault: there are programs for which it misses more often with more memory. Policies that keep, in a larger memory, all that they would keep in a smaller one do not have it. The best policy needs to know the future, so it can only be computed afterwards; it tells how far from perfect the others are.',
  terms: {
    FIFO: 'out goes what came first',
    LRU: 'out goes what was not used for longest',
    OPT: 'out goes what is used again last',
    miss: 'an access whose page is not in memory',
  },
  through: [],
  machine: { memory: '64M' },
  steps,
}
