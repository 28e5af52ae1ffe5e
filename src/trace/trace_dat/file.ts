// The layout of a trace.dat: version 6 is one fixed order of parts, version 7 a chain of sections, each perhaps
// compressed, found through options. Both give the same `TraceDat`: formats, symbols, task names and the ring-buffer
// data of each CPU. After trace-cmd's documents trace-cmd.dat.v6(5) and v7(5).

import { TraceFormatError } from '../batch.ts'
import { type EventFormat, parseEventFormat, parseFields, Symbols } from './format.ts'
import type { PageLayout } from './ring_buffer.ts'
import { type ByteSource, Cursor, chunkedSource, type Decompress, decompress, memorySource, partOf } from './source.ts'

/** A trace.dat, opened. */
export interface TraceDat {
  readonly version: number
  readonly layout: PageLayout
  readonly formats: readonly EventFormat[]
  /** null where the file has no kallsyms; read when first asked for. */
  readonly symbols: () => Symbols | null
  readonly comms: ReadonlyMap<number, string>
  /** CPUs of the machine. */
  readonly cpuCount: number
  readonly cpus: readonly { readonly cpu: number; readonly data: ByteSource }[]
  /** Added to each time, in the clock's units. */
  readonly timeOffset: number
  /** Units of the clock in a second: 1e9 for clocks of nanoseconds, 1 for counters. */
  readonly unitsPerSecond: number
}

const MAGIC = '\x17\x08Dtracing'
const OPTION = { done: 0, buffer: 3, clock: 4, offset: 7, cpuCount: 8, tsc: 14 } as const
const SECTION = { header: 16, formats: 18, ftrace: 17, kallsyms: 19, comms: 21 } as const

/** True where the bytes begin like a trace.dat. */
export function isTraceDat(start: Uint8Array): boolean {
  return MAGIC.length <= start.length && [...MAGIC].every((c, i) => c.charCodeAt(0) === start[i])
}

/** Opens a trace.dat of version 6 or 7. @throws TraceFormatError */
export function openTraceDat(file: ByteSource, tools: Decompress): TraceDat {
  if (!isTraceDat(file.read(0, MAGIC.length))) throw new TraceFormatError('this is not a trace.dat: wrong first bytes')
  const cursor = new Cursor(file, true, MAGIC.length)
  const version = Number(cursor.cstring())
  if (version !== 6 && version !== 7) throw new TraceFormatError(`trace.dat version ${version}: only 6 and 7 are known`)
  cursor.little = cursor.u8() === 0
  cursor.u8() // Bytes of a long of the user space; the kernel's stand in header_page.
  const pageSize = cursor.u32()
  if (!(pageSize >= 1024 && pageSize <= 1 << 24)) throw new TraceFormatError(`trace.dat: pages of ${pageSize} bytes`)
  const parts = new Parts(cursor.little, pageSize)
  if (version === 6) readVersion6(file, cursor, parts)
  else new Version7(file, cursor, parts, tools).read()
  return parts.result(version)
}

/** What both versions collect. */
class Parts {
  headerPage = ''
  readonly formats: EventFormat[] = []
  kallsyms: (() => Uint8Array) | null = null
  readonly comms: Map<number, string> = new Map()
  cpuCount = 0
  readonly cpus: { cpu: number; data: ByteSource }[] = []
  timeOffset = 0
  clock = 'local'
  tsc: { multiplier: number; shift: number; offset: number } | null = null
  readonly little: boolean
  readonly pageSize: number

  constructor(little: boolean, pageSize: number) {
    this.little = little
    this.pageSize = pageSize
  }

  result(version: number): TraceDat {
    let symbols: Symbols | null | undefined
    const { kallsyms, tsc } = this
    const counter = /^(?:counter|uptime|x86-tsc|ppc-tb)$/.test(this.clock)
    const scale = tsc ? (1e9 * 2 ** tsc.shift) / tsc.multiplier : this.clock === 'uptime' ? 1e9 : counter ? 1 : 1e9
    return {
      version,
      layout: { little: this.little, pageSize: this.pageSize, fields: parseFields(this.headerPage) },
      formats: this.formats,
      symbols: () => (symbols ??= kallsyms ? new Symbols(kallsyms()) : null),
      comms: this.comms,
      cpuCount: this.cpuCount || this.cpus.length,
      cpus: this.cpus,
      timeOffset: this.timeOffset + (tsc ? (tsc.offset * 2 ** tsc.shift) / tsc.multiplier : 0),
      unitsPerSecond: scale,
    }
  }

  header(cursor: Cursor): void {
    if (cursor.cstring() !== 'header_page') throw new TraceFormatError('trace.dat: header_page is missing')
    this.headerPage = cursor.string(cursor.u64())
    if (cursor.cstring() !== 'header_event') throw new TraceFormatError('trace.dat: header_event is missing')
    cursor.string(cursor.u64())
  }

  /** Formats of one system: count, then size and text of each. */
  systemFormats(cursor: Cursor): void {
    const count = cursor.u32()
    for (let i = 0; i < count; i++) {
      const format = parseEventFormat(cursor.string(cursor.u64()))
      if (format) this.formats.push(format)
    }
  }

  allFormats(cursor: Cursor): void {
    const systems = cursor.u32()
    for (let i = 0; i < systems; i++) {
      cursor.cstring()
      this.systemFormats(cursor)
    }
  }

  saveComms(text: string): void {
    for (const match of text.matchAll(/^\s*(\d+) (.*)$/gm)) this.comms.set(Number(match[1]), match[2]!)
  }

