// The laws of the vmalloc address space, checked from scratch: each broken one is a sentence.
import { list_entries, list_fault } from '../image/list.ts'
import { rb_fault, rb_nodes } from '../image/rbtree.ts'
import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { swapper_pg_dir, vmalloc_to_pfn } from './pgtable_map.ts'
import { vm_area_pages } from './vm_struct.ts'
import {
  BUSY,
  FREE,
  LAZY,
  nr_vmap_blocks,
  PURGING,
  ULONG_MAX_PAGE,
  VMAP_BBMAP_BITS,
  vmap_forest,
  vmap_list,
} from './vmalloc_types.ts'

const TREES = ['free', 'busy', 'lazy']

/** All broken laws. @ours */
export function vmalloc_check(sys: Sys): string[] {
  const broken: string[] = []
  if (sys.vmalloc.end[0] === 0) return broken
  for (const tree of [FREE, BUSY, LAZY]) tree_check(sys, tree, broken)
  if (broken.length > 0) return broken
  space_check(sys, broken)
  lazy_check(sys, broken)
  for (const row of list_entries(sys.vmap_area.link, vmap_list(sys, BUSY))) area_check(sys, row, broken)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) blocks_check(sys, cpu, broken)
  return broken
}

/** A tree is balanced and ordered, and its list says the same. */
function tree_check(sys: Sys, tree: number, broken: string[]): void {
  const { link } = sys.vmap_area
  const head = vmap_list(sys, tree)
  const fault = rb_fault(vmap_forest(sys), tree)
  if (fault !== null) broken.push(`vmalloc ${TREES[tree]} tree: ${fault}`)
  const torn = list_fault(link, head)
  if (torn >= 0) broken.push(`vmalloc ${TREES[tree]} list: what follows ${torn} does not point back to it`)
  else if (fault === null && list_entries(link, head).join() !== rb_nodes(vmap_forest(sys), tree).join())
    broken.push(`vmalloc ${TREES[tree]} list and tree hold different areas`)
}

/** Free, busy, lazy and purging areas together are all addresses, each once; free ones do not touch. */
function space_check(sys: Sys, broken: string[]): void {
  const { link, va_start, va_end } = sys.vmap_area
  const ranges = [FREE, BUSY, LAZY, PURGING].flatMap(list =>
    list_entries(link, vmap_list(sys, list)).map(row => ({ list, row })),
  )
  ranges.sort((a, b) => va_start[a.row]! - va_start[b.row]!)
  let at = 0
  let last = -1
  for (const { list, row } of ranges) {
    if (va_start[row] !== at) broken.push(`vmalloc: page 0x${at.toString(16)} to 0x${va_start[row]!.toString(16)}`)
    if (list === FREE && last === FREE) broken.push(`vmalloc: free ranges touch at page 0x${at.toString(16)}`)
    at = va_end[row]!
    last = list
  }
  if (at !== ULONG_MAX_PAGE(sys)) broken.push(`vmalloc: the last range ends at page 0x${at.toString(16)}`)
}

/** vmap_lazy_nr is what waits. */
function lazy_check(sys: Sys, broken: string[]): void {
  const { link, va_start, va_end } = sys.vmap_area
  const waiting = [LAZY, PURGING].flatMap(list => list_entries(link, vmap_list(sys, list)))
  const pages = waiting.reduce((sum, row) => sum + va_end[row]! - va_start[row]!, 0)
  if (pages !== sys.vmalloc.lazy_nr[0]) broken.push(`vmap_lazy_nr ${sys.vmalloc.lazy_nr[0]}, ${pages} pages wait`)
}

/** A described area lies where its vm_struct says; its frames are in use and mapped in order. */
function area_check(sys: Sys, row: number, broken: string[]): void {
  const { va_start, va_end, vm } = sys.vmap_area
  const area = vm[row]!
  if (area === 0) return
  const at = `vm area at page 0x${va_start[row]!.toString(16)}`
  const { addr, size, nr_pages, first_page } = sys.vm_struct
  if (addr[area] !== va_start[row] || size[area] !== va_end[row]! - va_start[row]!)
    broken.push(`${at}: its vm_struct says page 0x${addr[area]!.toString(16)}, ${size[area]} pages`)
  // A captured area has frames that nobody knows.
  if (first_page[area] === 0) return
  const pfns = vm_area_pages(sys, area)
  if (pfns.length !== nr_pages[area]) broken.push(`${at}: nr_pages ${nr_pages[area]}, ${pfns.length} frames`)
  const mapped = swapper_pg_dir(sys) >= 0
  for (const [i, pfn] of pfns.entries()) {
    if ((sys.page.state[pfn]! & PAGE_USED) === 0) broken.push(`${at}: frame ${pfn} is not in use`)
    if (mapped && vmalloc_to_pfn(sys, va_start[row]! + i) !== pfn)
      broken.push(`${at}: page ${i} maps ${vmalloc_to_pfn(sys, va_start[row]! + i)}, its frame is ${pfn}`)
  }
}

/** Blocks on a queue have pages left, and no more given back than handed out. */
function blocks_check(sys: Sys, cpu: number, broken: string[]): void {
  const { link, free, dirty, va } = sys.vmap_block
  for (const block of list_entries(link, nr_vmap_blocks(sys) + cpu)) {
    const sum = free[block]! + dirty[block]!
    if (free[block]! <= 0 || sum > VMAP_BBMAP_BITS || sys.vmap_area.block[va[block]!] !== block)
      broken.push(`vmap block ${block}: free ${free[block]}, dirty ${dirty[block]}`)
  }
}
