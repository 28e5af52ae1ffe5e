// Reader of DAMON's aggregated events, as ftrace, trace-cmd and `perf script` print them:
//   … damon_aggregated: target_id=0 nr_regions=20 4194304-8388608: 5 12
// a region of addresses, in how many samples of this interval it was found accessed, and for how many intervals that has
// been so (older kernels do not say). DAMON knows no single accesses. What it says is taken at its word: every page of a
// region was accessed in as many samples as its region; the samples of an interval are played one after the other,
// each over the regions in the order of their addresses, the busiest regions in all of them.
import { TraceFormatError } from '../batch.ts'
import { decodeText } from '../utf8.ts'
import { AccessLog, type AccessOptions, type AccessReader, type AccessTrace, pageShift } from './access_log.ts'
import { LineSplitter } from './lines.ts'

const EVENT = /damon_aggregated: target_id=(\d+) nr_regions=(\d+) (\d+)-(\d+): (\d+)(?: (\d+))?\s*$/
const NAME = 'damon_aggregated'
/** More samples than this in an interval are no recording. */
const MOST_SAMPLES = 100_000
/** Accesses that one interval may stand for. */
const MOST_ACCESSES = 2 ** 28

interface Region {
  readonly target: number
  readonly first: number
  /** Behind the last page. */
  readonly end: number
  readonly samples: number
}

export class DamonReader implements AccessReader {
  readonly #log: AccessLog
  readonly #lines: LineSplitter
  readonly #shift: number
  readonly #known: Uint8Array = Uint8Array.from(NAME, letter => letter.charCodeAt(0))
  /** Regions of the interval that is being read. */
  #interval: Region[] = []
  #events = 0
  #first = 0

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
    this.#play()
    if (this.#events > 0 && this.#log.length === 0)
      throw new TraceFormatError(`${this.#events} events of DAMON, and none tells of an access`)
    return this.#log.finish('damon', this.#lines.lines, 2 ** this.#shift, 'text with events of DAMON')
  }

  #line(bytes: Uint8Array, from: number, to: number, line: number): void {
    if (!contains(bytes, from, to, this.#known)) return
    const match = EVENT.exec(decodeText(bytes, from, to))
    if (match === null) {
      // The head of a trace may name the event, too.
      if (bytes[from] !== 35) this.#log.diagnostics.add(line, 'a damaged event of DAMON', bytes, from, to)
      return
    }
    const [target, regions, start, end, samples] = match.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const wrong = faultOf(start, end, samples, regions)
    if (wrong === null) this.#region({ target, start, end, samples })
    else this.#log.diagnostics.add(line, wrong, bytes, from, to)
  }

  /** Regions of a target come in the order of their addresses: one that begins lower begins the next interval. */
  #region({ target, start, end, samples }: { target: number; start: number; end: number; samples: number }): void {
    this.#events++
    const last = this.#interval.at(-1)
    const first = Math.floor(start / 2 ** this.#shift)
    if (last !== undefined && (target < last.target || (target === last.target && start < this.#first))) this.#play()
    this.#first = end
    this.#interval.push({ target, first, end: Math.ceil(end / 2 ** this.#shift), samples })
  }

  #play(): void {
    const hot = this.#interval.filter(({ samples }) => samples > 0)
    this.#interval = []
    const sum = hot.reduce((total, { first, end, samples }) => total + (end - first) * samples, 0)
    if (sum > MOST_ACCESSES)
      throw new TraceFormatError(`an interval of ${sum} accesses, more than ${MOST_ACCESSES}`, this.#lines.lines)
    const rounds = hot.reduce((most, { samples }) => Math.max(most, samples), 0)
    for (let round = rounds; round > 0; round--)
      for (const region of hot) if (region.samples >= round) this.#touch(region)
  }

  #touch({ target, first, end }: Region): void {
    const { pages } = this.#log
    for (let page = first; page < end; page++)
      this.#log.add(pages.of(page | 0, Math.floor(page / 2 ** 32) | (target << 20)))
  }
}

function faultOf(start: number, end: number, samples: number, regions: number): string | null {
  if (!(start < end)) return 'a region that ends before it begins'
  if (samples > MOST_SAMPLES) return `a region found accessed in ${samples} samples of one interval`
  return regions === 0 ? 'a region of a target without regions' : null
}

function contains(bytes: Uint8Array, from: number, to: number, wanted: Uint8Array): boolean {
  const [first, length] = [wanted[0]!, wanted.length]
  for (let at = bytes.indexOf(first, from); at >= 0 && at + length <= to; at = bytes.indexOf(first, at + 1)) {
    let i = 1
    while (i < length && bytes[at + i] === wanted[i]) i++
    if (i === length) return true
  }
  return false
}
