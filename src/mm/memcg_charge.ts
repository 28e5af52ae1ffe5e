// What is charged to memory control groups, and what is given back. Law: a block is charged once (page_memcg of its head) and
// uncharged when it is freed; groups above count the same pages.
import { mem_cgroup_is_descendant } from './memcg_tree.ts'
import type { Sys } from './mmzone.ts'

/** Pages that a CPU charges at once. @kernel include/linux/memcontrol.h:MEMCG_CHARGE_BATCH */
export const MEMCG_CHARGE_BATCH = 64

/** Adds pages to a group and those above; 0, or the group at its limit: then nothing was added.
 * @kernel mm/page_counter.c:page_counter_try_charge */
export function page_counter_try_charge(sys: Sys, memcg: number, pages: number): number {
  const { usage, max, parent, watermark, failcnt } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) {
    if (usage[group]! + pages <= max[group]!) continue
    failcnt[group] = failcnt[group]! + 1
    return group
  }
  for (let group = memcg; group !== 0; group = parent[group]!) {
    usage[group] = usage[group]! + pages
    watermark[group] = Math.max(watermark[group]!, usage[group]!)
  }
  return 0
}

/** @kernel mm/page_counter.c:page_counter_charge */
export function page_counter_charge(sys: Sys, memcg: number, pages: number): void {
  const { usage, parent, watermark } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) {
    usage[group] = usage[group]! + pages
    watermark[group] = Math.max(watermark[group]!, usage[group]!)
  }
}

/** @kernel mm/page_counter.c:page_counter_uncharge */
export function page_counter_uncharge(sys: Sys, memcg: number, pages: number): void {
  const { usage, parent } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) usage[group] = usage[group]! - pages
}

/** Pages that can still be charged, to the group and all above. @kernel mm/memcontrol.c:mem_cgroup_margin */
export function mem_cgroup_margin(sys: Sys, memcg: number): number {
  return Math.max(0, sys.memcg.max[memcg]! - sys.memcg.usage[memcg]!)
}

/** Counts an event. @kernel include/linux/memcontrol.h:memcg_memory_event */
export function memcg_memory_event(sys: Sys, memcg: number, event: number): void {
  sys.memcg.events[(sys.memcg.events.length / sys.memcg.used.length) * memcg + event]! += 1
}

/** Pages that were charged and not used. @kernel mm/memcontrol.c:consume_stock */
export function consume_stock(sys: Sys, memcg: number, pages: number): boolean {
  const { cached, nr_pages } = sys.memcg_stock
  const cpu = sys.machine.this_cpu[0]!
  if (cached[cpu] !== memcg || nr_pages[cpu]! < pages) return false
  nr_pages[cpu] = nr_pages[cpu]! - pages
  return true
}

/** @kernel mm/memcontrol.c:drain_stock */
function drain_stock(sys: Sys, cpu: number): void {
  const { cached, nr_pages } = sys.memcg_stock
  if (nr_pages[cpu]! > 0) page_counter_uncharge(sys, cached[cpu]!, nr_pages[cpu]!)
  cached[cpu] = 0
  nr_pages[cpu] = 0
}

/** @kernel mm/memcontrol.c:refill_stock */
export function refill_stock(sys: Sys, memcg: number, pages: number): void {
  const { cached, nr_pages } = sys.memcg_stock
  const cpu = sys.machine.this_cpu[0]!
  if (cached[cpu] !== memcg) {
    drain_stock(sys, cpu)
    cached[cpu] = memcg
  }
  nr_pages[cpu]! += pages
  if (nr_pages[cpu]! > MEMCG_CHARGE_BATCH) drain_stock(sys, cpu)
}

/** Gives back what CPUs hold for a group and those below it. @kernel mm/memcontrol.c:drain_all_stock */
export function drain_all_stock(sys: Sys, root: number): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const memcg = sys.memcg_stock.cached[cpu]!
    if (memcg !== 0 && mem_cgroup_is_descendant(sys, memcg, root)) drain_stock(sys, cpu)
  }
}

/** A block is freed. @kernel mm/memcontrol.c:__mem_cgroup_uncharge */
export function mem_cgroup_uncharge(sys: Sys, pfn: number, order: number): void {
  const { id } = sys.page_memcg
  const memcg = id[pfn]!
  if (memcg === 0) return
  id[pfn] = 0
  page_counter_uncharge(sys, memcg, 2 ** order)
}

/** A page's content moves to another frame, and its charge with it. Neither is on a list. @kernel mm/memcontrol.c:mem_cgroup_migrate */
export function mem_cgroup_migrate(sys: Sys, from: number, to: number): void {
  const { id } = sys.page_memcg
  if (id.length === 0) return
  id[to] = id[from]!
  id[from] = 0
}

/** @kernel mm/memcontrol.c:__memcg_kmem_uncharge_page */
export function memcg_kmem_uncharge_page(sys: Sys, pfn: number): void {
  if (sys.page_memcg.id.length === 0) return
  for (let group = sys.page_memcg.id[pfn]!; group !== 0; group = sys.memcg.parent[group]!) sys.memcg.kmem[group]! -= 1
  mem_cgroup_uncharge(sys, pfn, 0)
}

/** A slot for a page of a group; false = the group may take no more. @kernel mm/memcontrol.c:mem_cgroup_try_charge_swap */
export function mem_cgroup_try_charge_swap(sys: Sys, pfn: number, row: number): boolean {
  const memcg = sys.page_memcg.id[pfn] ?? 0
  const { swap_usage, swap_max, swap_failcnt, parent } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) {
    if (swap_usage[group]! + 1 <= swap_max[group]!) continue
    swap_failcnt[group]! += 1
    return false
  }
  for (let group = memcg; group !== 0; group = parent[group]!) swap_usage[group]! += 1
  if (memcg !== 0) sys.swap_memcg.id[row] = memcg
  return true
}

/** A slot is free again. @kernel mm/memcontrol.c:mem_cgroup_uncharge_swap */
export function mem_cgroup_uncharge_swap(sys: Sys, row: number): void {
  const { id } = sys.swap_memcg
  if (id.length === 0 || id[row] === 0) return
  for (let group = id[row]!; group !== 0; group = sys.memcg.parent[group]!) sys.memcg.swap_usage[group]! -= 1
  id[row] = 0
}
