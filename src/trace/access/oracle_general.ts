// Reader of libCacheSim's `oracleGeneral`: records of 24 bytes, little-endian, without head:
//   u32 time, u64 object, u32 size, i64 the record at which the object comes next, or -1 / 2^63 - 1 for never.
// Records are counted from 1; some writers count from 0, which the first object that comes again tells. An object is one
// page, whatever its size. The last field proves what was read: where an object comes at another record than the one
// before said, something is damaged.
import { TraceFormatError } from '../batch.ts'
import { AccessLog, type AccessOptions, type AccessReader, type AccessTrace } from './access_log.ts'

const RECORD = 24
/** Records after which an input with mostly wrong ones is none of this kind. */
const PROOF = 256
const NEVER = -1

export class OracleGeneralReader implements AccessReader {
  readonly #log: AccessLog
  readonly #carry: Uint8Array = new Uint8Array(RECORD)
  #carried = 0
  #records = 0
  #time = 0
  #wrong = 0
  /** What the first record is called: 1 or 0; -1 until an object comes again. */
  #base = -1
  /** By page: the record at which it was said to come next; NEVER; 0 = nothing was said. Doubles: beyond 2^31. */
  #next: Float64Array = new Float64Array(1024)

  constructor({ keep }: AccessOptions = {}) {
    this.#log = new AccessLog(keep)
  }

  push(piece: Uint8Array): void {
    let at = 0
    if (this.#carried > 0) {
      at = Math.min(RECORD - this.#carried, piece.length)
      this.#carry.set(piece.subarray(0, at), this.#carried)
      this.#carried += at
      if (this.#carried < RECORD) return
      this.#record(viewOf(this.#carry), 0)
      this.#carried = 0
    }
    const view = viewOf(piece)
    for (; at + RECORD <= piece.length; at += RECORD) this.#record(view, at)
    this.#carry.set(piece.subarray(at))
    this.#carried = piece.length - at
  }

  end(): AccessTrace {
    if (this.#carried > 0)
      this.#log.diagnostics.add(this.#records + 1, `the last record is cut: ${this.#carried} of ${RECORD} bytes`)
    this.#judge()
    return this.#log.finish('oracleGeneral', this.#records, null, 'file of oracleGeneral records')
  }

  #record(view: DataView, at: number): void {
    const index = ++this.#records
    const page = this.#log.pages.of(view.getInt32(at + 4, true), view.getInt32(at + 8, true))
    const time = view.getUint32(at, true)
    const next = nextOf(view.getInt32(at + 16, true), view.getInt32(at + 20, true))
    if (page >= this.#next.length) this.#growNext()
    const wrong = this.#fault(index, this.#next[page]!, next, time)
    if (wrong !== null) {
      this.#wrong++
      this.#log.diagnostics.add(index, wrong)
    }
    // What a damaged record says is not held against those after it.
    this.#next[page] = next !== NEVER && next < index ? 0 : next
    this.#time = time
    this.#log.add(page)
    if (this.#records === PROOF) this.#judge()
  }

  /** What is wrong with a record, given what the last one of its object said. */
  #fault(index: number, said: number, next: number, time: number): string | null {
    if (this.#base < 0 && said > 0 && (said === index || said === index - 1)) this.#base = said === index ? 1 : 0
    const base = Math.abs(this.#base)
    if (said === NEVER) return 'this object was never to come again'
    if (said !== 0 && said !== index - 1 + base) return `this object was to come next at record ${said + 1 - base}`
    if (next !== NEVER && next < index + base) return 'the next access to this object is not after this one'
    return time < this.#time ? `time goes back from ${this.#time} to ${time}` : null
  }

  /** @throws TraceFormatError where most records are wrong */
  #judge(): void {
    if (this.#wrong * 2 > this.#records)
      throw new TraceFormatError(
        `no oracleGeneral trace: ${this.#wrong} of the first ${this.#records} records contradict the others`,
      )
  }

  #growNext(): void {
    const grown = new Float64Array(this.#next.length * 2)
    grown.set(this.#next)
    this.#next = grown
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The position of the next access of two halves; -1 and 2^63 - 1 both say never. */
function nextOf(low: number, high: number): number {
  if (high < 0 || high === 0x7fffffff) return high === -1 || high === 0x7fffffff ? NEVER : 0
  return high * 2 ** 32 + (low >>> 0)
}
