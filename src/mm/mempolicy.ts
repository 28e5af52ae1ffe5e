// NUMA memory policies: which node a request begins with, and which nodes may serve it at all. A task has one, an area
// may have another; without, memory comes from the node of the CPU that runs.
// Law: row 0 is no policy. A policy has as many users as rows of task.policy and vma.policy name it; with none its row
// is unused. Nodes are bits of two words: a machine has 64 nodes at most.
import type { Gfp, Order, Pfn } from '../base/units.ts'
import { __GFP_DIRECT_RECLAIM, __GFP_NOFAIL, __GFP_NOWARN, __GFP_THISNODE, gfp_zone } from './gfp.ts'
import { page_zone, populated_zone, type Sys } from './mmzone.ts'
import { __alloc_pages } from './page_alloc/alloc_pages.ts'
import { NUMA_INTERLEAVE_HIT, NUMA_STAT_ITEMS } from './vmstat_item.ts'

/** Modes. @kernel include/uapi/linux/mempolicy.h */
export const MPOL_DEFAULT = 0
export const MPOL_PREFERRED = 1
export const MPOL_BIND = 2
export const MPOL_INTERLEAVE = 3
export const MPOL_LOCAL = 4
export const MPOL_PREFERRED_MANY = 5

/** Names as the kernel prints them, by mode. @kernel mm/mempolicy.c:policy_modes */
export const POLICY_MODES: readonly string[] = ['default', 'prefer', 'bind', 'interleave', 'local', 'prefer (many)']

/** Flags of a mode: nodes mean nodes, or places among those that are allowed. */
export const MPOL_F_STATIC_NODES = 1 << 15
export const MPOL_F_RELATIVE_NODES = 1 << 14

export const MAX_NUMNODES = 64
const EINVAL = 22
const ENOMEM = 12

/** Nodes as bits of two words. */
export type Nodemask = readonly [low: number, high: number]

const has = (nodes: Nodemask, node: number): boolean => ((nodes[node >>> 5]! >>> (node & 31)) & 1) === 1

/** The nodes of a list. @ours */
export function nodemask_of(list: readonly number[]): Nodemask {
  const words: [number, number] = [0, 0]
  for (const node of list) words[node >>> 5] = (words[node >>> 5]! | (1 << (node & 31))) >>> 0
  return words
}

function nodes_of(mask: Nodemask): number[] {
  const list: number[] = []
  for (let node = 0; node < MAX_NUMNODES; node++) if (has(mask, node)) list.push(node)
  return list
}

const policy_nodes = (sys: Sys, policy: number): Nodemask => [
  sys.mempolicy.nodes[2 * policy]!,
  sys.mempolicy.nodes[2 * policy + 1]!,
]

/** Nodes that have memory. @kernel include/linux/nodemask.h:node_states */
function nodes_with_memory(sys: Sys): number[] {
  const nodes: number[] = []
  for (let node = 0; node < sys.nr_nodes; node++) if (sys.node.present_pages[node]! > 0) nodes.push(node)
  return nodes
}

/** A policy with one user: its row, 0 = the default, or a negated errno.
 * @param mode MPOL_*, and MPOL_F_* @kernel mm/mempolicy.c:mpol_new, mpol_set_nodemask */
export function mpol_new(sys: Sys, mode: number, nodes: Nodemask): number {
  const flags = mode & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)
  const kind = mode & ~flags
  const none = nodes[0] === 0 && nodes[1] === 0
  if (kind < 0 || kind >= POLICY_MODES.length || flags === (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) return -EINVAL
  if (kind === MPOL_DEFAULT) return none && flags === 0 ? 0 : -EINVAL
  if (kind === MPOL_LOCAL) return none && flags === 0 ? take_row(sys, MPOL_LOCAL, 0, nodes) : -EINVAL
  if (none) return kind === MPOL_PREFERRED && flags === 0 ? take_row(sys, MPOL_LOCAL, 0, nodes) : -EINVAL
  const allowed = allowed_nodes(sys, flags, nodes)
  if (allowed.length === 0) return -EINVAL
  return take_row(sys, kind, flags, nodemask_of(kind === MPOL_PREFERRED ? allowed.slice(0, 1) : allowed))
}

/** What of the nodes may be used: those with memory, or, as places among these, round and round. */
function allowed_nodes(sys: Sys, flags: number, nodes: Nodemask): number[] {
  const memory = nodes_with_memory(sys)
  if ((flags & MPOL_F_RELATIVE_NODES) === 0) return memory.filter(node => has(nodes, node))
  const places = new Set(nodes_of(nodes).map(place => place % memory.length))
  return memory.filter((_, place) => places.has(place))
}

