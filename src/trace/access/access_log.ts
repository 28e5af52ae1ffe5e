// A list of page accesses as it grows while a trace is read, and what a reader of such traces is. Law: an access costs four
// bytes, a page some twenty, whatever the trace looks like; what cannot be read is a counted diagnostic; an input
// that is no trace of its kind is a TraceFormatError.
import { DiagnosticLog, type TraceDiagnostic, TraceFormatError } from '../batch.ts'
import { PageNumbers } from './page_numbers.ts'

/** Most accesses that are kept: what a typed array can hold, with room for the pages. */
const MOST_ACCESSES = 2 ** 30

/** Reads a trace of page accesses piece by piece. */
export interface AccessReader {
  /** @throws TraceFormatError where the input is not what the reader is for */
  push(piece: Uint8Array): void
  /** @throws TraceFormatError where nothing could be read */
  end(): AccessTrace
}

export interface AccessOptions {
  /** Bytes of a page, a power of two; default 4096. For traces of addresses. */
  readonly pageSize?: number
  /** Diagnostics that are kept with their text, 20 by default; all are counted. */
  readonly keep?: number
}

/** A trace that was read. */
export interface AccessTrace {
  readonly format: string
  /** Lines of a text, records of a binary file. */
  readonly records: number
  /** Pages by number, in the order of the accesses. */
  readonly accesses: Int32Array
  /** Different pages. */
  readonly pages: number
  /** Bytes of a page; null where the trace speaks of objects. */
  readonly pageSize: number | null
  readonly diagnostics: number
  readonly first: readonly TraceDiagnostic[]
}

/** What readers fill. */
export class AccessLog {
  readonly pages: PageNumbers = new PageNumbers()
  readonly diagnostics: DiagnosticLog
  length = 0
  #accesses: Int32Array = new Int32Array(1 << 16)

  constructor(keep = 20) {
    this.diagnostics = new DiagnosticLog(keep)
  }

  /** One access to the page with this number. */
  add(page: number): void {
    if (this.length === this.#accesses.length) this.#grow()
    this.#accesses[this.length++] = page
  }

  /** The trace as a whole. @throws TraceFormatError where no access was read */
  finish(format: string, records: number, pageSize: number | null, what: string): AccessTrace {
    const { count, first } = this.diagnostics
    if (this.length === 0) {
      const reason = first[0] === undefined ? '' : `: ${first[0].message}`
      throw new TraceFormatError(`no access in this ${what}${reason}`, first[0]?.line ?? 0)
    }
    return {
      format,
      records,
      accesses: this.#accesses.subarray(0, this.length),
      pages: this.pages.count,
      pageSize,
      diagnostics: count,
      first,
    }
  }

  #grow(): void {
    if (this.length >= MOST_ACCESSES) throw new TraceFormatError(`more than ${MOST_ACCESSES} accesses`)
    const grown = new Int32Array(this.length * 2)
    grown.set(this.#accesses)
    this.#accesses = grown
  }
}

/** log2 of a page size. @throws RangeError for one that no machine has */
export function pageShift(pageSize = 4096): number {
  const shift = Math.log2(pageSize)
  if (!Number.isInteger(shift) || shift < 6 || shift > 30)
    throw new RangeError(`a page of ${pageSize} bytes: it must be a power of two from 64 bytes to 1 GiB`)
  return shift
}