  /** Options that both versions have. */
  option(id: number, cursor: Cursor, size: number): void {
    if (id === OPTION.clock) this.clock = /\[(\S+)\]/.exec(cursor.string(size))?.[1] ?? this.clock
    else if (id === OPTION.offset) this.timeOffset = Number(cursor.string(size).trim()) || 0
    else if (id === OPTION.cpuCount) this.cpuCount = cursor.u32()
    else if (id === OPTION.tsc) this.tsc = { multiplier: cursor.u32(), shift: cursor.u32(), offset: cursor.u64() }
  }
}

function readVersion6(file: ByteSource, cursor: Cursor, parts: Parts): void {
  parts.header(cursor)
  parts.systemFormats(cursor)
  parts.allFormats(cursor)
  const symbolSize = cursor.u32()
  const symbolStart = cursor.position
  parts.kallsyms = () => new Cursor(file, true, symbolStart).bytes(symbolSize)
  cursor.position += symbolSize
  const printkSize = cursor.u32()
  cursor.position += printkSize
  parts.saveComms(cursor.string(cursor.u64()))
  parts.cpuCount = cursor.u32()
  let kind = cursor.string(10).trim()
  if (kind === 'options') {
    for (let id = cursor.u16(); id !== OPTION.done; id = cursor.u16()) {
      const size = cursor.u32()
      const next = cursor.position + size
      parts.option(id, cursor, size)
      cursor.position = next
    }
    kind = cursor.string(10).trim()
  }
  if (kind !== 'flyrecord') throw new TraceFormatError(`trace.dat holds “${kind}” data, not ring-buffer pages`)
  for (let cpu = 0; cpu < parts.cpuCount; cpu++) {
    const offset = cursor.u64()
    const size = cursor.u64()
    parts.cpus.push({ cpu, data: partOf(file, offset, size) })
  }
}

class Version7 {
  readonly #file: ByteSource
  readonly #cursor: Cursor
  readonly #parts: Parts
  readonly #tools: Decompress
  readonly #algorithm: string
  readonly #first: number

  constructor(file: ByteSource, cursor: Cursor, parts: Parts, tools: Decompress) {
    this.#file = file
    this.#cursor = cursor
    this.#parts = parts
    this.#tools = tools
    this.#algorithm = cursor.cstring()
    cursor.cstring() // Version of the compression library.
    this.#first = cursor.u64()
  }

  read(): void {
    const seen = new Set<number>()
    for (let at = this.#first; at !== 0; ) {
      if (seen.has(at)) throw new TraceFormatError(`trace.dat: the options at offset ${at} lead back to themselves`)
      seen.add(at)
      at = this.#options(this.#section(at, 0))
    }
    if (this.#parts.headerPage === '') throw new TraceFormatError('trace.dat: no header section')
  }

  /** Cursor on the contents of the section at `offset`. */
  #section(offset: number, id: number): Cursor {
    const { size, compressed } = this.#sectionHead(offset, id)
    const cursor = this.#cursor
    if (!compressed) return new Cursor(partOf(this.#file, cursor.position, size), cursor.little)
    const packed = cursor.u32()
    const plain = cursor.u32()
    return new Cursor(memorySource(this.#unpack(cursor.bytes(packed), plain)), cursor.little)
  }

  #sectionHead(offset: number, id: number): { size: number; compressed: boolean } {
    const cursor = this.#cursor
    cursor.position = offset
    const found = cursor.u16()
    if (found !== id)
      throw new TraceFormatError(`trace.dat: section ${id} expected at offset ${offset}, found ${found}`)
    const compressed = (cursor.u16() & 1) !== 0
    cursor.u32() // Description.
    return { size: cursor.u64(), compressed }
  }

  #unpack(data: Uint8Array, size: number): Uint8Array {
    return decompress(this.#algorithm, this.#tools, data, size)
  }

  /** Reads one options section; offset of the next, or 0. */
  #options(cursor: Cursor): number {
    for (;;) {
      const id = cursor.u16()
      const size = cursor.u32()
      const next = cursor.position + size
      if (id === OPTION.done) return size >= 8 ? cursor.u64() : 0
      if (id >= SECTION.header && id <= SECTION.comms) this.#part(id, cursor.u64())
      else if (id === OPTION.buffer) this.#buffer(cursor)
      else this.#parts.option(id, cursor, size)
      cursor.position = next
    }
  }

  #part(id: number, offset: number): void {
    const parts = this.#parts
    if (id === SECTION.header) parts.header(this.#section(offset, id))
    else if (id === SECTION.ftrace) parts.systemFormats(this.#section(offset, id))
    else if (id === SECTION.formats) parts.allFormats(this.#section(offset, id))
    else if (id === SECTION.kallsyms) {
      parts.kallsyms = () => {
        const cursor = this.#section(offset, id)
        return cursor.bytes(cursor.u32())
      }
    } else if (id === SECTION.comms) {
      const cursor = this.#section(offset, id)
      parts.saveComms(cursor.string(cursor.u64()))
    }
  }

  /** A buffer option: where each CPU's pages lie. */
  #buffer(cursor: Cursor): void {
    const { compressed } = this.#sectionHead(cursor.u64(), OPTION.buffer)
    cursor.cstring()
    const clock = cursor.cstring()
    if (clock) this.#parts.clock = clock
    cursor.u32()
    const count = cursor.u32()
    for (let i = 0; i < count; i++) {
      const cpu = cursor.u32()
      const offset = cursor.u64()
      const size = cursor.u64()
      if (size === 0) continue
      const { little } = this.#cursor
      const data = compressed
        ? chunkedSource(this.#file, offset, little, (bytes, plain) => this.#unpack(bytes, plain))
        : partOf(this.#file, offset, size)
      this.#parts.cpus.push({ cpu, data })
    }
  }
}
