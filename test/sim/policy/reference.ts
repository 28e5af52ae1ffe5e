// Slow, obvious models of the replacement policies: plain Maps and arrays, one page at a time, nothing shared with src.
// Law: a queue is a Map in the order of insertion, oldest first; what is in no queue is not in memory.

/** One policy at one size: says of each page in turn whether it was in memory. */
export interface ReferencePolicy {
  access(page: number, nextUse: number): boolean
}

export type MakeReference = (size: number) => ReferencePolicy

const oldest = (queue: ReadonlyMap<number, unknown>): number => queue.keys().next().value!

function takeOldest(queue: Map<number, unknown>): number {
  const page = oldest(queue)
  queue.delete(page)
  return page
}

/** FIFO: out goes what came first. */
function fifo(size: number): ReferencePolicy {
  const queue = new Map<number, true>()
  return {
    access(page) {
      if (queue.has(page)) return true
      if (queue.size === size) takeOldest(queue)
      queue.set(page, true)
      return false
    },
  }
}

/** LRU: out goes what was not used for longest. */
function lru(size: number): ReferencePolicy {
  const queue = new Map<number, true>()
  return {
    access(page) {
      const hit = queue.delete(page)
      if (!hit && queue.size === size) takeOldest(queue)
      queue.set(page, true)
      return hit
    },
  }
}

/** CLOCK: FIFO in which a used page gets one more round. */
function clock(size: number): ReferencePolicy {
  const queue = new Map<number, boolean>()
  return {
    access(page) {
      if (queue.has(page)) {
        queue.set(page, true)
        return true
      }
      while (queue.size === size) {
        const used = queue.get(oldest(queue))!
        const out = takeOldest(queue)
        if (used) queue.set(out, false)
      }
      queue.set(page, false)
      return false
    },
  }
}

/** SIEVE: a hand goes from old to new and takes the first page that was not used since it passed; nothing moves. */
function sieve(size: number): ReferencePolicy {
  const pages: number[] = [] // oldest first
  const used = new Map<number, boolean>()
  let hand = 0
  return {
    access(page) {
      if (used.has(page)) {
        used.set(page, true)
        return true
      }
      if (pages.length === size) {
        for (;;) {
          if (hand >= pages.length) hand = 0
          if (!used.get(pages[hand]!)) break
          used.set(pages[hand]!, false)
          hand++
        }
        used.delete(pages[hand]!)
        pages.splice(hand, 1)
        if (hand === pages.length) hand = 0
      }
      pages.push(page)
      used.set(page, false)
      return false
    },
  }
}

/** LFU: out goes what was used least often; of these, what has had this count for longest. */
function lfu(size: number): ReferencePolicy {
  const count = new Map<number, number>() // in the order of the last use
  return {
    access(page) {
      const before = count.get(page)
      if (before === undefined && count.size === size) {
        const least = Math.min(...count.values())
        for (const [each, uses] of count)
          if (uses === least) {
            count.delete(each)
            break
          }
      }
      count.delete(page)
      count.set(page, (before ?? 0) + 1)
      return before !== undefined
    },
  }
}

/** ARC: recent pages, frequent pages, and what was lately thrown out of each; hits among those move the target. */
function arc(size: number): ReferencePolicy {
  const [recent, frequent] = [new Map<number, true>(), new Map<number, true>()]
  const [recentGhost, frequentGhost] = [new Map<number, true>(), new Map<number, true>()]
  let target = 0
  const replace = (inFrequentGhost: boolean): void => {
    if (recent.size > 0 && (recent.size > target || (recent.size === target && inFrequentGhost) || frequent.size === 0))
      recentGhost.set(takeOldest(recent), true)
    else frequentGhost.set(takeOldest(frequent), true)
  }
  return {
    access(page) {
      if (recent.delete(page) || frequent.delete(page)) {
        frequent.set(page, true)
        return true
      }
      const full = recent.size + frequent.size >= size
      if (recentGhost.has(page)) {
        target = Math.min(size, target + Math.max(1, frequentGhost.size / recentGhost.size))
        recentGhost.delete(page)
        if (full) replace(false)
        frequent.set(page, true)
      } else if (frequentGhost.has(page)) {
        target = Math.max(0, target - Math.max(1, recentGhost.size / frequentGhost.size))
        frequentGhost.delete(page)
        if (full) replace(true)
        frequent.set(page, true)
      } else {
        if (recent.size + recentGhost.size >= size) {
          if (recent.size < size) {
            takeOldest(recentGhost)
            if (full) replace(false)
          } else takeOldest(recent)
        } else if (full) {
          if (recent.size + frequent.size + recentGhost.size + frequentGhost.size >= 2 * size) takeOldest(frequentGhost)
          replace(false)
        }
        recent.set(page, true)
      }
      return false
    },
  }
}

