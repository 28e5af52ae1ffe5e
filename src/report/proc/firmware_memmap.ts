// The firmware's memory map (E820 on x86) from /sys/firmware/memmap: what the machine told the kernel about its
// memory before the kernel changed anything. Addresses are bytes, `end` is inclusive.
import { readAttributes, writeAttributes } from './attributes.ts'
import { hexadecimal, LineReader, type Read, type Stray } from './lines.ts'

const FOLDER = '/sys/firmware/memmap/'

export interface FirmwareRange {
  /** Number of the entry's folder. */
  index: number
  start: number
  end: number
  /** "System RAM", "Reserved", "ACPI Tables" … */
  type: string
}

export interface FirmwareMemmapFacts {
  /** In the order of the capture, which need not be that of the addresses. */
  ranges: FirmwareRange[]
  strays: Stray[]
}

/** Reads sys_firmware_memmap.txt. Never throws; damage is a diagnostic. */
export function readFirmwareMemmap(text: string): Read<FirmwareMemmapFacts> {
  const reader = new LineReader(text)
  const entries = new Map<number, Entry>()
  for (const { path, value, line } of readAttributes(reader).rows) {
    const match = /^\/sys\/firmware\/memmap\/(\d{1,9})\/(start|end|type)$/.exec(path)
    if (!match) reader.stray('not a file of /sys/firmware/memmap', line)
    else entryOf(entries, Number(match[1]))[match[2] as keyof Entry] = { value, line }
  }
  const ranges = [...entries].flatMap(([index, entry]) => rangeOf(reader, index, entry) ?? [])
  return reader.done({ ranges, strays: reader.strays })
}

type Entry = Partial<Record<'start' | 'end' | 'type', { value: string; line: number }>>

function entryOf(entries: Map<number, Entry>, index: number): Entry {
  const entry = entries.get(index) ?? {}
  entries.set(index, entry)
  return entry
}

/** The range of a complete entry; the lines of another are strays. */
function rangeOf(reader: LineReader, index: number, entry: Entry): FirmwareRange | null {
  const start = hexadecimal(entry.start?.value.replace(/^0x/, '') ?? '')
  const end = hexadecimal(entry.end?.value.replace(/^0x/, '') ?? '')
  if (start !== null && end !== null && start <= end && entry.type) return { index, start, end, type: entry.type.value }
  for (const part of Object.values(entry)) reader.stray(`entry ${index} is no complete range`, part.line)
  return null
}

/** The text of these facts. */
export function writeFirmwareMemmap(facts: FirmwareMemmapFacts): string {
  const rows = facts.ranges.flatMap(({ index, start, end, type }) => [
    { path: `${FOLDER}${index}/end`, value: `0x${end.toString(16)}` },
    { path: `${FOLDER}${index}/start`, value: `0x${start.toString(16)}` },
    { path: `${FOLDER}${index}/type`, value: type },
  ])
  return writeAttributes('colon', rows, facts.strays)
}
