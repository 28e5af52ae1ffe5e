// Moving a process's pages from nodes to others, as migrate_pages(2) asks for. Laws: a page that is mapped elsewhere, too,
// stays; what cannot be moved stays as it was and is counted; memory is taken from the wanted node alone.
import { __GFP_THISNODE, GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { unmap_and_move } from './migrate.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { alloc_pages_node } from './page_alloc/alloc_pages.ts'
import { page_to_nid, put_page } from './page_ref.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { folio_isolate_lru, lru_add_drain_all, lru_putback } from './swap.ts'
import { pte_lookup } from './user_pgtable.ts'
import { find_vma } from './vma.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'

const MOVED: number = vm_event('pgmigrate_success')
const NOT_MOVED: number = vm_event('pgmigrate_fail')

/** Moves the pages of an address space that are on the nodes of one list to the nodes of another, each to that of the same
 * place; returns how many could not be moved. @kernel mm/mempolicy.c:do_migrate_pages */
export function do_migrate_pages(sys: Sys, mm: number, from: readonly number[], to: readonly number[]): number {
  for (const node of [...from, ...to])
    if (!Number.isInteger(node) || node < 0 || node >= sys.nr_nodes) throw new RangeError(`no node ${node}`)
  if (to.length === 0) throw new RangeError('no node to move pages to')
  lru_add_drain_all(sys)
  let left = 0
  const [sources, dests] = [ascending(from), ascending(to)]
  const waiting = sources
    .map((node, i): [number, number] => [node, dests[i % dests.length]!])
    // Sets of different sizes: what is on a wanted node already stays.
    .filter(([source, dest]) => source !== dest && (sources.length === dests.length || !dests.includes(source)))
  while (waiting.length > 0) {
    // Rather to a node from which nothing is to be moved any more, so that no page moves twice.
    const free = waiting.findIndex(([, dest]) => !waiting.some(([source]) => source === dest))
    const [source, dest] = waiting.splice(free, 1)[0]!
    left += migrate_to_node(sys, mm, source, dest)
  }
  return left
}

const ascending = (nodes: readonly number[]): number[] => [...new Set(nodes)].sort((a, b) => a - b)

/** @kernel mm/mempolicy.c:migrate_to_node @differs huge pages stay */
function migrate_to_node(sys: Sys, mm: number, source: number, dest: number): number {
  const { start, end } = sys.vma
  const isolated: number[] = []
  for (let vma = find_vma(sys, mm, 0); vma !== 0; vma = find_vma(sys, mm, end[vma]!)) {
    queue_pages(sys, sys.mm.pgd[mm]! - 1, start[vma]!, end[vma]!, source, isolated)
  }
  let moved = 0
  for (const pfn of isolated) if (migrate_one(sys, pfn, dest)) moved++
  count_vm_events(sys, MOVED, moved)
  count_vm_events(sys, NOT_MOVED, isolated.length - moved)
  return isolated.length - moved
}

/** Takes a range's pages of a node off their lists. @kernel mm/mempolicy.c:queue_folios_pte_range */
function queue_pages(sys: Sys, pgd: number, from: number, to: number, node: number, isolated: number[]): void {
  const ptrs = sys.kernel.pgtable.levels.at(-1)!.ptrs
  for (let page = from; page < to; page++) {
    const at = pte_lookup(sys, pgd, page)
    if (at === -1) {
      page += ptrs - 1 - (page % ptrs)
      continue
    }
    if (!pte_present(sys, at) || (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0) continue
    const pfn = pte_pfn(sys, at)
    if ((sys.page.flags[pfn]! & (PG.head | PG.tail | PG.reserved)) !== 0) continue
    if (sys.page._mapcount[pfn] !== 1 || page_to_nid(sys, pfn) !== node) continue
    if (folio_isolate_lru(sys, pfn)) isolated.push(pfn)
  }
}

/** @kernel mm/mempolicy.c:migrate_to_node */
function migrate_one(sys: Sys, from: number, dest: number): boolean {
  const to = alloc_pages_node(sys, dest, GFP_HIGHUSER_MOVABLE | __GFP_THISNODE, 0)
  if (to >= 0 && unmap_and_move(sys, from, to)) return true
  if (to >= 0) put_page(sys, to)
  lru_putback(sys, from)
  return false
}
