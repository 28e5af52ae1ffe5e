// Masks that no caller should pass, and what the kernel does with them: most are put right or served silently, because
// the checks are compiled in only with DEBUG_VM, which the modelled kernels are built without.
import {
  __GFP_ATOMIC,
  __GFP_DIRECT_RECLAIM,
  __GFP_NOFAIL,
  __GFP_NOWARN,
  GFP_MOVABLE_MASK,
  GFP_ZONEMASK,
} from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import type { Sys } from './mmzone.ts'

/** One thing that is wrong with a mask. */
export interface GfpFault {
  readonly kind: 'zone' | 'mobility' | 'unknown-bits' | 'atomic-may-sleep' | 'nofail-order' | 'nofail-no-reclaim'
  /** The kernel's check that finds it, or its act that drops it. */
  readonly check: string
  /** Where the check stands: file:function. */
  readonly where: string
  /** What the kernel prints; null = nothing in a kernel without DEBUG_VM. */
  readonly report: string | null
  /** The fault and what comes of it, in one sentence. */
  readonly message: string
}

/** Everything that is wrong with a mask, and the mask that the allocator goes on with. The kernel refuses none.
 * @ours gathers checks of __alloc_pages, rmqueue, __alloc_pages_slowpath, gfp_zone and gfp_migratetype */
export function bad_gfp(sys: Sys, gfp: number, order = 0): { gfp: number; faults: GfpFault[] } {
  const faults = [...bits_faults(sys, gfp), ...request_faults(sys, gfp, order)]
  return { gfp: gfp & sys.machine.gfp_allowed_mask[0]!, faults }
}

function* bits_faults(sys: Sys, gfp: number): Generator<GfpFault> {
  const { gfp: table, zones, migratetypes } = sys.kernel
  const name = `0x${(gfp >>> 0).toString(16)}(${format_gfp(table, gfp)})`
  const unknown = (gfp & ~table.GFP_BITS_MASK) >>> 0
  if (unknown !== 0)
    yield {
      kind: 'unknown-bits',
      check: 'gfp &= gfp_allowed_mask',
      where: 'mm/page_alloc.c:__alloc_pages',
      report: null,
      message: `${name}: bits 0x${unknown.toString(16)} mean nothing to this kernel; they are dropped`,
    }
  if (((table.GFP_ZONE_BAD >> (gfp & GFP_ZONEMASK)) & 1) !== 0)
    yield {
      kind: 'zone',
      check: 'VM_BUG_ON((GFP_ZONE_BAD >> bits) & 1)',
      where: 'include/linux/gfp.h:gfp_zone',
      report: null,
      message: `${name}: zone modifiers contradict each other; the request is served from zone ${zones[0]} alone`,
    }
  if ((gfp & GFP_MOVABLE_MASK) === GFP_MOVABLE_MASK)
    yield {
      kind: 'mobility',
      check: 'VM_WARN_ON((gfp_flags & GFP_MOVABLE_MASK) == GFP_MOVABLE_MASK)',
      where: 'include/linux/gfp.h:gfp_migratetype',
      // Kernels with DEBUG_VM alone say so; the others hand out what they must not.
      report: warning(sys, 'include/linux/gfp.h:gfp_migratetype'),
      message: `${name}: movable and reclaimable at once; the request is served as type ${migratetypes[0]}`,
    }
}

function warning(sys: Sys, where: string): string {
  const [file, name] = where.split(':')
  return `WARNING: CPU: ${sys.machine.this_cpu[0]} at ${file} ${name}`
}

/** Checks that do warn, once for each place; those of WARN_ON_ONCE_GFP are silent with __GFP_NOWARN. */
function* request_faults(sys: Sys, gfp: number, order: number): Generator<GfpFault> {
  const may_sleep = (gfp & __GFP_DIRECT_RECLAIM) !== 0
  if (sys.kernel.gfp.GFP_ATOMIC & gfp & __GFP_ATOMIC && may_sleep)
    yield {
      kind: 'atomic-may-sleep',
      check: 'WARN_ON_ONCE of __GFP_ATOMIC with __GFP_DIRECT_RECLAIM',
      where: 'mm/page_alloc.c:__alloc_pages_slowpath',
      report: warning(sys, 'mm/page_alloc.c:__alloc_pages_slowpath'),
      message: '__GFP_ATOMIC and __GFP_DIRECT_RECLAIM contradict each other; the slow path drops __GFP_ATOMIC',
    }
  if ((gfp & __GFP_NOFAIL) === 0) return
  if (order > 1)
    yield {
      kind: 'nofail-order',
      check: 'WARN_ON_ONCE((gfp_flags & __GFP_NOFAIL) && (order > 1))',
      where: 'mm/page_alloc.c:rmqueue',
      report: warning(sys, 'mm/page_alloc.c:rmqueue'),
      message: `__GFP_NOFAIL with order ${order}: only orders 0 and 1 are meant to never fail`,
    }
  if (!may_sleep)
    yield {
      kind: 'nofail-no-reclaim',
      check: 'WARN_ON_ONCE_GFP(!can_direct_reclaim, gfp_mask)',
      where: 'mm/page_alloc.c:__alloc_pages_slowpath',
      report: (gfp & __GFP_NOWARN) !== 0 ? null : warning(sys, 'mm/page_alloc.c:__alloc_pages_slowpath'),
      message: '__GFP_NOFAIL without __GFP_DIRECT_RECLAIM: the request cannot wait for memory, so it can fail',
    }
}