function take_row(sys: Sys, mode: number, flags: number, nodes: Nodemask): number {
  const { refcnt } = sys.mempolicy
  const row = refcnt.indexOf(0, 1)
  if (row < 0) return -ENOMEM
  refcnt[row] = 1
  sys.mempolicy.mode[row] = mode
  sys.mempolicy.flags[row] = flags
  sys.mempolicy.nodes.set(nodes, 2 * row)
  sys.mempolicy.home_node[row] = 0
  return row
}

/** One more user. @kernel include/linux/mempolicy.h:mpol_get */
export function mpol_get(sys: Sys, policy: number): number {
  if (policy !== 0) sys.mempolicy.refcnt[policy]! += 1
  return policy
}

/** One user less. @kernel include/linux/mempolicy.h:mpol_put */
export function mpol_put(sys: Sys, policy: number): void {
  if (policy === 0) return
  const { refcnt, mode, flags, nodes, home_node } = sys.mempolicy
  refcnt[policy]! -= 1
  if (refcnt[policy] !== 0) return
  mode[policy] = flags[policy] = home_node[policy] = 0
  nodes.fill(0, 2 * policy, 2 * policy + 2)
}

/** The running task gets a policy: 0, or a negated errno and nothing has changed. @kernel mm/mempolicy.c:do_set_mempolicy */
export function do_set_mempolicy(sys: Sys, mode: number, nodes: Nodemask): number {
  const task = sys.vm_cpu.current[sys.machine.this_cpu[0]!]!
  const policy = mpol_new(sys, mode, nodes)
  if (policy < 0) return policy
  mpol_put(sys, sys.task.policy[task]!)
  sys.task.policy[task] = policy
  if (sys.mempolicy.mode[policy] === MPOL_INTERLEAVE) sys.task.il_prev[task] = MAX_NUMNODES - 1
  return 0
}

/** The policy of the running task; 0 = none. @kernel mm/mempolicy.c:get_task_policy */
export function get_task_policy(sys: Sys): number {
  if (sys.vm_cpu.current.length === 0) return 0
  return sys.task.policy[sys.vm_cpu.current[sys.machine.this_cpu[0]!]!]!
}

const numa_node_id = (sys: Sys): number => sys.cpu.node[sys.machine.this_cpu[0]!]!

/** The node that a request begins with. @kernel mm/mempolicy.c:policy_node */
export function policy_node(sys: Sys, policy: number, nid: number): number {
  const { mode, home_node } = sys.mempolicy
  if (mode[policy] === MPOL_PREFERRED) return nodes_of(policy_nodes(sys, policy))[0]!
  const many = mode[policy] === MPOL_BIND || mode[policy] === MPOL_PREFERRED_MANY
  return many && home_node[policy] !== 0 ? home_node[policy]! - 1 : nid
}

/** The nodes that may serve a request, a byte a node; null = all. A policy binds only zones from the highest one with
 * memory on: requests for DMA memory are not led astray by it. @kernel mm/mempolicy.c:policy_nodemask */
export function policy_nodemask(sys: Sys, gfp: Gfp, policy: number): Uint8Array | null {
  const mode = sys.mempolicy.mode[policy]
  const nodes = policy_nodes(sys, policy)
  const binds = mode === MPOL_BIND && apply_policy_zone(sys, nodes, gfp_zone(sys, gfp))
  return binds || mode === MPOL_PREFERRED_MANY ? bytes_of(sys, nodes) : null
}

function bytes_of(sys: Sys, nodes: Nodemask): Uint8Array {
  return Uint8Array.from({ length: sys.nr_nodes }, (_, node) => Number(has(nodes, node)))
}

/** @kernel mm/mempolicy.c:apply_policy_zone */
function apply_policy_zone(sys: Sys, nodes: Nodemask, zone: number): boolean {
  const movable = sys.kernel.zones.indexOf('Movable')
  let policy_zone = 0
  let only_movable = true
  for (let row = 0; row < sys.nr_zones; row++) {
    const type = sys.zone_idx[row]!
    if (type === movable || !populated_zone(sys, row)) continue
    policy_zone = Math.max(policy_zone, type)
    if (has(nodes, sys.zone_to_nid[row]!)) only_movable = false
  }
  return zone >= (only_movable ? movable : policy_zone)
}

/** The next node in turn, of the task. @kernel mm/mempolicy.c:interleave_nodes */
function interleave_nodes(sys: Sys, policy: number): number {
  const { il_prev } = sys.task
  const task = sys.vm_cpu.current[sys.machine.this_cpu[0]!]!
  const nodes = policy_nodes(sys, policy)
  for (let step = 1; step <= MAX_NUMNODES; step++) {
    const node = (il_prev[task]! + step) % MAX_NUMNODES
    if (!has(nodes, node)) continue
    il_prev[task] = node
    return node
  }
  return numa_node_id(sys)
}

