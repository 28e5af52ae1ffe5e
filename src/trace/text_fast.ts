// The fast road for the lines that make up nearly all of a trace: page events in the layout of the line before.
// Law: it takes a line only if every byte of it is as expected, to the newline; at the first doubt it leaves the line
// untouched to the general parser, which decides. So it can be no more tolerant than the general parser, only faster.
//
// How: the head "   task-pid   [000] " is compared with heads seen before as 32-bit words; keys are compared as
// words; numbers are read digit by digit with a table; nothing is allocated.

import type { EventBatch, StringTable } from './batch.ts'
import { KIND } from './events.ts'
import { HEX } from './text_fields.ts'
import { IRQ_BITS, type LineHead } from './text_line.ts'

const ALLOC: number = KIND.mm_page_alloc
const FREE: number = KIND.mm_page_free
const BATCHED: number = KIND.mm_page_free_batched
const LOCKED: number = KIND.mm_page_alloc_zone_locked
const DRAIN: number = KIND.mm_page_pcpu_drain

/** No read of the fast road goes further than this behind the start of a line. */
export const FAST_REACH = 1024
const MAX_GFP = 512
const HEADS = 512
const MIN_HEAD = 16
const MAX_HEAD = 48
const HEAD_WORDS = MAX_HEAD / 4
/** After so many unknown heads of another width, the width of the layout is learned anew. */
const RELEARN = 64

const word = (text: string): number =>
  text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)
const W_KMEM = word('kmem')
const W_MM_P = word('mm_p')
const W_AGE_ = word('age_')
const W_ALLO = word('allo')
const W_FREE = word('free')
const W_PCPU = word('pcpu')
const W_C_ZO = word('c_zo')
const W_NE_L = word('ne_l')
const W_OCKE = word('ocke')
const W__BAT = word('_bat')
const W_CHED = word('ched')
const W__DRA = word('_dra')
const W_RAIN = word('rain')
const W_PAGE = word('page')
const W__PFN = word(' pfn')
const W_EQ0X = word('=0x0') & 0xffffff
const W__ORD = word(' ord')
const W_DER_ = word('der=')
const W__MIG = word(' mig')
const W_RATE = word('rate')
const W_TYPE = word('type')
const W__PER = word(' per')
const W_CPU_ = word('cpu_')
const W_REFI = word('refi')
const W_LL_E = word('ill=')
const W__GFP = word(' gfp')
const W__FLA = word('_fla')
const W_LAGS = word('ags=')

/** Why `run` stopped. */
export type FastStop = 'end' | 'line' | 'event' | 'full'

export class FastRoad {
  /** Line number of the line that `run` stands at. */
  line = 1
  stop: FastStop = 'end'
  /** For stop 'event': a line whose head is read, up to the event's name. */
  readonly head: { cpu: number; pid: number; comm: number; irq: number; time: number; nameFrom: number } = {
    cpu: 0,
    pid: 0,
    comm: 0,
    irq: 0,
    time: 0,
    nameFrom: 0,
  }
  #width = 0
  #irqWidth = 0
  #misses = 0
  #last = 0
  readonly #words: Int32Array = new Int32Array(HEADS * HEAD_WORDS)
  readonly #used: Uint8Array = new Uint8Array(HEADS)
  readonly #cpu: Int32Array = new Int32Array(HEADS)
  readonly #pid: Int32Array = new Int32Array(HEADS)
  readonly #comm: Int32Array = new Int32Array(HEADS)
  readonly #gfp: GfpCache

  constructor(strings: StringTable) {
    this.#gfp = new GfpCache(strings)
  }

