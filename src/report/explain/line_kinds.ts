// What a line of a kernel log is, from its first words. The forms are those that kernels 2.6 to 6.x print; a line that
// may be cut or wrapped is known by its beginning alone, its numbers are looked at later.

export type LineKind =
  | 'oom-head'
  | 'alloc-head'
  | 'stall-head'
  | 'vmalloc-head'
  | 'vmap-note'
  | 'slab-head'
  | 'slab-cache'
  | 'sysrq'
  | 'hung'
  | 'cpu'
  | 'frame'
  | 'registers'
  | 'mem-info'
  | 'counters'
  | 'node'
  | 'zone'
  | 'reserve'
  | 'blocks'
  | 'hugepages'
  | 'swap'
  | 'pages'
  | 'cpuset'
  | 'slab-table'
  | 'slab-row'
  | 'memcg-usage'
  | 'memcg-stat'
  | 'memcg-task'
  | 'stat-row'
  | 'task-header'
  | 'task-row'
  | 'oom-kill'
  | 'kill'
  | 'group'
  | 'panic'
  | 'no-victim'
  | 'known'

/** Zones as kernels name them. */
export const ZONE = '(?:DMA32|DMA|Normal|HighMem|Movable|Device)'

/** Names of the machine's counters, in any of the kernel's spellings. */
const COUNTER_NAMES = new Set(
  (
    'active inactive active_anon inactive_anon isolated_anon active_file inactive_file isolated_file unevictable ' +
    'dirty writeback unstable slab slab_reclaimable slab_unreclaimable mapped shmem pagetables sec_pagetables ' +
    'bounce kernel_misc_reclaimable free free_pcp free_cma'
  ).split(' '),
)

/** Rows of memory.stat that kernels print below "Memory cgroup stats". Others are new ones, which are read alike. */
const STAT_ROW = /^[a-z][a-z0-9_]{2,40} \d{1,16}$/

/** Most telling first; each decides by the line's beginning. Where that may be anything, a word that must be there is
 * looked for before. */
const RULES: readonly (readonly [LineKind, RegExp, string?])[] = [
  ['oom-head', /^(?:.{1,120}? invoked )?oom-killer:\s*(?:gfp_mask=(?:0x[0-9a-f]*|\d+)|$)/, 'oom-killer:'],
  ['alloc-head', /^.{1,120}?: page allocation failure[.:]\s*(?:order:\s*\d|$)/, ': page alloc'],
  ['stall-head', /^.{1,120}?: page allocation stalls for \d+/, ': page alloc'],
  ['vmalloc-head', /^.{1,120}?: vmalloc(?: error: size \d|: allocation failure)/, ': vmalloc'],
  [
    'vmap-note',
    /^(?:vmap allocation for size \d+ failed|vmalloc(?:_node_range)? (?:for )?size \d+ (?:allocation )?fail|allocation failed: out of vmalloc space)/,
  ],
  ['slab-head', /^SL[AU]B: Unable to allocate memory on /],
  ['slab-cache', /^cache: [^,]+, object size: \d+/],
  ['sysrq', /^(?:sysrq\s*:\s*)?(?:sysrq\s*:\s*)(?:show memory|manual oom execution)/i],
  ['hung', /^INFO: task .{1,40} blocked for more than \d+ seconds/],
  ['cpu', /^(?:CPU: \d+ (?:UID: \d+ )?PID: \d+|Pid: \d+, comm: )/],
  ['mem-info', /^Mem-[Ii]nfo:/],
  ['zone', new RegExp(`^(?:Node \\d+ )?${ZONE} free:\\d*`)],
  ['blocks', new RegExp(`^(?:Node \\d+ )?${ZONE}: (?:\\d+\\*|empty)`)],
  ['node', /^Node \d+ (?:in)?active(?:_anon|_file)?:\d*/],
  ['hugepages', /^(?:Node \d+ )?hugepages_total=\d+/],
  ['reserve', /^(?:lowmem_reserve|protections)\[\]:/],
  ['swap', /^(?:Free|Total) swap\s*[=:]\s*\d+kB/],
  ['pages', /^\d+ (?:pages (?:of )?(?:RAM|HIGHMEM|HighMem\S*|reserved)|reserved pages)\b/],
  ['known', /^\d+ (?:total pagecache pages|pages (?:in swap cache|cma reserved|hwpoisoned|shared|swap cached))/],
  ['known', /^(?:Swap cache(?: stats)?: add|Tasks state \(memory values)/],
  ['cpuset', /^.{1,64}? cpuset=\S+ mems_allowed=[\d,-]+/, ' cpuset='],
  ['slab-table', /^Unreclaimable slab info:/],
  ['known', /^Name\s+Used\s+Total/],
  ['slab-row', /^\S+\s+\d+KB\s+\d+KB$/],
  ['memcg-usage', /^(?:memory|memory\+swap|swap|kmem): usage \d/],
  ['memcg-stat', /^Memory cgroup stats\b/],
  ['memcg-task', /^Task in \S.* killed as a result of limit of/],
  ['task-header', /^\[\s*pid\s*\]/],
  ['task-row', /^\[\s*\d+\]\s+\d/],
  ['oom-kill', /^oom-kill:constraint=/],
  [
    'kill',
    /^(?:(?:Out of [Mm]emory|Memory cgroup out of memory|No available memory)\b[^:]*: *)?(?:Killed|[Kk]ill) process \d/,
  ],
  ['kill', /^Out of [Mm]emory: Killed process$|^Memory cgroup out of memory: Killed process$/],
  ['group', /^Tasks in \S.* are going to be killed due to memory\.oom\.group set/],
  ['panic', /^Kernel panic - not syncing: (?:Out of memory|System is deadlocked on memory)/i],
  ['no-victim', /^Out of memory and no killable processes/],
  ['frame', /\b(?:moom_callback|mem_cgroup_out_of_memory|mem_cgroup_oom|pagefault_out_of_memory|try_charge\w*)\b/],
  [
    'registers',
    /^(?:EIP: |EAX: [0-9a-f]|RIP: [0-9a-f]|RAX: [0-9a-f]|pc : |NIP[: ])|\bel0t?_|\bsystem_call_exception\+/,
  ],
  ['stat-row', STAT_ROW],
]

/** What `text` is; null for a line that says nothing about memory. */
export function kindOf(text: string): LineKind | null {
  const line = text.trimStart()
  for (const [kind, rule, word] of RULES)
    if ((word === undefined || line.includes(word)) && rule.test(line)) return kind
  return isCounters(line) ? 'counters' : null
}

/** `active_file:434 inactive_file:583 isolated_file:0`: names and numbers of pages, the last of them maybe cut. */
function isCounters(line: string): boolean {
  const [, name] = /^(\w+):\d+(?:\s+\w+:\d+)*(?:\s+\w+:?)?$/.exec(line) ?? []
  return name !== undefined && COUNTER_NAMES.has(name.toLowerCase())
}
