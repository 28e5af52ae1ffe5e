// Machines with SLAB or SLOB for tests: 2 MiB of memory, kmalloc's caches, and what the kernel says.
import { kernels, with_config } from '../../src/kernels/index.ts'
import { check } from '../../src/mm/check.ts'
import type { Kernel } from '../../src/mm/kernel.ts'
import { kmem_cache_init, slab_check } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { machine } from './machine.ts'

const PLAIN = {
  SLUB_DEBUG: false,
  SLUB_CPU_PARTIAL: false,
  TRANSPARENT_HUGEPAGE: false,
  HUGETLB_PAGE: false,
  MEMORY_ISOLATION: false,
  MEMCG_KMEM: false,
}
const UMA = { ...PLAIN, NUMA: false, NUMA_EMU: false, NUMA_BALANCING: false }
const x86_64 = kernels['6.1-x86_64']!

export const slab_kernel: Kernel = with_config(x86_64, UMA, { slab: 'SLAB', name: 'slab' })
export const slab_debug_kernel: Kernel = with_config(slab_kernel, { DEBUG_SLAB: true }, { name: 'slab-debug' })
export const slab_numa_kernel: Kernel = with_config(x86_64, PLAIN, { slab: 'SLAB', name: 'slab-numa' })
export const slab_32_kernel: Kernel = with_config(kernels['6.1-i386']!, UMA, { slab: 'SLAB', name: 'slab-32' })
export const slob_kernel: Kernel = with_config(x86_64, UMA, { slab: 'SLOB', name: 'slob' })

export interface SlabMachine {
  readonly sys: Sys
  /** Lines that the kernel printed. */
  readonly log: string[]
  /** Broken laws of the whole machine. */
  readonly broken: () => string[]
}

/** A machine with `blocks` blocks of 1024 pages a node; frame 0 is not memory. */
export function slabMachine(
  kernel: Kernel,
  cpus: readonly number[] = [0],
  blocks = 1,
  cmdline = 'slab_nomerge',
): SlabMachine {
  const nodes = 1 + Math.max(...cpus)
  const zones = Array.from({ length: nodes }, (_, node) => ({
    name: 'Normal' as const,
    node,
    start: (1 + node * blocks) * 1024,
    end: (1 + (node + 1) * blocks) * 1024,
  }))
  const sys = machine({ kernel, zones, cpus, batch: 4, high: 16 })
  const log: string[] = []
  sys.printk = line => log.push(line)
  kmem_cache_init(sys, { cmdline })
  return { sys, log, broken: () => [...check(sys), ...slab_check(sys)] }
}
