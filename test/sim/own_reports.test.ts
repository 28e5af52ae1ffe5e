// What a machine prints when memory is out, read back by `explain`: the facts must be those of the machine at that moment.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL, gfp_to_alloc_flags, gfp_zone } from '../../src/mm/gfp.ts'
import { format_gfp } from '../../src/mm/gfp_names.ts'
import { kmalloc } from '../../src/mm/kmalloc.ts'
import { get_current } from '../../src/mm/mm_counter.ts'
import { managed_zone, populated_zone, type Sys, WMARK_MIN, zone_name } from '../../src/mm/mmzone.ts'
import { task_comm } from '../../src/mm/oom_report.ts'
import { oom_badness, totalram_pages } from '../../src/mm/oom_select.ts'
import { __alloc_pages, first_zones_zonelist, node_zonelist } from '../../src/mm/page_alloc/alloc_pages.ts'
import { __zone_watermark_ok, wmark_pages } from '../../src/mm/page_alloc/watermark.ts'
import { zone_page_state } from '../../src/mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../src/mm/vmstat_item.ts'
import type { ExplainedReport } from '../../src/report/explain/answer.ts'
import { explain } from '../../src/sim/explain.ts'
import { Machine } from '../../src/sim/machine.ts'
import type { MachineDescription } from '../../src/sim/machine_description.ts'

const OPTIONS = { processes: { nr_tasks: 8 } }

/** What is so when the first line of a report is printed. */
interface Moment {
  readonly kind: 'oom-kill' | 'alloc-failure'
  readonly process: { readonly name: string; readonly pid: number }
  readonly zones: readonly { node: number; name: string; freeKB: number; minKB: number; managedKB: number }[]
  /** The zone that the request would rather have, and whether its min watermark forbids it. */
  readonly preferred: { readonly node: number; readonly zone: string; readonly forbidden: boolean }
  readonly scores: ReadonlyMap<number, number>
}

function momentOf(sys: Sys, line: string, gfp: number, order: number): Moment {
  const k = (pages: number): number => pages * 4
  const rows = Array.from({ length: sys.nr_zones }, (_, zone) => zone).filter(zone => populated_zone(sys, zone))
  const highest = gfp_zone(sys, gfp)
  const here = sys.cpu.numa_mem[sys.machine.this_cpu[0]!]!
  const first = sys.zonelist.zones[first_zones_zonelist(sys, node_zonelist(sys, here, gfp), highest, null)]!
  const free = zone_page_state(sys, first, NR_FREE_PAGES)
  const flags = gfp_to_alloc_flags(sys, gfp, order)
  const current = get_current(sys)
  const scores = new Map<number, number>()
  sys.task.pid.forEach((pid, task) => {
    if (sys.task.mm[task] !== 0) scores.set(pid, oom_badness(sys, task, totalram_pages(sys)))
  })
  return {
    kind: line.includes('invoked oom-killer') ? 'oom-kill' : 'alloc-failure',
    process: { name: task_comm(sys, current), pid: sys.task.pid[current]! },
    // A zone that the request may not use is not shown, nor is one without memory of the allocator.
    zones: rows
      .filter(zone => sys.zone_idx[zone]! <= highest && managed_zone(sys, zone))
      .map(zone => ({
        node: sys.zone_to_nid[zone]!,
        name: zone_name(sys, zone),
        freeKB: k(zone_page_state(sys, zone, NR_FREE_PAGES)),
        minKB: k(wmark_pages(sys, zone, WMARK_MIN)),
        managedKB: k(sys.zone.managed_pages[zone]!),
      })),
    preferred: {
      node: sys.zone_to_nid[first]!,
      zone: zone_name(sys, first),
      forbidden: !__zone_watermark_ok(sys, first, order, wmark_pages(sys, first, WMARK_MIN), highest, flags, free),
    },
    scores,
  }
}

interface Wish {
  readonly pages: number
  readonly adj: number
}

interface Told {
  readonly moment: Moment
  readonly report: ExplainedReport
  readonly victim: number | null
  readonly lines: readonly string[]
}

