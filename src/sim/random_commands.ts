// Seeded random commands, for tests, demonstrations and whoever wants a used machine: allocations of all kinds and
// orders, frees of what was allocated, now and then a drain, another CPU, a tick. The same seed gives the same commands.
import { next_random, seed_random } from '../base/rng.ts'
import { __GFP_COMP, __GFP_NOWARN, __GFP_RECLAIMABLE, GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../mm/gfp.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { Command, Result } from './commands.ts'

/** What happened. */
export interface RandomTally {
  allocated: number
  failed: number
  freed: number
  /** Blocks that are still allocated. */
  live: number
}

/** Does `count` random commands through `act`. */
export function randomCommands(sys: Sys, count: number, seed: number, act: (command: Command) => Result): RandomTally {
  const live: { pfn: number; order: number }[] = []
  const tally: RandomTally = { allocated: 0, failed: 0, freed: 0, live: 0 }
  let state = seed_random(seed)
  const below = (limit: number): number => (state = next_random(state)) % limit
  const masks = [GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_KERNEL | __GFP_RECLAIMABLE, sys.kernel.gfp.GFP_ATOMIC]
  const alloc = (): void => {
    const order = Math.min(Math.clz32(below(1024)) - 22, sys.block_shift)
    const gfp = masks[below(masks.length)]! | __GFP_NOWARN | (order > 0 ? __GFP_COMP : 0)
    const { pfn = -1 } = act({ op: 'alloc_pages', gfp, order })
    if (pfn >= 0) live.push({ pfn, order })
    tally[pfn >= 0 ? 'allocated' : 'failed']++
  }
  const free = (): void => {
    const at = below(live.length)
    const [block] = live.splice(at, 1)
    act({ op: '__free_pages', ...block! })
    tally.freed++
  }
  for (let i = 0; i < count; i++) {
    const choice = below(100)
    if (choice < 2) act({ op: 'drain_local_pages' })
    else if (choice < 5) act({ op: 'set_cpu', cpu: below(sys.nr_cpus) })
    else if (choice < 7) act({ op: 'tick', ticks: 1 + below(250) })
    else if (choice < 55 || live.length === 0) alloc()
    else free()
  }
  tally.live = live.length
  return tally
}
