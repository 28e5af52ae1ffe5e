// Policies and memory sizes over one list of accesses: the miss counts behind a miss-ratio curve.
import { createPolicy, type Future, nextUses, type PolicyKind, runAll } from './index.ts'

/** Accesses to simulate; an `AccessTrace` is one. */
export interface AccessList {
  readonly accesses: Int32Array
  /** Different pages; every number in `accesses` is below. */
  readonly pages: number
}

/** Misses of one policy, a number for each memory size. */
export interface PolicyMisses {
  readonly name: string
  readonly title: string
  readonly misses: readonly number[]
}

export interface SimulateOptions {
  /** Called after each simulation. */
  readonly onProgress?: (done: number, total: number, label: string) => void
  readonly signal?: AbortSignal
}

/** Runs each policy at each number of frames. */
export function simulate(
  list: AccessList,
  kinds: readonly PolicyKind[],
  frames: readonly number[],
  { onProgress, signal }: SimulateOptions = {},
): PolicyMisses[] {
  const total = kinds.length * frames.length
  const future = kinds.some(({ needsFuture }) => needsFuture)
    ? { nextUse: nextUses(list.accesses, list.pages) }
    : undefined
  let done = 0
  return kinds.map(kind => ({
    name: kind.name,
    title: kind.title,
    misses: frames.map(size => {
      signal?.throwIfAborted()
      const misses = missesOf(list, kind, size, future)
      onProgress?.(++done, total, `${kind.title} ${size}`)
      return misses
    }),
  }))
}

/** Misses of one policy in a memory of so many frames. */
export function missesOf(list: AccessList, kind: PolicyKind, frames: number, future?: Future): number {
  const policy = createPolicy(kind, frames, future)
  policy.reserve(list.pages)
  return runAll(policy, list.accesses)
}

/** Memory sizes that show a curve from one end to the other: up to `count`, each a good step above the one before. */
export function curveSizes(pages: number, count = 12): number[] {
  const first = Math.max(1, Math.round(pages / 2 ** 10))
  const step = (pages / first) ** (1 / Math.max(1, count - 1))
  const sizes = Array.from({ length: count }, (_, i) => Math.round(first * step ** i))
  return [...new Set(sizes)]
}
