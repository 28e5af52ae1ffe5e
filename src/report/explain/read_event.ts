// The lines around a memory dump: what was asked for and by whom, the table of processes, and who was killed.
import { headerColumns, type KernelLine } from './assemble.ts'
import type { KillFacts, ReportFacts, TaskRow } from './facts.ts'

/** Reads what all heads have: name, mask, order, nodes. */
export function readHead({ text, line }: KernelLine, facts: ReportFacts): void {
  const name = /^(.*?)(?: invoked oom-killer|: page alloc|: vmalloc)/.exec(text)?.[1]
  if (name) facts.process ??= { value: { name, pid: null }, line }
  const [, number, words = ''] = /(?:gfp_mask|mode)[=:]\s*(0x[0-9a-f]+|\d+)(?:\(([^)]*)\)?)?/i.exec(text) ?? []
  // A mask that is cut says nothing, but its words may be whole.
  if (number !== undefined) facts.gfp ??= { value: { number, words: words.replace(/\s+/g, '') }, line }
  const [, order] = /\border[=:]\s*(-?\d{1,2})(?!\d)/.exec(text) ?? []
  if (order !== undefined) facts.order ??= { value: Number(order) || 0, line }
  const [, nodemask] = /nodemask=(\(null\)|[\d,-]*\d)/.exec(text) ?? []
  if (nodemask !== undefined) facts.nodemask ??= { value: nodemask, line }
  readCpuset(text, line, facts)
}

/** `cpuset=/ mems_allowed=0`, with a comma from 4.19 on. */
export function readCpuset(text: string, line: number, facts: ReportFacts): void {
  const [, cpuset] = /cpuset=([^\s,]+)/.exec(text) ?? []
  const [, mems] = /mems_allowed=([\d,-]*\d)/.exec(text) ?? []
  if (cpuset !== undefined) facts.cpuset ??= { value: cpuset, line }
  if (mems !== undefined) facts.memsAllowed ??= { value: mems, line }
}

/** `vmalloc error: size 0, page order 9, failed to allocate pages` and its older forms. */
export function readVmalloc({ text, line }: KernelLine, facts: ReportFacts): void {
  const why = /vmalloc(?: error)?: (.*?)(?:, mode:|$)/.exec(text)?.[1] ?? ''
  const [, size] = /(?:size |failure: |of )(\d+)/.exec(why) ?? []
  const [, order] = /page order (\d+)/.exec(why) ?? []
  facts.vmalloc = { value: { bytes: Number(size ?? 0), why }, line }
  if (order !== undefined) facts.order ??= { value: Number(order), line }
}

/** `vmap allocation for size 4198400 failed`: there was no room for it in the address space. */
export function readVmapNote({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, size] = /size (\d+)/.exec(text) ?? []
  facts.hole ??= { value: Number(size ?? 0), line }
}

export function readSlabHead({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, number, words = ''] = /gfp=(0x[0-9a-f]+)(?:\(([^)]*)\)?)?/.exec(text) ?? []
  if (number !== undefined) facts.gfp ??= { value: { number, words }, line }
}

export function readSlabCache({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, name] = /^cache: ([^,]+),/.exec(text) ?? []
  const [, order] = /min order: (\d+)/.exec(text) ?? /, order: (\d+)/.exec(text) ?? []
  if (name !== undefined) facts.slabCache ??= { value: name, line }
  if (order !== undefined) facts.order ??= { value: Number(order), line }
}

/** `CPU: 0 PID: 89 Comm: init Not tainted 6.1.0 #1`, `Pid: 6186, comm: Xorg Tainted: P 2.6.24 #1`. */
export function readCpu({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, pid, name] = /[Pp][Ii][Dd]: (\d+),? [Cc]omm: (.*?)(?= Kdump:| Not [Tt]?| Tainted| G |$)/.exec(text) ?? []
  if (pid !== undefined && facts.process?.value.pid == null) {
    const said = facts.process?.value.name ?? name!
    facts.process = { value: { name: said, pid: Number(pid) }, line: facts.process?.line ?? line }
  }
  const [, kernel] = /[Tt]ainted:?(?:\s[A-Z\s]*?)?\s*(\d+\.\d+\S*)/.exec(text) ?? []
  if (kernel !== undefined) facts.kernel ??= { value: kernel, line }
}

