// Shrinkable slabs: caches of the kernel that give objects up when memory is short (dentries, inodes). The twin has no
// such objects of its own; whoever has registers a shrinker. How much is asked of one follows from the priority.
import { __GFP_FS } from './gfp.ts'
import type { Sys } from './mmzone.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'

/** Who has objects to give up. Not state: what it counts must be in the image. @kernel include/linux/shrinker.h:struct shrinker */
export interface Shrinker {
  /** Needs locks of file systems: not called without __GFP_FS. */
  readonly fs: boolean
  /** Effort to make an object again, 2 = as a page. */
  readonly seeks: number
  /** Objects of a node that could go. */
  count_objects(sys: Sys, node: number): number
  /** Looks at `nr` objects; returns how many pages came free. */
  scan_objects(sys: Sys, node: number, nr: number): number
}

/** Objects of a call. @kernel include/linux/shrinker.h:SHRINK_BATCH */
const SHRINK_BATCH = 128
const SLABS_SCANNED: number = vm_event('slabs_scanned')

/** Asks all shrinkers for their part; returns the pages freed. @kernel mm/vmscan.c:shrink_slab
 * @differs what a shrinker did not do is not carried over to the next call */
export function shrink_slab(sys: Sys, gfp: number, node: number, priority: number): number {
  let freed = 0
  for (const shrinker of sys.shrinkers) {
    if (shrinker.fs && (gfp & __GFP_FS) === 0) continue
    freed += do_shrink_slab(sys, shrinker, node, priority)
  }
  return freed
}

/** @kernel mm/vmscan.c:do_shrink_slab */
function do_shrink_slab(sys: Sys, shrinker: Shrinker, node: number, priority: number): number {
  const freeable = shrinker.count_objects(sys, node)
  const delta = Math.floor((Math.floor(freeable / 2 ** priority) * 4) / shrinker.seeks)
  let left = Math.min(delta, 2 * freeable)
  let freed = 0
  while (left >= Math.min(SHRINK_BATCH, freeable) && left > 0) {
    const batch = Math.min(left, SHRINK_BATCH)
    freed += shrinker.scan_objects(sys, node, batch)
    count_vm_events(sys, SLABS_SCANNED, batch)
    left -= batch
  }
  return freed
}