/** Boots, lets processes have pages, asks for blocks until the first report, and explains it. */
function run(description: MachineDescription, processes: readonly Wish[], mask: string, order: number): Told {
  const machine = Machine.boot(description, OPTIONS)
  const { sys } = machine
  machine.apply({ op: 'spawn', comm: 'init' })
  machine.apply({ op: 'thp', mode: 'never' })
  processes.forEach(({ pages, adj }, i) => {
    const { pid } = machine.apply({ op: 'spawn', comm: `p${i}` })
    machine.write(`/proc/${pid}/oom_score_adj`, String(adj))
    const { page } = machine.apply({ op: 'mmap', pages, prot: 3, flags: 0x22 })
    machine.apply({ op: 'touch', page: page!, pages, access: 'write' })
  })
  const gfp = machine.gfp(mask)
  const lines: string[] = []
  let moment: Moment | null = null
  let victim: number | null = null
  sys.printk = line => {
    if (/invoked oom-killer|page allocation failure/.test(line)) {
      if (moment !== null) sys.printk = null
      moment ??= momentOf(sys, line, gfp, order)
    }
    if (sys.printk !== null) lines.push(line)
  }
  machine.on('mark_victim', pid => {
    victim ??= pid
  })
  exhaust(machine, gfp, order, () => moment !== null)
  const { reports, diagnostics } = explain(lines.join('\n'))
  expect(diagnostics).toEqual([])
  expect(reports).toHaveLength(1)
  return { moment: moment!, report: reports[0]!, victim, lines }
}

const __GFP_NORETRY = 0x10000
const __GFP_NOWARN = 0x2000
const __GFP_DIRECT_RECLAIM = 0x400

/** Large blocks first, then smaller ones, then what is asked for until something is printed. */
function exhaust(machine: Machine, gfp: number, order: number, ended: () => boolean): void {
  const quiet = (gfp | __GFP_NORETRY | __GFP_NOWARN) & ~__GFP_DIRECT_RECLAIM
  for (let large = 10; large > order; large--)
    while (machine.apply({ op: 'alloc_pages', gfp: quiet, order: large }).pfn! >= 0);
  for (let asked = 0; !ended() && asked < 20000; asked++) machine.apply({ op: 'alloc_pages', gfp, order })
}

function compare({ moment, report, victim }: Told, machine: MachineDescription, mask: string, order: number): void {
  const { sys } = Machine.boot(machine, OPTIONS)
  expect(report).toMatchObject({
    kind: moment.kind,
    order,
    process: moment.process,
    kernel: sys.kernel.release,
    pageSize: 4096,
    constraint: moment.kind === 'oom-kill' ? 'none' : null,
  })
  const { gfp } = report
  expect(gfp!.names.join('|')).toBe(format_gfp(sys.kernel.gfp, Number(gfp!.mask)))
  expect(mask.split('|').every(name => gfp!.names.join('|').includes(name))).toBe(true)
  expect(
    report.zones.map(({ node, name, freeKB, minKB, managedKB }) => ({ node, name, freeKB, minKB, managedKB })),
  ).toEqual(moment.zones)
  expect(report.failing).toMatchObject({ node: moment.preferred.node, zone: moment.preferred.zone })
  expect(report.failing!.check === 'none').toBe(!moment.preferred.forbidden)
  expect(report.failing!.freeKB).toBe(
    moment.zones.find(({ node, name }) => node === report.failing!.node && name === report.failing!.zone)!.freeKB,
  )
  if (moment.kind === 'alloc-failure') expect([report.victim, victim]).toEqual([null, null])
  else {
    expect(report.victim).toMatchObject({ pid: victim, predictedPid: victim, score: moment.scores.get(victim!) })
    expect(moment.scores.get(victim!)).toBe(Math.max(...moment.scores.values()))
  }
}

const REQUESTS = [
  ['GFP_HIGHUSER_MOVABLE', 0],
  ['GFP_KERNEL', 0],
  ['GFP_KERNEL', 2],
  ['GFP_KERNEL', 5],
  ['GFP_ATOMIC', 0],
  ['GFP_ATOMIC', 3],
  ['GFP_NOWAIT', 1],
  ['GFP_KERNEL|__GFP_NORETRY', 0],
  ['GFP_DMA', 0],
] as const

const FEW: readonly Wish[] = [
  { pages: 300, adj: 100 },
  { pages: 500, adj: 0 },
  { pages: 200, adj: -50 },
]

describe.each([
  ['i386 with high memory', { kernel: '6.1-i386', memory: '1G' }],
  ['i386 PAE', { kernel: '6.1-i386-pae', memory: '1200M' }],
  ['two nodes', { kernel: '6.1-x86_64', memory: '256M', cpus: 2, commandLine: 'numa=fake=2' }],
  ['two nodes of 6.12', { kernel: '6.12-x86_64', memory: '256M', cpus: 2, commandLine: 'numa=fake=2' }],
] as const)('%s', (_, machine) => {
  // 6.12's GFP_NOWAIT says nothing when it fails.
  const loud = REQUESTS.filter(([mask]) => mask !== 'GFP_NOWAIT' || machine.kernel !== '6.12-x86_64')
  it.each(loud)('%s order %i', (mask, order) => compare(run(machine, FEW, mask, order), machine, mask, order))
})

