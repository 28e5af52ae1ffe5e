// What a report says, before anybody judges it. Every fact carries the lines that say it.
// Law: what the text does not say is null or absent, never a guess.

/** A number and the line that says it. */
export interface Fact<T = number> {
  readonly value: T
  readonly line: number
}

/** Kinds of reports. */
export type ReportKind = 'oom-kill' | 'alloc-failure' | 'vmalloc-failure' | 'slab-failure' | 'sysrq-m' | 'mem-info'

/** One zone as its line, its reserve line and its line of free blocks say. */
export interface ZoneFacts {
  readonly node: number
  readonly name: string
  readonly line: number
  /** The line's numbers by name, kB. */
  readonly kb: ReadonlyMap<string, number>
  /** Pages by the index of the request's highest zone. */
  reserve: Fact<readonly number[]> | null
  /** `no`, `yes`; null = not said. */
  readonly unreclaimable: boolean | null
}

/** A line of free blocks. */
export interface BlockFacts {
  readonly node: number
  readonly name: string
  readonly line: number
  /** Bytes of the smallest block. */
  readonly unit: number
  /** Blocks by order. */
  readonly counts: readonly number[]
  /** Letters of the migrate types by order, '' = none said. */
  readonly types: readonly string[]
  /** The printed sum, kB; null = cut off. */
  readonly totalKB: number | null
}

/** One row of the table of processes; numbers by their column's name. */
export interface TaskRow {
  readonly line: number
  readonly pid: number
  readonly name: string
  readonly columns: Readonly<Record<string, number>>
}

export interface MemcgFacts {
  /** The cgroup whose limit was reached. */
  path: Fact<string> | null
  /** That of the process which asked. */
  taskPath: Fact<string> | null
  usageKB: Fact | null
  limitKB: Fact | null
  swapUsageKB: Fact | null
  /** null also where there is no limit. */
  swapLimitKB: Fact | null
  /** Which of the limits above counts memory and swap together (v1). */
  swapCountsMemory: boolean
  /** memory.stat in kB (v1) or bytes (v2), as `unit` bytes. */
  readonly stat: Map<string, Fact>
  statUnit: number
}

export interface KillFacts {
  readonly line: number
  readonly pid: number
  readonly name: string
  /** Which text introduced it. */
  readonly scope: 'global' | 'memcg' | 'allocating-task' | 'unknown'
  readonly totalVmKB: number | null
  readonly rssKB: number | null
  /** What the kernel printed as its score (out of 1000), up to 5.0. */
  readonly score: number | null
}

/** One report. */
export interface ReportFacts {
  kind: ReportKind
  /** First line. */
  readonly line: number
  /** Last line that belongs to it. */
  lastLine: number
  readonly caller: string | null
  kernel: Fact<string> | null
  process: Fact<{ name: string; pid: number | null }> | null
  /** The mask as printed: number, words, or both. */
  gfp: Fact<{ number: string; words: string }> | null
  order: Fact | null
  nodemask: Fact<string> | null
  memsAllowed: Fact<string> | null
  cpuset: Fact<string> | null
  /** `CONSTRAINT_…` as printed. */
  constraint: Fact<string> | null
  /** The kernel said that a cgroup's limit or the whole machine was the scope. */
  scope: Fact<'memcg' | 'global'> | null
  /** What a vmalloc asked for, bytes, and why it failed in the kernel's words. */
  vmalloc: Fact<{ bytes: number; why: string }> | null
  /** Bytes for which the address space of vmalloc had no room. */
  hole: Fact | null
  slabCache: Fact<string> | null
  /** A line that says that somebody asked for the dump, or a task hung. */
  occasion: Fact<'sysrq-m' | 'sysrq-f' | 'hung-task' | 'stall'> | null
  hasMemInfo: boolean
  /** Registers and function names that tell the processor. */
  arch: Fact<'i386' | 'x86_64' | 'arm' | 'arm64' | 'ppc64'> | null
  /** Functions of the call trace that matter: `moom_callback`, `mem_cgroup_out_of_memory`. */
  readonly frames: Map<string, number>
  readonly zones: ZoneFacts[]
  readonly blocks: BlockFacts[]
  /** Counters of the machine, pages. */
  readonly counters: Map<string, Fact>
  /** Counters of a node, kB. */
  readonly nodes: Map<number, { readonly line: number; readonly kb: ReadonlyMap<string, number> }>
  readonly hugepages: {
    readonly line: number
    readonly node: number
    readonly total: number
    readonly sizeKB: number
  }[]
  freeSwapKB: Fact | null
  totalSwapKB: Fact | null
  ramPages: Fact | null
  reservedPages: Fact | null
  highmemPages: Fact | null
  readonly memcg: MemcgFacts
  /** Unreclaimable slab caches, kB. */
  readonly slabs: { readonly line: number; readonly name: string; readonly totalKB: number }[]
  slabTable: number | null
  taskHeader: Fact<readonly string[]> | null
  readonly tasks: TaskRow[]
  /** A line behind the table was read: it is whole. */
  tasksEnded: boolean
  /** The process that was chosen, as `oom-kill:` or `Kill process` says. */
  chosen: Fact<{ pid: number; name: string }> | null
  kill: KillFacts | null
  /** Further kills of the same event (memory.oom.group). */
  readonly groupKills: KillFacts[]
  groupLine: number | null
  panic: Fact<string> | null
  /** Nothing could be killed. */
  noVictim: number | null
}

/** A report of which nothing but its place is known. */
export function emptyFacts(kind: ReportKind, line: number, caller: string | null): ReportFacts {
  return {
    kind,
    line,
    lastLine: line,
    caller,
    kernel: null,
    process: null,
    gfp: null,
    order: null,
    nodemask: null,
    memsAllowed: null,
    cpuset: null,
    constraint: null,
    scope: null,
    vmalloc: null,
    hole: null,
    slabCache: null,
    occasion: null,
    hasMemInfo: false,
    arch: null,
    frames: new Map(),
    zones: [],
    blocks: [],
    counters: new Map(),
    nodes: new Map(),
    hugepages: [],
    freeSwapKB: null,
    totalSwapKB: null,
    ramPages: null,
    reservedPages: null,
    highmemPages: null,
    memcg: {
      path: null,
      taskPath: null,
      usageKB: null,
      limitKB: null,
      swapUsageKB: null,
      swapLimitKB: null,
      swapCountsMemory: false,
      stat: new Map(),
      statUnit: 1,
    },
    slabs: [],
    slabTable: null,
    taskHeader: null,
    tasks: [],
    tasksEnded: false,
    chosen: null,
    kill: null,
    groupKills: [],
    groupLine: null,
    panic: null,
    noVictim: null,
  }
}
