// Bytes at random access: what a trace.dat is read from. A file gives only the pieces that are asked for; compressed
// sections and compressed ring-buffer data look like plain sources, one decompressed chunk at a time in memory.

import { TraceFormatError } from '../batch.ts'
import { decodeText } from '../utf8.ts'

/** A file, a part of one, or bytes in memory. */
export interface ByteSource {
  readonly size: number
  /** Bytes [offset, offset + length), fewer only at the end; valid until the next call. */
  read(offset: number, length: number): Uint8Array
}

/** Decompressors, given by the room that has them. They may throw; `size` is the decompressed size. */
export interface Decompress {
  zlib(data: Uint8Array, size: number): Uint8Array
  zstd(data: Uint8Array, size: number): Uint8Array
}

/** One decompressed chunk or section; larger ones are taken for damage. */
const MAX_CHUNK = 1 << 28
const WINDOW = 1 << 16

export function memorySource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }
}

/** The bytes [start, start + size) of another source, read in pieces of 64 KiB or more. */
export function partOf(source: ByteSource, start: number, size: number): ByteSource {
  const end = Math.min(size, Math.max(0, source.size - start))
  let at = 0
  let held: Uint8Array = new Uint8Array(0)
  return {
    size: end,
    read(offset, length) {
      const wanted = Math.min(length, end - offset)
      if (offset < at || offset + wanted > at + held.length) {
        at = offset
        held = source.read(start + offset, Math.min(Math.max(wanted, WINDOW), end - offset))
      }
      return held.subarray(offset - at, offset - at + wanted)
    },
  }
}

/** Decompresses with a named algorithm, checking what comes out. */
export function decompress(algorithm: string, tools: Decompress, data: Uint8Array, size: number): Uint8Array {
  if (algorithm !== 'zlib' && algorithm !== 'zstd') {
    throw new TraceFormatError(`trace.dat compressed with “${algorithm}”: only zlib and zstd are known`)
  }
  if (size > MAX_CHUNK) throw new TraceFormatError(`trace.dat: a compressed piece claims ${size} bytes`)
  let out: Uint8Array
  try {
    out = algorithm === 'zlib' ? tools.zlib(data, size) : tools.zstd(data, size)
  } catch (error) {
    throw new TraceFormatError(`trace.dat: ${algorithm} data are damaged (${String((error as Error).message)})`)
  }
  if (out.length !== size)
    throw new TraceFormatError(`trace.dat: ${size} bytes expected from ${algorithm}, got ${out.length}`)
  return out
}

/** Ring-buffer data in compressed chunks, as one plain source; the last chunk used stays in memory. */
export function chunkedSource(file: ByteSource, start: number, little: boolean, unpack: Unpack): ByteSource {
  const cursor = new Cursor(file, little, start)
  const count = cursor.u32()
  const chunks: { from: number; size: number; offset: number; packed: number }[] = []
  let from = 0
  for (let i = 0; i < count; i++) {
    const packed = cursor.u32()
    const size = cursor.u32()
    chunks.push({ from, size, offset: cursor.position, packed })
    from += size
    cursor.position += packed
  }
  let held = -1
  let bytes: Uint8Array = new Uint8Array(0)
  return {
    size: from,
    read(offset, length) {
      if (held < 0 || offset < chunks[held]!.from || offset >= chunks[held]!.from + chunks[held]!.size) {
        held = chunks.findIndex(c => offset >= c.from && offset < c.from + c.size)
        if (held < 0) return new Uint8Array(0)
        const chunk = chunks[held]!
        bytes = unpack(new Cursor(file, little, chunk.offset).bytes(chunk.packed), chunk.size)
      }
      const at = offset - chunks[held]!.from
      return bytes.subarray(at, at + length)
    },
  }
}

/** Decompresses one piece to `size` bytes. */
export type Unpack = (data: Uint8Array, size: number) => Uint8Array

/** Reads numbers and strings one after the other. Numbers above 2^53 lose their low bits. */
export class Cursor {
  position: number
  little: boolean
  readonly #source: ByteSource

  constructor(source: ByteSource, little: boolean, position = 0) {
    this.#source = partOf(source, 0, source.size)
    this.little = little
    this.position = position
  }

  get size(): number {
    return this.#source.size
  }

  u8(): number {
    return this.#take(1).getUint8(0)
  }

  u16(): number {
    return this.#take(2).getUint16(0, this.little)
  }

  u32(): number {
    return this.#take(4).getUint32(0, this.little)
  }

  u64(): number {
    const view = this.#take(8)
    const [low, high] = this.little ? [0, 4] : [4, 0]
    return view.getUint32(high, this.little) * 4294967296 + view.getUint32(low, this.little)
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    if (!(length >= 0 && this.position + length <= this.size)) throw this.#cut(length)
    const bytes = this.#source.read(this.position, length).slice()
    this.position += length
    return bytes
  }

  /** The next `length` bytes as text, without the zero byte at its end. */
  string(length: number): string {
    return decodeText(this.bytes(length)).replace(/\0+$/, '')
  }

  /** Text up to a zero byte; at most 4096 bytes. */
  cstring(): string {
    let length = 0
    while (length < 4096 && this.u8() !== 0) length++
    this.position -= length + 1
    return this.string(length + 1)
  }

  #take(length: number): DataView {
    if (this.position + length > this.size || this.position < 0) throw this.#cut(length)
    const bytes = this.#source.read(this.position, length)
    this.position += length
    return new DataView(bytes.buffer, bytes.byteOffset, length)
  }

  #cut(length: number): TraceFormatError {
    return new TraceFormatError(
      `trace.dat is cut or damaged: ${length} bytes wanted at offset ${this.position} of ${this.size}`,
    )
  }
}
