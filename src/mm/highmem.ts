// High memory made visible. kmap: a pool of slots, found by counting through it; a slot keeps its frame after the last
// user is gone, until the count wraps and everything unused is flushed. kmap_local and kmap_atomic: a stack of slots per
// CPU; the last one mapped must be unmapped first. Low memory needs no slot: its address is in the direct map.
// Addresses are page numbers (vaddr >>> PAGE_SHIFT); 0 = NULL.
import type { Pfn } from '../base/units.ts'
import { might_sleep } from './might_sleep.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { clear_page_address, pkmap_of_page, set_page_address } from './page_address_map.ts'
import { is_highmem } from './page_alloc/setup.ts'
import { clear_pte_vaddr, set_pte_vaddr } from './pgtable_map.ts'

/** Slots of a CPU's kmap_local stack. @kernel arch/x86/include/asm/kmap_size.h:KM_MAX_IDX */
export const KM_MAX_IDX = 16

/** Where the slots lie. */
export interface KmapLayout {
  /** Page of the first slot of kmap. */
  readonly PKMAP_BASE: number
  readonly LAST_PKMAP: number
  /** Page of fixmap index 0; higher indexes lie below. */
  readonly FIXADDR_TOP: number
  readonly FIX_KMAP_BEGIN: number
}

/** An empty pool. @kernel arch/x86/mm/init_32.c:permanent_kmaps_init */
export function kmap_init(sys: Sys, layout: KmapLayout): void {
  const { base, entries, last_pkmap_nr, fixaddr_top, fix_kmap_begin } = sys.pkmap_state
  if (layout.LAST_PKMAP > sys.pkmap.count.length)
    throw new RangeError(`${layout.LAST_PKMAP} slots of kmap, there are ${sys.pkmap.count.length}`)
  base[0] = layout.PKMAP_BASE
  entries[0] = layout.LAST_PKMAP
  last_pkmap_nr[0] = 0
  fixaddr_top[0] = layout.FIXADDR_TOP
  fix_kmap_begin[0] = layout.FIX_KMAP_BEGIN
}

/** @kernel include/linux/page-flags.h:PageHighMem */
export function PageHighMem(sys: Sys, pfn: Pfn): boolean {
  const zone = page_zone(sys, pfn)
  return zone >= 0 && is_highmem(sys, zone)
}

/** Page number of a frame's address in the direct map. @kernel include/linux/mm.h:lowmem_page_address */
export function lowmem_page_address(sys: Sys, pfn: Pfn): number {
  return sys.kernel.PAGE_OFFSET / 2 ** sys.kernel.PAGE_SHIFT + pfn
}

/** A BUG of the kernel: it would stop here. @ours */
function bug(sys: Sys, what: string): void {
  sys.printk?.(`kernel BUG at mm/highmem.c: ${what}`)
}

/** Makes a frame visible until kunmap; 0 = all slots are in use. May sleep.
 * @kernel include/linux/highmem-internal.h:kmap
 * @differs the kernel waits where all slots are in use; nobody could give one back here */
export function kmap(sys: Sys, pfn: Pfn): number {
  might_sleep(sys, 'include/linux/highmem-internal.h')
  return PageHighMem(sys, pfn) ? kmap_high(sys, pfn) : lowmem_page_address(sys, pfn)
}

/** @kernel mm/highmem.c:kmap_high */
function kmap_high(sys: Sys, pfn: Pfn): number {
  let slot = pkmap_of_page(sys, pfn)
  if (slot < 0) slot = map_new_virtual(sys, pfn)
  if (slot < 0) return 0
  sys.pkmap.count[slot] = sys.pkmap.count[slot]! + 1
  return sys.pkmap_state.base[0]! + slot
}

/** The next unused slot in order; passing slot 0 flushes. @kernel mm/highmem.c:map_new_virtual */
function map_new_virtual(sys: Sys, pfn: Pfn): number {
  const { last_pkmap_nr, entries, base } = sys.pkmap_state
  const { count } = sys.pkmap
  for (let left = entries[0]!; left > 0; left--) {
    const slot = (last_pkmap_nr[0]! + 1) % entries[0]!
    last_pkmap_nr[0] = slot
    if (slot === 0) {
      flush_all_zero_pkmaps(sys)
      left = entries[0]!
    }
    if (count[slot] !== 0) continue
    set_pte_vaddr(sys, base[0]! + slot, pfn, sys.kernel.pgtable.PAGE_KERNEL)
    count[slot] = 1
    set_page_address(sys, pfn, slot)
    return slot
  }
  sys.printk?.(`kmap: all ${entries[0]} slots are in use; the caller would sleep until one is given back`)
  return -1
}

/** Takes back all slots that nobody uses. @kernel mm/highmem.c:flush_all_zero_pkmaps */
function flush_all_zero_pkmaps(sys: Sys): void {
  const { count } = sys.pkmap
  const { base, entries } = sys.pkmap_state
  for (let slot = 0; slot < entries[0]!; slot++) {
    if (count[slot] !== 1) continue
    count[slot] = 0
    clear_pte_vaddr(sys, base[0]! + slot)
    clear_page_address(sys, slot)
  }
}

/** @kernel mm/highmem.c:kmap_flush_unused */
export function kmap_flush_unused(sys: Sys): void {
  flush_all_zero_pkmaps(sys)
}

/** Gives a use of a frame's slot back. @kernel mm/highmem.c:kunmap_high
 * @differs one kunmap too many is reported, and nothing is counted */
