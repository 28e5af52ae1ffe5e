// /proc/pagetypeinfo: free blocks per zone, migrate type and order, then page blocks per zone and migrate type.
// Free counts are blocks of 2^order pages; the kernel stops counting a list at 100000 and prints ">100000", so a count
// of 100000 means "that many or more". The text repeats its titles for every node that has memory.
import { decimal, decimals, joinLines, LineReader, type Read, type Stray, words } from './lines.ts'

/** Where the kernel stops counting a free list. */
export const PAGETYPEINFO_LIMIT = 100000

export interface PagetypeinfoZone {
  node: number
  name: string
  /** Free blocks: `free[type][order]`, types as in `migrateTypes`. */
  free: number[][]
  /** Page blocks per migrate type. */
  blocks: number[]
}

export interface PagetypeinfoFacts {
  pageblockOrder: number
  pagesPerBlock: number
  /** Number of orders. */
  orders: number
  /** Unmovable, Movable, Reclaimable, HighAtomic, then CMA and Isolate where the kernel has them. */
  migrateTypes: string[]
  zones: PagetypeinfoZone[]
  strays: Stray[]
}

const FREE_TITLE = 'Free pages count per migrate type at order '
const BLOCKS_TITLE = 'Number of blocks type '

/** Reads /proc/pagetypeinfo. Never throws; damage is a diagnostic. */
export function readPagetypeinfo(text: string): Read<PagetypeinfoFacts> {
  const reader = new LineReader(text)
  const facts: PagetypeinfoFacts = {
    pageblockOrder: 0,
    pagesPerBlock: 0,
    orders: 0,
    migrateTypes: [],
    zones: [],
    strays: reader.strays,
  }
  for (let line = reader.next(); line !== null; line = reader.next()) {
    if (line !== '' && !readTitle(facts, line) && !readFree(facts, line) && !readBlocks(facts, line))
      reader.stray('not a row of pagetypeinfo')
  }
  checkComplete(reader, facts)
  return reader.done(facts)
}

function readTitle(facts: PagetypeinfoFacts, line: string): boolean {
  const order = /^Page block order: (\d{1,2})$/.exec(line)
  const pages = /^Pages per block: +(\d{1,9})$/.exec(line)
  if (order) facts.pageblockOrder = Number(order[1])
  else if (pages) facts.pagesPerBlock = Number(pages[1])
  else if (line.startsWith(FREE_TITLE)) facts.orders = words(line.slice(FREE_TITLE.length)).length
  else if (line.startsWith(BLOCKS_TITLE)) facts.migrateTypes = words(line.slice(BLOCKS_TITLE.length))
  else return false
  return true
}

function zoneOf(facts: PagetypeinfoFacts, node: number, name: string): PagetypeinfoZone {
  const known = facts.zones.find(zone => zone.node === node && zone.name === name)
  if (known) return known
  const zone = { node, name, free: [], blocks: [] }
  facts.zones.push(zone)
  return zone
}

function readFree(facts: PagetypeinfoFacts, line: string): boolean {
  const row = /^Node +(\d{1,9}), zone +(\S+), type +(\S+) +(.*)$/.exec(line)
  const counts = row ? decimals(words(row[4]!).map(withoutMark)) : null
  if (!row || !counts || counts.length !== facts.orders) return false
  const zone = zoneOf(facts, Number(row[1]), row[2]!)
  const type = zone.free.length
  facts.migrateTypes[type] ??= row[3]!
  if (facts.migrateTypes[type] !== row[3]) return false
  zone.free.push(counts)
  return true
}

/** ">100000" is 100000: the kernel saw more and stopped. */
function withoutMark(word: string): string {
  return word.startsWith('>') ? word.slice(1) : word
}

function readBlocks(facts: PagetypeinfoFacts, line: string): boolean {
  const row = /^Node +(\d{1,9}), zone +(\S+) +(\d.*)$/.exec(line)
  const blocks = row ? words(row[3]!).map(decimal) : []
  if (!row || blocks.length !== facts.migrateTypes.length || blocks.includes(null)) return false
  const zone = zoneOf(facts, Number(row[1]), row[2]!)
  if (zone.blocks.length > 0) return false
  zone.blocks = blocks as number[]
  return true
}

function checkComplete(reader: LineReader, { zones, migrateTypes }: PagetypeinfoFacts): void {
  if (zones.length === 0) reader.complain('no zone in this file: it is no /proc/pagetypeinfo')
  for (const { node, name, free, blocks } of zones) {
    if (free.length !== migrateTypes.length || blocks.length !== migrateTypes.length)
      reader.complain(
        `node ${node} zone ${name} is not complete: ${free.length} free rows, ${blocks.length} block counts`,
      )
  }
}

/** /proc/pagetypeinfo of these facts, as the kernel lays it out. */
export function writePagetypeinfo(facts: PagetypeinfoFacts): string {
  const lines: string[] = []
  for (const node of new Set(facts.zones.map(zone => zone.node))) {
    const zones = facts.zones.filter(zone => zone.node === node)
    writeFree(lines, facts, zones)
    writeBlocks(lines, facts, zones)
  }
  return joinLines(lines, facts.strays)
}

function writeFree(lines: string[], facts: PagetypeinfoFacts, zones: readonly PagetypeinfoZone[]): void {
  const orders = Array.from({ length: facts.orders }, (_, order) => cell(order))
  lines.push(`Page block order: ${facts.pageblockOrder}`, `Pages per block:  ${facts.pagesPerBlock}`, '')
  lines.push(`${FREE_TITLE.padEnd(43)} ${orders.join('')}`)
  for (const { node, name, free } of zones) {
    const zone = `Node ${String(node).padStart(4)}, zone ${name.padStart(8)}`
    for (const [type, counts] of free.entries())
      lines.push(`${zone}, type ${(facts.migrateTypes[type] ?? '').padStart(12)} ${counts.map(cell).join('')}`)
  }
  lines.push('')
}

function cell(count: number): string {
  return count >= PAGETYPEINFO_LIMIT ? `>${PAGETYPEINFO_LIMIT} ` : `${String(count).padStart(6)} `
}

function writeBlocks(lines: string[], facts: PagetypeinfoFacts, zones: readonly PagetypeinfoZone[]): void {
  const column = (value: string | number): string => `${String(value).padStart(12)} `
  lines.push(`${BLOCKS_TITLE.padEnd(23)}${facts.migrateTypes.map(column).join('')}`)
  for (const { node, name, blocks } of zones)
    lines.push(`Node ${node}, zone ${name.padStart(8)} ${blocks.map(column).join('')}`)
}