  /** Remembers the head of a line that the general parser has read. */
  learn(bytes: Uint8Array, view: DataView, from: number, head: LineHead, comm: number): void {
    const width = head.afterCpu - from
    if (width < MIN_HEAD || width > MAX_HEAD || from + MAX_HEAD > bytes.length) return
    if (head.irqWidth !== 0 && head.irqWidth !== 5) return
    if (width !== this.#width || head.irqWidth !== this.#irqWidth) {
      if (this.#width !== 0 && ++this.#misses < RELEARN) return
      this.#used.fill(0)
      this.#misses = 0
      this.#width = width
      this.#irqWidth = head.irqWidth
    }
    const slot = this.#hash(view, from)
    const words = this.#words
    for (let i = 0, o = 0; o + 4 <= width; i++, o += 4) words[slot * HEAD_WORDS + i] = view.getInt32(from + o, true)
    words[slot * HEAD_WORDS + HEAD_WORDS - 1] = view.getInt32(from + width - 4, true)
    this.#used[slot] = 1
    this.#cpu[slot] = head.cpu
    this.#pid[slot] = head.pid
    this.#comm[slot] = comm
  }

  #hash(view: DataView, p: number): number {
    let h = 0
    const width = this.#width
    for (let o = 0; o + 4 <= width; o += 4) h = Math.imul(h ^ view.getInt32(p + o, true), 0x9e3779b1)
    h = Math.imul(h ^ view.getInt32(p + width - 4, true), 0x9e3779b1)
    return h >>> 23
  }

