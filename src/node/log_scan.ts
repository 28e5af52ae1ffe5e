// Finds the parts of a large log that may hold reports, without looking at its lines: a few words that every report has
// are searched in the bytes, many bytes at a step; what lies around a find is read, the rest is only counted.
// Law: memory is one part and one piece of the input, whatever their size; line numbers are those of the whole input.

/** Words of which every report has at least one, none shorter than `STEP`. */
const NEEDLES: readonly Uint8Array[] = [
  'invoked oom-killer',
  'oom-killer: gfp_mask',
  'page allocation failure',
  'allocation failure: ',
  'allocation stalls',
  'vmalloc error: size',
  'vmap allocation for size',
  'Unable to allocate memory on',
  'SysRq : Show Memory',
  'sysrq: Show Memory',
  'Manual OOM execution',
  'inactive_anon:',
  'lowmem_reserve[]:',
  'protections[]:',
  'all_unreclaimable',
  'Swap cache: add',
  'oom_score_adj name',
  'Out of memory and no killable',
  'Kernel panic - not syncing',
  'oom-kill:constraint',
  'Out of memory: Kill',
  'Out of Memory: Kill',
  'Memory cgroup out of memory',
  'killed as a result of limit of',
].map(text => Buffer.from(text, 'latin1'))

const STEP = 14
/** How far a search may jump for the three bytes at its end: 0 = a word may end here. Small enough for the processor's
 * first cache: triples share entries, which costs jumps and nothing else. */
const JUMP = new Uint8Array(8192).fill(STEP - 2)
for (const needle of NEEDLES)
  for (let at = 2; at < STEP; at++) {
    const triple = ((needle[at - 2]! << 6) ^ (needle[at - 1]! << 3) ^ needle[at]!) & 8191
    JUMP[triple] = Math.min(JUMP[triple]!, STEP - 1 - at)
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
    const step = jump[((bytes[at - 2]! << 6) ^ (bytes[at - 1]! << 3) ^ bytes[at]!) & 8191]!
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
  if (at === to) return count
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (to - at) >> 2)
  for (let word = 0; word < words.length; ) {
    const end = Math.min(words.length, word + 255)
    const before = word
    // Each byte of `other` counts the bytes of one column that are none: it must not pass 255.
    let other = 0
    for (; word < end; word++) {
      const x = words[word]! ^ 0x0a0a0a0a
      other = (other + (((((x & 0x7f7f7f7f) + 0x7f7f7f7f) | x) >>> 7) & 0x01010101)) | 0
    }
    const sum = (other & 255) + ((other >>> 8) & 255) + ((other >>> 16) & 255) + (other >>> 24)
    count += 4 * (word - before) - sum
  }
  for (at += words.length * 4; at < to; at++) if (bytes[at] === 10) count++
  return count
}

/** What stands before a find and may belong to its report: a wrapped head, a note. */
const BEFORE = 8 << 10
/** Without a find for so long, a report is over: a call trace is shorter. */
const AFTER = 24 << 10
/** The same behind the header of the process table, whose rows have no word that is always the same. */
const AFTER_HEADER = 1 << 20
const HEADER = 'o'.charCodeAt(0)
const HEADER_AT = 'oom_score_adj n'.length - 1
/** A longer part is cut; its reports up to there are whole, but one. */
const LONGEST_PART = 16 << 20
const LONGEST_WORD = Math.max(...NEEDLES.map(({ length }) => length))

/** How far behind a find the next one may be. */
function after(bytes: Uint8Array, find: number): number {
  return bytes[find] === HEADER && bytes[find + HEADER_AT] === 'n'.charCodeAt(0) ? AFTER_HEADER : AFTER
}

const NOTHING = new Uint8Array(0)

/** Takes a log piece by piece and gives out the parts that may hold reports. */
export class LogScan {
  readonly #onPart: (text: string, firstLine: number) => void
  /** Where bytes are kept: one buffer for all of a log, since fresh ones cost more than looking at what is in them. */
  #room: Uint8Array = new Uint8Array(1 << 21)
  /** A view of it. Searching: the last bytes that went by. Collecting: the part so far. */
  #held: Uint8Array = this.#room.subarray(0, 0)
  /** Number of the first line in `#held`. */
  #line = 1
  /** Place of the last find in `#held`; -1 = searching. */
  #last = -1

  constructor(onPart: (text: string, firstLine: number) => void) {
    this.#onPart = onPart
  }

  take(piece: Uint8Array): void {
    if (this.#last < 0 && this.#passes(piece)) return
    this.#keep(this.#held, piece)
    while (this.#last < 0 ? this.#search() : this.#collect(false));
  }

  /** Holds `first` and what comes behind it; both may be views of the room. */
  #keep(first: Uint8Array, second: Uint8Array): void {
    const length = first.length + second.length
    const room = length <= this.#room.length ? this.#room : new Uint8Array(2 * length)
    room.set(first)
    room.set(second, first.length)
    this.#room = room
    this.#held = room.subarray(0, length)
  }

  end(): void {
    while (this.#last < 0 ? this.#search() : this.#collect(true));
  }

  /** Whether a piece and its seam with what went by hold no word: then it is only counted. */
  #passes(piece: Uint8Array): boolean {
    const seam = Buffer.concat([this.#held.subarray(-LONGEST_WORD), piece.subarray(0, LONGEST_WORD)])
    if (piece.length < BEFORE || findWord(seam, 0) >= 0 || findWord(piece, 0) >= 0) return false
    this.#drop(this.#held.length)
    this.#held = piece
    this.#drop(this.#lineStart(piece.length - BEFORE))
    this.#keep(this.#held, NOTHING)
    return true
  }

  /** Looks for the next part; false = none in what is held. */
  #search(): boolean {
    const found = findWord(this.#held, 0)
    if (found < 0) {
      this.#drop(this.#lineStart(this.#held.length - BEFORE))
      return false
    }
    const start = Math.min(this.#lineStart(Math.max(found - BEFORE, 0)), found)
    this.#drop(start)
    this.#last = found - start
    return true
  }

  /** Goes on to the part's end; false = it may go on behind what is held. */
  #collect(atEnd: boolean): boolean {
    const bytes = this.#held
    for (;;) {
      const next = findWord(bytes, this.#last + 1)
      if (next < 0 || next - this.#last > after(bytes, this.#last)) break
      this.#last = next
    }
    const longest = after(bytes, this.#last)
    const over = bytes.length - this.#last > longest
    if (!over && !atEnd && bytes.length < LONGEST_PART) return false
    const end = over ? this.#lineStart(this.#last + longest) : bytes.length
    const part = bytes.subarray(0, Math.max(end, this.#last + LONGEST_WORD))
    this.#onPart(new TextDecoder().decode(part), this.#line)
    this.#drop(part.length)
    this.#last = -1
    return this.#held.length > 0
  }

  /** The beginning of the first line at or behind `at`; `at` itself where no line begins any more. */
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
