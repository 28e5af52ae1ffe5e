// Pieces of a text as lines. Law: memory is one line, whatever comes in; a line that is too long, or cut at the end of
// the text, is told and left out.
import type { DiagnosticLog } from '../batch.ts'

const NEWLINE = 10
const RETURN = 13
const LONGEST = 4096

/** Gets a line as `bytes[from, to)`, without its end. */
export type OnLine = (bytes: Uint8Array, from: number, to: number, line: number) => void

export class LineSplitter {
  /** Lines ended so far. */
  lines = 0
  readonly #onLine: OnLine
  readonly #diagnostics: DiagnosticLog
  readonly #carry: Uint8Array = new Uint8Array(LONGEST)
  #carried = 0
  #skipping = false

  constructor(diagnostics: DiagnosticLog, onLine: OnLine) {
    this.#diagnostics = diagnostics
    this.#onLine = onLine
  }

  push(piece: Uint8Array): void {
    let from = 0
    while (from < piece.length) {
      const newline = piece.indexOf(NEWLINE, from)
      const to = newline < 0 ? piece.length : newline
      if (newline < 0 || this.#carried > 0 || this.#skipping) this.#carryOn(piece, from, to)
      if (newline < 0) return
      this.#end(piece, from, to)
      from = newline + 1
    }
  }

  /** Ends the text. A last line without an end is a line, too. */
  end(): void {
    if (this.#carried > 0 || this.#skipping) this.#end(this.#carry, 0, 0)
  }

  #end(piece: Uint8Array, from: number, to: number): void {
    this.lines++
    if (this.#skipping) this.#skipping = false
    else if (this.#carried > 0) this.#give(this.#carry, 0, this.#carried)
    else this.#give(piece, from, to)
    this.#carried = 0
  }

  #give(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > LONGEST) this.#diagnostics.add(this.lines, TOO_LONG, bytes, from, to)
    else this.#onLine(bytes, from, to > from && bytes[to - 1] === RETURN ? to - 1 : to, this.lines)
  }

  #carryOn(bytes: Uint8Array, from: number, to: number): void {
    if (this.#skipping) return
    const taken = Math.min(to - from, LONGEST - this.#carried)
    this.#carry.set(bytes.subarray(from, from + taken), this.#carried)
    this.#carried += taken
    if (taken === to - from) return
    this.#diagnostics.add(this.lines + 1, TOO_LONG, this.#carry, 0, LONGEST)
    this.#skipping = true
    this.#carried = 0
  }
}

const TOO_LONG = `a line longer than ${LONGEST} bytes`
