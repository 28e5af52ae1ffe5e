// G4: how long does a boot take, and how much memory, up to a machine of 1 TiB?
import { row, runNode } from './lib.mjs'

export const title = 'boot'

/** The smallest of some runs of each figure. */
function least(...args) {
  const runs = Array.from({ length: 5 }, () => runNode('boot', ...args))
  const of = name => Math.min(...runs.map(run => run[name]))
  return { first: of('first'), best: of('best'), rss: of('rss') }
}

export async function run() {
  const bare = least().rss
  const rows = []
  for (const memory of ['1G', '1T']) {
    const { first, best, rss } = least(memory)
    rows.push(row('G4', `${memory}iB, 64 CPUs: first boot of a process`, `${first.toFixed(1)} ms`, '', null))
    rows.push(row('G4', `${memory}iB, warmed up`, `${best.toFixed(1)} ms`, '≤ 5 ms', best <= 5))
    rows.push(row('G4', `${memory}iB, above bare Node`, `${(rss - bare).toFixed(0)} MiB`, '≤ 20 MiB', rss - bare <= 20))
  }
  return rows
}
