// Reader of what `valgrind --tool=lackey --trace-mem=yes` prints: a line an access,
//   I  04016b80,3     an instruction read       L 1ffefffe7e,8    a load
//    S 1ffefffe70,8   a store                    M 04222cac,4     a load and a store of the same bytes
// with hexadecimal address and decimal size. Lines between `==` are valgrind's own words. An access that crosses the end
// of a page is one to each page.
import { TraceFormatError } from '../batch.ts'
import { AccessLog, type AccessOptions, type AccessReader, type AccessTrace, pageShift } from './access_log.ts'
import { LineSplitter } from './lines.ts'

const [BLANK, COMMA, EQUALS] = [32, 44, 61]
const KINDS: readonly number[] = Array.from('ILSM', letter => letter.charCodeAt(0))
/** Digits of a 64-bit address. */
const DIGITS = 16
/** Larger accesses than this do not exist: AVX-512 state, FXSAVE and the like stay below. */
const LARGEST = 1 << 16
/** Without one access in so many lines it is another kind of text. */
const PATIENCE = 1000

/** Value of a hexadecimal digit, -1 for other bytes. */
const HEX: Int8Array = new Int8Array(256).fill(-1)
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16)
  HEX[digit.charCodeAt(0)] = i
  HEX[digit.toUpperCase().charCodeAt(0)] = i
}

export class LackeyReader implements AccessReader {
  readonly #log: AccessLog
  readonly #lines: LineSplitter
  readonly #shift: number
  /** The page of the access before: most accesses are to the same one. */
  #lastName = -1
  #lastPage = 0

  constructor({ pageSize, keep }: AccessOptions = {}) {
    this.#shift = pageShift(pageSize)
    this.#log = new AccessLog(keep)
    this.#lines = new LineSplitter(this.#log.diagnostics, (bytes, from, to, line) => this.#line(bytes, from, to, line))
  }

  push(piece: Uint8Array): void {
    this.#lines.push(piece)
  }

  end(): AccessTrace {
    this.#lines.end()
    return this.#log.finish('lackey', this.#lines.lines, 2 ** this.#shift, 'output of lackey')
  }

  #line(bytes: Uint8Array, from: number, to: number, line: number): void {
    let p = from
    while (p < to && bytes[p] === BLANK) p++
    if (p === to || (bytes[p] === EQUALS && bytes[p + 1] === EQUALS)) return
    const wrong = KINDS.includes(bytes[p]!) && bytes[p + 1] === BLANK ? this.#access(bytes, p + 2, to) : NO_ACCESS
    if (wrong === null) return
    this.#log.diagnostics.add(line, wrong, bytes, from, to)
    if (this.#log.length === 0 && line >= PATIENCE)
      throw new TraceFormatError(`no access in the first ${line} lines: this is no output of lackey`)
  }

  /** What follows the letter; a sentence where it is not an address and a size. */
  #access(bytes: Uint8Array, start: number, to: number): string | null {
    let p = start
    while (p < to && bytes[p] === BLANK) p++
    const first = p
    // Low 32 bits and what is above them: an address may have 64 bits.
    let [low, high, digit] = [0, 0, 0]
    for (; p < to && (digit = HEX[bytes[p]!]!) >= 0; p++) {
      high = ((high << 4) | (low >>> 28)) >>> 0
      low = ((low << 4) | digit) >>> 0
    }
    if (p === first || p - first > DIGITS) return NO_ADDRESS
    if (bytes[p] !== COMMA) return NO_SIZE
    const sizeFrom = ++p
    let size = 0
    for (; p < to && bytes[p]! >= 48 && bytes[p]! <= 57 && size <= LARGEST; p++) size = size * 10 + bytes[p]! - 48
    if (p === sizeFrom || p !== to || size === 0 || size > LARGEST) return NO_SIZE
    this.#touch(low, high, size)
    return null
  }

  #touch(low: number, high: number, size: number): void {
    const shift = this.#shift
    // Below 2^58, as doubles: exact enough, since pages have 64 bytes or more.
    const firstPage = high * 2 ** (32 - shift) + (low >>> shift)
    const lastPage = firstPage + (((low & (2 ** shift - 1)) + size - 1) >>> shift)
    for (let name = firstPage; name <= lastPage; name++) {
      if (name !== this.#lastName) {
        this.#lastName = name
        this.#lastPage = this.#log.pages.ofNumber(name)
      }
      this.#log.add(this.#lastPage)
    }
  }
}

const NO_ACCESS = 'no line of lackey: it begins with none of I, L, S, M'
const NO_ADDRESS = 'no address of up to 16 hexadecimal digits'
const NO_SIZE = 'no size behind the address'
