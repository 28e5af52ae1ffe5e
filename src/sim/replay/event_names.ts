// What an event's strings stand for: the bits of a mask that is printed by names, one number for each call site.
import type { GfpTable } from '../../mm/gfp.ts'
import { parse_gfp } from '../../mm/gfp_names.ts'
import type { EventBatch, StringTable } from '../../trace/batch.ts'

/** Call sites without a name that are told apart. */
const MOST_SITES = 1 << 16

export class EventNames {
  readonly #table: GfpTable
  readonly #strings: StringTable
  /** Bits by number of the string; NaN = not parsed yet. */
  #masks: Float64Array = new Float64Array(1024).fill(Number.NaN)
  readonly #sites: Map<number, number> = new Map()

  constructor(table: GfpTable, strings: StringTable) {
    this.#table = table
    this.#strings = strings
  }

  /** Bits of an event's mask: as the file has them, else from their names. */
  maskOf(batch: EventBatch, row: number): number {
    const bits = batch.d[row]!
    return Number.isNaN(bits) ? this.namesOf(batch.text[row]!) : bits
  }

  /** Bits of a mask that is printed by names. */
  namesOf(text: number): number {
    if (text < 0) return 0
    if (text >= this.#masks.length) {
      const larger = new Float64Array(2 ** Math.ceil(Math.log2(text + 2))).fill(Number.NaN)
      larger.set(this.#masks)
      this.#masks = larger
    }
    const known = this.#masks[text]!
    if (!Number.isNaN(known)) return known
    return (this.#masks[text] = parse_gfp(this.#table, this.#strings.get(text)).value)
  }

  /** Number of a call site's name; a bare address gets its digits for a name. */
  siteOf(batch: EventBatch, row: number): number {
    const named = batch.text2[row]!
    const address = batch.a[row]!
    if (named >= 0 || Number.isNaN(address)) return named
    const known = this.#sites.get(address)
    if (known !== undefined) return known
    if (this.#sites.size >= MOST_SITES) return -1
    const digits = address < 0 ? (BigInt(address) & 0xffffffffffffffffn).toString(16) : address.toString(16)
    const site = this.#strings.of(`0x${digits}`)
    this.#sites.set(address, site)
    return site
  }
}
