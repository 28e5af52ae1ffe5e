// What a byte of the image, and a row of a table, is called: for error messages, differences and whoever looks.
import { MIGRATE_PCPTYPES, type Sys, TABLES, zone_name } from '../mm/mmzone.ts'
import { pindex_to_order } from '../mm/page_alloc/pcp.ts'
import { NODE_STAT_ITEMS, NUMA_STAT_ITEMS, VM_EVENTS, ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'

/** Where a byte of an image belongs. */
export interface ByteMeaning {
  /** 'header' for what lies before the tables, 'padding' between two columns. */
  readonly table: string
  readonly column: string
  readonly row: number
  /** Element of a row that has several. */
  readonly element: number
  /** The value of the whole element; null outside the tables. */
  readonly value: number | null
  /** What the row is: `frame 4711`, `node 0 zone Normal order 3`. */
  readonly rowName: string
  /** Unit, sentinel and law of the column. */
  readonly doc: string
}

const outside = (table: string, doc: string): ByteMeaning => ({
  table,
  column: '',
  row: 0,
  element: 0,
  value: null,
  rowName: '',
  doc,
})

/** What the byte at `offset` of the image is. @throws RangeError for an offset that is not in the image */
export function explainByte(sys: Sys, offset: number): ByteMeaning {
  const size = sys.image.buffer.byteLength
  if (!Number.isInteger(offset) || offset < 0 || offset >= size)
    throw new RangeError(`byte ${offset}: the image has ${size} bytes`)
  if (offset < sys.image.start) return outside('header', 'magic number, format and plan of the image')
  for (const [table, columns] of Object.entries(sys.image.tables))
    for (const [column, values] of Object.entries(columns)) {
      const at = offset - values.byteOffset
      if (at < 0 || at >= values.byteLength) continue
      const index = Math.floor(at / values.BYTES_PER_ELEMENT)
      const { width, doc } = declared(table, column)
      const row = Math.floor(index / width)
      const rowName = describeRow(sys, table, row)
      return { table, column, row, element: index % width, value: values[index]!, rowName, doc }
    }
  return outside('padding', 'between two columns, which begin at multiples of 64')
}

/** Elements of a row, and what a column is. */
export function declared(table: string, column: string): { width: number; doc: string } {
  const columns = (TABLES as Readonly<Record<string, Readonly<Record<string, { width: number; doc: string }>>>>)[table]
  return columns?.[column] ?? { width: 1, doc: '' }
}

/** `node 0 zone Normal`. */
export function zoneTitle(sys: Sys, zone: number): string {
  return `node ${Math.floor(zone / sys.nr_zone_types)} zone ${zone_name(sys, zone)}`
}

const splitRow = (row: number, width: number): [number, number] => [Math.floor(row / width), row % width]

const ROW_NAMES: Readonly<Record<string, (sys: Sys, row: number) => string>> = {
  node: (_, row) => `node ${row}`,
  cpu: (_, row) => `cpu ${row}`,
  zone: zoneTitle,
  distance(sys, row) {
    const [from, to] = splitRow(row, sys.nr_nodes)
    return `node ${from} to node ${to}`
  },
  zone_stat: (sys, row) => zoneCell(sys, row, ZONE_STAT_ITEMS.length, item => ZONE_STAT_ITEMS[item]!),
  zone_stat_diff(sys, row) {
    const [pcp, item] = splitRow(row, ZONE_STAT_ITEMS.length)
    return `${pcpName(sys, pcp)} ${ZONE_STAT_ITEMS[item]}`
  },
  node_stat(_, row) {
    const [node, item] = splitRow(row, NODE_STAT_ITEMS.length)
    return `node ${node} ${NODE_STAT_ITEMS[item]}`
  },
  numa_stat: (sys, row) => zoneCell(sys, row, NUMA_STAT_ITEMS.length, item => NUMA_STAT_ITEMS[item]!),
  vm_event: (_, row) => VM_EVENTS[row]!,
  free_area: (sys, row) => zoneCell(sys, row, sys.NR_PAGE_ORDERS, order => `order ${order}`),
  free_mask: (sys, row) => zoneCell(sys, row, sys.MIGRATE_TYPES, type => sys.kernel.migratetypes[type]!),
  pcp: (sys, row) => pcpName(sys, row),
  zonelist(sys, row) {
    const [list, entry] = splitRow(row, sys.zonelist_length)
    return `node ${list >> 1} ${list % 2 === 0 ? 'fallback' : 'own zones'} entry ${entry}`
  },
  block: (sys, row) => `frames ${row << sys.block_shift} to ${((row + 1) << sys.block_shift) - 1}`,
  pageblock: (_, row) => `pageblock ${row}`,
  page: (_, row) => `frame ${row}`,
  link: (sys, row) => (row < sys.nr_frames ? `frame ${row}` : headName(sys, row)),
}

/** What a row of a table is; empty for tables of one row. */
export function describeRow(sys: Sys, table: string, row: number): string {
  return ROW_NAMES[table]?.(sys, row) ?? ''
}

function zoneCell(sys: Sys, row: number, width: number, name: (cell: number) => string): string {
  const [zone, cell] = splitRow(row, width)
  return `${zoneTitle(sys, zone)} ${name(cell)}`
}

function pcpName(sys: Sys, row: number): string {
  const [zone, cpu] = splitRow(row, sys.nr_cpus)
  return `${zoneTitle(sys, zone)} cpu ${cpu}`
}

function headName(sys: Sys, row: number): string {
  if (row >= sys.pcp_list_base) {
    const [pcp, list] = splitRow(row - sys.pcp_list_base, sys.nr_pcp_lists)
    const type = sys.kernel.migratetypes[list % MIGRATE_PCPTYPES]
    return `head of ${pcpName(sys, pcp)} list ${list} (order ${pindex_to_order(sys, list)}, ${type})`
  }
  const [area, type] = splitRow(row - sys.free_list_base, sys.MIGRATE_TYPES)
  return `head of ${zoneCell(sys, area, sys.NR_PAGE_ORDERS, order => `order ${order}`)} ${sys.kernel.migratetypes[type]}`
}
