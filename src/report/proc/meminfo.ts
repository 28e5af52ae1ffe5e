// /proc/meminfo and a node's meminfo. All values are kB, but for HugePages_Total, _Free, _Rsvd and _Surp, which count
// huge pages. The rows stand in the facts in the kernel's order; the width of a row follows from its name.
import { type Counters, decimal, joinLines, LineReader, type Read, type Stray } from './lines.ts'

export interface MeminfoFacts {
  /** kB; huge pages for the HugePages_* rows. */
  values: Counters
  strays: Stray[]
}

/** A node's meminfo: every row names the node. */
export interface NodeMeminfoFacts extends MeminfoFacts {
  node: number
  fileColumn: FileColumn
}

/** Where the values of FileHugePages and FilePmdMapped begin in a node's meminfo: 15 in 6.1, 16 (as all) in 6.12. */
export type FileColumn = 15 | 16

/** Reads /proc/meminfo. Never throws; damage is a diagnostic. */
export function readMeminfo(text: string): Read<MeminfoFacts> {
  const reader = new LineReader(text)
  const values: Counters = new Map()
  for (let line = reader.next(); line !== null; line = reader.next()) addRow(reader, values, line)
  if (values.size === 0) reader.complain('no row in this file: it is no /proc/meminfo')
  return reader.done({ values, strays: reader.strays })
}

/** Reads /sys/devices/system/node/nodeN/meminfo. */
export function readNodeMeminfo(text: string): Read<NodeMeminfoFacts> {
  const reader = new LineReader(text)
  const values: Counters = new Map()
  let node = -1
  let fileColumn: FileColumn = 16
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const row = /^Node (\d{1,9}) (.*)$/.exec(line)
    if (node < 0 && row) node = Number(row[1])
    if (!row || Number(row[1]) !== node) reader.stray('not a row of this node')
    else addRow(reader, values, row[2]!)
    if (row && isFileRow(row[2]!)) fileColumn = fileColumnOf(row[2]!)
  }
  if (values.size === 0) reader.complain("no row in this file: it is no node's meminfo")
  return reader.done({ node: Math.max(0, node), fileColumn, values, strays: reader.strays })
}

function addRow(reader: LineReader, values: Counters, text: string): void {
  const row = /^([^:]+): +(\d+)( kB)?$/.exec(text)
  const value = row ? decimal(row[2]!) : null
  if (!row || value === null || (row[3] === undefined) !== countsHugePages(row[1]!))
    reader.stray('not a row of meminfo')
  else if (values.has(row[1]!)) reader.stray('this row stands here a second time')
  else values.set(row[1]!, value)
}

function isFileRow(text: string): boolean {
  return text.startsWith('FileHugePages') || text.startsWith('FilePmdMapped')
}

function fileColumnOf(text: string): FileColumn {
  const [label = '', blanks = '', digits = ''] = /^(\w+:)( +)(\d+) kB$/.exec(text)?.slice(1) ?? []
  return label.length + blanks.length + digits.length - Math.max(8, digits.length) === 15 ? 15 : 16
}

function countsHugePages(name: string): boolean {
  return name.startsWith('HugePages_')
}

/** /proc/meminfo of these facts, as the kernel lays it out. */
export function writeMeminfo(facts: MeminfoFacts): string {
  const lines = Array.from(facts.values, ([name, value]) => {
    if (countsHugePages(name)) return row(name, value, 19, 5)
    return `${name === 'HardwareCorrupted' ? row(name, value, 19, 5) : row(name, value, 16, 8)} kB`
  })
  return joinLines(lines, facts.strays)
}

/** A node's meminfo, as the kernel lays it out. */
export function writeNodeMeminfo(facts: NodeMeminfoFacts): string {
  const lines = Array.from(facts.values, ([name, value]) => {
    const column = isFileRow(name) ? facts.fileColumn : 16
    const text = countsHugePages(name) ? row(name, value, 17, 5) : `${row(name, value, column, 8)} kB`
    return `Node ${facts.node} ${text}`
  })
  return joinLines(lines, facts.strays)
}

/** A label that fills `column` characters, then the value in at least `width`. */
function row(name: string, value: number, column: number, width: number): string {
  return `${`${name}:`.padEnd(column)}${String(value).padStart(width)}`
}
