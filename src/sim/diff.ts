// What differs between two states of a machine, in words: blocks handed out or given back, free lists, counters,
// settings. Rows of the big tables are summed up; every other table is compared cell by cell.
import type { ColumnView } from '../image/table.ts'
import { PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED } from '../mm/mm_types.ts'
import { BLOCK_TOUCHED, type Sys, type TABLES } from '../mm/mmzone.ts'
import { declared, describeRow, zoneTitle } from './explain_byte.ts'
import { populatedZones } from './inspect_zones.ts'

/** Frames and blocks named in one line before it says how many more there are. */
const NAMED = 8
/** Tables that are told in words of their own, and those whose changes follow from them. */
const SUMMED: ReadonlySet<string> = new Set(['page', 'link', 'free_area', 'free_mask', 'block'])
/** Columns that count work and are no difference in what a machine would do. */
const BOOKKEEPING: ReadonlySet<string> = new Set(['next_command', 'lock_acquired', 'lazy_touched'])

/** The differences from `a` to `b`, a line each; none for equal states. @throws RangeError for machines of two shapes */
export function diffSys(a: Sys, b: Sys): string[] {
  if (a.kernel !== b.kernel || a.image.buffer.byteLength !== b.image.buffer.byteLength)
    throw new RangeError('the two states are of different machines')
  return [...usedBlocks(a, b), ...freeLists(a, b), ...cells(a, b)]
}

/** Blocks that are allocated in one state only. */
function usedBlocks(a: Sys, b: Sys): string[] {
  const gone: string[] = []
  const come: string[] = []
  const frames = 2 ** a.block_shift
  for (let block = 0; block < a.block.state.length; block++) {
    if (a.block.state[block] !== BLOCK_TOUCHED && b.block.state[block] !== BLOCK_TOUCHED) continue
    for (let pfn = block * frames; pfn < (block + 1) * frames; pfn++) {
      const [before, after] = [a.page.state[pfn]!, b.page.state[pfn]!]
      if (before === after) continue
      if ((before & PAGE_USED) !== 0) gone.push(blockName(pfn, before))
      if ((after & PAGE_USED) !== 0) come.push(blockName(pfn, after))
    }
  }
  return [...listed('allocated', come), ...listed('freed', gone)]
}

const blockName = (pfn: number, state: number): string => `${pfn}:${(state & PAGE_STATE_ORDER) - 1}`

function listed(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  const blocks = names.length === 1 ? 'block' : 'blocks'
  return [`${what}: ${names.length} ${blocks} (frame:order) ${names.slice(0, NAMED).join(' ')}${more}`]
}

/** Free blocks by order where they differ, and lists that only changed their members or their order. */
function freeLists(a: Sys, b: Sys): string[] {
  return populatedZones(a).flatMap(zone => {
    const [before, after] = [freeNotation(a, zone), freeNotation(b, zone)]
    if (before !== after)
      return [`${zoneTitle(a, zone)} free blocks (order:blocks) ${before || 'none'} → ${after || 'none'}`]
    const changed = listMembers(a, zone) !== listMembers(b, zone)
    return changed ? [`${zoneTitle(a, zone)} free blocks are as many, but others or in another order`] : []
  })
}

/** Free blocks of a zone in the notation `2:4 3:8 10:1024`. */
export function freeNotation(sys: Sys, zone: number): string {
  const orders = sys.NR_PAGE_ORDERS
  const counts = [...sys.free_area.nr_free.subarray(zone * orders, (zone + 1) * orders)]
  return counts.flatMap((count, order) => (count > 0 ? [`${order}:${count}`] : [])).join(' ')
}

/** All members of a zone's free lists and per-CPU lists as one text. */
function listMembers(sys: Sys, zone: number): string {
  const { link } = sys.link
  const members: number[] = []
  const follow = (first: number, count: number): void => {
    for (let head = first; head < first + count; head++)
      for (let entry = link[2 * head]!; ; entry = link[2 * entry]!) {
        members.push(entry)
        if (entry === head) break
      }
  }
  follow(sys.free_list_base + zone * sys.NR_PAGE_ORDERS * sys.MIGRATE_TYPES, sys.NR_PAGE_ORDERS * sys.MIGRATE_TYPES)
  follow(sys.pcp_list_base + zone * sys.nr_cpus * sys.nr_pcp_lists, sys.nr_cpus * sys.nr_pcp_lists)
  return members.join(' ')
}

/** Every other cell that differs. */
function cells(a: Sys, b: Sys): string[] {
  const lines: string[] = []
  for (const [table, columns] of Object.entries(a.image.tables)) {
    if (SUMMED.has(table)) continue
    for (const [column, values] of Object.entries(columns)) {
      if (BOOKKEEPING.has(column)) continue
      compareColumn(a, table as keyof typeof TABLES, column, values, b.image.tables[table]![column]!, lines)
    }
  }
  return lines
}

function compareColumn(sys: Sys, table: string, column: string, a: ColumnView, b: ColumnView, lines: string[]): void {
  const { width } = declared(table, column)
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue
    const row = describeRow(sys, table, Math.floor(i / width))
    const element = width > 1 ? `[${i % width}]` : ''
    // Tables of counters have one column; their row names say what is counted.
    const name = /^(vm_stat|count|vm_stat_diff|distance)$/.test(column) ? '' : ` ${column}${element}`
    const suffix = column === 'vm_stat_diff' ? ' not folded yet' : table === 'pcp' && column === 'count' ? ' count' : ''
    lines.push(`${row}${name}${suffix} ${a[i]} → ${b[i]}`.trimStart())
  }
}

/** What a frame is in one word, for who looks: `free`, `on a per-CPU list`, `allocated`, or part of another block. */
export function frameUse(state: number): string {
  if (state === 0) return 'not the first frame of a block'
  const order = (state & PAGE_STATE_ORDER) - 1
  if ((state & PAGE_USED) !== 0) return `first frame of an allocated block of order ${order}`
  return `first frame of a ${(state & PAGE_PCP) !== 0 ? 'block on a per-CPU list' : 'free block'}, order ${order}`
}
