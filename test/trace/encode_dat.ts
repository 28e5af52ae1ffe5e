// A small writer of trace.dat for tests: version 6 and 7, any byte order, any size of a kernel long; compressed pieces
// are zlib, or zstd frames of raw blocks (valid zstd that needs no compressor).
import { deflateSync } from 'node:zlib'

export interface DatParts {
  version: 6 | 7
  little: boolean
  /** Bytes of a long of the kernel. */
  long: 4 | 8
  pageSize: number
  compression: 'none' | 'zlib' | 'zstd'
  /** Texts of event formats; system 'ftrace' goes to its own part. */
  formats: { system: string; text: string }[]
  kallsyms: string
  comms: string
  /** Ring-buffer pages of each CPU. */
  cpus: Uint8Array[]
  options?: { id: number; data: Uint8Array }[]
}

/** Grows; numbers in the byte order of the file. */
export class Writer {
  readonly #bytes: number[] = []
  readonly little: boolean

  constructor(little: boolean) {
    this.little = little
  }

  get length(): number {
    return this.#bytes.length
  }

  number(value: number | bigint, size: number): this {
    let rest = BigInt.asUintN(size * 8, BigInt(value))
    const own: number[] = []
    for (let i = 0; i < size; i++, rest >>= 8n) own.push(Number(rest & 255n))
    this.#bytes.push(...(this.little ? own : own.reverse()))
    return this
  }

  raw(bytes: Uint8Array): this {
    for (const b of bytes) this.#bytes.push(b)
    return this
  }

  text(text: string): this {
    return this.raw(new TextEncoder().encode(text))
  }

