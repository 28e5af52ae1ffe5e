// Designs that were tried and lost, kept so that they can be tried again: a small buddy allocator, three ways.
//   arena     all zones in one set of columns, a zone is an offset (what the twin does)
//   zones     an object with its own columns per zone
//   closures  a closure over its columns per zone
//   objects   an object per page, lists of references
// And how a replay goes through its trace the second time: what the first reading kept in a temporary file, or parsing the
// text again, which takes longer even where the text is neither packed nor rare in its events.
import { alternate, build, row, runNode } from './lib.mjs'

export const title = 'rejected designs'

export async function run() {
  return [...allocators(), ...secondReadings()]
}

function secondReadings() {
  const file = `${build}trace.txt`
  runNode('make_trace', file)
  const best = alternate(
    Object.fromEntries(['kept', 'again'].map(how => [how, () => runNode('second_reading', file, how)])),
    3,
  )
  if (best.kept.sum !== best.again.sum) throw new Error('a second reading finds other events')
  return Object.entries(best).map(([how, { ns }]) =>
    row(
      '',
      how === 'kept' ? 'second reading of a trace, kept columns' : 'second reading of a trace, parsed again',
      `${ns.toFixed(0)} ns`,
      how === 'kept' ? 'the design' : `${(ns / best.kept.ns).toFixed(2)}×`,
      null,
    ),
  )
}

function allocators() {
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
