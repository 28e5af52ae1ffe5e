// Issue "virtual memory": how many minor faults does a second have, and what does an access through the page tables cost?
import { row, runNode } from './lib.mjs'
import { DIST } from './machine.mjs'

export const title = 'page faults'

export async function run() {
  const fault = runNode('faults', 'fault', DIST)
  const walk = runNode('faults', 'walk', DIST)
  const random = runNode('faults', 'random', DIST)
  const millions = 1000 / fault.ns
  return [
    row('VM', 'minor faults, anonymous, order 0, first write', `${millions.toFixed(1)} M/s`, '≥ 3 M/s', millions >= 3),
    row('VM', 'access through 4 levels, sequential', `${walk.ns.toFixed(1)} ns`, '', true),
    row('VM', 'access through 4 levels, scattered', `${random.ns.toFixed(1)} ns`, '', true),
    row('VM', 'memory per resident page: its columns and its entry', `${fault.perPage} bytes`, '', true),
  ]
}
