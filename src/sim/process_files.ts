// Files of a process below /proc/PID, in the kernel's layout: maps, smaps, smaps_rollup, and the lines of status that tell
// of memory; pagemap, kpagecount and kpageflags as the bytes that a reader gets.

import { hugepage_vma_check } from '../mm/huge_fault.ts'
import { cgroup_path, has_memcgs } from '../mm/memcg_tree.ts'
import { get_mm_counter, get_mm_rss } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { oom_adj_read } from '../mm/oom_adj.ts'
import { proc_oom_score } from '../mm/oom_select.ts'
import { kpagecount, stable_page_flags } from '../mm/page_flags_user.ts'
import { type MemSizeStats, mem_size_stats, pagemap_entry, smap_gather_stats, smaps_rollup } from '../mm/task_mmu.ts'
import * as F from '../mm/vm_flags.ts'
import { vma_inode } from '../mm/vma.ts'
import { textAt } from './process_commands.ts'

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0')

/** What an area's last column says. */
function areaName(sys: Sys, vma: number): string {
  const mm = sys.vma.mm[vma]!
  if (sys.vma.special[vma] !== 0) return sys.vma.special[vma] === F.SPECIAL_VDSO ? '[vdso]' : '[vvar]'
  const inode = vma_inode(sys, vma)
  const { name, kind } = sys.inode
  if (inode !== 0) return textAt(name, inode * (name.length / kind.length))
  const [start, end] = [sys.vma.start[vma]! * sys.page_bytes, sys.vma.end[vma]! * sys.page_bytes]
  const behind = sys.kernel.bss_is_heap ? end >= sys.mm.start_brk[mm]! : end > sys.mm.start_brk[mm]!
  if (start <= sys.mm.brk[mm]! && behind && sys.mm.start_brk[mm]! > 0) return '[heap]'
  if (start <= sys.mm.start_stack[mm]! && end > sys.mm.start_stack[mm]!) return '[stack]'
  return ''
}

/** One line of maps. @kernel fs/proc/task_mmu.c:show_map_vma */
function mapLine(sys: Sys, vma: number): string {
  const flags = sys.vma.flags[vma]!
  const inode = sys.vma.special[vma] === 0 ? vma_inode(sys, vma) : 0
  const address = (page: number): string => hex(page * sys.page_bytes, 8)
  const letters = `${flags & F.VM_READ ? 'r' : '-'}${flags & F.VM_WRITE ? 'w' : '-'}${flags & F.VM_EXEC ? 'x' : '-'}${flags & F.VM_MAYSHARE ? 's' : 'p'}`
  const offset = inode === 0 ? 0 : sys.vma.pgoff[vma]! * sys.page_bytes
  const dev = inode === 0 ? 0 : sys.inode.dev[inode]!
  const ino = inode === 0 ? 0 : sys.inode.ino[inode]!
  const range = `${address(sys.vma.start[vma]!)}-${address(sys.vma.end[vma]!)}`
  const line = `${range} ${letters} ${hex(offset, 8)} ${hex(dev >> 8, 2)}:${hex(dev & 0xff, 2)} ${ino} `
  const name = areaName(sys, vma)
  if (name === '') return `${line}\n`
  const width = 25 + (sys.kernel.BITS_PER_LONG / 8) * 6 - 1
  return `${line.padEnd(width)} ${name}\n`
}

function areas(sys: Sys, mm: number): number[] {
  const all: number[] = []
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!) all.push(vma)
  return all
}

/** /proc/PID/maps. */
export const mapsText = (sys: Sys, mm: number): string =>
  areas(sys, mm)
    .map(vma => mapLine(sys, vma))
    .join('')

const kbLine = (name: string, bytes: number): string =>
  `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(name === 'Private_Hugetlb' ? 8 : 8)} kB\n`

/** The sums that smaps and smaps_rollup share. @kernel fs/proc/task_mmu.c:__show_smap */
function sumLines(mss: MemSizeStats, rollup: boolean): string {
  const pss = (value: number): number => value / 4096
  const lines: [string, number][] = [
    ['Rss', mss.resident],
    ['Pss', pss(mss.pss)],
    ['Pss_Dirty', pss(mss.pss_dirty)],
  ]
  if (rollup)
    lines.push(['Pss_Anon', pss(mss.pss_anon)], ['Pss_File', pss(mss.pss_file)], ['Pss_Shmem', pss(mss.pss_shmem)])
  lines.push(
    ['Shared_Clean', mss.shared_clean],
    ['Shared_Dirty', mss.shared_dirty],
    ['Private_Clean', mss.private_clean],
    ['Private_Dirty', mss.private_dirty],
    ['Referenced', mss.referenced],
    ['Anonymous', mss.anonymous],
    ['LazyFree', mss.lazyfree],
    ['AnonHugePages', mss.anonymous_thp],
    ['ShmemPmdMapped', mss.shmem_thp],
    ['FilePmdMapped', 0],
    ['Shared_Hugetlb', mss.shared_hugetlb],
    ['Private_Hugetlb', mss.private_hugetlb],
    ['Swap', mss.swap],
    ['SwapPss', pss(mss.swap_pss)],
    ['Locked', pss(mss.pss_locked)],
  )
  return lines.map(([name, value]) => kbLine(name, value)).join('')
}

