// Long random comparison with the reference; `npm run test:full`. A failure prints its seed and the shrunk script.
import fc from 'fast-check'
import { it } from 'vitest'
import { BuddyReference } from './buddy_reference.ts'
import { FastPlayer, playBoth, REFERENCE, SPEC, script } from './compare.ts'

for (const high of [1, 7, 28, 60])
  it(`2000 scripts, lists of ${high} pages`, () => {
    fc.assert(
      fc.property(script, fc.boolean(), (ops, lazy) =>
        playBoth(ops, new FastPlayer({ ...SPEC, high, lazy }, false), new BuddyReference({ ...REFERENCE, high })),
      ),
      { seed: 610 + high, numRuns: 2000 },
    )
  })
