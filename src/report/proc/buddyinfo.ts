// /proc/buddyinfo: the number of free blocks of each order, one row per zone that has pages.
// Counts are blocks of 2^order pages, order 0 first.
import { decimals, joinLines, LineReader, type Read, type Stray, words } from './lines.ts'

export interface BuddyinfoZone {
  node: number
  name: string
  /** Free blocks per order. */
  free: number[]
}

export interface BuddyinfoFacts {
  zones: BuddyinfoZone[]
  strays: Stray[]
}

/** Reads /proc/buddyinfo. Never throws; damage is a diagnostic. */
export function readBuddyinfo(text: string): Read<BuddyinfoFacts> {
  const reader = new LineReader(text)
  const zones: BuddyinfoZone[] = []
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const row = /^Node +(\d{1,9}), zone +(\S+) +(.*)$/.exec(line)
    const free = row ? decimals(words(row[3]!)) : null
    if (!row || !free || free.length === 0) reader.stray('not a row of buddyinfo')
    else addZone(reader, zones, { node: Number(row[1]), name: row[2]!, free })
  }
  if (zones.length === 0) reader.complain('no zone in this file: it is no /proc/buddyinfo')
  return reader.done({ zones, strays: reader.strays })
}

function addZone(reader: LineReader, zones: BuddyinfoZone[], zone: BuddyinfoZone): void {
  const where = `node ${zone.node} zone ${zone.name}`
  const orders = zones[0]?.free.length ?? zone.free.length
  if (zones.some(other => other.node === zone.node && other.name === zone.name))
    reader.complain(`${where} stands here a second time`)
  if (zone.free.length !== orders) reader.complain(`${where} has ${zone.free.length} orders, the first zone ${orders}`)
  zones.push(zone)
}

/** /proc/buddyinfo of these facts, as the kernel lays it out. */
export function writeBuddyinfo(facts: BuddyinfoFacts): string {
  const lines = facts.zones.map(({ node, name, free }) => {
    const counts = free.map(count => `${String(count).padStart(6)} `)
    return `Node ${node}, zone ${name.padStart(8)} ${counts.join('')}`
  })
  return joinLines(lines, facts.strays)
}
