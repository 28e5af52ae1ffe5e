// Reports of kills and failed allocations in a kernel log: where each begins and ends, and its lines as they were printed.
// What stands between its head and the memory that it shows (stack, registers, hardware) is left out.

export interface ReportLine {
  /** 1-based. */
  readonly line: number
  /** Without the time. */
  readonly text: string
}

export interface LoggedReport {
  readonly kind: 'oom' | 'failure'
  readonly lines: readonly ReportLine[]
  /** The CPU that printed it, and the task that ran there. */
  readonly cpu: number
  readonly pid: number
  /** Release of the kernel. */
  readonly release: string
}

const TIME = /^\[ *\d+\.\d+\] ?/
const OOM = / invoked oom-killer: gfp_mask=/
const FAILURE = /^.+: (page allocation failure: order:|vmalloc error: ).*, mode:0x[0-9a-f]+\(/
const STACK = /^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: .*?(?:Not tainted|Tainted: [A-Z ]+?) +(\d+\.\S+) #/
const MEMORY = /^(Mem-Info:|memory: usage )/

/** Lines that a report can have. */
const OWN: readonly RegExp[] = [
  /^Mem-Info:$/,
  /^ ?(active_|inactive_|unevictable|slab_|mapped|sec_pagetables|kernel_misc|free)\w*:\d/,
  /^(Node \d+ |DMA|DMA32|Normal|HighMem|Movable)\S*.*[:=]\d/,
  /^(Node \d+ )?(DMA|DMA32|Normal|HighMem|Movable): /,
  /^lowmem_reserve\[\]:/,
  /^\d+ (total pagecache pages|pages )/,
  /^(Free|Total) swap /,
  /^Unreclaimable slab info:$/,
  /^Name +Used +Total$/,
  /^\S.* +\d+KB +\d+KB$/,
  /^(memory|swap|memory\+swap|kmem): usage /,
  /^Memory cgroup stats for /,
  /^[a-z_0-9]+ \d+$/,
  /^Tasks (state|in) /,
  /^\[ /,
  /^oom-kill:constraint=/,
  /: Killed process \d+ /,
  /^Out of memory and no killable processes/,
  /^Kernel panic - not syncing: (Out of memory|System is deadlocked)/,
]

/** All reports of a log. */
export function loggedReports(log: string): LoggedReport[] {
  const lines = log
    .split('\n')
    .map((text, i) => ({ line: i + 1, text }))
    .filter(({ text }) => TIME.test(text))
    .map(({ line, text }) => ({ line, text: text.replace(TIME, '').trimEnd() }))
  const heads = lines.flatMap(({ text }, at) => (OOM.test(text) || FAILURE.test(text) ? [at] : []))
  return heads.flatMap((at, i) => {
    const report = reportAt(lines.slice(at, heads[i + 1] ?? lines.length))
    return report === null ? [] : [report]
  })
}

function reportAt(lines: readonly ReportLine[]): LoggedReport | null {
  const begin = lines.findIndex(({ text }) => MEMORY.test(text))
  const stack = lines
    .slice(0, Math.max(begin, 0))
    .map(({ text }) => STACK.exec(text))
    .find(match => match !== null)
  if (begin < 0 || !stack) return null
  let end = begin
  while (end < lines.length && OWN.some(pattern => pattern.test(lines[end]!.text))) end++
  return {
    kind: OOM.test(lines[0]!.text) ? 'oom' : 'failure',
    lines: [lines[0]!, ...lines.slice(begin, end)],
    cpu: Number(stack[1]),
    pid: Number(stack[2]),
    release: stack[3]!,
  }
}
