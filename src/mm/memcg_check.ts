// The laws of control groups, counted from scratch.
import { MEMCG_CHARGE_BATCH } from './memcg_charge.ts'
import { cgroup_path, mem_cgroup_is_descendant } from './memcg_tree.ts'
import { PAGE_STATE_ORDER, PAGE_USED, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'

/** Adds what is broken. @ours */
export function memcg_check(sys: Sys, broken: string[]): void {
  const { used, parent, usage, kmem, swap_usage } = sys.memcg
  if (used.length === 0) return
  const [pages, tables, slots] = [
    new Float64Array(used.length),
    new Float64Array(used.length),
    new Float64Array(used.length),
  ]
  sys.page_memcg.id.forEach((id, pfn) => {
    if (id === 0) return
    const state = sys.page.state[pfn]!
    if ((state & PAGE_USED) === 0) broken.push(`frame ${pfn}: not in use, charged to group ${id}`)
    pages[id]! += 2 ** ((state & PAGE_STATE_ORDER) - 1)
    if ((sys.page.flags[pfn]! & PG.table) !== 0) tables[id]! += 1
  })
  sys.swap_memcg.id.forEach((id, row) => {
    if (id === 0) return
    slots[id]! += 1
    if (sys.swap_map.count[row] === 0) broken.push(`swap slot ${row}: free, charged to group ${id}`)
  })
  sys.memcg_stock.cached.forEach((id, cpu) => {
    const stock = sys.memcg_stock.nr_pages[cpu]!
    pages[id]! += stock
    if (stock < 0 || stock > MEMCG_CHARGE_BATCH || (id === 0 && stock !== 0))
      broken.push(`memcg stock of CPU ${cpu}: ${stock} pages of group ${id}`)
  })
  for (let group = 1; group < used.length; group++) {
    if (used[group] === 0) {
      if (pages[group]! + slots[group]! > 0) broken.push(`group ${group}: is not there, and has pages`)
      continue
    }
    if (parent[group] !== 0 && used[parent[group]!] === 0) broken.push(`group ${group}: the one above is not there`)
    const below = (counts: Float64Array): number =>
      counts.reduce((sum, count, id) => (used[id] && mem_cgroup_is_descendant(sys, id, group) ? sum + count : sum), 0)
    const at = `group ${cgroup_path(sys, group)}`
    if (below(pages) !== usage[group]) broken.push(`${at}: usage ${usage[group]}, ${below(pages)} pages`)
    if (below(tables) !== kmem[group]) broken.push(`${at}: kmem ${kmem[group]}, ${below(tables)} page tables`)
    if (below(slots) !== swap_usage[group]) broken.push(`${at}: swap ${swap_usage[group]}, ${below(slots)} slots`)
  }
}
