// The tree of memory control groups: names, who is below whom, whose processes these are.
import { put_text } from './kernel_stack_tables.ts'
import { CGROUP_NAME_LEN } from './memcg_tables.ts'
import { get_current_or_none } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { TASK_RUNNING } from './vm_flags.ts'

/** Whether the machine has groups. @kernel include/linux/memcontrol.h:mem_cgroup_disabled */
export const has_memcgs = (sys: Sys): boolean => sys.memcg.used.length !== 0

/** Group of an address space: that of its owner. @kernel mm/memcontrol.c:get_mem_cgroup_from_mm */
export function mem_cgroup_from_mm(sys: Sys, mm: number): number {
  return sys.task.memcg[sys.mm.owner[mm]!]!
}

/** Group of the running task. @kernel mm/memcontrol.c:mem_cgroup_from_task */
export function mem_cgroup_from_current(sys: Sys): number {
  return sys.task.memcg[get_current_or_none(sys)] ?? 0
}

/** Whether a group is `root` or below it. @kernel include/linux/memcontrol.h:mem_cgroup_is_descendant */
export function mem_cgroup_is_descendant(sys: Sys, memcg: number, root: number): boolean {
  const { parent } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!) if (group === root) return true
  return root === 0
}

/** Whether a page counts for a group: charged to it or to one below. @kernel include/linux/memcontrol.h:folio_memcg */
export function is_member(sys: Sys, pfn: number, memcg: number): boolean {
  const own = sys.page_memcg.id[pfn]!
  return own === memcg || (own !== 0 && mem_cgroup_is_descendant(sys, own, memcg))
}

/** Name of a group's folder. @ours */
export function cgroup_name(sys: Sys, memcg: number): string {
  const bytes = sys.memcg.name.subarray(memcg * CGROUP_NAME_LEN, (memcg + 1) * CGROUP_NAME_LEN)
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)))
}

/** `/a/b`; the root is `/`. @kernel kernel/cgroup/cgroup.c:cgroup_path */
export function cgroup_path(sys: Sys, memcg: number): string {
  if (memcg === 0) return '/'
  const above = sys.memcg.parent[memcg]!
  return `${above === 0 ? '' : cgroup_path(sys, above)}/${cgroup_name(sys, memcg)}`
}

/** The group of a path; -1 = there is none. @kernel kernel/cgroup/cgroup.c:cgroup_get_from_path */
export function cgroup_of_path(sys: Sys, path: string): number {
  let memcg = 0
  for (const name of path.split('/').filter(word => word !== '')) {
    memcg = children(sys, memcg).find(child => cgroup_name(sys, child) === name) ?? -1
    if (memcg < 0) return -1
  }
  return memcg
}

/** Groups right below one. @ours */
export function children(sys: Sys, memcg: number): number[] {
  const rows: number[] = []
  for (let group = 1; group < sys.memcg.used.length; group++)
    if (sys.memcg.used[group] === 1 && sys.memcg.parent[group] === memcg) rows.push(group)
  return rows
}

/** Processes of a group and of those below it. @kernel mm/memcontrol.c:mem_cgroup_scan_tasks */
export function mem_cgroup_tasks(sys: Sys, memcg: number): number[] {
  const { state, memcg: group } = sys.task
  const tasks: number[] = []
  for (let task = 1; task < state.length; task++)
    if (state[task] === TASK_RUNNING && mem_cgroup_is_descendant(sys, group[task]!, memcg)) tasks.push(task)
  return tasks
}

/** A new group: its row, or -1 where there is room for no more. @kernel mm/memcontrol.c:mem_cgroup_css_alloc */
export function mem_cgroup_css_alloc(sys: Sys, parent: number, name: string): number {
  const group = sys.memcg.used.indexOf(0, 1)
  if (group < 0) return -1
  const { used, max, high, swap_max } = sys.memcg
  used[group] = 1
  sys.memcg.parent[group] = parent
  max[group] = high[group] = swap_max[group] = Infinity
  put_text(sys.memcg.name, group, CGROUP_NAME_LEN, name)
  return group
}

/** A group goes: what is charged to it stays with the one above. @kernel mm/memcontrol.c:memcg_offline_kmem
 * @differs the kernel keeps the group until its last page is gone */
export function mem_cgroup_css_free(sys: Sys, memcg: number): void {
  const above = sys.memcg.parent[memcg]!
  for (const { id } of [sys.page_memcg, sys.swap_memcg])
    for (let at = id.indexOf(memcg); at >= 0; at = id.indexOf(memcg, at + 1)) id[at] = above
  for (const column of Object.values(sys.memcg)) {
    const width = column.length / sys.memcg.used.length
    column.fill(0, width * memcg, width * (memcg + 1))
  }
}
