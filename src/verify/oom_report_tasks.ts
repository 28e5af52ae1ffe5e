// The processes of a report, and who asked: rows of the machine's tasks, and the request as the killer gets it.

import type { Sys } from '../mm/mmzone.ts'
import type { OomControl, OomCounter, OomMemcg } from '../mm/oom_select.ts'
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, MM_SWAPENTS, PF_KTHREAD, TASK_RUNNING } from '../mm/vm_flags.ts'
import { COMM_LEN } from '../mm/vm_tables.ts'
import type { LoggedReport } from './oom_report_lines.ts'

const ROW = /^\[ *(\d+)\] +\d+ +(\d+) +((?:\d+ +)+)(-?\d+) (.*)$/
const KILLED =
  /^(.*): Killed process (\d+) \(.*\) total-vm:\d+kB, anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB/

/** Makes the tasks of a report; the one that asked runs. Numbers of rows by pid. */
export function fillTasks(sys: Sys, report: LoggedReport): Map<number, number> {
  sys.task.state.fill(0)
  sys.task.flags.fill(0)
  sys.task.signal.fill(0)
  sys.mm.flags.fill(0)
  const rows = new Map<number, number>()
  for (const { text } of report.lines) {
    const match = ROW.exec(text)
    if (match) rows.set(Number(match[1]), addTask(sys, rows.size + 1, match))
  }
  splitRss(sys, report, rows)
  const [, comm = '', adj = '0'] =
    /^(.*?)(?: invoked oom-killer: .*oom_score_adj=(-?\d+)|: .*)$/.exec(report.lines[0]!.text) ?? []
  const current = rows.get(report.pid) ?? (report.pid === 0 ? 0 : addKernelTask(sys, rows.size + 1, report.pid, comm))
  if (current !== 0) sys.task.oom_score_adj[current] = Number(adj)
  sys.vm_cpu.current[report.cpu] = current
  return rows
}

/** Columns after tgid: total_vm rss [anon file shmem] pgtables swapents. */
function addTask(sys: Sys, row: number, [, pid, tgid, numbers, adj, comm]: RegExpExecArray): number {
  const [total_vm = 0, rss = 0, ...rest] = numbers!.trim().split(/ +/).map(Number)
  const [anon = rss, file = 0, shmem = 0] = rest.length === 5 ? rest : []
  const [pgtables = 0, swapents = 0] = rest.slice(-2)
  nameTask(sys, row, Number(pid), Number(tgid), comm!)
  sys.task.oom_score_adj[row] = Number(adj)
  sys.task.mm[row] = row
  // The reader looks into it, too: its pages are counts only, and nothing of it is to be given back.
  sys.mm.users[row] = 2
  sys.mm.owner[row] = row
  sys.mm.total_vm[row] = total_vm
  sys.mm.pgtables_bytes[row] = pgtables
  setRss(sys, row, anon, file, shmem)
  sys.mm.rss_stat[4 * row + MM_SWAPENTS] = swapents
  return row
}

function nameTask(sys: Sys, row: number, pid: number, tgid: number, comm: string): void {
  sys.task.state[row] = TASK_RUNNING
  sys.task.pid[row] = pid
  sys.task.tgid[row] = tgid
  for (let i = 0; i < COMM_LEN; i++) sys.task.comm[row * COMM_LEN + i] = comm.charCodeAt(i) || 0
}

/** Who asks and has no row is a thread, or one of the kernel's. */
function addKernelTask(sys: Sys, row: number, pid: number, comm: string): number {
  nameTask(sys, row, pid, pid, comm)
  sys.task.mm[row] = 0
  sys.task.flags[row] = PF_KTHREAD
  return row
}

function setRss(sys: Sys, row: number, anon: number, file: number, shmem: number): void {
  sys.mm.rss_stat[4 * row + MM_ANONPAGES] = anon
  sys.mm.rss_stat[4 * row + MM_FILEPAGES] = file
  sys.mm.rss_stat[4 * row + MM_SHMEMPAGES] = shmem
}

