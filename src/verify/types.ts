// What every reader of recordings speaks: files come in as text, results go out as counts and the first difference.
// Law: a check is exact or it is not; nothing is skipped. A line that cannot be read counts as a check that failed.

/** A recorded file, found and unpacked by somebody else. */
export interface VerifyFile {
  /** Path below the folder that is verified, with `/`. */
  readonly path: string
  /** Its text, unpacked. */
  text(): string
  /** Its bytes, unpacked, for the kinds that are no text. */
  bytes?(): Uint8Array
}

/** Where a recording and the model differ first. */
export interface Difference {
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly expected: string
  readonly got: string
}

/** One row of `mmtwin verify`. */
export interface VerifyResult {
  readonly kind: string
  readonly files: number
  readonly checks: number
  readonly exact: number
  readonly first: Difference | null
}

/** A reader of one kind of recording: takes its own files out of all that are there. */
export interface VerifyKind {
  readonly kind: string
  run(files: readonly VerifyFile[]): VerifyResult
}

/** Counts checks while a reader runs. */
export interface Tally {
  /** Counts a file. */
  file(path: string): void
  /** Counts one check of a line of the current file; equal texts are exact. */
  check(line: number, expected: string, got: string): void
  result(): VerifyResult
}

export function tally(kind: string): Tally {
  let [files, checks, exact] = [0, 0, 0]
  let path = ''
  let first: Difference | null = null
  return {
    file: name => {
      files++
      path = name
    },
    check: (line, expected, got) => {
      checks++
      if (expected === got) exact++
      else first ??= { file: path, line, expected, got }
    },
    result: () => ({ kind, files, checks, exact, first }),
  }
}

/** One line of a JSON Lines file; `row` is null where the line is no object. */
export interface JsonLine {
  /** 1-based. */
  readonly line: number
  readonly row: Readonly<Record<string, unknown>> | readonly unknown[] | null
  readonly text: string
}

/** The lines of a JSON Lines file that are not empty. */
export function* jsonLines(text: string): Generator<JsonLine> {
  let line = 0
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    line++
    const part = text.slice(at, end)
    if (part.trim() !== '') yield { line, row: parsed(part), text: part }
    at = end + 1
  }
}

function parsed(text: string): JsonLine['row'] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as JsonLine['row']) : null
  } catch {
    return null
  }
}