/** The node of a page of an area, by its number in the file or the area. @kernel mm/mempolicy.c:offset_il_node */
function offset_il_node(sys: Sys, policy: number, page: number): number {
  const nodes = nodes_of(policy_nodes(sys, policy))
  return nodes.length === 0 ? numa_node_id(sys) : nodes[page % nodes.length]!
}

/** @kernel mm/mempolicy.c:alloc_page_interleave */
function alloc_page_interleave(sys: Sys, gfp: Gfp, order: Order, nid: number): Pfn {
  const pfn = __alloc_pages(sys, gfp, order, nid)
  if (pfn < 0 || sys.machine.numa_stats[0] === 0) return pfn
  const zone = page_zone(sys, pfn)
  if (sys.zone_to_nid[zone] === nid) sys.numa_stat.count[zone * NUMA_STAT_ITEMS.length + NUMA_INTERLEAVE_HIT]! += 1
  return pfn
}

/** First from the preferred nodes without waiting, then from all. @kernel mm/mempolicy.c:alloc_pages_preferred_many */
function alloc_pages_preferred_many(sys: Sys, gfp: Gfp, order: Order, nid: number, policy: number): Pfn {
  const quick = (gfp | __GFP_NOWARN) & ~(__GFP_DIRECT_RECLAIM | __GFP_NOFAIL)
  const pfn = __alloc_pages(sys, quick, order, nid, policy_nodemask(sys, gfp, policy))
  return pfn >= 0 ? pfn : __alloc_pages(sys, gfp, order, nid)
}

function alloc_by_policy(sys: Sys, gfp: Gfp, order: Order, policy: number): Pfn {
  const nid = policy_node(sys, policy, numa_node_id(sys))
  if (sys.mempolicy.mode[policy] === MPOL_PREFERRED_MANY)
    return alloc_pages_preferred_many(sys, gfp, order, nid, policy)
  return __alloc_pages(sys, gfp, order, nid, policy_nodemask(sys, gfp, policy))
}

/** A block as the running task's policy says. Interrupts and __GFP_THISNODE know no policy.
 * @kernel mm/mempolicy.c:alloc_pages */
export function alloc_pages_current(sys: Sys, gfp: Gfp, order: Order): Pfn {
  const policy = (gfp & __GFP_THISNODE) !== 0 ? 0 : get_task_policy(sys)
  if (policy === 0) return __alloc_pages(sys, gfp, order, numa_node_id(sys))
  if (sys.mempolicy.mode[policy] === MPOL_INTERLEAVE)
    return alloc_page_interleave(sys, gfp, order, interleave_nodes(sys, policy))
  return alloc_by_policy(sys, gfp, order, policy)
}

/** A block for a page of an area, as its policy or the task's says. Interleaving goes by the page's place, so that it does
 * not matter who touches it first. @kernel mm/mempolicy.c:vma_alloc_folio */
export function vma_alloc_folio(sys: Sys, gfp: Gfp, order: Order, vma: number, page: number): Pfn {
  const policy = sys.vma.policy[vma]! || get_task_policy(sys)
  if (policy === 0) return __alloc_pages(sys, gfp, order, numa_node_id(sys))
  if (sys.mempolicy.mode[policy] !== MPOL_INTERLEAVE) return alloc_by_policy(sys, gfp, order, policy)
  const { pgoff, start } = sys.vma
  const place = Math.floor(pgoff[vma]! / 2 ** order) + Math.floor((page - start[vma]!) / 2 ** order)
  return alloc_page_interleave(sys, gfp, order, offset_il_node(sys, policy, place))
}

/** A policy in the kernel's words, as /proc/PID/numa_maps has it. @kernel mm/mempolicy.c:mpol_to_str */
export function mpol_to_str(sys: Sys, policy: number): string {
  const { mode, flags } = sys.mempolicy
  if (policy === 0) return 'default'
  const how = flags[policy] === MPOL_F_STATIC_NODES ? '=static' : flags[policy] === 0 ? '' : '=relative'
  const name = POLICY_MODES[mode[policy]!]!
  return mode[policy] === MPOL_LOCAL ? name : `${name}${how}:${node_ranges(nodes_of(policy_nodes(sys, policy)))}`
}

/** `0-2,5`. */
function node_ranges(nodes: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const node of nodes) {
    const last = ranges.at(-1)
    if (last && last[1] === node - 1) last[1] = node
    else ranges.push([node, node])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/** Broken laws of the policies. @ours */
export function mempolicy_check(sys: Sys): string[] {
  const { refcnt } = sys.mempolicy
  const users = new Int32Array(refcnt.length)
  for (const column of [sys.task.policy, sys.vma.policy])
    for (const policy of column) if (policy !== 0) users[policy] = (users[policy] ?? 0) + 1
  const broken: string[] = []
  for (let row = 1; row < refcnt.length; row++)
    if (refcnt[row] !== users[row]) broken.push(`mempolicy ${row}: ${refcnt[row]} users counted, ${users[row]} there`)
  return broken
}
