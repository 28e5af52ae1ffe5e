// Red-black trees on columns, ordered by ranges that do not overlap, each node knowing the largest range below it.
// Row 0 is nobody (NIL), so that zeros are an empty tree. `rb` holds three indexes a row: left, right, parent.
// Laws: a red node has black children; every way down has as many black nodes; max = largest range of the subtree.
// The shape is the textbook's with the in-order successor in place of a node with two children: searches that stop at
// the first fit depend on it.

/** The columns of one forest; `roots` holds the root of each tree, 0 = empty. */
export interface RbForest {
  readonly rb: Int32Array
  /** 1 = red. */
  readonly red: Uint8Array
  readonly start: Float64Array
  readonly end: Float64Array
  /** Largest end - start in the subtree. */
  readonly max: Float64Array
  readonly roots: Int32Array
}

const LEFT = 0
const RIGHT = 1
const PARENT = 2

/** Side of a child: 0 = left, 1 = right. */
export type RbSide = 0 | 1

export const rb_left = (rb: Int32Array, node: number): number => rb[3 * node]!
export const rb_right = (rb: Int32Array, node: number): number => rb[3 * node + RIGHT]!
export const rb_parent = (rb: Int32Array, node: number): number => rb[3 * node + PARENT]!

function own_max({ rb, start, end, max }: RbForest, node: number): number {
  const size = end[node]! - start[node]!
  const [left, right] = [rb[3 * node]!, rb[3 * node + RIGHT]!]
  return Math.max(size, left === 0 ? 0 : max[left]!, right === 0 ? 0 : max[right]!)
}

/** Makes `max` true again from a node whose range or children changed up to the root. */
export function rb_propagate(forest: RbForest, node: number): void {
  const { rb, max } = forest
  for (let at = node; at !== 0; at = rb[3 * at + PARENT]!) max[at] = own_max(forest, at)
}

/** Puts `child` where `old` hangs below `parent`. */
function change_child({ rb, roots }: RbForest, root: number, parent: number, old: number, child: number): void {
  if (parent === 0) roots[root] = child
  else rb[3 * parent + (rb[3 * parent] === old ? LEFT : RIGHT)] = child
}

/** Turns `node` down towards `side`; its child from the other side comes up and takes its place. */
function rotate(forest: RbForest, root: number, node: number, side: RbSide): number {
  const { rb, max } = forest
  const up = rb[3 * node + 1 - side]!
  const moved = rb[3 * up + side]!
  const parent = rb[3 * node + PARENT]!
  rb[3 * node + 1 - side] = moved
  if (moved !== 0) rb[3 * moved + PARENT] = node
  rb[3 * up + side] = node
  rb[3 * up + PARENT] = parent
  rb[3 * node + PARENT] = up
  change_child(forest, root, parent, node, up)
  max[up] = max[node]!
  max[node] = own_max(forest, node)
  return up
}

/** Hangs `node` below `parent` (0 = the tree is empty) and balances. */
export function rb_insert(forest: RbForest, root: number, node: number, parent: number, side: RbSide): void {
  const { rb, red, roots } = forest
  rb[3 * node] = 0
  rb[3 * node + RIGHT] = 0
  rb[3 * node + PARENT] = parent
  red[node] = 1
  if (parent === 0) roots[root] = node
  else rb[3 * parent + side] = node
  rb_propagate(forest, node)
  insert_fix(forest, root, node)
}

/** Two red nodes in a row: repaint upwards, or rotate once or twice and be done. */
function insert_fix(forest: RbForest, root: number, inserted: number): void {
  const { rb, red, roots } = forest
  let node = inserted
  for (;;) {
    let parent = rb[3 * node + PARENT]!
    if (parent === 0 || red[parent] === 0) break
    const grand = rb[3 * parent + PARENT]!
    const side: RbSide = rb[3 * grand] === parent ? LEFT : RIGHT
    const uncle = rb[3 * grand + 1 - side]!
    if (uncle !== 0 && red[uncle] === 1) {
      red[parent] = red[uncle] = 0
      red[grand] = 1
      node = grand
      continue
    }
    if (rb[3 * parent + 1 - side] === node) parent = rotate(forest, root, parent, side)
    red[parent] = 0
    red[grand] = 1
    rotate(forest, root, grand, side === LEFT ? RIGHT : LEFT)
    break
  }
  red[roots[root]!] = 0
}

