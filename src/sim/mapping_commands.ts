// Commands of mappings: areas of vmalloc, frames mapped one behind the other, slots of kmap, and the contexts in which code
// must not sleep. Addresses are page numbers, 0 = NULL; a wrong one is for the kernel to report.
import type { Pfn } from '../base/units.ts'
import {
  kmap,
  kmap_atomic,
  kmap_flush_unused,
  kmap_local_page,
  kunmap,
  kunmap_atomic,
  kunmap_local,
} from '../mm/highmem.ts'
import type { Sys } from '../mm/mmzone.ts'
import { vfree, vmalloc, vmap, vunmap, vzalloc } from '../mm/vmalloc.ts'
import { vm_map_ram, vm_unmap_aliases, vm_unmap_ram } from '../mm/vmap_block.ts'
import type { OnCpu } from './slab_commands.ts'

export type MappingCommand =
  | (OnCpu & { readonly op: 'vmalloc' | 'vzalloc'; readonly size: number })
  | (OnCpu & { readonly op: 'vfree' | 'vunmap' | 'kunmap_atomic' | 'kunmap_local'; readonly page: number })
  | (OnCpu & { readonly op: 'vmap' | 'vm_map_ram'; readonly pfns: readonly Pfn[] })
  | (OnCpu & { readonly op: 'vm_unmap_ram'; readonly page: number; readonly count: number })
  | (OnCpu & { readonly op: 'kmap' | 'kunmap' | 'kmap_atomic' | 'kmap_local_page'; readonly pfn: Pfn })
  | (OnCpu & { readonly op: 'vm_unmap_aliases' | 'kmap_flush_unused' })
  | (OnCpu & { readonly op: 'preempt_disable' | 'preempt_enable' | 'local_irq_disable' | 'local_irq_enable' })

export interface MappingResult {
  /** Page number of a mapping or area; 0 = none. */
  readonly page?: number
}

type Handlers = {
  readonly [Name in MappingCommand['op']]: (sys: Sys, command: MappingCommand & { op: Name }) => MappingResult
}

const nothing = (_: unknown): MappingResult => ({})

export const MAPPING_HANDLERS: Handlers = {
  vmalloc: (sys, { size }) => ({ page: vmalloc(sys, size) }),
  vzalloc: (sys, { size }) => ({ page: vzalloc(sys, size) }),
  vfree: (sys, { page }) => nothing(vfree(sys, page)),
  vmap: (sys, { pfns }) => ({ page: vmap(sys, pfns) }),
  vunmap: (sys, { page }) => nothing(vunmap(sys, page)),
  vm_map_ram: (sys, { pfns }) => ({ page: vm_map_ram(sys, pfns) }),
  vm_unmap_ram: (sys, { page, count }) => nothing(vm_unmap_ram(sys, page, count)),
  vm_unmap_aliases: sys => nothing(vm_unmap_aliases(sys)),
  kmap: (sys, { pfn }) => ({ page: kmap(sys, pfn) }),
  kunmap: (sys, { pfn }) => nothing(kunmap(sys, pfn)),
  kmap_atomic: (sys, { pfn }) => ({ page: kmap_atomic(sys, pfn) }),
  kunmap_atomic: (sys, { page }) => nothing(kunmap_atomic(sys, page)),
  kmap_local_page: (sys, { pfn }) => ({ page: kmap_local_page(sys, pfn) }),
  kunmap_local: (sys, { page }) => nothing(kunmap_local(sys, page)),
  kmap_flush_unused: sys => nothing(kmap_flush_unused(sys)),
  preempt_disable: sys => nothing((sys.machine.in_atomic[0]! += 1)),
  preempt_enable: sys => nothing(preempt_enable(sys)),
  // Interrupts are off or on: who disables them twice enables them once.
  local_irq_disable: sys => nothing((sys.machine.irqs_disabled[0] = 1)),
  local_irq_enable: sys => nothing((sys.machine.irqs_disabled[0] = 0)),
}

function preempt_enable(sys: Sys): void {
  const { in_atomic } = sys.machine
  if (in_atomic[0] === 0) sys.printk?.('BUG: preempt_enable without its counterpart')
  else in_atomic[0]! -= 1
}

export const MAPPING_REQUIRED: { readonly [Name in MappingCommand['op']]: readonly string[] } = {
  vmalloc: ['size'],
  vzalloc: ['size'],
  vfree: ['page'],
  vmap: ['pfns'],
  vunmap: ['page'],
  vm_map_ram: ['pfns'],
  vm_unmap_ram: ['page', 'count'],
  vm_unmap_aliases: [],
  kmap: ['pfn'],
  kunmap: ['pfn'],
  kmap_atomic: ['pfn'],
  kunmap_atomic: ['page'],
  kmap_local_page: ['pfn'],
  kunmap_local: ['page'],
  kmap_flush_unused: [],
  preempt_disable: [],
  preempt_enable: [],
  local_irq_disable: [],
  local_irq_enable: [],
}