/** Older tables have one column for all kinds: the last line of a victim tells them apart. */
function splitRss(sys: Sys, { lines }: LoggedReport, rows: ReadonlyMap<number, number>): void {
  const kb = 2 ** (sys.kernel.PAGE_SHIFT - 10)
  if (sys.kernel.report_text.rss_columns) return
  for (const { text } of lines) {
    const [, , pid, anon, file, shmem] = KILLED.exec(text) ?? []
    const row = rows.get(Number(pid))
    if (row !== undefined) setRss(sys, row, Number(anon) / kb, Number(file) / kb, Number(shmem) / kb)
  }
}

/** The request of a report, with the names and limits that it prints. */
export function requestOf(sys: Sys, report: LoggedReport, rows: ReadonlyMap<number, number>): OomControl {
  const texts = report.lines.map(({ text }) => text)
  const head = texts[0]!
  const about = texts.find(text => text.startsWith('oom-kill:')) ?? head
  const word = (name: string): string | undefined => new RegExp(`[,:]${name}=([^,(]+)`).exec(about)?.[1]
  const mask = /(?:gfp_mask=|mode:)(0x[0-9a-f]+)/.exec(head)?.[1]
  const nodes = (list: string | undefined): Uint8Array | null => (list === undefined ? null : nodesOf(sys, list))
  const allowing = texts.some(text => text.startsWith('Out of memory (oom_kill_allocating_task)'))
  sys.sysctl.oom_kill_allocating_task[0] = allowing ? 1 : 0
  const panics = texts
    .map(text => /^Kernel panic .*(compulsory|system-wide) panic_on_oom/.exec(text)?.[1])
    .find(Boolean)
  sys.sysctl.panic_on_oom[0] = panics === undefined ? 0 : panics === 'compulsory' ? 2 : 1
  const cpuset = about.match(/,cpuset=([^,]+),mems_allowed=([0-9,-]+?)(?=,[a-z]|$)/)
  const policy = /nodemask=([0-9,-]+),cpuset/.exec(about)?.[1]
  return {
    gfp_mask: Number(mask) | 0,
    order: Number(/order[=:](-?\d+)/.exec(head)?.[1] ?? 0),
    nodemask: nodes(policy),
    mems_allowed: nodes(cpuset?.[2]),
    memcg: memcgOf(texts, rows, word('oom_memcg')),
    ...(cpuset ? { cpuset: cpuset[1]! } : {}),
    task_memcg: word('task_memcg') ?? '/',
  }
}

/** `0-1,3`: a byte per node. */
function nodesOf(sys: Sys, list: string): Uint8Array {
  const ranges = list.split(',').map(part => part.split('-').map(Number))
  const nodes = new Uint8Array(Math.max(sys.nr_nodes, ...ranges.map(range => range.at(-1)! + 1)))
  for (const [first = 0, last = first] of ranges) nodes.fill(1, first, last + 1)
  return nodes
}

function memcgOf(
  texts: readonly string[],
  rows: ReadonlyMap<number, number>,
  path: string | undefined,
): OomMemcg | null {
  const title = texts.map(text => /^Memory cgroup stats for (.*):$/.exec(text)?.[1]).find(name => name !== undefined)
  if (title === undefined) return null
  const counters = texts.flatMap((text): OomCounter[] => {
    const match = /^(memory|swap|memory\+swap|kmem): usage (\d+)kB, limit (\d+)kB, failcnt (\d+)$/.exec(text)
    return match
      ? [{ name: match[1]!, usage: Number(match[2]), limit: Number(match[3]), failcnt: Number(match[4]) }]
      : []
  })
  const stats = texts.flatMap((text): [string, number][] => {
    const match = /^([a-z_0-9]+) (\d+)$/.exec(text)
    return match ? [[match[1]!, Number(match[2])]] : []
  })
  const at = texts.findIndex(text => /^Tasks in .* are going to be killed/.test(text))
  const members = texts.slice(at + 1).flatMap(text => rows.get(Number(KILLED.exec(text)?.[2])) ?? [])
  const group = at < 0 ? null : { path: /^Tasks in (\S+) /.exec(texts[at]!)![1]!, tasks: members }
  const max = Math.floor((counters[0]?.limit ?? 0) / 4)
  return { path: path ?? title, max, tasks: [...rows.values()], group, counters, stats }
}
