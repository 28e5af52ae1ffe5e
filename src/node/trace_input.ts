// A recorded trace of any known kind, from a path or standard input: text or trace.dat, plain or packed, told apart by
// their first bytes. Events come in batches; errors are InputError and name the file.

import { inflateSync } from 'node:zlib'
import { decompress as zstd } from 'fzstd'
import { type EventBatch, type StringTable, TraceFormatError } from '../trace/batch.ts'
import { FtraceTextReader, type TraceSummary } from '../trace/ftrace_text.ts'
import { isTraceDat } from '../trace/trace_dat/file.ts'
import { readTraceDat } from '../trace/trace_dat/reader.ts'
import type { Decompress } from '../trace/trace_dat/source.ts'
import {
  createSpool,
  InputError,
  type InputOptions,
  openRandom,
  type RandomInput,
  readInput,
  type Spool,
} from './input.ts'

/** The decompressors that trace.dat needs. */
export const DECOMPRESS: Decompress = {
  zlib: data => inflateSync(data),
  zstd: (data, size) => zstd(data, new Uint8Array(size)),
}

export interface TraceInputOptions extends InputOptions {
  /** Receives events; the batch is reused after the call returns. */
  readonly onBatch: (batch: EventBatch) => void
  readonly strings?: StringTable
  /** Diagnostics kept with their text, 20 by default. */
  readonly keep?: number
}

/** Reads a whole trace. @throws InputError with one sentence; whatever `onBatch` throws */
export async function readTrace(
  file: string,
  options: TraceInputOptions,
): Promise<TraceSummary & { readonly format: 'text' | 'trace.dat' }> {
  const sorter = new Sorter(file, options)
  try {
    await readInput(file, sorter.take, options)
    if (sorter.spool) return { ...readBinary(sorter.spool.finish(), options), format: 'trace.dat' }
    return { ...sorter.text.end(), format: 'text' }
  } catch (error) {
    if (error instanceof Seekable) return { ...(await readFile(file, options)), format: 'trace.dat' }
    sorter.spool?.discard()
    throw named(file, error)
  }
}

/** Thrown to leave the stream of a file that is better read at random access. */
class Seekable extends Error {}

/** Looks at the first bytes: text goes to its reader, a trace.dat from standard input to a temporary file. */
class Sorter {
  readonly text: FtraceTextReader
  spool: Spool | null = null
  readonly #file: string
  #begun = false

  constructor(file: string, options: TraceInputOptions) {
    this.#file = file
    this.text = new FtraceTextReader(options)
  }

  readonly take = (bytes: Uint8Array): void => {
    if (!this.#begun && isTraceDat(bytes)) {
      if (this.#file !== '-') throw new Seekable()
      this.spool = createSpool()
    }
    this.#begun = true
    if (this.spool) this.spool.write(bytes)
    else this.text.push(bytes)
  }
}

async function readFile(file: string, options: TraceInputOptions): Promise<TraceSummary> {
  const input = await openRandom(file, options)
  try {
    return readBinary(input, options)
  } catch (error) {
    throw named(file, error)
  }
}

function readBinary(input: RandomInput, options: TraceInputOptions): TraceSummary {
  try {
    return readTraceDat(input.source, { ...options, decompress: DECOMPRESS })
  } finally {
    input.close()
  }
}

/** A format error with the name of its file. */
function named(file: string, error: unknown): unknown {
  if (!(error instanceof TraceFormatError)) return error
  return new InputError(file, error.line > 0 ? `line ${error.line}: ${error.message}` : error.message)
}