export function kunmap(sys: Sys, pfn: Pfn): void {
  might_sleep(sys, 'include/linux/highmem-internal.h')
  if (!PageHighMem(sys, pfn)) return
  const slot = pkmap_of_page(sys, pfn)
  if (slot < 0) bug(sys, `kunmap of frame ${pfn}, which is not mapped`)
  else if (sys.pkmap.count[slot]! < 2) bug(sys, `kunmap of frame ${pfn}, which nobody uses`)
  else sys.pkmap.count[slot] = sys.pkmap.count[slot]! - 1
}

/** Page of a fixmap index. @kernel include/asm-generic/fixmap.h:__fix_to_virt */
export function fix_to_virt(sys: Sys, index: number): number {
  return sys.pkmap_state.fixaddr_top[0]! - index
}

/** Fixmap index of a CPU's slot. @kernel arch/x86/include/asm/highmem.h:arch_kmap_local_map_idx */
function kmap_local_fix(sys: Sys, depth: number): number {
  return sys.pkmap_state.fix_kmap_begin[0]! + depth + KM_MAX_IDX * sys.machine.this_cpu[0]!
}

/** Makes a frame visible on this CPU; the last mapping made must be undone first. Never sleeps; 0 = too many at once.
 * @kernel mm/highmem.c:__kmap_local_page_prot */
export function kmap_local_page(sys: Sys, pfn: Pfn): number {
  if (!PageHighMem(sys, pfn)) return lowmem_page_address(sys, pfn)
  const cpu = sys.machine.this_cpu[0]!
  const depth = sys.kmap_ctrl.idx[cpu]!
  if (depth >= KM_MAX_IDX) {
    bug(sys, `kmap_local: ${KM_MAX_IDX} frames are mapped already`)
    return 0
  }
  sys.kmap_ctrl.idx[cpu] = depth + 1
  sys.kmap_ctrl.page[KM_MAX_IDX * cpu + depth] = pfn + 1
  const page = fix_to_virt(sys, kmap_local_fix(sys, depth))
  set_pte_vaddr(sys, page, pfn, sys.kernel.pgtable.PAGE_KERNEL)
  return page
}

/** Undoes the last kmap_local_page. Another address than its is reported, and still the last mapping goes, as in the
 * kernel. @kernel mm/highmem.c:kunmap_local_indexed */
export function kunmap_local(sys: Sys, page: number): void {
  const cpu = sys.machine.this_cpu[0]!
  const { fix_kmap_begin } = sys.pkmap_state
  const first = fix_to_virt(sys, fix_kmap_begin[0]!)
  const last = fix_to_virt(sys, fix_kmap_begin[0]! + KM_MAX_IDX * sys.nr_cpus - 1)
  if (sys.pkmap_state.entries[0] === 0 || page < last || page > first) return
  const depth = sys.kmap_ctrl.idx[cpu]! - 1
  if (depth < 0) {
    bug(sys, `kunmap_local of page 0x${page.toString(16)}: nothing is mapped`)
    return
  }
  const top = fix_to_virt(sys, kmap_local_fix(sys, depth))
  if (page !== top)
    sys.printk?.(
      `WARNING: CPU: ${cpu} PID: 0 at mm/highmem.c kunmap_local_indexed: 0x${page.toString(16)} is not the last one mapped, 0x${top.toString(16)}`,
    )
  clear_pte_vaddr(sys, top)
  sys.kmap_ctrl.page[KM_MAX_IDX * cpu + depth] = 0
  sys.kmap_ctrl.idx[cpu] = depth
}

/** kmap_local_page, and from here on nothing may sleep. @kernel include/linux/highmem-internal.h:kmap_atomic */
export function kmap_atomic(sys: Sys, pfn: Pfn): number {
  sys.machine.in_atomic[0] = sys.machine.in_atomic[0]! + 1
  return kmap_local_page(sys, pfn)
}

/** Undoes kmap_atomic. @kernel include/linux/highmem-internal.h:kunmap_atomic */
export function kunmap_atomic(sys: Sys, page: number): void {
  kunmap_local(sys, page)
  if (sys.machine.in_atomic[0] === 0) bug(sys, 'kunmap_atomic without kmap_atomic')
  else sys.machine.in_atomic[0] = sys.machine.in_atomic[0]! - 1
}

/** The laws of kmap, checked from scratch. @ours */
export function highmem_check(sys: Sys): string[] {
  const broken: string[] = []
  const { count, page } = sys.pkmap
  for (let slot = 0; slot < sys.pkmap_state.entries[0]!; slot++) {
    if ((count[slot] === 0) !== (page[slot] === 0))
      broken.push(`kmap slot ${slot}: count ${count[slot]}, page ${page[slot]}`)
    else if (page[slot] !== 0 && pkmap_of_page(sys, page[slot]! - 1) !== slot)
      broken.push(`kmap slot ${slot}: frame ${page[slot]! - 1} is found in slot ${pkmap_of_page(sys, page[slot]! - 1)}`)
  }
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    for (let depth = 0; depth < KM_MAX_IDX; depth++) {
      const used = sys.kmap_ctrl.page[KM_MAX_IDX * cpu + depth] !== 0
      if (used !== depth < sys.kmap_ctrl.idx[cpu]!) broken.push(`kmap_local cpu ${cpu} slot ${depth}: used ${used}`)
    }
  return broken
}
