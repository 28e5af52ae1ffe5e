// Chance with a seed: a 32-bit state in, a 32-bit state out, so that the state can live in an image column.

/** Next state of the generator (xorshift32); never 0 for a state other than 0. */
export function next_random(state: number): number {
  let x = state | 0
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  return x >>> 0
}

/** A state made of any seed, 0 included. */
export function seed_random(seed: number): number {
  const mixed = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  return mixed === 0 ? 0x2545f491 : mixed
}