it('any small machine', () => {
  const machines = fc.record({
    kernel: fc.constantFrom('6.1-x86_64', '6.12-x86_64', '6.1-i386'),
    memory: fc.integer({ min: 40, max: 200 }).map(mib => `${mib}M`),
    cpus: fc.integer({ min: 1, max: 3 }),
  })
  const wishes = fc.array(
    fc.record({ pages: fc.integer({ min: 1, max: 600 }), adj: fc.integer({ min: -999, max: 999 }) }),
    {
      minLength: 1,
      maxLength: 5,
      size: '+1',
    },
  )
  const requests = fc.constantFrom(...REQUESTS.filter(([mask]) => mask !== 'GFP_NOWAIT'))
  fc.assert(
    fc.property(machines, wishes, requests, (machine, processes, [mask, order]) =>
      compare(run(machine, processes, mask, order), machine, mask, order),
    ),
    { numRuns: 30 },
  )
})

it.each(['6.1-x86_64', '6.12-x86_64'])(
  'a request bound to a node shows that node, and says what binds it (%s)',
  kernel => {
    const machine = Machine.boot({ kernel, memory: '256M', cpus: 2, commandLine: 'numa=fake=2' }, OPTIONS)
    const { sys } = machine
    machine.apply({ op: 'spawn', comm: 'init' })
    machine.apply({ op: 'spawn', comm: 'bound' })
    const lines: string[] = []
    let free = 0
    const zone = sys.nr_zone_types + sys.kernel.zones.indexOf('DMA32')
    sys.printk = line => {
      if (lines.push(line) === 1) free = 4 * zone_page_state(sys, zone, NR_FREE_PAGES)
    }
    for (let i = 0; i < 60000 && lines.length === 0; i++) __alloc_pages(sys, GFP_KERNEL, 0, 1, Uint8Array.of(0, 1))
    const [report] = explain(lines.join('\n')).reports
    expect(report).toMatchObject({ kind: 'oom-kill', constraint: 'mempolicy', failing: { node: 1, zone: 'DMA32' } })
    expect(report!.zones.map(({ node, name, freeKB }) => [node, name, freeKB])).toEqual([[1, 'DMA32', free]])
    expect(report!.victim).toMatchObject({ pid: 2, predictedPid: 2 })
  },
)

it.each(['6.1-x86_64', '6.12-x86_64'])('slabs that hold all memory are listed (%s)', kernel => {
  const machine = Machine.boot({ kernel, memory: '64M' }, OPTIONS)
  const { sys } = machine
  machine.initAllocators()
  machine.apply({ op: 'spawn', comm: 'init' })
  machine.apply({ op: 'spawn', comm: 'leak' })
  const lines: string[] = []
  let slabinfo = ''
  sys.printk = line => {
    if (lines.push(line) === 1) slabinfo = machine.proc('slabinfo')
  }
  for (let i = 0; i < 100000 && lines.length === 0; i++) kmalloc(sys, 1024, machine.gfp('GFP_KERNEL'))
  const head = lines.findIndex(line => /^Name +Used +Total$/.test(line))
  expect(lines[head - 1]).toBe('Unreclaimable slab info:')
  const info = new Map(
    [...slabinfo.matchAll(/^(\S+) +(\d+) +(\d+) +(\d+)/gm)].map(([, name, used, all, size]) => [
      name!,
      [Number(used) * Number(size), Number(all) * Number(size)].map(bytes => `${Math.floor(bytes / 1024)}KB`),
    ]),
  )
  const end = lines.findIndex((line, i) => i > head && line.startsWith('Tasks state'))
  const rows = lines.slice(head + 1, end).map(line => line.split(/ +/))
  expect(rows.map(([name]) => name)).toContain('kmalloc-1k')
  for (const [name, ...values] of rows) expect([name, values]).toEqual([name, info.get(name!)])
  const wanted = [...info].filter(([name, [, all]]) => all !== '0KB' && !/^(kmalloc-rcl|dma-)/.test(name))
  expect(rows.map(([name]) => name)).toEqual(expect.arrayContaining(wanted.map(([name]) => name)))
  const [report] = explain(
    lines.slice(0, lines.findIndex(line => line.includes('Killed process')) + 1).join('\n'),
  ).reports
  expect(report).toMatchObject({ kind: 'oom-kill', reason: 'slab-unreclaimable' })
})
