// Designs that were tried and lost, kept so that they can be tried again: a small buddy allocator, three ways.
//   arena     all zones in one set of columns, a zone is an offset (what the twin does)
//   zones     an object with its own columns per zone
//   closures  a closure over its columns per zone
//   objects   an object per page, lists of references
import { alternate, row, runNode } from './lib.mjs'

export const title = 'rejected designs'

export async function run() {
  const best = alternate(
    Object.fromEntries(['arena', 'zones', 'closures', 'objects'].map(name => [name, () => runNode('designs', name)])),
    3,
  )
  const sums = new Set(Object.values(best).map(({ sum }) => sum))
  if (sums.size > 1) throw new Error(`the designs disagree: ${[...sums]}`)
  return Object.entries(best).map(([name, { ns }]) =>
    row(
      '',
      `buddy alone, ${name}`,
      `${ns.toFixed(1)} ns`,
      name === 'arena' ? 'the design' : `${(ns / best.arena.ns).toFixed(2)}×`,
      null,
    ),
  )
}
