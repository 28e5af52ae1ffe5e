// The balanced tree against what it must be: sorted, balanced, with true maxima, after any insertions and removals.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RbForest, rb_erase, rb_fault, rb_insert, rb_left, rb_nodes, rb_right } from '../../src/image/rbtree.ts'

function forest(rows: number): RbForest {
  return {
    rb: new Int32Array(3 * rows),
    red: new Uint8Array(rows),
    start: new Float64Array(rows),
    end: new Float64Array(rows),
    max: new Float64Array(rows),
    roots: new Int32Array(1),
  }
}

/** Hangs a node where its range belongs. */
function insert(tree: RbForest, node: number, start: number, size: number): void {
  tree.start[node] = start
  tree.end[node] = start + size
  let [parent, side] = [0, 0 as 0 | 1]
  for (let at = tree.roots[0]!; at !== 0; at = side === 0 ? rb_left(tree.rb, at) : rb_right(tree.rb, at)) {
    parent = at
    side = start < tree.start[at]! ? 0 : 1
  }
  rb_insert(tree, 0, node, parent, side)
}

/** The tree as text: `2(1 3)`, red nodes with a star. */
function shape(tree: RbForest, node: number = tree.roots[0]!): string {
  if (node === 0) return '.'
  const name = `${tree.start[node]}${tree.red[node] === 1 ? '*' : ''}`
  const [left, right] = [rb_left(tree.rb, node), rb_right(tree.rb, node)]
  return left === 0 && right === 0 ? name : `${name}(${shape(tree, left)} ${shape(tree, right)})`
}

describe('red-black tree', () => {
  it('rising insertions turn to the left', () => {
    const tree = forest(9)
    const shapes = [1, 2, 3, 4, 5, 6, 7].map(key => {
      insert(tree, key, 10 * key, 1)
      return shape(tree)
    })
    expect(shapes).toEqual([
      '10',
      '10(. 20*)',
      '20(10* 30*)',
      '20(10 30(. 40*))',
      '20(10 40(30* 50*))',
      '20(10 40*(30 50(. 60*)))',
      '20(10 40*(30 60(50* 70*)))',
    ])
  })

  it('a node with two children is replaced by its successor', () => {
    const tree = forest(9)
    for (const key of [1, 2, 3, 4, 5, 6]) insert(tree, key, 10 * key, 1)
    rb_erase(tree, 0, 4)
    expect(shape(tree)).toBe('20(10 50*(30 60))')
    rb_erase(tree, 0, 2)
    expect(shape(tree)).toBe('30(10 50(. 60*))')
  })

  it('any insertions and removals leave a sound tree in order, with true maxima', () => {
    const step = fc.record({ key: fc.integer({ min: 1, max: 60 }), size: fc.integer({ min: 1, max: 9 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const tree = forest(64)
        const there = new Set<number>()
        for (const { key, size } of steps) {
          if (there.delete(key)) rb_erase(tree, 0, key)
          else {
            there.add(key)
            insert(tree, key, 10 * key, size)
          }
          expect(rb_fault(tree, 0)).toBeNull()
          expect(rb_nodes(tree, 0)).toEqual([...there].sort((a, b) => a - b))
        }
      }),
    )
  })

  it('faults are found', () => {
    const tree = forest(9)
    for (const key of [1, 2, 3]) insert(tree, key, 10 * key, 1)
    tree.max[2] = 7
    expect(rb_fault(tree, 0)).toBe('node 2: max 7, is 1')
    tree.max[2] = 1
    tree.red[2] = 1
    expect(rb_fault(tree, 0)).toBe('node 2: red below red, or a red root')
  })
})
