// /proc/iomem: the tree of physical address ranges. Addresses are bytes, `end` is inclusive; `depth` is the level in
// the tree, 0 for the outermost. The outermost "System RAM" ranges are what the kernel was given as memory.
import { hexadecimal, joinLines, LineReader, type Read, type Stray } from './lines.ts'

export interface IomemRange {
  /** First byte. */
  start: number
  /** Last byte. */
  end: number
  name: string
  depth: number
}

export interface IomemFacts {
  ranges: IomemRange[]
  strays: Stray[]
}

/** Reads /proc/iomem. Never throws; damage, and addresses hidden from an ordinary user, are diagnostics. */
export function readIomem(text: string): Read<IomemFacts> {
  const reader = new LineReader(text)
  const ranges: IomemRange[] = []
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const range = parseRange(line)
    if (!range) reader.stray('not a range of iomem')
    else addRange(reader, ranges, range)
  }
  if (ranges.length === 0) reader.complain('no range in this file: it is no /proc/iomem')
  else if (ranges.length > 1 && ranges.every(({ end }) => end === 0))
    reader.complain('all addresses are 0: the file was not read as root', 1)
  return reader.done({ ranges, strays: reader.strays })
}

function parseRange(line: string): IomemRange | null {
  const row = /^((?: {2})*)([0-9a-f]+)-([0-9a-f]+) : (.*)$/.exec(line)
  const start = row ? hexadecimal(row[2]!) : null
  const end = row ? hexadecimal(row[3]!) : null
  if (!row || start === null || end === null || start > end) return null
  return { start, end, name: row[4]!, depth: row[1]!.length / 2 }
}

function addRange(reader: LineReader, ranges: IomemRange[], range: IomemRange): void {
  const before = ranges.at(-1)
  if (range.depth > (before ? before.depth + 1 : 0)) reader.complain('this range stands in no other')
  const peer = ranges.findLast(other => other.depth <= range.depth)
  if (peer && peer.depth === range.depth && range.start <= peer.end && peer.end > 0)
    reader.complain(`this range overlaps ${peer.name}`)
  ranges.push(range)
}

/** /proc/iomem of these facts, as the kernel lays it out. */
export function writeIomem(facts: IomemFacts): string {
  const lines = facts.ranges.map(({ start, end, name, depth }) => {
    const hex = (address: number): string => address.toString(16).padStart(8, '0')
    return `${'  '.repeat(depth)}${hex(start)}-${hex(end)} : ${name}`
  })
  return joinLines(lines, facts.strays)
}

/** The outermost ranges called "System RAM", in the file's order: `[first byte, last byte]`. */
export function systemRam(facts: IomemFacts): [start: number, end: number][] {
  return facts.ranges
    .filter(({ depth, name }) => depth === 0 && name === 'System RAM')
    .map(({ start, end }): [number, number] => [start, end])
}