  #matches(view: DataView, p: number, slot: number): boolean {
    const words = this.#words
    const base = slot * HEAD_WORDS
    const width = this.#width
    if (words[base + HEAD_WORDS - 1] !== view.getInt32(p + width - 4, true)) return false
    for (let i = base, o = 0; o + 4 <= width; i++, o += 4) if (words[i] !== view.getInt32(p + o, true)) return false
    return true
  }

  /**
   * Reads lines from `p` while they are page events of the usual layout, into `batch`.
   * @param limit last position where a line may start (FAST_REACH bytes follow it)
   * @returns the start of the line it stopped at; `stop` says why
   */
  run(bytes: Uint8Array, view: DataView, p: number, limit: number, batch: EventBatch): number {
    const width = this.#width
    this.stop = 'line'
    if (width === 0) return p
    const { kind, cpu, pid, comm, irq, time, line, a, b, c, d, text, text2, capacity } = batch
    const irqWidth = this.#irqWidth
    const [irq0, irq1, irq2, irq3, irq4] = IRQ_BITS as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]
    const hex = HEX
    let row = batch.length
    let number = this.line
    let slot = this.#last
    let page0 = 0
    let page1 = 0
    let stop: FastStop = 'end'
    while (p <= limit) {
      if (row === capacity) {
        stop = 'full'
        break
      }
      stop = 'line'
      // Who and where.
      if (this.#used[slot] === 0 || !this.#matches(view, p, slot)) {
        slot = this.#hash(view, p)
        if (this.#used[slot] === 0 || !this.#matches(view, p, slot)) break
      }
      let q = p + width
      let flags = 0
      if (irqWidth !== 0) {
        flags =
          irq0[bytes[q]!]! | irq1[bytes[q + 1]!]! | irq2[bytes[q + 2]!]! | irq3[bytes[q + 3]!]! | irq4[bytes[q + 4]!]!
        if (flags < 0 || bytes[q + 5] !== 32) break
        q += 6
      }
      // When: seconds, then six digits.
      let spaces = 0
      while (bytes[q] === 32 && spaces++ < 32) q++
      let digit = bytes[q]! - 48
      let seconds = 0
      const firstDigit = q
      while (digit >= 0 && digit <= 9 && q - firstDigit < 9) {
        seconds = seconds * 10 + digit
        digit = bytes[++q]! - 48
      }
      if (q === firstDigit || digit !== -2) break
      let micros = 0
      let bad = 0
      for (let i = 1; i <= 6; i++) {
        digit = bytes[q + i]! - 48
        bad |= digit | (9 - digit)
        micros = micros * 10 + digit
      }
      if (bad < 0 || bytes[q + 7] !== 58 || bytes[q + 8] !== 32) break
      q += 9
      spaces = 0
      while (bytes[q] === 32 && spaces++ < 32) q++
      // What.
      let w = view.getInt32(q, true)
      if (w === W_KMEM && bytes[q + 4] === 58) {
        q += 5
        w = view.getInt32(q, true)
      }
      const nameFrom = q
      let event = 0
      if (w === W_MM_P && view.getInt32(q + 4, true) === W_AGE_) {
        w = view.getInt32(q + 8, true)
        const after = view.getInt32(q + 12, true)
        if (w === W_ALLO) {
          if ((after & 0xffff) === 0x3a63) {
            event = ALLOC
            q += 14
          } else if (
            after === W_C_ZO &&
            view.getInt32(q + 16, true) === W_NE_L &&
            view.getInt32(q + 20, true) === W_OCKE &&
            (view.getInt32(q + 24, true) & 0xffff) === 0x3a64
          ) {
            event = LOCKED
            q += 26
          }
        } else if (w === W_FREE) {
          if ((after & 0xff) === 58) {
            event = FREE
            q += 13
          } else if (after === W__BAT && view.getInt32(q + 16, true) === W_CHED && bytes[q + 20] === 58) {
            event = BATCHED
            q += 21
          }
        } else if (w === W_PCPU && after === W__DRA && view.getInt32(q + 14, true) === W_RAIN && bytes[q + 18] === 58) {
          event = DRAIN
          q += 19
        }
      }
      if (event === 0) {
        stop = 'event'
        const head = this.head
        head.cpu = this.#cpu[slot]!
        head.pid = this.#pid[slot]!
        head.comm = this.#comm[slot]!
        head.irq = flags
        head.time = (seconds * 1e6 + micros) / 1e6
        head.nameFrom = nameFrom
        break
      }
      spaces = 0
      while (bytes[q] === 32 && spaces++ < 32) q++
      // page=, whose value is not kept: digits, perhaps after 0x.
      if (view.getInt32(q, true) !== W_PAGE || bytes[q + 4] !== 61) break
      q += bytes[q + 5] === 48 && bytes[q + 6] === 120 ? 7 : 5
      const pageStart = q
      // Struct pages lie together: the first eight digits are mostly those of the line before.
      if (view.getInt32(q, true) === page0 && view.getInt32(q + 4, true) === page1) q += 8
      const pageEnd = pageStart + 16
      while (hex[bytes[q]!]! >= 0 && q < pageEnd) q++
      if (q === pageStart) break
      if (q - pageStart >= 8) {
        page0 = view.getInt32(pageStart, true)
        page1 = view.getInt32(pageStart + 4, true)
      }
      // pfn=0x…, at most seven digits; 0 may be "no page": the general parser knows.
      if (view.getInt32(q, true) !== W__PFN || (view.getInt32(q + 4, true) & 0xffffff) !== W_EQ0X) break
      q += 7
      let pfn = 0
      let nibble = hex[bytes[q]!]!
      const firstNibble = q
      while (nibble >= 0 && q - firstNibble < 7) {
        pfn = (pfn << 4) | nibble
        nibble = hex[bytes[++q]!]!
      }
      if (pfn === 0 || nibble >= 0) break
      if (view.getInt32(q, true) !== W__ORD || view.getInt32(q + 3, true) !== W_DER_) break
      q += 7
      let order = bytes[q++]! - 48
      if (order < 0 || order > 9) break
      digit = bytes[q]! - 48
      if (digit >= 0 && digit <= 9) {
        order = order * 10 + digit
        q++
      }
      let migratetype = 0
      let extra = 0
      let name = -1
      if (event !== FREE && event !== BATCHED) {
        if (view.getInt32(q, true) !== W__MIG || view.getInt32(q + 4, true) !== W_RATE) break
        if (view.getInt32(q + 8, true) !== W_TYPE || bytes[q + 12] !== 61) break
        migratetype = bytes[q + 13]! - 48
        if (migratetype < 0 || migratetype > 9) break
        q += 14
        if (event === ALLOC) {
          if (view.getInt32(q, true) !== W__GFP || view.getInt32(q + 4, true) !== W__FLA) break
          if (view.getInt32(q + 7, true) !== W_LAGS) break
          q += 11
          name = this.#gfp.find(bytes, view, q)
          if (name < 0) break
          q = this.#gfp.end
          extra = Number.NaN
        } else if (event === LOCKED) {
          if (view.getInt32(q, true) !== W__PER || view.getInt32(q + 4, true) !== W_CPU_) break
          if (view.getInt32(q + 8, true) !== W_REFI || view.getInt32(q + 11, true) !== W_LL_E) break
          extra = bytes[q + 15]! - 48
          if (extra < 0 || extra > 1) break
          q += 16
        }
      }
      if (bytes[q] !== 10) break
      kind[row] = event
      cpu[row] = this.#cpu[slot]!
      pid[row] = this.#pid[slot]!
      comm[row] = this.#comm[slot]!
      irq[row] = flags
      time[row] = (seconds * 1e6 + micros) / 1e6
      line[row] = number++
      a[row] = pfn
      b[row] = order
      c[row] = migratetype
      d[row] = extra
      text[row] = name
      text2[row] = -1
      row++
      p = q + 1
      stop = 'end'
    }
    batch.length = row
    this.line = number
    this.#last = slot
    this.stop = stop
    return p
  }
}