/** Two letters for each flag of an area. @kernel fs/proc/task_mmu.c:show_smap_vma_flags */
const LETTERS: readonly (readonly [number, string])[] = [
  [F.VM_READ, 'rd'],
  [F.VM_WRITE, 'wr'],
  [F.VM_EXEC, 'ex'],
  [F.VM_SHARED, 'sh'],
  [F.VM_MAYREAD, 'mr'],
  [F.VM_MAYWRITE, 'mw'],
  [F.VM_MAYEXEC, 'me'],
  [F.VM_MAYSHARE, 'ms'],
  [F.VM_GROWSDOWN, 'gd'],
  [F.VM_PFNMAP, 'pf'],
  [F.VM_LOCKED, 'lo'],
  [F.VM_IO, 'io'],
  [F.VM_SEQ_READ, 'sr'],
  [F.VM_RAND_READ, 'rr'],
  [F.VM_DONTCOPY, 'dc'],
  [F.VM_DONTEXPAND, 'de'],
  [F.VM_LOCKONFAULT, 'lf'],
  [F.VM_ACCOUNT, 'ac'],
  [F.VM_NORESERVE, 'nr'],
  [F.VM_HUGETLB, 'ht'],
  [F.VM_SYNC, 'sf'],
  [F.VM_WIPEONFORK, 'wf'],
  [F.VM_DONTDUMP, 'dd'],
  [F.VM_SOFTDIRTY, 'sd'],
  [F.VM_MIXEDMAP, 'mm'],
  [F.VM_HUGEPAGE, 'hg'],
  [F.VM_NOHUGEPAGE, 'nh'],
  [F.VM_MERGEABLE, 'mg'],
]

/** /proc/PID/smaps. @kernel fs/proc/task_mmu.c:show_smap */
export function smapsText(sys: Sys, mm: number): string {
  let text = ''
  for (const vma of areas(sys, mm)) {
    const mss = mem_size_stats()
    smap_gather_stats(sys, vma, mss)
    const huge = (sys.vma.flags[vma]! & F.VM_HUGETLB) !== 0
    const page = sys.page_bytes * (huge ? 2 ** sys.kernel.huge_order : 1)
    text += mapLine(sys, vma)
    text += kbLine('Size', (sys.vma.end[vma]! - sys.vma.start[vma]!) * sys.page_bytes)
    text += kbLine('KernelPageSize', page) + kbLine('MMUPageSize', page) + sumLines(mss, false)
    text += `THPeligible:    ${hugepage_vma_check(sys, vma) ? 1 : 0}\n`
    const flags = sys.vma.flags[vma]!
    text += `VmFlags: ${LETTERS.filter(([bit]) => (flags & bit) !== 0)
      .map(([, letters]) => `${letters} `)
      .join('')}\n`
  }
  return text
}

/** /proc/PID/smaps_rollup. @kernel fs/proc/task_mmu.c:show_smaps_rollup */
export function smapsRollupText(sys: Sys, mm: number): string {
  const all = areas(sys, mm)
  if (all.length === 0) return ''
  const [first, last] = [sys.vma.start[all[0]!]!, sys.vma.end[all.at(-1)!]!]
  const head = `${hex(first * sys.page_bytes, 8)}-${hex(last * sys.page_bytes, 8)} ---p 00000000 00:00 0 `
  return `${head.padEnd(25 + (sys.kernel.BITS_PER_LONG / 8) * 6 - 1)} [rollup]\n${sumLines(smaps_rollup(sys, mm), true)}`
}

/** @kernel fs/proc/array.c:get_task_state */
function stateText(sys: Sys, task: number): string {
  if (sys.task.state[task] !== F.TASK_RUNNING) return 'Z (zombie)'
  return sys.task.stuck[task] === 1 ? 'D (disk sleep)' : 'R (running)'
}

/** The lines of /proc/PID/status that tell who it is and how much memory it has. @kernel fs/proc/task_mmu.c:task_mem
 * @differs lines about credentials, signals and CPUs are not there */
