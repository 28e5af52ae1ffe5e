// The tree below /sys/devices/system/node: for every node its CPUs, distances to all nodes, meminfo (kB), numastat
// (allocations) and vmstat (pages); and lists of nodes (online, possible, has_cpu, has_memory …).
// All other attributes are kept as text, in their order.
import { type AttributeForm, type AttributeLine, readAttributes, writeAttributes } from './attributes.ts'
import { type Counters, decimal, decimals, LineReader, type Read, type Stray, words } from './lines.ts'
import { type FileColumn, readNodeMeminfo, writeNodeMeminfo } from './meminfo.ts'
import { counterLines, readVmstat } from './vmstat.ts'

const FOLDER = '/sys/devices/system/node/'

export interface SysNode {
  node: number
  cpus: number[]
  /** Distance to every node, own node first by number: 10 is local. */
  distance: number[]
  meminfo: Counters
  fileColumn: FileColumn
  numastat: Counters
  vmstat: Counters
}

export interface SysNodeRow {
  path: string
  /** The text of the attribute; null: it is among the facts of its node. */
  value: string | null
}

export interface SysNodeFacts {
  form: AttributeForm
  /** By number, whatever the order of their rows. */
  nodes: SysNode[]
  rows: SysNodeRow[]
  strays: Stray[]
}

/** Reads sys_node.txt or sys_node.tsv. Never throws; damage is a diagnostic. */
export function readSysNode(text: string): Read<SysNodeFacts> {
  const reader = new LineReader(text)
  const { form, rows } = readAttributes(reader)
  const nodes = new Map<number, SysNode>()
  const kept = rows.map((row): SysNodeRow => {
    const known = readNodeRow(reader, nodes, row)
    return { path: row.path, value: known ? null : row.value }
  })
  // A folder lists its entries by name or in no order at all: node10 before node2.
  const byNumber = [...nodes.values()].sort((a, b) => a.node - b.node)
  return reader.done({ form, nodes: byNumber, rows: kept, strays: reader.strays })
}

function readNodeRow(reader: LineReader, nodes: Map<number, SysNode>, row: AttributeLine): boolean {
  const where = nodeAttribute(row.path)
  if (!where) return false
  let node = nodes.get(where.node)
  if (!node) {
    node = emptyNode(where.node)
    nodes.set(where.node, node)
  }
  const error = PARTS[where.part](node, row.value)
  if (error) reader.complain(`${row.path}: ${error}`, row.line)
  return !error
}

function emptyNode(node: number): SysNode {
  const [meminfo, numastat, vmstat] = [new Map(), new Map(), new Map()]
  return { node, cpus: [], distance: [], meminfo, fileColumn: 16, numastat, vmstat }
}

/** The attributes of a node that are facts. */
export type SysNodePart = 'cpulist' | 'distance' | 'meminfo' | 'numastat' | 'vmstat'

function nodeAttribute(path: string): { node: number; part: SysNodePart } | null {
  const match = /^\/sys\/devices\/system\/node\/node(\d{1,9})\/(cpulist|distance|meminfo|numastat|vmstat)$/.exec(path)
  return match ? { node: Number(match[1]), part: match[2] as SysNodePart } : null
}

/** Per attribute: puts the value into the node, or says what is wrong. */
const PARTS: Record<SysNodePart, (node: SysNode, value: string) => string | null> = {
  cpulist: (node, value) => {
    const cpus = readList(value)
    if (cpus) node.cpus = cpus
    return cpus ? null : 'not a list of CPUs'
  },
  distance: (node, value) => {
    const distance = decimals(words(value))
    if (distance) node.distance = distance
    return distance ? null : 'not a list of distances'
  },
  meminfo: (node, value) => {
    const { facts, diagnostics } = readNodeMeminfo(`${value.replace(/ (?=Node \d+ )/g, '\n')}\n`)
    if (diagnostics.length > 0) return diagnostics[0]!.message
    node.meminfo = facts.values
    node.fileColumn = facts.fileColumn
    return facts.node === node.node ? null : `it speaks of node ${facts.node}`
  },
  numastat: (node, value) => readCounters(value, counters => (node.numastat = counters)),
  vmstat: (node, value) => readCounters(value, counters => (node.vmstat = counters)),
}

/** `name value` pairs, one per line or all in one line. */
function readCounters(value: string, keep: (counters: Counters) => void): string | null {
  const { facts, diagnostics } = readVmstat(`${value.replace(/ (?=[a-z])/g, '\n')}\n`)
  if (diagnostics.length === 0) keep(facts.counters)
  return diagnostics[0]?.message ?? null
}

/** The text of these facts in the form in which they were captured. */
export function writeSysNode(facts: SysNodeFacts): string {
  const rows = facts.rows.map(({ path, value }) => ({ path, value: value ?? writeNodeRow(facts, path) }))
  return writeAttributes(facts.form, rows, facts.strays)
}

function writeNodeRow(facts: SysNodeFacts, path: string): string {
  const where = nodeAttribute(path)
  const node = where ? facts.nodes.find(other => other.node === where.node) : undefined
  return where && node ? writeNodeAttribute(node, where.part) : ''
}

/** One attribute of a node as the kernel prints it, without the last line end. */
export function writeNodeAttribute(node: SysNode, part: SysNodePart): string {
  if (part === 'cpulist') return writeList(node.cpus)
  if (part === 'distance') return node.distance.join(' ')
  if (part === 'meminfo') return writeNodeMeminfo({ ...node, values: node.meminfo, strays: [] }).trimEnd()
  return counterLines(node[part]).join('\n')
}

/** The nodes of a list attribute (online, possible, has_cpu, has_memory …), or null when it is not there. */
export function nodeList(facts: SysNodeFacts, name: string): number[] | null {
  const row = facts.rows.find(({ path }) => path === `${FOLDER}${name}`)
  return row?.value === undefined || row.value === null ? null : readList(row.value)
}

/** The kernel's list notation: `0-3,8`; empty text is an empty list. */
export function readList(text: string): number[] | null {
  const numbers: number[] = []
  for (const part of text.split(',').filter(part => part !== '')) {
    const [first, last] = part.split('-').map(decimal)
    if (first === null || first === undefined || last === null) return null
    const end = last ?? first
    if (end < first || end - first > 65535) return null
    for (let number = first; number <= end; number++) numbers.push(number)
  }
  return numbers
}

/** Ascending numbers in the kernel's list notation. */
export function writeList(numbers: readonly number[]): string {
  const parts: string[] = []
  for (let at = 0; at < numbers.length; ) {
    const first = numbers[at]!
    let last = first
    while (numbers[++at] === last + 1) last++
    parts.push(first === last ? `${first}` : `${first}-${last}`)
  }
  return parts.join(',')
}
