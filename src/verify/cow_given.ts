// What a recording of page faults tells of the program that was recorded: how many pages it has, which of them it writes while it
// measures itself, what its children touch. It is given to the twin, not computed by it.

type Numbers = Readonly<Record<string, number>>

/** Pages of the array on the program's stack. */
export const ARRAY = 64

/** One step of a recording. */
export interface CowRow {
  readonly n: number
  readonly section: string
  readonly step: string
  readonly minflt: number
  readonly majflt: number
  readonly smaps_rollup: Numbers
  readonly status: Numbers
  readonly pages: readonly {
    readonly pfn: number
    readonly present: number
    readonly swap: number
    readonly filesh: number
    readonly excl: number
    readonly count: number
    readonly flags: string
  }[]
}

/** What the recording tells of the program before its first step. */
export interface CowGiven {
  /** Own anonymous pages, mapped pages of the program's file, which lies in a memory file system, and of the vdso. */
  readonly anon: number
  readonly program: number
  readonly vdso: number
  /** Whether the process that started it uses the vdso, too. */
  readonly sharedVdso: boolean
  /** Lowest mapping address, modulo the pages that a fault maps around it: addresses are random. */
  readonly residue: number
  /** Whether mappings lie in a part of the address space where no table is yet below the top level. */
  readonly farAway: boolean
  /** Own pages that the program writes while it forks, once and twice: it depends on where its stack lies. */
  readonly fork: number
  readonly twoForks: number
  /** Whether the disk had written all pages when the program asked to forget the file. */
  readonly written: boolean
  /** Pages that an earlier run left in the file of the memory file system. */
  readonly tmpfs: number
  /** Own pages that it writes to measure itself: before a step begins, before smaps is read, behind that. */
  readonly measure: { readonly begin: number; readonly before: number; readonly late: number }
  /** Program's pages that lie in the area of its data, and so are copied by a fork. */
  readonly data: number
  /** Program's pages that a child has which waits, which runs on, and which has run on for a step; whether it used the vdso. */
  readonly waiting: number
  readonly running: number
  readonly later: number
  readonly childVdso: boolean
  /** Own pages that a child reads and does not write: before smaps in its first step, and behind that. */
  readonly reads: readonly [first: number, later: number]
  /** Pages of the array on its stack that it has used before it writes all of it. */
  readonly stackOld: number
}

/** What the recording tells of the program; `before`: the machine ran it before. */
export function givenOf(rows: readonly (CowRow | null)[], before: boolean): CowGiven {
  const second = rows[1]!
  const named = (step: string): CowRow | undefined => rows.find(row => row?.step === step) ?? undefined
  const resident = rows.find(row => (row?.status.RssShmem ?? 0) > 0) ?? second
  const around = rows.findIndex(row => row?.step === 'read page 16')
  const pages = (row: CowRow | null | undefined, name: string): number => (row?.smaps_rollup[name] ?? 0) / 4
  const mapped = around < 1 ? 16 : pages(rows[around], 'Rss') - pages(rows[around - 1], 'Rss')
  const minor = (step: string): number => named(step)?.minflt ?? 0
  const zero = rows.findIndex(row => row?.step.startsWith('read pages 0..15 (zero'))
  const tables = zero < 1 ? 0 : (rows[zero]?.status.VmPTE ?? 0) - (rows[zero - 1]?.status.VmPTE ?? 0)
  const vdso = (resident.status.RssFile ?? 0) / 4
  return {
    anon: pages(second, 'Anonymous'),
    program: pages(second, 'Rss') - pages(second, 'Anonymous') - vdso,
    vdso,
    sharedVdso: pages(second, 'Shared_Clean') > 0,
    residue: (16 - mapped) % 16,
    farAway: tables > 8,
    fork: minor('fork (child waits)'),
    twoForks: minor('two children alive'),
    written: (named('read page 0')?.majflt ?? 1) > 0,
    tmpfs: before ? 16 : 0,
    ...shared(named, pages),
    stackOld: ARRAY - (pages(named('grow stack by 256K'), 'Rss') - pages(named('brk shrink'), 'Rss')),
  }
}

/** What is shared between the program and a child at a step, and what not, tells who has written how much by then. */
function shared(
  named: (step: string) => CowRow | undefined,
  pages: (row: CowRow | undefined, name: string) => number,
): Pick<CowGiven, 'measure' | 'data' | 'waiting' | 'running' | 'later' | 'childVdso' | 'reads'> {
  const [forked, measured] = [named('fork (child waits)'), named('parent reads 0..15')]
  const [child, later] = [named('child: after fork'), named('child: read 0..15')]
  // Everything of the program that a child has is shared with its parent: what is private to it are pages that one of them wrote.
  const all = pages(later, 'Private_Dirty')
  const late = all - pages(child, 'Private_Dirty')
  const begin = pages(measured, 'Private_Dirty') - pages(forked, 'Private_Dirty') - late
  const vdso = pages(child, 'Shared_Clean')
  const code = (row: CowRow | undefined): number => pages(row, 'Rss') - pages(row, 'Anonymous') - vdso
  // The page of the arguments counts as used: the kernel wrote it.
  const used = pages(child, 'Referenced') - code(child) - vdso - (all - late) - 1
  const more = pages(later, 'Referenced') - pages(child, 'Referenced') - 16 - (code(later) - code(child)) - late
  return {
    measure: { begin, late, before: all - begin - late },
    data: (child?.status.RssShmem ?? 0) / 4,
    waiting: pages(measured, 'Shared_Dirty') - pages(measured, 'Anonymous') + all,
    running: code(child),
    later: code(later),
    childVdso: vdso > 0,
    reads: [Math.max(0, used), Math.max(0, more)],
  }
}
