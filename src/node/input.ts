// Files as streams of bytes: a path or `-` for standard input; gzip and zstd are recognised by their first bytes and
// unpacked on the way. Law: memory is a few pieces of 1 MiB, whatever the size of the file; everything that can be
// wrong with a file is an InputError of one sentence that begins with its name.

import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { Decompress as ZstdStream } from 'fzstd'
import type { ByteSource } from '../trace/trace_dat/source.ts'

/** An input cannot be read; the message is one sentence that names the file. */
export class InputError extends Error {
  override readonly name = 'InputError'
  readonly code = 'INPUT'
  /** Path as given; `-` for standard input. */
  readonly file: string

  constructor(file: string, what: string) {
    super(`${file === '-' ? 'standard input' : file}: ${what}`)
    this.file = file
  }
}

export interface InputOptions {
  /** Bytes read of the file itself (not unpacked), and its size; NaN where it is not known (standard input). */
  readonly onProgress?: (read: number, total: number) => void
  readonly signal?: AbortSignal
}

/** What was read. */
export interface InputSummary {
  readonly packing: 'plain' | 'gzip' | 'zstd'
  /** Bytes of the file. */
  readonly read: number
  /** Bytes given out. */
  readonly bytes: number
}

const CHUNK = 1 << 20

/**
 * Reads an input to its end, piece by piece.
 * @param onBytes gets unpacked bytes; a piece is valid until the call returns
 * @throws InputError for what is wrong with the file; whatever `onBytes` throws
 */
export async function readInput(
  file: string,
  onBytes: (bytes: Uint8Array) => void,
  options: InputOptions = {},
): Promise<InputSummary> {
  const counter: Counter = { read: 0, bytes: 0, reuse: false }
  const give = (bytes: Uint8Array): void => {
    counter.bytes += bytes.length
    onBytes(bytes)
  }
  const pieces = file === '-' ? standardInput(counter, options) : filePieces(file, counter, options)
  const first = await firstPiece(pieces)
  const packing = packingOf(first)
  const all = chain(first, pieces)
  // Who unpacks may hold several pieces; else one buffer serves for all, or garbage would pile up with the file's length.
  counter.reuse = packing === 'plain'
  if (packing === 'plain') for await (const piece of all) give(piece)
  else if (packing === 'gzip') await unpackGzip(file, all, give, counter)
  else await unpackZstd(file, all, give, counter)
  return { packing, read: counter.read, bytes: counter.bytes }
}

/** Says what keeps a file from being read, before anything else is asked. @throws InputError */
export function expectReadable(file: string): void {
  closeSync(openFile(file))
}

/** Reads a whole input into memory. @throws InputError also where it is larger than `limit` bytes (default 256 MiB) */
export async function readWhole(file: string, limit: number = 1 << 28): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let size = 0
  await readInput(file, bytes => {
    size += bytes.length
    if (size > limit) throw new InputError(file, `larger than ${limit} bytes, which is too large for this use`)
    pieces.push(bytes.slice())
  })
  return Buffer.concat(pieces)
}

/** A file open at random access; `close` gives everything back. */
export interface RandomInput {
  readonly source: ByteSource
  /** First bytes of the contents, up to 64. */
  readonly start: Uint8Array
  /** Fills `bytes` with what stands at an offset; returns how many there are. */
  fill(offset: number, bytes: Uint8Array): number
  close(): void
}

/**
 * Opens an input for random access. What cannot seek (a packed file, standard input) is unpacked into a temporary file
 * that `close` or the end of the process removes.
 */
export async function openRandom(file: string, options: InputOptions = {}): Promise<RandomInput> {
  if (file !== '-') {
    const fd = openFile(file)
    const start = readAt(file, fd, 0, 64)
    if (packingOf(start) === 'plain' && fstatSync(fd).isFile()) return randomFile(file, fd, () => {})
    closeSync(fd)
  }
  const spool = createSpool()
  try {
    await readInput(file, spool.write, options)
    return spool.finish()
  } catch (error) {
    spool.discard()
    throw error
  }
}

/** A temporary file that takes a stream and gives random access. It has no name while it is used, so that nothing of it
 * stays, however the process ends; where a system cannot do that, it is removed when the process ends. */
export interface Spool {
  readonly write: (bytes: Uint8Array) => void
  /** Ends writing. The result's `close` removes the file. */
  finish(): RandomInput
  discard(): void
}

export function createSpool(): Spool {
  const { path, fd, remove } = openSpool()
  let over = false
  return {
    write: bytes => writeAll(fd, bytes),
    finish: () => {
      over = true
      return randomFile(path, fd, remove)
    },
    discard: () => {
      if (over) return
      over = true
      closeSync(fd)
      remove()
    },
  }
}

function openSpool(): { path: string; fd: number; remove: () => void } {
  try {
    const folder = mkdtempSync(join(tmpdir(), 'mmtwin-'))
    const remove = (): void => {
      rmSync(folder, { recursive: true, force: true })
      process.removeListener('exit', remove)
    }
    process.once('exit', remove)
    const path = join(folder, 'unpacked')
    const fd = openSync(path, 'w+')
    if (process.platform !== 'win32') remove()
    return { path, fd, remove }
  } catch (error) {
    throw systemError(tmpdir(), error)
  }
}

