// The laws of SLOB, checked from scratch: every unit of a page of objects is in exactly one free block or one object, the
// counts are true, and a page is on one of the three lists exactly while it has free units.
import { list_entries, list_fault } from '../image/list.ts'
import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { NR_SLAB_LISTS } from './slab_tables.ts'
import { SLOB_UNIT } from './slob_geometry.ts'
import { free_blocks, is_slob_page, object_units, page_units, slob_page_free } from './slob_page.ts'

/** All broken laws of SLOB in a machine; none in machines with another allocator. @ours */
export function slob_check(sys: Sys): string[] {
  const broken: string[] = []
  if (sys.kernel.slab !== 'SLOB') return broken
  const listed = new Set<number>()
  for (let list = 0; list < NR_SLAB_LISTS; list++) {
    const head = sys.slab_list_base + list
    const fault = list_fault(sys.link.link, head)
    if (fault !== -1) broken.push(`slob list ${list}: what follows ${fault} does not point back to it`)
    else
      for (const pfn of list_entries(sys.link.link, head)) {
        if (listed.has(pfn)) broken.push(`slob page ${pfn}: on two lists`)
        listed.add(pfn)
        if (pfn >= sys.nr_frames || !is_slob_page(sys, pfn))
          broken.push(`slob list ${list}: ${pfn} is no page of objects`)
      }
  }
  for (let pfn = 0; pfn < sys.nr_frames; pfn++)
    if (is_slob_page(sys, pfn)) page_check(sys, pfn, listed.has(pfn), broken)
  return broken
}

function page_check(sys: Sys, pfn: number, listed: boolean, broken: string[]): void {
  const at = `slob page ${pfn}`
  if (sys.page.state[pfn] !== (PAGE_USED | 1)) broken.push(`${at}: page.state ${sys.page.state[pfn]}`)
  const free = sys.page.private[pfn]!
  if (listed !== free > 0 || listed !== slob_page_free(sys, pfn))
    broken.push(`${at}: ${free} free units, ${listed ? 'on a list' : 'on no list'}`)
  const blocks = new Map(free_blocks(sys, pfn).map(([offset, units]) => [offset / SLOB_UNIT, units]))
  const sum = [...blocks.values()].reduce((total, units) => total + units, 0)
  if (sum !== free) broken.push(`${at}: ${free} free units, ${sum} in its blocks`)
  let before = false
  for (let unit = 0; unit < page_units(sys); ) {
    const units = blocks.get(unit) ?? 0
    if (units > 0 && before) broken.push(`${at}: free blocks touch at unit ${unit}`)
    before = units > 0
    const length = before ? units : object_units(sys, pfn, unit)
    if (length === 0) {
      broken.push(`${at}: unit ${unit} is neither free nor of an object`)
      return
    }
    unit += length
    if (unit > page_units(sys)) broken.push(`${at}: a block ends behind the page`)
  }
}
