// Which allocator of objects a kernel has.
import type { Sys } from './mmzone.ts'
import { slab_allocator as slab } from './slab.ts'
import type { SlabAllocator } from './slab_allocator.ts'
import { slob_allocator as slob } from './slob.ts'
import { slub } from './slub_allocator.ts'

/** The allocator of a machine's kernel. @ours */
export function slab_allocator(sys: Sys): SlabAllocator {
  // Files that allocators are made of ask here, too: the three are looked up when somebody asks, not when this is loaded.
  const name = sys.kernel.slab
  return name === 'SLUB' ? slub : name === 'SLAB' ? slab : slob
}
