// list_head on columns against plain arrays.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  INIT_LIST_HEAD,
  list_add,
  list_add_tail,
  list_del,
  list_empty,
  list_entries,
  list_fault,
} from '../../src/image/list.ts'

const ENTRIES = 12
const HEADS = [ENTRIES, ENTRIES + 1]

function fresh(): Int32Array {
  const link = new Int32Array(2 * (ENTRIES + HEADS.length))
  for (const head of HEADS) INIT_LIST_HEAD(link, head)
  return link
}

it('does what arrays do, whatever is done to two lists', () => {
  const op = fc.record({ how: fc.nat(2), entry: fc.nat(ENTRIES - 1), list: fc.nat(1) })
  fc.assert(
    fc.property(fc.array(op, { size: '+1' }), ops => {
      const link = fresh()
      const arrays: [number[], number[]] = [[], []]
      for (const { how, entry, list } of ops) {
        const home = arrays.find(array => array.includes(entry))
        if (home) {
          list_del(link, entry)
          home.splice(home.indexOf(entry), 1)
        }
        if (how === 0) list_add(link, entry, HEADS[list]!)
        if (how === 1) list_add_tail(link, entry, HEADS[list]!)
        if (how === 0) arrays[list]!.unshift(entry)
        if (how === 1) arrays[list]!.push(entry)
        expect(HEADS.map(head => list_entries(link, head))).toEqual(arrays)
        expect(HEADS.map(head => list_empty(link, head))).toEqual(arrays.map(array => array.length === 0))
        expect(HEADS.map(head => list_fault(link, head))).toEqual([-1, -1])
      }
    }),
  )
})

it('a list that does not come back is found, and where', () => {
  const link = fresh()
  for (const entry of [3, 5, 7]) list_add_tail(link, entry, HEADS[0]!)
  link[2 * 7] = 3
  expect(list_fault(link, HEADS[0]!)).toBe(7)
  link[2 * 7] = HEADS[0]!
  link[2 * 5 + 1] = 9
  expect(list_fault(link, HEADS[0]!)).toBe(3)
})
