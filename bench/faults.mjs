// G6, and the issue "virtual memory": what does an access through the page tables cost against the same walk in C, and how
// many minor faults does a second have?
import { alternate, build, compile, ratioRow, row, runJson, runNode } from './lib.mjs'
import { DIST } from './machine.mjs'

export const title = 'page faults and walks'

const WALK_ROUNDS = 200

/** Writes of a process to 64 MiB that are there: true entries, ACCESSED and DIRTY set; the image at the end is the same. */
function walkRow(name, what, most, program) {
  const image = `${build}walk.image`
  const { pgd, page, pages, stride } = runNode('faults', name, DIST, image)
  const { js, c } = alternate(
    {
      js: () => runNode('faults', name, DIST),
      c: program && (() => runJson(program, [image, pgd, page, pages, stride, WALK_ROUNDS])),
    },
    3,
  )
  if (c && c.sum !== js.sum) throw new Error(`${name}: images end with ${js.sum} (JavaScript) and ${c.sum} (C)`)
  return ratioRow('G6', what, js.ns, c?.ns, most)
}

export async function run() {
  const program = compile('walk')
  const { fault } = alternate({ fault: () => runNode('faults', 'fault', DIST) }, 2)
  const millions = 1000 / fault.ns
  return [
    walkRow('walk', 'access of a process through 4 levels, sequential', 1.2, program),
    walkRow('random', 'access of a process through 4 levels, scattered', 2, program),
    row('VM', 'minor faults, anonymous, order 0, first write', `${millions.toFixed(1)} M/s`, '≥ 3 M/s', millions >= 3),
    row('VM', 'memory per resident page: its columns and its entry', `${fault.perPage} bytes`, '', null),
  ]
}