export function readRegisters(text: string, line: number, facts: ReportFacts): void {
  const arch = /^(?:EIP|EAX):/.test(text)
    ? 'i386'
    : /^(?:RIP|RAX):/.test(text)
      ? 'x86_64'
      : /el0t?_/.test(text)
        ? 'arm64'
        : /^NIP|system_call_exception/.test(text)
          ? 'ppc64'
          : /^pc : \[<[0-9a-f]{8}>\]/.test(text)
            ? 'arm'
            : null
  if (arch !== null) facts.arch ??= { value: arch, line }
}

export function readTaskHeader({ text, line }: KernelLine, facts: ReportFacts): void {
  const columns = headerColumns(text)
  if (columns.includes('name')) facts.taskHeader ??= { value: columns, line }
}

/** A row as its header names the numbers; null where their count is another. */
export function readTaskRow({ text, line }: KernelLine, columns: readonly string[]): TaskRow | null {
  const [, first, rest] = /^\[\s*(\d+)\]\s+(.*)$/.exec(text)!
  const names = columns.slice(1, -1)
  const words = rest!.split(/\s+/)
  const numbers = words.slice(0, names.length)
  const name = words.slice(names.length).join(' ')
  if (name === '' || /^-?\d+ /.test(name) || !numbers.every(word => /^-?\d+$/.test(word))) return null
  const row = Object.fromEntries(names.map((column, i) => [column, Number(numbers[i])]))
  return { line, pid: Number(first), name, columns: row }
}

/** `oom-kill:constraint=…,task=hog,pid=87,uid=0`. */
export function readOomKill({ text, line }: KernelLine, facts: ReportFacts): void {
  const field = (name: string): string | null => new RegExp(`[,:]${name}=([^,]*)`).exec(text)?.[1] ?? null
  const constraint = /^oom-kill:constraint=(CONSTRAINT_[A-Z_]+)/.exec(text)?.[1]
  if (constraint !== undefined) facts.constraint ??= { value: constraint, line }
  const nodemask = field('nodemask')
  if (nodemask) facts.nodemask ??= { value: nodemask, line }
  readCpuset(text, line, facts)
  const path = field('oom_memcg')
  if (path) {
    facts.memcg.path ??= { value: path, line }
    facts.scope ??= { value: 'memcg', line }
  } else if (/,global_oom\b/.test(text)) facts.scope ??= { value: 'global', line }
  const own = field('task_memcg')
  if (own) facts.memcg.taskPath ??= { value: own, line }
  const [, name, pid] = /,task=(.*),pid=(\d+)(?:,uid=\d+)?$/.exec(text) ?? []
  if (pid !== undefined) facts.chosen ??= { value: { pid: Number(pid), name: name! }, line }
}

/** A line that tells of a kill: `Killed process 87 (hog) total-vm:…`, `Kill process 87 (hog) score 998 or …`. */
export function readKill({ text, line }: KernelLine): KillFacts | null {
  const [, before = '', pid, name] = /^(.*?)(?:Killed|[Kk]ill) process (\d+),?(?: \((.*?)\))?(?= |,|$)/.exec(text) ?? []
  if (pid === undefined) return null
  const size = (key: string): number | null => {
    const found = new RegExp(`${key}:(\\d+)kB`).exec(text)
    return found ? Number(found[1]) : null
  }
  const parts = ['anon-rss', 'file-rss', 'shmem-rss'].map(size)
  const known = parts[0] !== null && parts[1] !== null
  const score = /\bscore (\d+)/.exec(text)?.[1]
  const scope = /oom_kill_allocating_task/.test(before)
    ? 'allocating-task'
    : /Memory cgroup/.test(before)
      ? 'memcg'
      : before !== ''
        ? 'global'
        : 'unknown'
  return {
    line,
    pid: Number(pid),
    name: name ?? '',
    scope,
    totalVmKB: size('total-vm'),
    rssKB: known ? parts.reduce<number>((sum, part) => sum + (part ?? 0), 0) : null,
    score: score === undefined ? null : Number(score),
  }
}
