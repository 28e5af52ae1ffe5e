// Event formats: tracefs `events/*/*/format` as text → where each value of a record lies. And kallsyms: address →
// symbol+offset, as the kernel prints %pS.

import { HEX } from '../text_fields.ts'
import { decodeText } from '../utf8.ts'
import { type PrintArgument, parsePrintFormat } from './print_fmt.ts'

/** One field of a record. */
export interface RecordField {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly signed: boolean
  /** 'data' and 'rel' hold the place and length of a string; 'array' is text of `size` bytes (0: to the end). */
  readonly shape: 'number' | 'data' | 'rel' | 'array'
}

export interface EventFormat {
  readonly name: string
  readonly id: number
  readonly fields: ReadonlyMap<string, RecordField>
  /** The arguments of the print format, parsed when first asked for. */
  readonly print: () => readonly PrintArgument[]
}

const FIELD = /field:([^;]*);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d);)?/g

/** Parses the lines `field:…; offset:…; size:…; signed:…;` of a format. */
export function parseFields(text: string): Map<string, RecordField> {
  const fields = new Map<string, RecordField>()
  for (const match of text.matchAll(FIELD)) {
    const declaration = match[1]!.trim()
    const name = /(\w+)(?:\[[^\]]*\])?$/.exec(declaration)?.[1]
    if (!name) continue
    const array = /\w\[[^\]]*\]$/.test(declaration)
    const shape = /__rel_loc/.test(declaration)
      ? 'rel'
      : /__data_loc/.test(declaration)
        ? 'data'
        : array
          ? 'array'
          : 'number'
    fields.set(name, { name, offset: Number(match[2]), size: Number(match[3]), signed: match[4] === '1', shape })
  }
  return fields
}

/** Parses one event format; null where it is none. */
export function parseEventFormat(text: string): EventFormat | null {
  const name = /^name: *(\S+)/m.exec(text)?.[1]
  const id = /^ID: *(\d+)/m.exec(text)?.[1]
  if (!name || !id) return null
  let print: readonly PrintArgument[] | undefined
  const at = text.indexOf('print fmt:')
  const source = at < 0 ? '' : text.slice(at + 'print fmt:'.length)
  return { name, id: Number(id), fields: parseFields(text), print: () => (print ??= parsePrintFormat(source)) }
}

/** Symbols of a kernel by address. Addresses are signed 64-bit numbers, as in the batch. */
export class Symbols {
  readonly #address: Float64Array
  readonly #from: Int32Array
  readonly #bytes: Uint8Array

  /** @param bytes text of /proc/kallsyms: `address type name [module]` */
  constructor(bytes: Uint8Array) {
    const address: number[] = []
    const from: number[] = []
    for (let p = 0; p < bytes.length; ) {
      let end = bytes.indexOf(10, p)
      if (end < 0) end = bytes.length
      const blank = bytes.indexOf(32, p)
      if (blank > p && blank < end) {
        address.push(parseAddress(bytes, p, blank))
        from.push(blank + 3)
      }
      p = end + 1
    }
    const order = Uint32Array.from(address.keys()).sort((x, y) => address[x]! - address[y]! || x - y)
    this.#address = Float64Array.from(order, i => address[i]!)
    this.#from = Int32Array.from(order, i => from[i]!)
    this.#bytes = bytes
  }

  /** `name+0xoffset`, or the address where no symbol is at or below it; of aliases the first. */
  lookup(address: number): string {
    const all = this.#address
    let low = 0
    let high = all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (all[middle]! <= address) low = middle + 1
      else high = middle
    }
    let i = low - 1
    if (i < 0 || all[i] === 0) return hexAddress(address)
    while (i > 0 && all[i - 1] === all[i]) i--
    return `${this.#name(i)}+0x${(address - all[i]!).toString(16)}`
  }

  #name(i: number): string {
    const from = this.#from[i]!
    let to = from
    while (to < this.#bytes.length && this.#bytes[to]! > 32) to++
    return decodeText(this.#bytes, from, to)
  }
}

/** `0x…` of a signed 64-bit address; `?` of what is no number, which a damaged format may come to. */
export function hexAddress(address: number): string {
  if (!Number.isInteger(address)) return '?'
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`
}

function parseAddress(bytes: Uint8Array, from: number, to: number): number {
  let high = 0
  let low = 0
  for (let p = from; p < to; p++) {
    high = (high << 4) | (low >>> 28)
    low = (low << 4) | Math.max(0, HEX[bytes[p]!]!)
  }
  return high * 4294967296 + (low >>> 0)
}
