// What is said of a free that no object of SLOB belongs to. SLOB itself looks at nothing and breaks its lists; these words
// are those of SLUB and of the page allocator about the same mistakes.
import { warn } from './kernel_taint.ts'
import type { Sys } from './mmzone.ts'
import { virtual } from './slab_debug.ts'
import { SLOB_UNIT } from './slob_geometry.ts'
import { is_slob_page, object_start } from './slob_page.ts'

/** Reports a free of `size` bytes (0 = unknown) at an address where no such object begins. @ours */
export function bad_slob_free(sys: Sys, address: number, size: number): void {
  sys.slab_state.slab_errors[0]! += 1
  const bytes = size > 0 ? ` of ${size} bytes` : ''
  warn(sys, 'mm/slob.c slob_free', `slob: invalid free of ${virtual(sys, address)}${bytes}: ${reason(sys, address)}`)
}

function reason(sys: Sys, address: number): string {
  const pfn = Math.floor(address * sys.frames_per_byte)
  if (!(pfn >= 0 && pfn < sys.nr_frames)) return 'it is no memory of this machine'
  if (!is_slob_page(sys, pfn)) return 'Object is not a Slab page!'
  const unit = Math.floor((address - pfn * 2 ** sys.kernel.PAGE_SHIFT) / SLOB_UNIT)
  const start = object_start(sys, pfn, unit)
  if (start < 0) return 'Object already free'
  return start === unit ? 'the object has another size' : 'it points into an object'
}
