// /proc/zoneinfo: every zone of every node with its watermarks, protection, counters and per-CPU lists.
// All page numbers are counts of pages; `startPfn` is a page frame number. A node's own counters stand in the text
// once, inside the node's first zone that has pages; here they belong to the node. A zone without pages (present 0)
// shows its watermarks and protection only.
import { type Counters, decimal, decimals, joinLines, LineReader, type Read, type Stray } from './lines.ts'

/** The sizes and watermarks of a zone, in pages; absent: this kernel does not print the row. */
export interface ZonePages {
  free: number
  boost?: number
  min: number
  low: number
  high: number
  promo?: number
  spanned: number
  present: number
  managed: number
  cma?: number
}

/** The per-CPU list of a zone on one CPU, in pages. */
export interface ZonePageset {
  cpu: number
  count: number
  high: number
  batch: number
  /** The bounds between which `high` tunes itself; newer kernels print them. */
  highMin?: number
  highMax?: number
  /** Per-CPU counters are folded beyond this many; absent on kernels without SMP. */
  statThreshold?: number
}

export interface ZoneFacts {
  node: number
  /** DMA, DMA32, Normal, HighMem, Movable, Device. */
  name: string
  pages: ZonePages
  /** lowmem_reserve: pages kept from requests whose highest zone is the one with this index. */
  protection: number[]
  /** The zone's vmstat counters (and numa_* ones), in the kernel's order; empty for a zone without pages. */
  counters: Counters
  pagesets: ZonePageset[]
  /** 1 when kswapd has given up on the node. */
  nodeUnreclaimable: number
  startPfn: number
}

export interface NodeStats {
  node: number
  counters: Counters
}

export interface ZoneinfoFacts {
  zones: ZoneFacts[]
  /** Per-node counters; a node without any memory has none. */
  nodes: NodeStats[]
  strays: Stray[]
}

/** Reads /proc/zoneinfo of any kernel since 4.8. Never throws; damage is a diagnostic. */
export function readZoneinfo(text: string): Read<ZoneinfoFacts> {
  const reader = new LineReader(text)
  const state: State = {
    reader,
    zones: [],
    nodes: [],
    zone: null,
    section: 'zone',
    counters: new Map(),
    seen: new Set(),
  }
  for (let line = reader.next(); line !== null; line = reader.next()) readLine(state, line)
  finishZone(state, reader.line)
  if (state.zones.length === 0) reader.complain('no zone in this file: it is no /proc/zoneinfo')
  return reader.done({ zones: state.zones, nodes: state.nodes, strays: reader.strays })
}

interface State {
  reader: LineReader
  zones: ZoneFacts[]
  nodes: NodeStats[]
  zone: ZoneFacts | null
  section: 'zone' | 'pages' | 'counters' | 'pagesets'
  /** Where the rows of the section `counters` belong. */
  counters: Counters
  /** The rows of the current zone that were there. */
  seen: Set<string>
}

const PAGE_ROWS: ReadonlySet<string> = new Set<keyof ZonePages>([
  'free',
  'boost',
  'min',
  'low',
  'high',
  'promo',
  'spanned',
  'present',
  'managed',
  'cma',
])

function readLine(state: State, line: string): void {
  const { reader } = state
  const header = /^Node +(\d{1,9}), zone +(\S+)$/.exec(line)
  if (header) startZone(state, Number(header[1]), header[2]!)
  else if (!state.zone) reader.stray('a line before the first zone')
  else if (line === '  per-node stats') startNode(state)
  else if (line === '  pagesets') state.section = 'pagesets'
  else if (!readRow(state, state.zone, line)) reader.stray('not a row of zoneinfo')
}

function startZone(state: State, node: number, name: string): void {
  finishZone(state, state.reader.line - 1)
  const pages: ZonePages = { free: 0, min: 0, low: 0, high: 0, spanned: 0, present: 0, managed: 0 }
  const zone: ZoneFacts = {
    node,
    name,
    pages,
    protection: [],
    counters: new Map(),
    pagesets: [],
    nodeUnreclaimable: 0,
    startPfn: 0,
  }
  if (state.zones.some(other => other.node === node && other.name === name))
    state.reader.complain(`node ${node} zone ${name} stands here a second time`)
  state.zones.push(zone)
  state.zone = zone
  state.section = 'zone'
  state.seen.clear()
}

function startNode(state: State): void {
  const node = state.zone!.node
  let stats = state.nodes.find(other => other.node === node)
  if (stats) state.reader.complain(`node ${node} has its counters twice`)
  else state.nodes.push((stats = { node, counters: new Map() }))
  state.section = 'counters'
  state.counters = stats.counters
}

/** True when the line was a row of the current section. */
function readRow(state: State, zone: ZoneFacts, line: string): boolean {
  const protection = /^ +protection: \((.*)\)$/.exec(line)
  if (protection) return readProtection(state, zone, protection[1]!)
  const blank = line.lastIndexOf(' ')
  const value = decimal(line.slice(blank + 1))
  const name = line.slice(0, Math.max(0, blank)).trim().replace(/:$/, '')
  if (value === null || !line.startsWith('  ') || !/^[A-Za-z]/.test(name)) return false
  if (name === 'pages free') return readPages(state, zone, 'free', value)
  if (state.section === 'pages') return PAGE_ROWS.has(name) && readPages(state, zone, name as keyof ZonePages, value)
  if (state.section === 'counters') return readCounter(state.counters, name, value)
  return state.section === 'pagesets' && readPageset(state, zone, name, value)
}

