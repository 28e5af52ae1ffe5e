// Which allocator of objects a kernel has.
import type { SlabAllocator as AllocatorName } from './kernel.ts'
import type { Sys } from './mmzone.ts'
import { slab_allocator as slab } from './slab.ts'
import type { SlabAllocator } from './slab_allocator.ts'
import { slob_allocator as slob } from './slob.ts'
import { slub } from './slub_allocator.ts'

const allocators: Readonly<Record<AllocatorName, SlabAllocator>> = {
  SLUB: slub,
  SLAB: slab,
  SLOB: slob,
}

/** The allocator of a machine's kernel. @ours */
export function slab_allocator(sys: Sys): SlabAllocator {
  return allocators[sys.kernel.slab]
}