function randomFile(file: string, fd: number, finish: () => void): RandomInput {
  let open = true
  const source: ByteSource = {
    size: fstatSync(fd).size,
    read: (offset, length) => readAt(file, fd, offset, length),
  }
  const close = (): void => {
    if (!open) return
    open = false
    closeSync(fd)
    finish()
  }
  return { source, start: readAt(file, fd, 0, 64), fill: (offset, bytes) => fillAt(file, fd, offset, bytes), close }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
  } catch (error) {
    throw systemError(tmpdir(), error)
  }
}

function readAt(file: string, fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  return bytes.subarray(0, fillAt(file, fd, offset, bytes))
}

function fillAt(file: string, fd: number, offset: number, bytes: Uint8Array): number {
  let done = 0
  try {
    while (done < bytes.length) {
      const got = readSync(fd, bytes, done, bytes.length - done, offset + done)
      if (got === 0) break
      done += got
    }
  } catch (error) {
    throw systemError(file, error)
  }
  return done
}

function openFile(file: string): number {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    throw systemError(file, error)
  }
  if (!fstatSync(fd).isDirectory()) return fd
  closeSync(fd)
  throw new InputError(file, 'is a directory, not a file')
}

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: a part of the path is not a directory',
  EISDIR: 'is a directory, not a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'the symbolic links lead in a circle',
  EIO: 'the medium gives an input/output error',
  ENOSPC: 'no space is left to unpack the trace there',
  EROFS: 'the file system is read-only',
}

function systemError(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === undefined) return error
  return new InputError(file, SENTENCES[code] ?? `cannot be read (${code})`)
}

interface Counter {
  read: number
  bytes: number
  /** A piece is done with when the next one is asked for. */
  reuse: boolean
}

/** The file in pieces of 1 MiB, read synchronously; between pieces others get a turn. */
async function* filePieces(file: string, counter: Counter, options: InputOptions): AsyncGenerator<Uint8Array> {
  const fd = openFile(file)
  try {
    const stat = fstatSync(fd)
    const total = stat.isFile() && stat.size > 0 ? stat.size : Number.NaN
    let buffer = new Uint8Array(CHUNK)
    for (;;) {
      options.signal?.throwIfAborted()
      const piece = readPiece(file, fd, buffer)
      if (piece.length === 0) return
      counter.read += piece.length
      options.onProgress?.(counter.read, total)
      yield piece
      await turn()
      if (!counter.reuse) buffer = new Uint8Array(CHUNK)
    }
  } finally {
    closeSync(fd)
  }
}

/** The next piece at the file's own position, so that pipes and /proc files work. */
function readPiece(file: string, fd: number, bytes: Uint8Array): Uint8Array {
  let done = 0
  try {
    while (done < CHUNK) {
      const got = readSync(fd, bytes, done, CHUNK - done, null)
      if (got === 0) break
      done += got
    }
  } catch (error) {
    throw systemError(file, error)
  }
  return bytes.subarray(0, done)
}

async function* standardInput(counter: Counter, options: InputOptions): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of process.stdin as AsyncIterable<Buffer>) {
      options.signal?.throwIfAborted()
      counter.read += piece.length
      options.onProgress?.(counter.read, Number.NaN)
      yield piece
    }
  } catch (error) {
    throw systemError('-', error)
  }
}

/** The first piece, of at least 16 bytes where the input has them: enough to know the packing and the kind. */
async function firstPiece(pieces: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = new Uint8Array(0)
  while (first.length < 16) {
    const { value, done } = await pieces.next()
    if (done) break
    first = first.length === 0 ? value : Buffer.concat([first, value])
  }
  return first
}

async function* chain(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first
  yield* rest
}

function packingOf(start: Uint8Array): InputSummary['packing'] {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip'
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd'
  return 'plain'
}

type Give = (bytes: Uint8Array) => void

async function unpackGzip(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  give: Give,
  counter: Counter,
): Promise<void> {
  const receiver = new Receiver(give)
  try {
    await pipeline(Readable.from(receiver.source(pieces)), createGunzip({ chunkSize: CHUNK }), async unpacked => {
      for await (const piece of unpacked as AsyncIterable<Buffer>) receiver.give(piece)
    })
  } catch (error) {
    receiver.rethrow()
    const code = (error as NodeJS.ErrnoException).code
    if (!code?.startsWith('Z_')) throw error
    throw damaged(file, 'gzip', counter, code === 'Z_BUF_ERROR')
  }
}

async function unpackZstd(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  give: Give,
  counter: Counter,
): Promise<void> {
  const receiver = new Receiver(give)
  const unpacker = new ZstdStream(receiver.give)
  try {
    for await (const piece of receiver.source(pieces)) unpacker.push(piece)
    unpacker.push(new Uint8Array(0), true)
  } catch (error) {
    receiver.rethrow()
    throw damaged(file, 'zstd', counter, /EOF/.test(String(error)))
  }
}

/** Remembers what was thrown before or behind an unpacker, which would hide it behind an error of its own. */
class Receiver {
  readonly give: Give
  #thrown: { readonly error: unknown } | null = null

  constructor(give: Give) {
    this.give = bytes => {
      try {
        give(bytes)
      } catch (error) {
        this.#thrown ??= { error }
        throw error
      }
    }
  }

  async *source(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces
    } catch (error) {
      this.#thrown ??= { error }
      throw error
    }
  }

  rethrow(): void {
    if (this.#thrown) throw this.#thrown.error
  }
}

function damaged(file: string, packing: string, counter: Counter, cut: boolean): InputError {
  const how = cut ? 'end too early (the file is cut)' : 'are damaged'
  return new InputError(
    file,
    `the ${packing} data ${how}; ${counter.bytes} bytes could be unpacked of ${counter.read} read`,
  )
}