  pad(to: number): this {
    while (this.length < to) this.#bytes.push(0)
    return this
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** A zstd frame that stores its contents in raw blocks. */
export function zstdStore(data: Uint8Array): Uint8Array {
  const out = new Writer(true).number(0xfd2fb528, 4).number(0xa0, 1).number(data.length, 4)
  for (let p = 0; p === 0 || p < data.length; p += 1 << 17) {
    const block = data.subarray(p, p + (1 << 17))
    const last = p + (1 << 17) >= data.length ? 1 : 0
    out.number(last | (block.length << 3), 3).raw(block)
  }
  return out.done()
}

/** One record of a ring buffer: time in the clock's units, contents (a multiple of four bytes). */
export interface DatRecord {
  time: number
  data: Uint8Array
}

/** Packs records into ring-buffer pages, with every form of length and time that their values need. */
export function encodePages(records: DatRecord[], parts: Pick<DatParts, 'little' | 'long' | 'pageSize'>): Uint8Array {
  const { little, long, pageSize } = parts
  const header = 8 + long
  const pages = new Writer(little)
  let page = new Writer(little)
  let start = 0
  let time = 0
  const flush = (): void => {
    if (page.length === 0) return
    const from = pages.length
    pages
      .number(start, 8)
      .number(page.length, long)
      .raw(page.done())
      .pad(from + pageSize)
    page = new Writer(little)
  }
  const head = (type: number, delta: number): Writer =>
    page.number(little ? delta * 32 + type : type * 2 ** 27 + delta, 4)
  for (const record of records) {
    if (page.length + record.data.length + 16 > pageSize - header) flush()
    if (page.length === 0) start = time = record.time
    let delta = record.time - time
    if (delta >= 2 ** 27) {
      head(30, delta % 2 ** 27).number(Math.floor(delta / 2 ** 27), 4)
      delta = 0
    }
    if (record.data.length <= 112) head(record.data.length / 4, delta)
    else head(0, delta).number(record.data.length + 4, 4)
    page.raw(record.data)
    time = record.time
  }
  flush()
  return pages.done()
}

export function headerPage(long: number, pageSize: number): string {
  return [
    '\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;',
    `\tfield: local_t commit;\toffset:8;\tsize:${long};\tsigned:1;`,
    `\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;`,
    `\tfield: char data;\toffset:${8 + long};\tsize:${pageSize - 8 - long};\tsigned:1;\n`,
  ].join('\n')
}

export function encodeDat(parts: DatParts): Uint8Array {
  const out = new Writer(parts.little).text('\x17\x08Dtracing').text(`${parts.version}\0`)
  out
    .number(parts.little ? 0 : 1, 1)
    .number(parts.long, 1)
    .number(parts.pageSize, 4)
  return parts.version === 6 ? version6(out, parts) : version7(out, parts)
}

function headerInfo(out: Writer, parts: DatParts): Writer {
  const page = headerPage(parts.long, parts.pageSize)
  out.text('header_page\0').number(page.length, 8).text(page)
  return out.text('header_event\0').number(0, 8)
}

function formatList(out: Writer, texts: string[]): Writer {
  out.number(texts.length, 4)
  for (const text of texts) out.number(text.length, 8).text(text)
  return out
}

function systems(out: Writer, parts: DatParts): Writer {
  const names = [...new Set(parts.formats.map(f => f.system))].filter(name => name !== 'ftrace')
  out.number(names.length, 4)
  for (const name of names) formatList(out.text(`${name}\0`), textsOf(parts, name))
  return out
}

function textsOf(parts: DatParts, system: string): string[] {
  return parts.formats.filter(f => f.system === system).map(f => f.text)
}

function version6(out: Writer, parts: DatParts): Uint8Array {
  headerInfo(out, parts)
  formatList(out, textsOf(parts, 'ftrace'))
  systems(out, parts)
  out.number(parts.kallsyms.length, 4).text(parts.kallsyms).number(0, 4)
  out.number(parts.comms.length, 8).text(parts.comms).number(parts.cpus.length, 4)
  out.text('options  \0')
  for (const { id, data } of parts.options ?? []) out.number(id, 2).number(data.length, 4).raw(data)
  out.number(0, 2).text('flyrecord\0')
  const align = (n: number): number => Math.ceil(n / parts.pageSize) * parts.pageSize
  let at = align(out.length + parts.cpus.length * 16)
  for (const cpu of parts.cpus) {
    out.number(at, 8).number(cpu.length, 8)
    at = align(at + cpu.length)
  }
  for (const cpu of parts.cpus) out.pad(align(out.length)).raw(cpu)
  return out.done()
}

function version7(out: Writer, parts: DatParts): Uint8Array {
  const { little, compression, cpus } = parts
  const pack = (data: Uint8Array): Uint8Array => (compression === 'zlib' ? deflateSync(data) : zstdStore(data))
  const make = (): Writer => new Writer(little)
  out.text(`${compression}\0${compression === 'none' ? '' : '1.0'}\0`)
  const sections: [number, Uint8Array][] = [
    [16, headerInfo(make(), parts).done()],
    [17, formatList(make(), textsOf(parts, 'ftrace')).done()],
    [18, systems(make(), parts).done()],
    [19, make().number(parts.kallsyms.length, 4).text(parts.kallsyms).done()],
    [21, make().number(parts.comms.length, 8).text(parts.comms).done()],
  ]
  const body = make()
  const base = out.length + 8
  const options = make()
  for (const [id, data] of sections) {
    options
      .number(id, 2)
      .number(8, 4)
      .number(base + body.length, 8)
    const packed =
      compression === 'none' ? data : make().number(pack(data).length, 4).number(data.length, 4).raw(pack(data)).done()
    body
      .number(id, 2)
      .number(compression === 'none' ? 0 : 1, 2)
      .number(0, 4)
      .number(packed.length, 8)
      .raw(packed)
  }
  for (const { id, data } of parts.options ?? []) options.number(id, 2).number(data.length, 4).raw(data)
  const bufferAt = base + body.length
  const data = make()
  const entry = make().number(bufferAt, 8).text('\0local\0').number(parts.pageSize, 4).number(cpus.length, 4)
  for (let cpu = 0; cpu < cpus.length; cpu++) {
    const chunk = compression === 'none' ? cpus[cpu]! : chunks(cpus[cpu]!, parts, pack)
    entry
      .number(cpu, 4)
      .number(bufferAt + 16 + data.length, 8)
      .number(chunk.length, 8)
    data.raw(chunk)
  }
  body
    .number(3, 2)
    .number(compression === 'none' ? 0 : 1, 2)
    .number(0, 4)
    .number(data.length, 8)
    .raw(data.done())
  options.number(3, 2).number(entry.length, 4).raw(entry.done()).number(0, 2).number(8, 4).number(0, 8)
  out.number(base + body.length, 8).raw(body.done())
  return out.number(0, 2).number(0, 2).number(0, 4).number(options.length, 8).raw(options.done()).done()
}

/** Ring-buffer data in chunks of two pages. */
function chunks(data: Uint8Array, parts: DatParts, pack: (data: Uint8Array) => Uint8Array): Uint8Array {
  const size = parts.pageSize * 2
  const out = new Writer(parts.little).number(Math.ceil(data.length / size), 4)
  for (let p = 0; p < data.length; p += size) {
    const plain = data.subarray(p, p + size)
    const packed = pack(plain)
    out.number(packed.length, 4).number(plain.length, 4).raw(packed)
  }
  return out.done()
}
