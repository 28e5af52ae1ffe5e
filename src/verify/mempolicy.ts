// NUMA policies (custom, part L): the zonelists of the topology, the node and zone of each page that a task under a
// policy gets, and where interleaving stands at the end.
// Given: how large the nodes are, which no recording tells, beyond that none of them runs out. Which frame of a node it
// is depends on a state that is not recorded, and is not compared.
import { GiB, MiB } from '../base/units.ts'
import { check } from '../mm/check.ts'
import { alloc_pages_current, do_set_mempolicy, MPOL_LOCAL, type Nodemask } from '../mm/mempolicy.ts'
import { page_zone, type Sys } from '../mm/mmzone.ts'
import { ZONELIST_FALLBACK, ZONELIST_NOFALLBACK, zonelist_entries } from '../mm/zonelist.ts'
import { boot_from_description } from '../sim/boot_description.ts'
import type { MachineDescription, MemoryDescription } from '../sim/machine_description.ts'
import { kernelOfMeta, type Meta } from './recorded_kernel.ts'
import { jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const POLICY_FILE = /(^|\/)mpol\/.*\.jsonl(\.gz)?$/

interface ZonelistRow {
  readonly n: number
  readonly kind: 'fallback' | 'nofallback'
  readonly l: readonly (readonly [node: number, type: number])[]
}

interface PolicyRow {
  readonly cpu: number
  readonly numa_node_id: number
  readonly mode: number
  readonly flags: string
  readonly nodes: string
  readonly il_prev: number
}

type Row = Readonly<Record<string, unknown>>

export const mempolicyKind: VerifyKind = {
  kind: 'mempolicy',
  run(files) {
    const counts = tally('mempolicy')
    for (const file of files.filter(({ path }) => POLICY_FILE.test(path))) playFile(file, counts)
    return counts.result()
  },
}

function playFile(file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const lines = [...jsonLines(file.text())]
  const rows = lines.map(({ row }) => row).filter((row): row is Row => row !== null && !Array.isArray(row))
  const all = <T>(t: string): T[] => rows.filter(row => row.t === t) as T[]
  const [meta] = all<Meta>('meta')
  const [policy] = all<PolicyRow>('policy')
  if (!meta || !policy) {
    counts.check(1, 'a meta line and a policy', 'neither')
    return
  }
  const sys = machineOf(meta, policy, all('zonelist'), all('distance'))
  for (const { line, row } of lines) {
    if (row === null) counts.check(line, 'a JSON object or array', 'neither')
    else if (Array.isArray(row)) checkPage(sys, counts, line, row)
    else checkRow(sys, counts, line, row as Row)
  }
  counts.check(lines.length, '', check(sys).join('; '))
}

/** A machine of that topology, with a task on the CPU of the policy. */
function machineOf(
  meta: Meta,
  { cpu, numa_node_id }: PolicyRow,
  lists: readonly ZonelistRow[],
  distances: readonly { readonly l: readonly [number, number, number][] }[],
): Sys {
  const nodes = Math.max(...lists.map(({ n }) => n)) + 1
  const table = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(20))
  for (let node = 0; node < nodes; node++) table[node]![node] = 10
  for (const { l } of distances) for (const [from, to, distance] of l) table[from]![to] = distance
  const cpus = Array.from({ length: meta.cpus }, (_, id) => (id === cpu ? numa_node_id : id % nodes))
  const description: MachineDescription = { memory: memoryOf(lists), cpus, distances: table }
  const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: true })
  const sys = boot_from_description(description, { kernel, processes: { nr_tasks: 1 } })
  sys.machine.this_cpu[0] = cpu
  sys.vm_cpu.current[cpu] = 1
  return sys
}

const NODE_BYTES = 256 * MiB
const DMA_BYTES = 16 * MiB

/** Memory for each zone that the lists name: DMA at the bottom, then the nodes' DMA32, Normal from 4 GiB on. */
function memoryOf(lists: readonly ZonelistRow[]): MemoryDescription[] {
  const next = [0, DMA_BYTES, 4 * GiB]
  const own = lists.filter(({ kind }) => kind === 'nofallback')
  return own.flatMap(({ n: node, l }) =>
    l.map(([, type]) => {
      const size = type === 0 ? DMA_BYTES : NODE_BYTES
      const start = next[type]!
      next[type] = start + size
      return { start, size, node }
    }),
  )
}

function checkRow(sys: Sys, counts: Tally, line: number, row: Row): void {
  if (row.t === 'zonelist') {
    const { n, kind, l } = row as unknown as ZonelistRow
    const ours = zonelist_entries(sys, n, kind === 'fallback' ? ZONELIST_FALLBACK : ZONELIST_NOFALLBACK)
    counts.check(line, JSON.stringify(l), JSON.stringify(ours))
  } else if (row.t === 'policy') setPolicy(sys, counts, line, row as unknown as PolicyRow)
  else if (row.t === 'end') counts.check(line, `il_prev ${row.il_prev}`, `il_prev ${sys.task.il_prev[1]}`)
}

function setPolicy(sys: Sys, counts: Tally, line: number, { mode, flags, nodes, il_prev }: PolicyRow): void {
  // What a task used before is history; who begins to interleave begins anew.
  sys.task.il_prev[1] = il_prev === 63 ? 0 : il_prev
  const mask: Nodemask = mode === MPOL_LOCAL ? [0, 0] : [Number(nodes), 0]
  const error = mode < 0 ? 0 : do_set_mempolicy(sys, mode | Number(flags), mask)
  counts.check(line, `il_prev ${il_prev}`, error === 0 ? `il_prev ${sys.task.il_prev[1]}` : `error ${error}`)
}

function checkPage(sys: Sys, counts: Tally, line: number, row: readonly unknown[]): void {
  const [op, , gfp, order, pfn, node, zone] = row as [string, number, string, number, number, number, number]
  if (op !== 'a') {
    counts.check(line, 'an operation a', op)
    return
  }
  const got = alloc_pages_current(sys, Number(gfp), order)
  const own = got < 0 ? -1 : page_zone(sys, got)
  const ours = own < 0 ? 'no page' : `node ${sys.zone_to_nid[own]} zone ${sys.zone_idx[own]}`
  counts.check(line, pfn < 0 ? 'no page' : `node ${node} zone ${zone}`, ours)
}
