// A swap area in a file of the host, for a machine that can be put back. The file holds what the machine has swapped out
// now; beside it a history holds every request with its answer.
// Law: a request that is made again (same number, same page, same bytes) gets the answer it had, and the file is not
// asked; a request that differs begins another history: what was done since is taken back, the file included. So
// commands that are repeated come to the same state, whatever became of the file meanwhile; what is new sees the file
// as it is. A fork reads and writes a history of its own and leaves the file alone.
import { is_zero, type SwapStore } from '../mm/swap_bytes.ts'

/** Pages of a file. */
export interface PageFile {
  /** Bytes that it has now. */
  size(): number
  read(page: number, into: Uint8Array): boolean
  /** null = a page of zeros. */
  write(page: number, bytes: Uint8Array | null): boolean
}

/** Where pages are kept that the history needs: appended, never changed. */
export interface PageLog {
  /** Number of the page; -1 = there is no room for it. */
  append(bytes: Uint8Array): number
  read(page: number, into: Uint8Array): void
}

const READ = 1
const WRITE = 2
const FAILED = 4
const UNKNOWN = -1
const ZEROS = 0

export class SwapHistory implements SwapStore {
  /** null = a fork: the history is all there is. */
  readonly #file: PageFile | null
  readonly #log: PageLog
  readonly #bytes: Uint8Array
  /** The requests: number, what, page of the file, what was moved, and what the page held before. Data are a page of the
   * log + 1, 0 = zeros, -1 = nothing that is known. */
  #io: number[] = []
  #what: number[] = []
  #page: number[] = []
  #data: number[] = []
  #before: number[] = []
  /** Requests made up to the machine's present state. */
  #position = 0
  /** What pages of the file hold at that position: page of the log + 1, 0 = zeros. */
  #holds = new Map<number, number>()

  constructor(file: PageFile | null, log: PageLog, pageBytes: number) {
    this.#file = file
    this.#log = log
    this.#bytes = new Uint8Array(pageBytes)
  }

  size(): number {
    return this.#file?.size() ?? Number.POSITIVE_INFINITY
  }

  /** Requests known, those undone included. */
  get length(): number {
    return this.#io.length
  }

  read(page: number, into: Uint8Array, io: number): boolean {
    if (this.#isRepeated(io, READ, page)) {
      const at = this.#position++
      if ((this.#what[at]! & FAILED) !== 0) return false
      this.#load(this.#data[at]!, into)
      return true
    }
    const held = this.#holds.get(page) ?? UNKNOWN
    const got = this.#file === null ? this.#load(held, into) : this.#file.read(page, into)
    const data = got ? this.#keep(into, held) : UNKNOWN
    this.#note(io, data === UNKNOWN ? READ | FAILED : READ, page, data, held)
    return data !== UNKNOWN
  }

  write(page: number, bytes: Uint8Array | null, io: number): boolean {
    if (this.#isRepeated(io, WRITE, page)) {
      const at = this.#position
      const data = this.#data[at]!
      if (data === UNKNOWN) {
        this.#position++
        return false
      }
      if (this.#holdsBytes(data, bytes)) {
        this.#position++
        this.#holds.set(page, data)
        return true
      }
      this.forget(io)
    }
    const before = this.#holds.get(page) ?? UNKNOWN
    const zeros = bytes === null || is_zero(bytes)
    const done = this.#file?.write(page, zeros ? null : bytes) ?? true
    const data = !done ? UNKNOWN : zeros ? ZEROS : this.#append(bytes)
    this.#note(io, data === UNKNOWN ? WRITE | FAILED : WRITE, page, data, before)
    if (data !== UNKNOWN) this.#holds.set(page, data)
    return data !== UNKNOWN
  }

  /** Takes requests from this one on back; the pages that they wrote hold again what they held. */
  forget(io: number): void {
    this.#seek(io)
    const end = this.#io.length
    if (this.#position === end) return
    const written = new Set<number>()
    for (let at = this.#position; at < end; at++) if (this.#what[at] === WRITE) written.add(this.#page[at]!)
    for (const column of [this.#io, this.#what, this.#page, this.#data, this.#before]) column.length = this.#position
    if (this.#file === null) return
    for (const page of written) {
      const held = this.#holds.get(page)
      if (held === undefined) continue
      this.#load(held, this.#bytes)
      this.#file.write(page, held === ZEROS ? null : this.#bytes)
    }
  }

  fork(io: number): SwapHistory {
    this.#seek(io)
    const fork = new SwapHistory(null, this.#log, this.#bytes.length)
    fork.#io = this.#io.slice(0, this.#position)
    fork.#what = this.#what.slice(0, this.#position)
    fork.#page = this.#page.slice(0, this.#position)
    fork.#data = this.#data.slice(0, this.#position)
    fork.#before = this.#before.slice(0, this.#position)
    fork.#position = this.#position
    fork.#holds = new Map(this.#holds)
    return fork
  }

  /** Whether the request was made before; a different one in its place ends that history. */
  #isRepeated(io: number, what: number, page: number): boolean {
    this.#seek(io)
    const at = this.#position
    if (at === this.#io.length) return false
    if (this.#io[at] === io && (this.#what[at]! & ~FAILED) === what && this.#page[at] === page) return true
    this.forget(io)
    return false
  }

  /** Goes to the requests before `io`, back or forth. */
  #seek(io: number): void {
    while (this.#position > 0 && this.#io[this.#position - 1]! >= io) {
      const at = --this.#position
      if (this.#what[at] !== WRITE) continue
      if (this.#before[at] === UNKNOWN) this.#holds.delete(this.#page[at]!)
      else this.#holds.set(this.#page[at]!, this.#before[at]!)
    }
    while (this.#position < this.#io.length && this.#io[this.#position]! < io) {
      const at = this.#position++
      if (this.#what[at] === WRITE) this.#holds.set(this.#page[at]!, this.#data[at]!)
    }
  }

  #note(io: number, what: number, page: number, data: number, before: number): void {
    this.#io.push(io)
    this.#what.push(what)
    this.#page.push(page)
    this.#data.push(data)
    this.#before.push(before)
    this.#position++
  }

  #load(data: number, into: Uint8Array): boolean {
    if (data <= ZEROS) into.fill(0)
    else this.#log.read(data - 1, into)
    return true
  }

  /** What was read is nearly always what was written. */
  #keep(bytes: Uint8Array, held: number): number {
    if (held !== UNKNOWN && this.#holdsBytes(held, bytes)) return held
    return is_zero(bytes) ? ZEROS : this.#append(bytes)
  }

  #append(bytes: Uint8Array): number {
    const at = this.#log.append(bytes)
    return at < 0 ? UNKNOWN : at + 1
  }

  #holdsBytes(data: number, bytes: Uint8Array | null): boolean {
    if (bytes === null) return data === ZEROS
    if (data === ZEROS) return is_zero(bytes)
    this.#log.read(data - 1, this.#bytes)
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== this.#bytes[at]) return false
    return true
  }
}

/** A log in memory. */
export function memoryLog(): PageLog {
  const pages: Uint8Array[] = []
  return { append: bytes => pages.push(bytes.slice()) - 1, read: (page, into) => into.set(pages[page]!) }
}
