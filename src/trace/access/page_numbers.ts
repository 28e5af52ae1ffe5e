// Names of pages (addresses, block numbers, 64-bit identifiers) as dense numbers: 0, 1, 2 … in the order in which they
// appear. Open addressing on two 32-bit halves: identifiers need all 64 bits, and BigInt is slow.

export class PageNumbers {
  /** Pages seen. */
  count = 0
  /** Halves of each page's name. */
  #low: Int32Array = new Int32Array(1024)
  #high: Int32Array = new Int32Array(1024)
  /** Number + 1 of the page in a slot, 0 for none; always at most half full. */
  #slots: Int32Array = new Int32Array(4096)

  /** Number of the page with these halves of a name. */
  of(low: number, high: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = mixed(low, high) & mask; ; at = (at + 1) & mask) {
      const number = slots[at]! - 1
      if (number < 0) return this.#add(low, high, at)
      if (this.#low[number] === low && this.#high[number] === high) return number
    }
  }

  /** Number of the page with this name, a whole number from 0 below 2^53. */
  ofNumber(name: number): number {
    return this.of(name | 0, Math.floor(name / 2 ** 32) | 0)
  }

  /** Name of a page. */
  nameOf(number: number): bigint {
    return BigInt.asUintN(64, (BigInt(this.#high[number]!) << 32n) | BigInt(this.#low[number]! >>> 0))
  }

  #add(low: number, high: number, slot: number): number {
    const number = this.count++
    if (number === this.#low.length) {
      this.#low = doubled(this.#low)
      this.#high = doubled(this.#high)
    }
    this.#low[number] = low
    this.#high[number] = high
    this.#slots[slot] = number + 1
    if (this.count * 2 > this.#slots.length) this.#rehash()
    return number
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let number = 0; number < this.count; number++) {
      let at = mixed(this.#low[number]!, this.#high[number]!) & mask
      while (slots[at]! !== 0) at = (at + 1) & mask
      slots[at] = number + 1
    }
    this.#slots = slots
  }
}

function mixed(low: number, high: number): number {
  let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high ^ 0x7feb352d, 0x85ebca6b)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

function doubled(old: Int32Array): Int32Array {
  const grown = new Int32Array(old.length * 2)
  grown.set(old)
  return grown
}
