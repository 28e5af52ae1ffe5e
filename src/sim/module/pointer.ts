// What a module holds in its hands: pointers, pages, caches, pools. A module may keep them, compare and print them; what
// is behind them is the machine's. A pointer prints like the kernel's %px, in all its digits; NULL is null.
import { type Address, address_add, address_distance, format_address } from '../../base/address.ts'
import type { Pfn } from '../../base/units.ts'

/** A virtual address of the kernel. */
export class Pointer {
  readonly address: Address
  readonly #bits: 32 | 64

  constructor(address: Address, bits: 32 | 64) {
    this.address = address
    this.#bits = bits
  }

  /** The address `bytes` further on; a negative number goes back. */
  plus(bytes: number): Pointer {
    return new Pointer(address_add(this.address, bytes), this.#bits)
  }

  /** Bytes from `other` to here. */
  minus(other: Pointer): number {
    return address_distance(other.address, this.address)
  }

  equals(other: Pointer | null): boolean {
    return other !== null && other.address.hi === this.address.hi && other.address.lo === this.address.lo
  }

  toString(): string {
    return format_address(this.address, this.#bits)
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A `struct page *`: there is one object for each frame, so pages can be compared with ===. */
export class Page {
  readonly pfn: Pfn

  constructor(pfn: Pfn) {
    this.pfn = pfn
  }

  toString(): string {
    return `pfn 0x${this.pfn.toString(16)}`
  }
}

/** A `struct kmem_cache *`. */
export class Cache {
  readonly name: string
  /** Row of the machine's caches. */
  readonly row: number

  constructor(name: string, row: number) {
    this.name = name
    this.row = row
  }

  toString(): string {
    return this.name
  }
}

/** A `struct task_struct *`. */
export class Task {
  /** Row of the machine's kernel stacks. */
  readonly stack: number
  readonly comm: string

  constructor(stack: number, comm: string) {
    this.stack = stack
    this.comm = comm
  }

  toString(): string {
    return this.comm
  }
}

/** A `mempool_t *`. */
export class Mempool {
  /** Row of the machine's pools. */
  readonly row: number

  constructor(row: number) {
    this.row = row
  }

  toString(): string {
    return `mempool ${this.row}`
  }
}
