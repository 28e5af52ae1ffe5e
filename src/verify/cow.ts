// Page faults and copy-on-write, step by step: a recorded program maps, touches, forks and unmaps; after each step its
// fault counts, the sums of its memory and the state of its first pages were noted. The reader runs the same program on
// a machine of the same kernel and compares. Given, not computed: how many pages the program itself has before its first
// step, which of them it writes when it forks, and where its mappings lie modulo 16 pages (addresses are random).

import { get_mm_counter } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { kpagecount, stable_page_flags } from '../mm/page_flags_user.ts'
import { pagemap_entry, smaps_rollup } from '../mm/task_mmu.ts'
import { THP_ALWAYS, THP_MADVISE, THP_NEVER } from '../mm/thp_settings.ts'
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES } from '../mm/vm_flags.ts'
import { bootFolders, type RecordedBoot, readBootFolder } from './boot_folder.ts'
import { type CowRow, givenOf } from './cow_given.ts'
import { CowPlayer } from './cow_player.ts'
import { type CowStep, cowSteps } from './cow_program.ts'
import { jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const COW_FILE = /(^|\/)cow\/[^/]*\.jsonl(\.gz)?$/

export const cowKind: VerifyKind = kind('cow', false)
export const cowMemoryKind: VerifyKind = kind('cow memory', true)

function kind(name: string, memory: boolean): VerifyKind {
  return {
    kind: name,
    run(files) {
      const counts = tally(name)
      playCow(files, memory, counts)
      return counts.result()
    },
  }
}

/** Plays all recordings, and counts their checks. */
export function playCow(files: readonly VerifyFile[], memory: boolean, counts: Tally): void {
  const folders = bootFolders(files)
  for (const file of files.filter(({ path }) => COW_FILE.test(path))) {
    counts.file(file.path)
    try {
      const root = file.path.slice(0, file.path.search(/cow\/[^/]*$/))
      const boot = folders.find(({ path }) => path === `${root}boot/`)
      const script = files.find(({ path }) => path === `${root}run.sh`)
      const before = script !== undefined && ranBefore(script.text(), file.path)
      if (boot) runFile(file, readBootFolder(boot), before, counts, memory)
      else counts.check(1, 'a boot folder beside it', 'none')
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      counts.check(1, 'a program that runs', error.message)
    }
  }
}

type Numbers = Readonly<Record<string, number>>

function runFile(file: VerifyFile, boot: RecordedBoot, before: boolean, counts: Tally, memory: boolean): void {
  const rows = [...jsonLines(file.text())].map(({ row, line, text }) => ({
    row: row as unknown as CowRow | null,
    line,
    text,
  }))
  const first = rows[1]?.row
  if (!first?.smaps_rollup) throw new RangeError('no second step')
  const given = givenOf(
    rows.map(({ row }) => row),
    before,
  )
  const player = new CowPlayer(boot.kernel, given)
  setHuge(player.sys, file.path)
  const huge = boot.kernel.config.TRANSPARENT_HUGEPAGE ? 2 ** boot.kernel.huge_order : 0
  const steps = cowSteps(huge)
  const base = figures(player)
  for (const [i, { row, line, text }] of rows.entries()) {
    const step = steps[i]
    if (!row || !step || row.section !== step.section || row.step.trimEnd() !== step.name.trimEnd()) {
      counts.check(
        line,
        row ? `${row.section}: ${row.step}` : 'a step',
        step ? `${step.section}: ${step.name}` : 'none',
      )
      continue
    }
    playStep(player, step, row, line, first, base, counts, memory, text.length + 1)
  }
}

function playStep(
  player: CowPlayer,
  step: CowStep,
  row: CowRow,
  line: number,
  first: CowRow,
  base: Numbers,
  counts: Tally,
  memory: boolean,
  bytes: number,
): void {
  const { min_flt, maj_flt } = player.sys.task
  // A step that begins in another process than it ends in has begun there already.
  if (!step.begun) player.begin()
  const before = [min_flt[player.task]!, maj_flt[player.task]!] as const
  if (!step.begun) player.stamp()
  step.run(player)
  const [minor, major] = [min_flt[player.task]! - before[0], maj_flt[player.task]! - before[1]]
  // The first two steps tell what the program is; they are given.
  const given = row.n <= 2
  if (!memory && !given) {
    counts.check(line, `${row.minflt} minor, ${row.majflt} major`, `${minor} minor, ${major} major`)
  }
  player.measure()
  if (memory && !given) checkMemory(player, row, line, first, base, counts)
  player.measured()
  if (!memory && !given)
    for (const [i, page] of row.pages.entries()) counts.check(line, recordedPage(page), modelPage(player, i))
  player.print(bytes)
  step.after(player)
}

const recordedPage = (page: CowRow['pages'][number]): string =>
  `present ${page.present} swap ${page.swap} file ${page.filesh} exclusive ${page.excl} count ${page.count} flags ${page.flags}`

function modelPage(player: CowPlayer, i: number): string {
  const { sys } = player
  const { pfn, present, swap, file, exclusive } = pagemap_entry(sys, player.mm, player.reg + i)
  const count = present ? kpagecount(sys, pfn) : 0
  const flags = present ? stable_page_flags(sys, pfn) : 0
  const bits = [present, swap, file, exclusive].map(Number)
  return `present ${bits[0]} swap ${bits[1]} file ${bits[2]} exclusive ${bits[3]} count ${count} flags 0x${flags.toString(16)}`
}

/** Sums in kB under the recording's names. */
function figures(player: CowPlayer): Numbers {
  const { sys, mm } = player
  const sums = smaps_rollup(sys, mm)
  const kb = (bytes: number): number => bytes / 1024
  const pages = (count: number): number => (count * sys.page_bytes) / 1024
  return {
    Rss: kb(sums.resident),
    Pss: Math.floor(sums.pss / 4096 / 1024),
    Shared_Clean: kb(sums.shared_clean),
    Shared_Dirty: kb(sums.shared_dirty),
    Private_Clean: kb(sums.private_clean),
    Private_Dirty: kb(sums.private_dirty),
    Referenced: kb(sums.referenced),
    Anonymous: kb(sums.anonymous),
    LazyFree: kb(sums.lazyfree),
    AnonHugePages: kb(sums.anonymous_thp),
    ShmemPmdMapped: kb(sums.shmem_thp),
    Swap: kb(sums.swap),
    Locked: Math.floor(sums.pss_locked / 4096 / 1024),
    VmPTE: kb(sys.mm.pgtables_bytes[mm]!),
    RssAnon: pages(get_mm_counter(sys, mm, MM_ANONPAGES)),
    RssFile: pages(get_mm_counter(sys, mm, MM_FILEPAGES)),
    RssShmem: pages(get_mm_counter(sys, mm, MM_SHMEMPAGES)),
    VmData: pages(sys.mm.data_vm[mm]!),
    VmSize: pages(sys.mm.total_vm[mm]!),
  }
}

/** Each sum as far as it is from what the program had before its first step. */
function checkMemory(player: CowPlayer, row: CowRow, line: number, first: CowRow, base: Numbers, counts: Tally): void {
  const now = figures(player)
  for (const [name, value] of [...Object.entries(row.smaps_rollup), ...Object.entries(row.status)]) {
    const start = first.smaps_rollup[name] ?? first.status[name] ?? 0
    // What a task has not added up yet at the first step is not known, so these count from nothing.
    const absolute = name.startsWith('Rss') && name !== 'Rss'
    const wanted = absolute ? value : value - start
    const got = absolute ? now[name]! : now[name]! - base[name]!
    counts.check(line, `${row.step}: ${name} ${wanted}`, `${row.step}: ${name} ${got}`)
  }
}

/** Whether the machine ran the program before this recording: its script says in which order they were made. */
function ranBefore(script: string, path: string): boolean {
  const order = [...script.matchAll(/cow\/([^/\s>]+)\.jsonl/g)].map(([, name]) => name)
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.jsonl(\.gz)?$/, '')
  return order.indexOf(name) > 0
}

/** The setting of huge pages that the file's name tells; `default` = what the machine had after its boot. */
function setHuge(sys: Sys, path: string): void {
  const { vm_state } = sys
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name.includes('never')) vm_state.thp_enabled[0] = THP_NEVER
  else if (name.includes('madvise')) vm_state.thp_enabled[0] = THP_MADVISE
  else vm_state.thp_enabled[0] = THP_ALWAYS
  if (name.includes('nozeropage')) vm_state.thp_use_zero_page[0] = 0
}
