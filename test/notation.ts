// How tests write down what the allocator holds: `2:4 3:8 10:1024` = free blocks as order:pfn, small orders first, in
// the order of their lists. Blocks that were never listed (BLOCK_LAZY) are written where their list's tail is.
import { list_entries } from '../src/image/list.ts'
import { BLOCK_LAZY, free_list_head, get_pageblock_migratetype, MIGRATE_MOVABLE, type Sys } from '../src/mm/mmzone.ts'
import { pindex_to_order } from '../src/mm/page_alloc/pcp.ts'

/** A zone's free blocks, of one migrate type (default: of all, type after type in each order). */
export function lists(sys: Sys, zone = firstZone(sys), migratetype = -1): string {
  const words: string[] = []
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++)
    for (let type = 0; type < sys.MIGRATE_TYPES; type++)
      if (migratetype < 0 || type === migratetype)
        for (const pfn of freeBlocks(sys, zone, order, type)) words.push(`${order}:${pfn}`)
  return words.join(' ')
}

/** First frames of the blocks of one list, head first. */
export function freeBlocks(sys: Sys, zone: number, order: number, migratetype: number): number[] {
  const listed = list_entries(sys.link.link, free_list_head(sys, zone, order, migratetype))
  const lazy = order === sys.block_shift && migratetype === MIGRATE_MOVABLE ? lazyBlocks(sys, zone) : []
  return [...listed, ...lazy]
}

function lazyBlocks(sys: Sys, zone: number): number[] {
  const found: number[] = []
  for (let block = 0; block < sys.block.state.length; block++)
    if (sys.block.state[block] === BLOCK_LAZY && sys.block.zone[block] === zone) found.push(block << sys.block_shift)
  return sys.zone.lazy_step[zone]! < 0 ? found.reverse() : found
}

/** One CPU's lists of a zone: `0:7,3 1:4` = order:pfns of each list that is not empty, list after list. */
export function pcpLists(sys: Sys, cpu = 0, zone = firstZone(sys)): string {
  const words: string[] = []
  for (let pindex = 0; pindex < sys.nr_pcp_lists; pindex++) {
    const head = sys.pcp_list_base + (zone * sys.nr_cpus + cpu) * sys.nr_pcp_lists + pindex
    const pfns = list_entries(sys.link.link, head)
    if (pfns.length > 0) words.push(`${pindex_to_order(sys, pindex)}:${pfns.join(',')}`)
  }
  return words.join(' ')
}

/** Migrate types of a zone's pageblocks, a letter each: Unmovable, Movable, Reclaimable, HighAtomic, CMA, Isolate. */
export function blockTypes(sys: Sys, zone = firstZone(sys)): string {
  const start = sys.zone.zone_start_pfn[zone]!
  const end = start + sys.zone.spanned_pages[zone]!
  let letters = ''
  for (let pfn = start; pfn < end; pfn += sys.pageblock_nr_pages)
    letters += sys.kernel.migratetypes[get_pageblock_migratetype(sys, zone, pfn)]![0]
  return letters
}

/** Row of the first zone that has frames. */
export function firstZone(sys: Sys): number {
  return sys.zone.spanned_pages.findIndex(pages => pages > 0)
}

/** A copy of all columns of a machine. */
export function columns(sys: Sys): Map<string, string> {
  const copy = new Map<string, string>()
  for (const [table, views] of Object.entries(sys.image.tables))
    for (const [name, view] of Object.entries(views)) copy.set(`${table}.${name}`, view.join())
  return copy
}

/** Names of the columns that are not what they were. */
export function changed(sys: Sys, before: ReadonlyMap<string, string>): string[] {
  return [...columns(sys)].filter(([name, text]) => before.get(name) !== text).map(([name]) => name)
}