function readPages(state: State, zone: ZoneFacts, name: keyof ZonePages, value: number): true {
  zone.pages[name] = value
  state.section = 'pages'
  state.seen.add(name)
  return true
}

function readProtection(state: State, zone: ZoneFacts, list: string): boolean {
  const numbers = decimals(list.split(', '))
  if (!numbers) return false
  zone.protection = numbers
  state.section = 'counters'
  state.counters = zone.counters
  state.seen.add('protection')
  return true
}

function readCounter(counters: Counters, name: string, value: number): boolean {
  if (counters.has(name)) return false
  counters.set(name, value)
  return true
}

const PAGESET_ROWS: Readonly<Record<string, keyof ZonePageset>> = {
  count: 'count',
  high: 'high',
  batch: 'batch',
  high_min: 'highMin',
  high_max: 'highMax',
  'vm stats threshold': 'statThreshold',
}

/** The per-CPU lists, and the two rows after them. */
function readPageset(state: State, zone: ZoneFacts, name: string, value: number): boolean {
  const pageset = zone.pagesets.at(-1)
  const field = PAGESET_ROWS[name]
  if (name === 'cpu') zone.pagesets.push({ cpu: value, count: 0, high: 0, batch: 0 })
  else if (name === 'start_pfn') zone.startPfn = value
  else if (name === 'node_unreclaimable') zone.nodeUnreclaimable = value
  else if (pageset && field) pageset[field] = value
  else return false
  state.seen.add(name)
  return true
}

const REQUIRED = ['free', 'min', 'low', 'high', 'spanned', 'present', 'managed', 'protection']
const REQUIRED_POPULATED = ['count', 'batch', 'start_pfn']

/** Says what the zone that ended on `line` lacks. */
function finishZone({ zone, seen, reader }: State, line: number): void {
  if (!zone) return
  const required = zone.pages.present > 0 ? [...REQUIRED, ...REQUIRED_POPULATED] : REQUIRED
  const missing = required.filter(row => !seen.has(row))
  if (missing.length === 0) return
  reader.complain(`node ${zone.node} zone ${zone.name} ends without ${missing.join(', ')}`, line)
}

/** /proc/zoneinfo of these facts, as the kernel lays it out. */
export function writeZoneinfo(facts: ZoneinfoFacts): string {
  const lines: string[] = []
  const shown = new Set<number>()
  for (const zone of facts.zones) {
    lines.push(`Node ${zone.node}, zone ${zone.name.padStart(8)}`)
    if (zone.pages.present > 0 && !shown.has(zone.node)) {
      shown.add(zone.node)
      writeNode(lines, facts, zone.node)
    }
    writePages(lines, zone)
    if (zone.pages.present > 0) writePopulated(lines, zone)
  }
  return joinLines(lines, facts.strays)
}

function writeNode(lines: string[], facts: ZoneinfoFacts, node: number): void {
  const stats = facts.nodes.find(other => other.node === node)
  if (!stats) return
  lines.push('  per-node stats')
  writeCounters(lines, stats.counters)
}

function writeCounters(lines: string[], counters: Counters): void {
  for (const [name, value] of counters) lines.push(`      ${name.padEnd(12)} ${value}`)
}

const PAGE_ORDER = ['boost', 'min', 'low', 'high', 'promo', 'spanned', 'present', 'managed', 'cma'] as const

function writePages(lines: string[], { pages, protection }: ZoneFacts): void {
  lines.push(`  pages free     ${pages.free}`)
  for (const name of PAGE_ORDER) if (pages[name] !== undefined) lines.push(`        ${name.padEnd(8)} ${pages[name]}`)
  lines.push(`        protection: (${protection.join(', ')})`)
}

function writePopulated(lines: string[], zone: ZoneFacts): void {
  writeCounters(lines, zone.counters)
  lines.push('  pagesets')
  for (const pageset of zone.pagesets) writePageset(lines, pageset)
  lines.push(`  node_unreclaimable:  ${zone.nodeUnreclaimable}`)
  lines.push(`  start_pfn:           ${zone.startPfn}`)
}

/** Kernels that print the bounds of `high` align the values one column further. */
function writePageset(lines: string[], pageset: ZonePageset): void {
  const bounds = pageset.highMin !== undefined
  const row = (name: string, value: number): number =>
    lines.push(`              ${`${name}:`.padEnd(bounds ? 9 : 6)} ${value}`)
  lines.push(`    cpu: ${pageset.cpu}`)
  row('count', pageset.count)
  row('high', pageset.high)
  row('batch', pageset.batch)
  if (pageset.highMin !== undefined) row('high_min', pageset.highMin)
  if (pageset.highMax !== undefined) row('high_max', pageset.highMax)
  if (pageset.statThreshold !== undefined) lines.push(`  vm stats threshold: ${pageset.statThreshold}`)
}