/** Texts of gfp flags seen before, found by words: a trace has a few dozen different ones. */
class GfpCache {
  /** Position behind the text that `find` found. */
  end = 0
  readonly #strings: StringTable
  readonly #id: Int32Array = new Int32Array(256).fill(-1)
  readonly #bytes: Uint8Array = new Uint8Array(256 * MAX_GFP)
  readonly #view: DataView = new DataView(this.#bytes.buffer)
  readonly #length: Int32Array = new Int32Array(256)

  constructor(strings: StringTable) {
    this.#strings = strings
  }

  /** Number of the text at `p`, which must end with a newline; -1 where it is too long or has a blank. */
  find(bytes: Uint8Array, view: DataView, p: number): number {
    let h = 0
    let q = p
    const limit = p + MAX_GFP - 8
    for (; q < limit; q += 4) {
      const w = view.getInt32(q, true)
      // Any byte below 0x21 (blank, newline) sets the top bit of its lane.
      if (((w - 0x21212121) & ~w & 0x80808080) !== 0) break
      h = Math.imul(h ^ w, 0x9e3779b1)
    }
    if (q >= limit) return -1
    for (; bytes[q]! > 32; q++) h = Math.imul(h ^ bytes[q]!, 0x9e3779b1)
    if (bytes[q] !== 10) return -1
    this.end = q
    const slot = (h ^ (h >>> 24)) & 255
    if (this.#equal(view, p, q - p, slot)) return this.#id[slot]!
    return this.#add(bytes, p, q, slot)
  }

  #equal(view: DataView, p: number, length: number, slot: number): boolean {
    if (this.#id[slot]! < 0 || this.#length[slot] !== length) return false
    const own = this.#view
    let base = slot * MAX_GFP
    const last = p + (length & ~3)
    for (; p < last; p += 4, base += 4) if (own.getInt32(base, true) !== view.getInt32(p, true)) return false
    for (let i = length & 3; i > 0; i--, p++, base++) if (own.getUint8(base) !== view.getUint8(p)) return false
    return true
  }

  #add(bytes: Uint8Array, from: number, to: number, slot: number): number {
    const id = this.#strings.intern(bytes, from, to)
    this.#bytes.set(bytes.subarray(from, to), slot * MAX_GFP)
    this.#length[slot] = to - from
    this.#id[slot] = id
    return id
  }
}