export function statusText(sys: Sys, task: number): string {
  const mm = sys.task.mm[task]!
  const { comm, state } = sys.task
  const parent = sys.task.parent[task]!
  const lines = [
    `Name:\t${textAt(comm, task * (comm.length / state.length))}`,
    `State:\t${stateText(sys, task)}`,
    `Tgid:\t${sys.task.tgid[task]}`,
    `Pid:\t${sys.task.pid[task]}`,
    `PPid:\t${parent === 0 ? 0 : sys.task.pid[parent]}`,
  ]
  if (mm === 0) return `${lines.join('\n')}\n`
  const kb = (name: string, pages: number): void => {
    lines.push(`${name}:\t${String(Math.floor((pages * sys.page_bytes) / 1024)).padStart(8)} kB`)
  }
  const rss = get_mm_rss(sys, mm)
  kb('VmPeak', Math.max(sys.mm.hiwater_vm[mm]!, sys.mm.total_vm[mm]!))
  kb('VmSize', sys.mm.total_vm[mm]!)
  kb('VmLck', sys.mm.locked_vm[mm]!)
  kb('VmPin', 0)
  kb('VmHWM', Math.max(sys.mm.hiwater_rss[mm]!, rss))
  kb('VmRSS', rss)
  kb('RssAnon', get_mm_counter(sys, mm, F.MM_ANONPAGES))
  kb('RssFile', get_mm_counter(sys, mm, F.MM_FILEPAGES))
  kb('RssShmem', get_mm_counter(sys, mm, F.MM_SHMEMPAGES))
  kb('VmData', sys.mm.data_vm[mm]!)
  kb('VmStk', sys.mm.stack_vm[mm]!)
  const code = Math.ceil(sys.mm.end_code[mm]! / sys.page_bytes) - Math.floor(sys.mm.start_code[mm]! / sys.page_bytes)
  kb('VmExe', Math.min(code, sys.mm.exec_vm[mm]!))
  kb('VmLib', Math.max(0, sys.mm.exec_vm[mm]! - code))
  kb('VmPTE', sys.mm.pgtables_bytes[mm]! / sys.page_bytes)
  kb('VmSwap', get_mm_counter(sys, mm, F.MM_SWAPENTS))
  lines.push('Threads:\t1')
  return `${lines.join('\n')}\n`
}

/** Bytes of /proc/PID/pagemap for `count` pages from `page` on: 8 a page, little endian.
 * @kernel fs/proc/task_mmu.c:pagemap_read */
export function pagemapBytes(sys: Sys, mm: number, page: number, count: number): Uint8Array {
  return words(count, i => {
    const entry = pagemap_entry(sys, mm, page + i)
    const high =
      (entry.present ? 2 ** 31 : 0) +
      (entry.swap ? 2 ** 30 : 0) +
      (entry.file ? 2 ** 29 : 0) +
      (entry.exclusive ? 2 ** 24 : 0) +
      (entry.soft_dirty ? 2 ** 23 : 0)
    return [entry.pfn % 2 ** 32, high + Math.floor(entry.pfn / 2 ** 32)]
  })
}

/** Bytes of /proc/kpagecount for frames from `pfn` on. */
export const kpagecountBytes = (sys: Sys, pfn: number, count: number): Uint8Array =>
  words(count, i => [kpagecount(sys, pfn + i), 0])

/** Bytes of /proc/kpageflags for frames from `pfn` on. */
export const kpageflagsBytes = (sys: Sys, pfn: number, count: number): Uint8Array =>
  words(count, i => {
    const flags = stable_page_flags(sys, pfn + i)
    return [flags % 2 ** 32, Math.floor(flags / 2 ** 32)]
  })

function words(count: number, value: (i: number) => readonly [low: number, high: number]): Uint8Array {
  const bytes = new Uint8Array(8 * count)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < count; i++) {
    const [low, high] = value(i)
    view.setUint32(8 * i, low, true)
    view.setUint32(8 * i + 4, high, true)
  }
  return bytes
}

/** Files of all processes, by path. */
export function processFiles(sys: Sys): [path: string, read: (sys: Sys) => string][] {
  const files: [string, (sys: Sys) => string][] = []
  for (let task = 1; task < sys.task.state.length; task++) {
    if (sys.task.state[task] === 0) continue
    const folder = `/proc/${sys.task.pid[task]}`
    files.push([`${folder}/status`, other => statusText(other, task)])
    files.push([`${folder}/oom_score`, other => `${proc_oom_score(other, task)}\n`])
    files.push([`${folder}/oom_score_adj`, other => `${other.task.oom_score_adj[task]}\n`])
    if (has_memcgs(sys))
      files.push([`${folder}/cgroup`, other => `0::${cgroup_path(other, other.task.memcg[task]!)}\n`])
    files.push([`${folder}/oom_adj`, other => `${oom_adj_read(other, task)}\n`])
    const mm = sys.task.mm[task]!
    if (mm === 0) continue
    files.push([`${folder}/maps`, other => mapsText(other, mm)])
    files.push([`${folder}/smaps`, other => smapsText(other, mm)])
    files.push([`${folder}/smaps_rollup`, other => smapsRollupText(other, mm)])
  }
  return files
}
