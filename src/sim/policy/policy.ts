// A replacement policy: which page goes when memory is full. All policies stand behind this one interface, the
// textbook's, the kernel's own and a user's, and all see the same thing: pages by number, one access after the other.
// Law: pages are dense numbers, from 0 up in the order of their first access (`PageNumbers`); a run over a list of
// accesses gives the same misses in whatever pieces it is cut.

/** One policy at work in a memory of a fixed number of frames. */
export interface Policy {
  /** Makes room for page numbers below `pages`; must be called before a run meets them. The kernel's own cannot grow. */
  reserve(pages: number): void
  /** The accesses `pages[from]` to `pages[to - 1]`; returns how many found their page not in memory. */
  run(pages: Int32Array, from: number, to: number): number
  /** Pages in memory now, in no particular order. */
  residents(): number[]
}

/** Accesses of one call of `run`: a function that is called again and again is compiled as a whole, not as a loop that is
 * running already. */
const PIECE = 8192

/** All accesses of a list; how many found their page not in memory. */
export function runAll(policy: Policy, accesses: Int32Array): number {
  let misses = 0
  for (let from = 0; from < accesses.length; from += PIECE)
    misses += policy.run(accesses, from, Math.min(accesses.length, from + PIECE))
  return misses
}

/** What accesses are to come: only OPT asks. */
export interface Future {
  /** For each access the position of the next one to the same page, or `NEVER`. */
  readonly nextUse: Int32Array
}

export const NEVER = 0x7fffffff

/** A policy by name. */
export interface PolicyKind {
  readonly name: string
  /** How it is written in a table. */
  readonly title: string
  /** What goes when memory is full, in a line. */
  readonly about: string
  /** It must know all accesses before the first. */
  readonly needsFuture?: boolean
  create(frames: number, future?: Future): Policy
}

/** Most frames of a simulated memory: slots and list heads are 32-bit indexes, two a slot. */
export const MAX_FRAMES = 2 ** 28

/** Numbers by page that grow as pages appear; 0 where nothing was said. */
export class PageColumn {
  values: Int32Array = new Int32Array(1024)

  reserve(pages: number): void {
    if (pages <= this.values.length) return
    const grown = new Int32Array(Math.max(pages, 2 * this.values.length))
    grown.set(this.values)
    this.values = grown
  }

  /** Pages whose value `keep` says yes to. */
  where(keep: (value: number) => boolean): number[] {
    const pages: number[] = []
    for (let page = 0; page < this.values.length; page++) if (keep(this.values[page]!)) pages.push(page)
    return pages
  }
}

/** A policy over frames that has a page in each: where each page is, which page each frame has, and a few numbers.
 * These lie in a column as well: numbers in fields would be tagged, and untagged at every step of a loop. */
export abstract class FramePolicy implements Policy {
  /** Row + 1 of a page in memory, or what else says where it is; 0 = nowhere. */
  protected readonly slot: PageColumn = new PageColumn()
  /** Page of a row. */
  protected readonly page: Int32Array
  /** Frames in use, and where the hand is. (Longer than that, so that its numbers do not lie in the object itself.) */
  protected readonly state: Int32Array = new Int32Array(32)

  constructor(rows: number) {
    this.page = new Int32Array(rows)
  }

  reserve(pages: number): void {
    this.slot.reserve(pages)
  }

  abstract run(pages: Int32Array, from: number, to: number): number
  abstract residents(): number[]
}

/** For each access the next one to the same page: `NEVER` for the last. */
export function nextUses(accesses: Int32Array, pages: number): Int32Array {
  const seen = new Int32Array(pages).fill(NEVER)
  const next = new Int32Array(accesses.length)
  for (let i = accesses.length - 1; i >= 0; i--) {
    const page = accesses[i]!
    next[i] = seen[page]!
    seen[page] = i
  }
  return next
}
