// An allocation that may wait says so when it is entered.
import { __GFP_DIRECT_RECLAIM } from './gfp.ts'
import { might_sleep } from './might_sleep.ts'
import type { Sys } from './mmzone.ts'

const DIRECT: number = __GFP_DIRECT_RECLAIM

/** Reports a request that may wait from a context that must not. @kernel include/linux/sched/mm.h:might_alloc */
export function might_alloc(sys: Sys, gfp: number): void {
  const { in_atomic, irqs_disabled } = sys.machine
  if ((gfp & DIRECT) !== 0 && (in_atomic[0]! | irqs_disabled[0]!) !== 0) might_sleep(sys, 'include/linux/sched/mm.h')
}
