// The allocators above the page allocator: the kernel's address space (page tables, vmalloc, slots of kmap) and its
// caches. A machine that was booted has neither, so that its frames are those that a page allocator alone leaves; they are
// made when the first of them is asked for.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import { check } from '../mm/check.ts'
import { highmem_check } from '../mm/highmem.ts'
import { kasan_check } from '../mm/kasan_check.ts'
import { kmem_cache_init, slab_check } from '../mm/kmem_cache.ts'
import { kmemleak_init } from '../mm/kmemleak.ts'
import { kmemleak_check } from '../mm/kmemleak_debugfs.ts'
import { mempolicy_check } from '../mm/mempolicy.ts'
import { mempool_check } from '../mm/mempool.ts'
import type { Sys } from '../mm/mmzone.ts'
import { totalram_pages } from '../mm/page_alloc/setup.ts'
import { percpu_check } from '../mm/percpu.ts'
import { swapper_pg_dir } from '../mm/pgtable_map.ts'
import { vmalloc_check } from '../mm/vmalloc_check.ts'

/** Whether caches and an address space are there. */
export function hasAllocators(sys: Sys): boolean {
  return hasCaches(sys) && swapper_pg_dir(sys) >= 0
}

/** Whether there are caches. */
export function hasCaches(sys: Sys): boolean {
  return sys.slab_state.slab_state[0] === 2
}

/** Makes what is not there yet; `cmdline` is the kernel's command line, which caches have options on.
 * @kernel mm/mm_init.c:mm_core_init */
export function mm_core_init(sys: Sys, cmdline: string): void {
  if (swapper_pg_dir(sys) < 0) setup_address_space(sys)
  if (hasCaches(sys)) return
  kmem_cache_init(sys, { cmdline, totalram_pages: totalram_pages(sys) })
  kmemleak_init(sys, cmdline)
}

/** All broken laws of a machine, of every allocator that it has. */
export function brokenLaws(sys: Sys): string[] {
  const caches = hasCaches(sys) ? slab_check(sys) : []
  const spaces = [...vmalloc_check(sys), ...highmem_check(sys)]
  const pools = [...mempool_check(sys), ...mempolicy_check(sys), ...percpu_check(sys)]
  return [...check(sys), ...caches, ...spaces, ...pools, ...kmemleak_check(sys), ...kasan_check(sys)]
}
