// Objects by their pointers, as a trace prints them: a hash table of typed arrays, since a trace has millions of events and
// no two of its pointers need to be near each other. A pointer is any exact number; rows are never given back.

const EMPTY = -1

export class PointerTable {
  #keys: Float64Array = new Float64Array(1 << 12)
  #slots: Int32Array = new Int32Array(1 << 13).fill(EMPTY)
  #count = 0

  /** Pointers known. */
  get size(): number {
    return this.#count
  }

  /** Row of a pointer, -1 where it is not known. */
  find(pointer: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash(pointer) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]!
      if (row === EMPTY || this.#keys[row] === pointer) return row
    }
  }

  /** Row of a pointer, a new one where it was not known. */
  rowOf(pointer: number): number {
    const known = this.find(pointer)
    if (known !== EMPTY) return known
    const row = this.#count++
    if (row === this.#keys.length) this.#grow()
    this.#keys[row] = pointer
    this.#place(row)
    return row
  }

  pointer(row: number): number {
    return this.#keys[row]!
  }

  #place(row: number): void {
    const mask = this.#slots.length - 1
    let slot = hash(this.#keys[row]!) & mask
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask
    this.#slots[slot] = row
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2)
    keys.set(this.#keys)
    this.#keys = keys
    this.#slots = new Int32Array(keys.length * 2).fill(EMPTY)
    for (let row = 0; row < this.#count - 1; row++) this.#place(row)
  }
}

/** Both halves of a 64-bit address count. */
function hash(pointer: number): number {
  const h = Math.imul((pointer / 4096) | 0, 0x9e3779b1) ^ Math.imul((pointer % 2 ** 32) | 0, 0x85ebca6b)
  return (h ^ (h >>> 15)) >>> 0
}

/** A set of whole numbers from 0 on, at a bit each. */
export class Bits {
  #words: Uint32Array = new Uint32Array(1 << 10)

  has(number: number): boolean {
    return (((this.#words[Math.floor(number / 32)] ?? 0) >>> (number % 32)) & 1) === 1
  }

  add(number: number): void {
    const word = Math.floor(number / 32)
    if (word >= this.#words.length) {
      const larger = new Uint32Array(2 ** Math.ceil(Math.log2(word + 2)))
      larger.set(this.#words)
      this.#words = larger
    }
    this.#words[word]! |= 1 << (number % 32)
  }
}

/** Numbers by row, as many as are asked for; 0 where nothing was written. */
export class Numbers {
  #values: Float64Array = new Float64Array(1 << 10)

  get(row: number): number {
    return this.#values[row] ?? 0
  }

  set(row: number, value: number): void {
    if (row >= this.#values.length) {
      const larger = new Float64Array(2 ** Math.ceil(Math.log2(row + 2)))
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[row] = value
  }

  add(row: number, value: number): void {
    this.set(row, this.get(row) + value)
  }
}
