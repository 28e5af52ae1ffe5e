// What SLAB says when it is used wrongly or cannot serve, in the kernel's words where it has some: through sys.printk.
// A kernel without DEBUG_SLAB believes whatever it is given and breaks later; here a wrong free is seen, told, and left
// undone, so that the machine stays consistent.

import { __GFP_NOWARN } from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import { warn } from './kernel_taint.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { type KmemCache, NO_CACHE } from './slab_allocator.ts'
import { verify_redzone_free, virtual } from './slab_debug.ts'
import { index_to_obj, is_taken, obj_to_index, type Slab, slab_cache_of } from './slab_desc.ts'
import { SLAB_RED_ZONE } from './slab_flags.ts'

/** Whether `object` (its user's address) is one of `cache` that is with its user; reports what is wrong with it.
 * @kernel mm/slab.c:cache_free_debugcheck, mm/slab.h:cache_from_obj @differs kernels without DEBUG_SLAB do not look */
export function may_free(sys: Sys, cache: KmemCache, slab: Slab, object: number): boolean {
  const owner = slab_cache_of(sys, slab)
  if (owner !== cache) {
    wrong_cache(sys, cache, owner)
    return false
  }
  const objp = object - sys.slab_cache.obj_offset[cache]!
  const index = obj_to_index(sys, cache, slab, objp)
  if (index < 0 || index >= sys.slab_cache.num[cache]!) {
    kernel_bug(sys, 'objnr >= cachep->num')
    return false
  }
  if (objp !== index_to_obj(sys, cache, slab, index)) {
    kernel_bug(sys, 'objp != index_to_obj(cachep, slab, objnr)')
    return false
  }
  if (is_taken(sys, slab, index)) return true
  double_free(sys, cache, objp)
  return false
}

function wrong_cache(sys: Sys, cache: KmemCache, owner: KmemCache): void {
  sys.slab_state.slab_errors[0]! += 1
  if (owner === NO_CACHE) warn(sys, 'mm/slab.h virt_to_cache', 'virt_to_cache: Object is not a Slab page!')
  else {
    const [wanted, found] = [kmem_cache_name(sys, cache), kmem_cache_name(sys, owner)]
    const message = `cache_from_obj: Wrong slab cache. ${wanted} but object is from ${found}`
    warn(sys, 'mm/slab.h cache_from_obj', message)
  }
  if (sys.kernel.config.DEBUG_SLAB) sys.printk?.('kernel BUG at mm/slab.c: virt_to_cache(objp) != cachep')
}

function kernel_bug(sys: Sys, condition: string): void {
  sys.slab_state.slab_errors[0]! += 1
  sys.printk?.(`kernel BUG at mm/slab.c: ${condition}`)
}

/** @kernel mm/slab.c:verify_redzone_free, slab_put_obj */
function double_free(sys: Sys, cache: KmemCache, objp: number): void {
  if ((sys.kmem_cache.flags[cache]! & SLAB_RED_ZONE) !== 0 && !verify_redzone_free(sys, cache, objp)) return
  sys.slab_state.slab_errors[0]! += 1
  sys.printk?.(`slab: double free detected in cache '${kmem_cache_name(sys, cache)}', objp ${virtual(sys, objp)}`)
}

/** @kernel mm/slab.c:slab_out_of_memory */
export function slab_out_of_memory(sys: Sys, cache: KmemCache, gfp: number, nodeid: number): void {
  if (!sys.kernel.config.DEBUG_SLAB || (gfp & __GFP_NOWARN) !== 0) return
  const mask = `0x${(gfp >>> 0).toString(16)}(${format_gfp(sys.kernel.gfp, gfp)})`
  sys.printk?.(`SLAB: Unable to allocate memory on node ${nodeid}, gfp=${mask}`)
  const { size } = sys.kmem_cache
  const { gfporder, num } = sys.slab_cache
  sys.printk?.(`  cache: ${kmem_cache_name(sys, cache)}, object size: ${size[cache]}, order: ${gfporder[cache]}`)
  const { total_slabs, free_slabs, free_objects } = sys.slab_node
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const node = cache * sys.nr_nodes + nid
    const [total, objects] = [total_slabs[node]!, total_slabs[node]! * num[cache]!]
    sys.printk?.(
      `  node ${nid}: slabs: ${total - free_slabs[node]!}/${total}, objs: ${objects - free_objects[node]!}/${objects}`,
    )
  }
}
