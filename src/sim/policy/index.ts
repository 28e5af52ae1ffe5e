// All policies that need nothing but the accesses, by name.
import { Arc } from './arc.ts'
import { Clock, Fifo } from './fifo.ts'
import { Lfu } from './lfu.ts'
import { Lru, Sieve } from './lru.ts'
import { Opt } from './opt.ts'
import { type Future, MAX_FRAMES, type Policy, type PolicyKind } from './policy.ts'
import { S3Fifo } from './s3_fifo.ts'
import { Slru } from './slru.ts'
import { TwoQ } from './two_q.ts'

export { type Future, MAX_FRAMES, NEVER, nextUses, type Policy, type PolicyKind, runAll } from './policy.ts'

/** The textbook's policies, simplest first. */
export const policies: readonly PolicyKind[] = [
  { name: 'fifo', title: 'FIFO', about: 'what came first', create: frames => new Fifo(frames) },
  { name: 'lru', title: 'LRU', about: 'what was not used for longest', create: frames => new Lru(frames) },
  {
    name: 'clock',
    title: 'CLOCK',
    about: 'what came first and was not used since a hand passed it',
    create: frames => new Clock(frames),
  },
  {
    name: 'sieve',
    title: 'SIEVE',
    about: 'the oldest that was not used since a hand passed it; nothing moves',
    create: frames => new Sieve(frames),
  },
  { name: 'lfu', title: 'LFU', about: 'what was used least often', create: frames => new Lfu(frames) },
  {
    name: '2q',
    title: '2Q',
    about: 'new pages first, unless they come back soon after they went',
    create: frames => new TwoQ(frames),
  },
  {
    name: 'slru',
    title: 'SLRU',
    about: 'of four LRU lists, a page climbs one a use, the lowest loses its oldest',
    create: frames => new Slru(frames),
  },
  {
    name: 'arc',
    title: 'ARC',
    about: 'from recent or from frequent pages, whichever would have been missed less',
    create: frames => new Arc(frames),
  },
  {
    name: 's3-fifo',
    title: 'S3-FIFO',
    about: 'from a small FIFO what was not used twice, else from a main FIFO what was not used',
    create: frames => new S3Fifo(frames),
  },
  {
    name: 'opt',
    title: 'OPT',
    about: 'what is used again last: the least misses that can be, known from the future',
    needsFuture: true,
    create: createOpt,
  },
]

function createOpt(frames: number, future?: Future): Policy {
  if (future === undefined) throw new RangeError('OPT needs to know the accesses to come')
  return new Opt(frames, future)
}

/** A memory of this many frames under a policy. @throws RangeError for a number of frames that cannot be */
export function createPolicy(kind: PolicyKind, frames: number, future?: Future): Policy {
  if (!Number.isInteger(frames) || frames < 1 || frames > MAX_FRAMES)
    throw new RangeError(`a memory of ${frames} frames cannot be simulated: 1 to ${MAX_FRAMES} can`)
  return kind.create(frames, future)
}