/** 2Q: a FIFO of a quarter for new pages, the ghosts of half the size, LRU for what comes back from there. */
function twoQ(size: number): ReferencePolicy {
  const inSize = Math.floor(size * 0.25)
  const outSize = Math.floor(size * 0.5)
  const [fresh, ghost, main] = [new Map<number, true>(), new Map<number, true>(), new Map<number, true>()]
  return {
    access(page) {
      if (main.delete(page)) {
        main.set(page, true)
        return true
      }
      if (fresh.has(page)) return true
      const returns = ghost.delete(page)
      if (fresh.size + main.size >= size) {
        if (fresh.size > inSize || main.size === 0) {
          const out = takeOldest(fresh)
          if (ghost.size >= outSize) takeOldest(ghost)
          ghost.set(out, true)
        } else takeOldest(main)
      }
      ;(returns ? main : fresh).set(page, true)
      return false
    },
  }
}

/** Segmented LRU: four queues of a quarter; a new page goes into the lowest with room, a hit one up, what is too much one down. */
function slru(size: number): ReferencePolicy {
  const segments = [0, 1, 2, 3].map(() => new Map<number, true>())
  const room = Math.floor(size / 4)
  const total = (): number => segments.reduce((sum, { size: each }) => sum + each, 0)
  const cool = (index: number): void => {
    for (let i = index; i > 0 && segments[i]!.size > room; i--) segments[i - 1]!.set(takeOldest(segments[i]!), true)
  }
  return {
    access(page) {
      const at = segments.findIndex(each => each.has(page))
      if (at >= 0) {
        segments[at]!.delete(page)
        const to = Math.min(3, at + 1)
        segments[to]!.set(page, true)
        cool(to)
        return true
      }
      if (total() >= size) takeOldest(segments.find(each => each.size > 0)!)
      ;(segments.find(each => each.size < room) ?? segments[0]!).set(page, true)
      return false
    },
  }
}

/** S3-FIFO: a small FIFO of a tenth, a main FIFO with up to three rounds more, the ghosts of nine tenths. */
function s3fifo(size: number): ReferencePolicy {
  const smallSize = Math.floor(size * 0.1)
  const mainSize = size - smallSize
  const ghostSize = Math.floor(size * 0.9)
  const [small, main] = [new Map<number, number>(), new Map<number, number>()]
  const ghost = new Map<number, true>()
  const evictMain = (): void => {
    for (;;) {
      const uses = main.get(oldest(main))!
      const page = takeOldest(main)
      if (uses === 0) return
      main.set(page, Math.min(uses, 3) - 1)
    }
  }
  const evictSmall = (): void => {
    for (let done = false; !done && small.size > 0; ) {
      const uses = small.get(oldest(small))!
      const page = takeOldest(small)
      if (uses >= 2) main.set(page, 0)
      else {
        if (ghost.size >= ghostSize) takeOldest(ghost)
        ghost.set(page, true)
        done = true
      }
    }
  }
  return {
    access(page) {
      for (const queue of [small, main]) {
        const uses = queue.get(page)
        if (uses === undefined) continue
        queue.set(page, uses + 1)
        return true
      }
      const returns = ghost.delete(page)
      while (small.size + main.size >= size)
        if (main.size > mainSize || small.size === 0) evictMain()
        else evictSmall()
      ;(returns ? main : small).set(page, 0)
      return false
    },
  }
}

/** OPT: out goes what is used again last. */
function opt(size: number): ReferencePolicy {
  const next = new Map<number, number>()
  return {
    access(page, nextUse) {
      const hit = next.delete(page)
      if (!hit && next.size === size) {
        let out = -1
        let latest = -1
        for (const [each, when] of next) if (when > latest) [out, latest] = [each, when]
        next.delete(out)
      }
      next.set(page, nextUse)
      return hit
    },
  }
}

export const REFERENCES: Readonly<Record<string, MakeReference>> = {
  fifo,
  lru,
  clock,
  sieve,
  lfu,
  arc,
  '2q': twoQ,
  slru,
  's3-fifo': s3fifo,
  opt,
}

/** For each access, when its page is used again; Infinity for never. */
export function nextUses(pages: readonly number[]): number[] {
  const seen = new Map<number, number>()
  const next = new Array<number>(pages.length)
  for (let i = pages.length - 1; i >= 0; i--) {
    next[i] = seen.get(pages[i]!) ?? Number.POSITIVE_INFINITY
    seen.set(pages[i]!, i)
  }
  return next
}

/** Misses of a policy at one size. */
export function referenceMisses(make: MakeReference, pages: readonly number[], size: number): number {
  const policy = make(size)
  const next = nextUses(pages)
  let misses = 0
  for (let i = 0; i < pages.length; i++) if (!policy.access(pages[i]!, next[i]!)) misses++
  return misses
}
