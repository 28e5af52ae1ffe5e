// Where an anonymous page finds the areas that may map it. Each area's own anon_vma is on the chains of the area itself
// and of the same area in every process that was forked from it; a page points to the anon_vma of the area that it was
// made in. Laws: a chain entry is on both its lists; refcount counts the areas whose chain holds a root and its children.
import type { Sys } from './mmzone.ts'
import { put_avc_row, put_vm_row, take_vm_row } from './vm_rows.ts'
import { ROWS_ANON_VMA, ROWS_AVC } from './vm_tables.ts'

function anon_vma_alloc(sys: Sys): number {
  const av = take_vm_row(sys, ROWS_ANON_VMA, sys.anon_vma.next)
  sys.anon_vma.refcount[av] = 1
  sys.anon_vma.parent[av] = av
  sys.anon_vma.root[av] = av
  return av
}

/** Ties an area to an anon_vma. @kernel mm/rmap.c:anon_vma_chain_link */
function anon_vma_chain_link(sys: Sys, vma: number, av: number): void {
  const avc = sys.anon_vma_chain
  const row = take_vm_row(sys, ROWS_AVC, avc.same_vma)
  avc.vma[row] = vma
  avc.anon_vma[row] = av
  avc.same_vma[row] = sys.vma.chain[vma]!
  sys.vma.chain[vma] = row
  const first = sys.anon_vma.head[av]!
  avc.next[row] = first
  if (first !== 0) avc.prev[first] = row
  sys.anon_vma.head[av] = row
}

function anon_vma_chain_unlink(sys: Sys, row: number): void {
  const { next, prev, anon_vma } = sys.anon_vma_chain
  const [before, after] = [prev[row]!, next[row]!]
  if (before === 0) sys.anon_vma.head[anon_vma[row]!] = after
  else next[before] = after
  if (after !== 0) prev[after] = before
  put_avc_row(sys, row)
}

function put_anon_vma(sys: Sys, av: number): void {
  sys.anon_vma.refcount[av]! -= 1
  if (sys.anon_vma.refcount[av] !== 0) return
  const root = sys.anon_vma.root[av]!
  put_vm_row(sys, ROWS_ANON_VMA, sys.anon_vma, sys.anon_vma.next, av)
  if (root !== av) put_anon_vma(sys, root)
}

/** Whether two areas that touch may share an anon_vma: they were one, or could be. @kernel mm/mmap.c:anon_vma_compatible */
function anon_vma_compatible(sys: Sys, low: number, high: number): boolean {
  const { start, end, flags, pgoff, file } = sys.vma
  const differing = (flags[low]! ^ flags[high]!) & ~(0x7 | 0x8000000)
  return (
    end[low] === start[high] &&
    file[low] === file[high] &&
    differing === 0 &&
    pgoff[high] === pgoff[low]! + (end[low]! - start[low]!)
  )
}

/** An anon_vma of a neighbour that a new area may take over: one that no fork shared. @kernel mm/mmap.c:find_mergeable_anon_vma */
function find_mergeable_anon_vma(sys: Sys, vma: number): number {
  for (const [low, high, other] of [
    [vma, sys.vma.next[vma]!, sys.vma.next[vma]!],
    [sys.vma.prev[vma]!, vma, sys.vma.prev[vma]!],
  ] as const) {
    if (other === 0 || sys.vma.anon_vma[other] === 0 || !anon_vma_compatible(sys, low, high)) continue
    const chain = sys.vma.chain[other]!
    if (chain !== 0 && sys.anon_vma_chain.same_vma[chain] === 0) return sys.vma.anon_vma[other]!
  }
  return 0
}

/** Gives an area an anon_vma before its first own page. @kernel mm/rmap.c:__anon_vma_prepare */
export function anon_vma_prepare(sys: Sys, vma: number): void {
  if (sys.vma.anon_vma[vma] !== 0) return
  let av = find_mergeable_anon_vma(sys, vma)
  if (av === 0) {
    av = anon_vma_alloc(sys)
    sys.anon_vma.num_children[av]! += 1
  }
  sys.vma.anon_vma[vma] = av
  anon_vma_chain_link(sys, vma, av)
  sys.anon_vma.num_active_vmas[av]! += 1
}

/** Gives `dst` all chains of `src`: of the forked area, or of one that is split. A child without an anon_vma of its own
 * takes one over that nobody uses any more. @kernel mm/rmap.c:anon_vma_clone */
export function anon_vma_clone(sys: Sys, dst: number, src: number): void {
  const { anon_vma, same_vma } = sys.anon_vma_chain
  const { num_children, num_active_vmas, parent } = sys.anon_vma
  const chains: number[] = []
  for (let row = sys.vma.chain[src]!; row !== 0; row = same_vma[row]!) chains.push(row)
  for (const row of chains.reverse()) {
    const av = anon_vma[row]!
    anon_vma_chain_link(sys, dst, av)
    const reusable = num_children[av]! < 2 && num_active_vmas[av] === 0 && parent[av] !== av
    if (sys.vma.anon_vma[dst] === 0 && sys.vma.anon_vma[src] !== 0 && reusable) sys.vma.anon_vma[dst] = av
  }
  if (sys.vma.anon_vma[dst] !== 0) num_active_vmas[sys.vma.anon_vma[dst]!]! += 1
}

/** The forked area `vma` of `pvma`: the parent's chains and an anon_vma of its own. @kernel mm/rmap.c:anon_vma_fork */
export function anon_vma_fork(sys: Sys, vma: number, pvma: number): void {
  sys.vma.anon_vma[vma] = 0
  if (sys.vma.anon_vma[pvma] === 0) return
  anon_vma_clone(sys, vma, pvma)
  if (sys.vma.anon_vma[vma] !== 0) return
  const av = anon_vma_alloc(sys)
  const { root, parent, num_active_vmas, num_children, refcount } = sys.anon_vma
  num_active_vmas[av]! += 1
  root[av] = root[sys.vma.anon_vma[pvma]!]!
  parent[av] = sys.vma.anon_vma[pvma]!
  refcount[root[av]!]! += 1
  sys.vma.anon_vma[vma] = av
  anon_vma_chain_link(sys, vma, av)
  num_children[parent[av]!]! += 1
}

/** Takes an area off all its chains; an anon_vma that no area has any more goes. @kernel mm/rmap.c:unlink_anon_vmas */
export function unlink_anon_vmas(sys: Sys, vma: number): void {
  const { same_vma, anon_vma } = sys.anon_vma_chain
  const { head, num_children, num_active_vmas, parent } = sys.anon_vma
  const gone: number[] = []
  for (let row = sys.vma.chain[vma]!; row !== 0; ) {
    const [next, av] = [same_vma[row]!, anon_vma[row]!]
    anon_vma_chain_unlink(sys, row)
    if (head[av] === 0) {
      num_children[parent[av]!]! -= 1
      gone.push(av)
    }
    row = next
  }
  sys.vma.chain[vma] = 0
  if (sys.vma.anon_vma[vma] !== 0) {
    num_active_vmas[sys.vma.anon_vma[vma]!]! -= 1
    sys.vma.anon_vma[vma] = 0
  }
  for (const av of gone) put_anon_vma(sys, av)
}
