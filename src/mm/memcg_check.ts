// The laws of control groups, counted from scratch.
import { MEMCG_CHARGE_BATCH } from './memcg_charge.ts'
import { cgroup_path, mem_cgroup_is_descendant } from './memcg_tree.ts'
import { PAGE_STATE_ORDER, PAGE_USED, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'

/** Pages, page tables and slots by group, without those of groups below. */
interface Counts {
  readonly pages: Float64Array
  readonly tables: Float64Array
  readonly slots: Float64Array
}

/** Adds what is broken. @ours */
export function memcg_check(sys: Sys, broken: string[]): void {
  const { length } = sys.memcg.used
  if (length === 0) return
  const counts = { pages: new Float64Array(length), tables: new Float64Array(length), slots: new Float64Array(length) }
  count_frames(sys, counts, broken)
  count_slots(sys, counts, broken)
  count_stocks(sys, counts, broken)
  for (let group = 1; group < length; group++) group_check(sys, group, counts, broken)
}

function count_frames(sys: Sys, { pages, tables }: Counts, broken: string[]): void {
  sys.page_memcg.id.forEach((id, pfn) => {
    if (id === 0) return
    const state = sys.page.state[pfn]!
    if ((state & PAGE_USED) === 0) broken.push(`frame ${pfn}: not in use, charged to group ${id}`)
    pages[id]! += 2 ** ((state & PAGE_STATE_ORDER) - 1)
    if ((sys.page.flags[pfn]! & PG.table) !== 0) tables[id]! += 1
  })
}

function count_slots(sys: Sys, { slots }: Counts, broken: string[]): void {
  sys.swap_memcg.id.forEach((id, row) => {
    if (id === 0) return
    slots[id]! += 1
    if (sys.swap_map.count[row] === 0) broken.push(`swap slot ${row}: free, charged to group ${id}`)
  })
}

function count_stocks(sys: Sys, { pages }: Counts, broken: string[]): void {
  sys.memcg_stock.cached.forEach((id, cpu) => {
    const stock = sys.memcg_stock.nr_pages[cpu]!
    pages[id]! += stock
    if (stock < 0 || stock > MEMCG_CHARGE_BATCH || (id === 0 && stock !== 0))
      broken.push(`memcg stock of CPU ${cpu}: ${stock} pages of group ${id}`)
  })
}

function group_check(sys: Sys, group: number, { pages, tables, slots }: Counts, broken: string[]): void {
  const { used, parent, usage, kmem, swap_usage } = sys.memcg
  if (used[group] === 0) {
    if (pages[group]! + slots[group]! > 0) broken.push(`group ${group}: is not there, and has pages`)
    return
  }
  if (parent[group] !== 0 && used[parent[group]!] === 0) broken.push(`group ${group}: the one above is not there`)
  const below = (counts: Float64Array): number =>
    counts.reduce((sum, count, id) => (used[id] && mem_cgroup_is_descendant(sys, id, group) ? sum + count : sum), 0)
  const at = `group ${cgroup_path(sys, group)}`
  if (below(pages) !== usage[group]) broken.push(`${at}: usage ${usage[group]}, ${below(pages)} pages`)
  if (below(tables) !== kmem[group]) broken.push(`${at}: kmem ${kmem[group]}, ${below(tables)} page tables`)
  if (below(slots) !== swap_usage[group]) broken.push(`${at}: swap ${swap_usage[group]}, ${below(slots)} slots`)
}
