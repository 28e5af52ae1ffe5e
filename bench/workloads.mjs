// What the allocator's benches do, the same in every language. One generator (xorshift32) decides everything.
//   hot    allocate a frame and free it again
//   churn  of `live` blocks free a random one and allocate another in its place
// A mixed churn draws order (half of them 0, a quarter 1, … up to 10) and mask (half movable) as well.

/** `frames` of the machine; `live` blocks; a batch has `ops` pairs of one allocation and one free. */
export const WORKLOADS = {
  hot: { frames: 1 << 22, live: 0, mixed: 0, batches: 20, ops: 1_000_000 },
  churn: { frames: 1 << 22, live: 100_000, mixed: 0, batches: 20, ops: 500_000 },
  mixed: { frames: 1 << 22, live: 100_000, mixed: 1, batches: 20, ops: 500_000 },
  big: { frames: 1 << 22, live: 3_000_000, mixed: 0, batches: 16, ops: 500_000 },
}

export const SEED = 0x2545f491

/** CPU seconds of this process, kernel included. */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
