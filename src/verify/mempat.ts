// The program of the reclaim recordings: writes every anonymous page once, then touches pages of its anonymous region and
// of a file in a sequence that a 64-bit linear congruential generator draws: in order, uniformly, or by Zipf's law
// through a permutation. What it draws here is compared with the recorded beginning of the sequence and its hash.

/** Parameters as the program prints them. */
export interface MempatRun {
  readonly pattern: 'seq' | 'uniform' | 'zipf'
  readonly anon: number
  readonly file: number
  readonly touches: number
  readonly seed: number
  readonly writePercent: number
}

/** x = x * 6364136223846793005 + 1442695040888963407 mod 2^64, in two halves. */
export class Lcg {
  private hi = 0
  private lo: number

  constructor(seed: number) {
    this.lo = seed >>> 0
    this.hi = Math.floor(seed / 2 ** 32) >>> 0
  }

  /** The next value's upper half. */
  next(): number {
    const [ahi, alo] = [0x5851f42d, 0x4c957f2d]
    const { hi, lo } = this
    // The low halves' product, 64 bits, from 16-bit parts.
    const [l0, l1] = [lo & 0xffff, lo >>> 16]
    const [m0, m1] = [alo & 0xffff, alo >>> 16]
    const p00 = l0 * m0
    const middle = l1 * m0 + (p00 >>> 16) + ((l0 * m1) & 0xffff)
    const low = (((middle & 0xffff) << 16) | (p00 & 0xffff)) >>> 0
    const carry = l1 * m1 + Math.floor(middle / 65536) + Math.floor((l0 * m1) / 65536)
    const high = (carry % 4294967296) + (Math.imul(hi, alo) >>> 0) + (Math.imul(lo, ahi) >>> 0)
    const sum = low + 0xf767814f
    this.lo = sum >>> 0
    this.hi = ((high % 4294967296) + 0x14057b7e + (sum > 0xffffffff ? 1 : 0)) >>> 0
    return this.hi
  }
}

const scaled = (value: number, by: number): number => Math.floor((value * by) / 4294967296)

/** The touches of a run, drawn one by one. */
export class MempatSequence {
  private readonly lcg: Lcg
  private readonly pages: number
  /** Zipf: upper bounds of each rank, and the page of each rank. */
  readonly table: Uint32Array
  readonly perm: Uint32Array
  private t = 0
  /** The touch drawn last. */
  page = 0
  write = false
  /** Rank where Zipf's search ended. */
  rank = 0
  /** Ranks that the search looked at, for who wants to know which memory it read. */
  readonly looked: number[] = []

  private readonly run: MempatRun

  constructor(run: MempatRun) {
    this.run = run
    this.lcg = new Lcg(run.seed)
    this.pages = run.anon + run.file
    const zipf = run.pattern === 'zipf' ? this.pages : 0
    this.table = new Uint32Array(zipf)
    this.perm = new Uint32Array(zipf)
    if (zipf > 0) this.fillTables()
  }

  private fillTables(): void {
    const { table, perm, pages, lcg } = this
    let sum = 0
    for (let k = 1; k <= pages; k++) sum += k ** -0.9
    let part = 0
    for (let k = 0; k < pages; k++) {
      part += (k + 1) ** -0.9
      const bound = Math.floor((4294967296 * part) / sum)
      table[k] = bound >= 4294967295 ? 0xffffffff : bound
      perm[k] = k
    }
    table[pages - 1] = 0xffffffff
    for (let k = pages - 1; k > 0; k--) {
      const other = scaled(lcg.next(), k + 1)
      const value = perm[k]!
      perm[k] = perm[other]!
      perm[other] = value
    }
  }

  /** Draws the next touch; false = there is none. */
  next(): boolean {
    const { run, lcg } = this
    if (this.t >= run.touches) return false
    if (run.pattern === 'seq') this.page = this.t % this.pages
    else if (run.pattern === 'uniform') this.page = scaled(lcg.next(), this.pages)
    else this.page = this.perm[this.search(lcg.next())]!
    this.write = lcg.next() % 100 < run.writePercent
    this.t++
    return true
  }

  private search(value: number): number {
    const { table, looked } = this
    looked.length = 0
    let low = 0
    let high = this.pages - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      looked.push(middle)
      if (table[middle]! > value) high = middle
      else low = middle + 1
    }
    this.rank = low
    return low
  }
}

/** Reads what the program printed; null = it was killed before it printed anything. */
export function readMempat(text: string): {
  run: MempatRun | null
  killed: boolean
  head: string
  populateSeconds: number
  touchSeconds: number
} {
  const found = /mempat pattern=(seq|uniform|zipf) anon=(\d+) file=(\d+) touches=(\d+) seed=(\d+) write_pct=(\d+)/.exec(
    text,
  )
  const run = found && {
    pattern: found[1] as MempatRun['pattern'],
    anon: Number(found[2]),
    file: Number(found[3]),
    touches: Number(found[4]),
    seed: Number(found[5]),
    writePercent: Number(found[6]),
  }
  return {
    run,
    killed: /^rc=137$/m.test(text),
    head: /^head=(.*)$/m.exec(text)?.[1] ?? '',
    populateSeconds: Number(/populate_seconds=([\d.]+)/.exec(text)?.[1] ?? 0),
    touchSeconds: Number(/touch_seconds=([\d.]+)/.exec(text)?.[1] ?? 0),
  }
}
