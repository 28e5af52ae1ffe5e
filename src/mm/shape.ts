// How large a machine is: what decides how many rows each table has.

import type { MemcgShape } from './memcg_tables.ts'
import type { ReclaimShape } from './reclaim_tables.ts'
import type { VmShape } from './vm_tables.ts'
import type { ZsmallocShape } from './zsmalloc_tables.ts'

/** How large a machine is; fixed at boot. */
export interface Shape extends VmShape, ReclaimShape, MemcgShape, ZsmallocShape {
  /** Frames to keep columns for: the first frame after the last memory. */
  readonly max_pfn: number
  readonly nr_nodes: number
  readonly nr_cpus: number
  /** Rows of pageblocks, where the kernel keeps them per zone; default: one row for each block of the frames. */
  readonly nr_pageblocks?: number
  /** Areas of the vmalloc address space that there can be. */
  readonly nr_vmap_areas?: number
  /** Frames whose bytes can be kept at once. */
  readonly nr_physmem_slots?: number
  /** Memory pools that may be at once, and elements that they may keep together. */
  readonly nr_mempools?: number
  readonly nr_mempool_elements?: number
  /** Pages of KASAN's shadow outside the direct map, 32 KiB of addresses each. */
  readonly nr_kasan_shadow_pages?: number
  /** Chunks of per-CPU memory that there can be. */
  readonly nr_percpu_chunks?: number
  /** Blocks that kmemleak can note, on a kernel that has it. */
  readonly nr_kmemleak_objects?: number
  /** Caches of objects that may be at once. */
  readonly nr_kmem_caches?: number
}