/** Takes `node` out and balances. */
export function rb_erase(forest: RbForest, root: number, node: number): void {
  const { rb, red } = forest
  const [left, right, parent] = [rb[3 * node]!, rb[3 * node + RIGHT]!, rb[3 * node + PARENT]!]
  if (left !== 0 && right !== 0) {
    erase_inner(forest, root, node)
    return
  }
  const child = left !== 0 ? left : right
  change_child(forest, root, parent, node, child)
  if (child !== 0) {
    rb[3 * child + PARENT] = parent
    red[child] = red[node]!
  }
  rb_propagate(forest, parent)
  if (child === 0 && red[node] === 0 && parent !== 0) erase_fix(forest, root, parent)
}

/** A node with two children: its successor takes its place, and is missing where it was. */
function erase_inner(forest: RbForest, root: number, node: number): void {
  const { rb, red } = forest
  let next = rb[3 * node + RIGHT]!
  while (rb[3 * next] !== 0) next = rb[3 * next]!
  const child = rb[3 * next + RIGHT]!
  let parent = rb[3 * next + PARENT]!
  if (parent === node) parent = next
  else {
    rb[3 * parent] = child
    if (child !== 0) rb[3 * child + PARENT] = parent
    rb[3 * next + RIGHT] = rb[3 * node + RIGHT]!
    rb[3 * rb[3 * next + RIGHT]! + PARENT] = next
  }
  rb[3 * next] = rb[3 * node]!
  rb[3 * rb[3 * next]! + PARENT] = next
  rb[3 * next + PARENT] = rb[3 * node + PARENT]!
  change_child(forest, root, rb[3 * node + PARENT]!, node, next)
  const was_black = red[next] === 0
  red[next] = red[node]!
  rb_propagate(forest, parent)
  if (child !== 0) red[child] = 0
  else if (was_black) erase_fix(forest, root, parent)
}

/** A black node is missing on one side of `parent`: moves the gap up, or closes it with at most three rotations. */
function erase_fix(forest: RbForest, root: number, first: number): void {
  const { rb, red } = forest
  let node = 0
  for (let parent = first; parent !== 0; ) {
    const side: RbSide = rb[3 * parent + RIGHT] === node ? RIGHT : LEFT
    const other: RbSide = side === LEFT ? RIGHT : LEFT
    let sibling = rb[3 * parent + other]!
    if (red[sibling] === 1) {
      rotate(forest, root, parent, side)
      red[sibling] = 0
      red[parent] = 1
      sibling = rb[3 * parent + other]!
    }
    let outer = rb[3 * sibling + other]!
    const inner = rb[3 * sibling + side]!
    if (red[outer] === 0 && red[inner] === 0) {
      red[sibling] = 1
      if (red[parent] === 1) {
        red[parent] = 0
        return
      }
      node = parent
      parent = rb[3 * node + PARENT]!
      continue
    }
    if (red[outer] === 0) {
      outer = sibling
      sibling = rotate(forest, root, sibling, other)
    }
    rotate(forest, root, parent, side)
    red[sibling] = red[parent]!
    red[parent] = 0
    red[outer] = 0
    return
  }
}

/** Nodes of a tree in order; for tests and whoever looks. */
export function rb_nodes({ rb, roots }: RbForest, root: number): number[] {
  const nodes: number[] = []
  const visit = (node: number): void => {
    if (node === 0) return
    visit(rb[3 * node]!)
    nodes.push(node)
    visit(rb[3 * node + RIGHT]!)
  }
  visit(roots[root]!)
  return nodes
}

/** What is wrong with a tree; null = nothing. */
export function rb_fault(forest: RbForest, root: number): string | null {
  const { rb, red, max, roots, start, end } = forest
  let fault: string | null = null
  let last = -1
  const visit = (node: number, parent: number): number => {
    if (node === 0 || fault) return 0
    if (rb[3 * node + PARENT] !== parent) fault = `node ${node}: parent ${rb[3 * node + PARENT]}, hangs below ${parent}`
    if (red[node] === 1 && (parent === 0 || red[parent] === 1)) fault = `node ${node}: red below red, or a red root`
    const left = visit(rb[3 * node]!, node)
    if (start[node]! < last || end[node]! <= start[node]!) fault ??= `node ${node}: out of order or empty`
    last = end[node]!
    const right = visit(rb[3 * node + RIGHT]!, node)
    if (left !== right) fault ??= `node ${node}: ${left} black nodes left, ${right} right`
    if (max[node] !== own_max(forest, node)) fault ??= `node ${node}: max ${max[node]}, is ${own_max(forest, node)}`
    return left + (red[node] === 1 ? 0 : 1)
  }
  visit(roots[root]!, 0)
  return fault
}
