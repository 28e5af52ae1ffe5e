// Finds the parts of a large log that may hold reports, without looking at its lines: a few words that every report has
// are searched in the bytes, many bytes at a step; what lies around a find is read, the rest is only counted.
// Law: memory is one part and one piece of the input, whatever their size; line numbers are those of the whole input.

/** Words of which every report has at least one, none shorter than `STEP`. */
const NEEDLES: readonly Uint8Array[] = [
  'oom-killer:',
  'allocation failure',
  'allocation stalls',
  'Mem-Info:',
  'Mem-info:',
  'Killed process',
  'kill process ',
  'vmalloc error',
  'vmap allocation',
  'Unable to allocate memory on',
  'Show Memory',
  'Manual OOM',
  'lowmem_reserve[',
  'protections[]:',
  'oom-kill:constraint',
  'active_anon:',
].map(text => Buffer.from(text, 'latin1'))

const STEP = 9
/** How far a search may jump for the two bytes at its end: 0 = a word may end here. */
const JUMP = new Uint8Array(65536).fill(STEP - 1)
for (const needle of NEEDLES)
  for (let at = 0; at + 1 < STEP; at++) {
    const pair = needle[at]! | (needle[at + 1]! << 8)
    JUMP[pair] = Math.min(JUMP[pair]!, STEP - 2 - at)
  }

function matchesAt(bytes: Uint8Array, start: number): boolean {
  for (const needle of NEEDLES) {
    let at = 0
    while (at < needle.length && bytes[start + at] === needle[at]) at++
    if (at === needle.length) return true
  }
  return false
}

/** The first place from `from` on where one of the words stands; -1 = none. */
export function findWord(bytes: Uint8Array, from: number): number {
  const jump = JUMP
  const { length } = bytes
  let at = Math.max(0, from) + STEP - 1
  while (at < length) {
    const step = jump[bytes[at - 1]! | (bytes[at]! << 8)]!
    if (step !== 0) at += step
    else {
      if (matchesAt(bytes, at - STEP + 1)) return at - STEP + 1
      at++
    }
  }
  return -1
}

/** How often byte 10 stands in bytes[from, to): four bytes at a time. */
export function countNewlines(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  let at = from
  while (at < to && ((bytes.byteOffset + at) & 3) !== 0) if (bytes[at++] === 10) count++
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (to - at) >> 2)
  for (let word = 0; word < words.length; ) {
    // Each byte of `sum` counts one of the four columns: it must not pass 255.
    const end = Math.min(words.length, word + 255)
    let sum = 0
    for (; word < end; word++) {
      const x = words[word]! ^ 0x0a0a0a0a
      sum += (~(((x & 0x7f7f7f7f) + 0x7f7f7f7f) | x | 0x7f7f7f7f) >>> 7) | 0
    }
    count += (sum & 255) + ((sum >>> 8) & 255) + ((sum >>> 16) & 255) + (sum >>> 24)
  }
  for (at += words.length * 4; at < to; at++) if (bytes[at] === 10) count++
  return count
}

/** What stands before a find and may belong to its report: a wrapped head, a note. */
const BEFORE = 8 << 10
/** Without a find for so long, a report is over. */
const AFTER = 64 << 10
/** A longer part is cut; its reports up to there are whole, but one. */
const LONGEST_PART = 16 << 20
const LONGEST_WORD = Math.max(...NEEDLES.map(({ length }) => length))

/** Takes a log piece by piece and gives out the parts that may hold reports. */
export class LogScan {
  readonly #onPart: (text: string, firstLine: number) => void
  #held: Uint8Array = new Uint8Array(0)
  /** Number of the first line in `#held`. */
  #line = 1
  /** Place of the last find in `#held`; -1 = searching. */
  #last = -1
  #from = 0

  constructor(onPart: (text: string, firstLine: number) => void) {
    this.#onPart = onPart
  }

  take(piece: Uint8Array): void {
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    while (this.#last < 0 ? this.#search() : this.#collect(false));
    // The piece is valid until this call returns; a Buffer's slice would be a view of it.
    this.#held = new Uint8Array(this.#held)
  }

  end(): void {
    while (this.#last < 0 ? this.#search() : this.#collect(true));
  }

  /** Looks for the next part; false = none in what is held. */
  #search(): boolean {
    const found = findWord(this.#held, this.#from)
    if (found < 0) {
      this.#drop(this.#lineStart(this.#held.length - BEFORE))
      this.#from = Math.max(0, this.#held.length - LONGEST_WORD)
      return false
    }
    const start = this.#lineStart(Math.max(found - BEFORE, 0))
    this.#drop(Math.min(start, found))
    this.#last = found - Math.min(start, found)
    return true
  }

  /** Goes on to the part's end; false = it may go on behind what is held. */
  #collect(atEnd: boolean): boolean {
    const bytes = this.#held
    for (;;) {
      const next = findWord(bytes, this.#last + 1)
      if (next < 0 || next - this.#last > AFTER) break
      this.#last = next
    }
    const over = bytes.length - this.#last > AFTER
    if (!over && !atEnd && bytes.length < LONGEST_PART) return false
    const end = over ? this.#lineStart(this.#last + AFTER) : bytes.length
    const part = bytes.subarray(0, Math.max(end, this.#last + LONGEST_WORD))
    this.#onPart(new TextDecoder().decode(part), this.#line)
    this.#drop(part.length)
    this.#last = -1
    this.#from = 0
    return this.#held.length > 0
  }

  /** The beginning of the first line at or behind `at`; `at` itself where no line begins soon. */
  #lineStart(at: number): number {
    if (at <= 0) return 0
    const newline = this.#held.indexOf(10, at - 1)
    return newline < 0 ? at : newline + 1
  }

  #drop(bytes: number): void {
    if (bytes <= 0) return
    this.#line += countNewlines(this.#held, 0, bytes)
    this.#held = this.#held.subarray(bytes)
  }
}
