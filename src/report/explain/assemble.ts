// Lines of a log → the kernel's lines: what mail or a terminal wrapped is put together again, at blanks or in the
// middle of a word, with foreign lines in between. Law: a piece is taken only where the result is a line that a kernel
// prints; where a number might be cut and nothing tells, it is dropped.
import type { LogLine } from './clean_lines.ts'
import { kindOf, type LineKind } from './line_kinds.ts'

/** A line as the kernel printed it. */
export interface KernelLine {
  readonly kind: LineKind
  readonly text: string
  /** The number of its first line in the input, and of all. */
  readonly line: number
  readonly lines: readonly number[]
  readonly caller: string | null
}

/** What joining must know besides the two pieces. */
export interface JoinContext {
  /** The first piece ends where every line was cut. */
  readonly full: boolean
  /** What stood between the pieces then: nothing, or the blank at which it was cut. */
  readonly glue: string
  /** Columns of the last table header of processes. */
  readonly columns: readonly string[] | null
}

interface Grammar {
  /** Nothing is missing. */
  done(text: string, context: JoinContext): boolean
  /** Both pieces as one; null = the second does not follow. */
  join(a: string, b: string, context: JoinContext): string | null
}

/** Foreign lines that may stand between two pieces of one line. */
const MOST_BETWEEN = 3
const MOST_PIECES = 14

const lastToken = (text: string): string => /\S*$/.exec(text)![0]
const firstToken = (text: string): string => /^\s*(\S*)/.exec(text)![1]!

/** Puts pieces of words together: what is no word by itself and becomes one with its neighbour was one. */
function joinTokens(token: RegExp): Grammar['join'] {
  return (a, b, { full, glue }) => {
    const [last, first] = [lastToken(a), firstToken(b)]
    if (first === '') return null
    if (full && (glue !== '' || b.startsWith(' ') ? token.test(last) && token.test(first) : token.test(last + first)))
      return a + glue + b
    if (!token.test(last) && token.test(last + first)) return a + b.trimStart()
    return token.test(first) ? `${a} ${b.trimStart()}` : null
  }
}

const SIZES = /^(?:[\w()]+:\d+(?:kB|KB)|[\w()]+:|\d+(?:kB|KB)|all_unreclaimable\?|yes|no)$/
const BLOCKS = /^(?:\d+\*\d+kB|\([A-Z]+\)|=|\d+kB|empty)$/
const ASSIGNMENTS = /gfp_mask=|order[=:]|oom_score_adj=|oomkilladj=|oom_adj=|nodemask=|cpuset=|mems_allowed=|mode:|GFP_/

/** Without a blank where lines were cut in the middle of words or after a hyphen, else with one. */
function joinAtWord(a: string, b: string, { full, glue }: JoinContext): string {
  const direct = (full && glue === '') || /[-|(=]$/.test(a) || /^[|)=,:]/.test(b)
  return direct ? a + b.trimStart() : `${a} ${b.trimStart()}`
}

const HEAD: Grammar = {
  done: text => /(?:oom_score_adj|oomkilladj|oom_adj)=-?\d+$/.test(text) || /mems_allowed=[\d,-]+$/.test(text),
  join: (a, b, context) => {
    if (!(ASSIGNMENTS.test(b) || /^[\w|()=,.:/-]+$/.test(b)) || b.length > 400) return null
    if (/^[A-Z]\w+:|^\w+ \w+ \w+ /.test(b) && !ASSIGNMENTS.test(b)) return null
    return joinAtWord(a, b, context)
  },
}

const KILL: Grammar = {
  done: text => /shmem-rss:\d+kB.*oom_score_adj:-?\d+$/.test(text) || /sacrifice child$|or a child$/.test(text),
  join: (a, b, context) => {
    if (!/^\(|vm:|rss|kB|oom_score|^\S*score |UID:|pgtables|sacrifice|^process \d/.test(b)) return null
    const [last, first] = [lastToken(a), firstToken(b)]
    const split = /^[\w-]+:\d+(?:kB)?,?$/.test(last + first) && !/^[\w-]+:\d+(?:kB)?,$/.test(last)
    return split && !/^\w[\w-]*:/.test(first) ? a + b.trimStart() : joinAtWord(a, b, context)
  },
}

const KNOWN_COLUMN =
  /^(?:\[|pid|\]|uid|tgid|total_vm|rss|rss_(?:anon|file|shmem)|cpu|nr_p[tmu]\w?s|nr_ptes|pgtables_bytes|swapents|oom_adj|oom_score_adj|name)$/
const ANY_COLUMN = /^(?:\[|\]|[a-z]\w{2,20})$/

const HEADER: Grammar = {
  done: text => /\bname$/.test(text),
  join: (a, b, { full, glue }) => {
    const [last, first] = [lastToken(a), firstToken(b)]
    if (full && ANY_COLUMN.test(glue === '' && !b.startsWith(' ') ? last + first : first)) return a + glue + b
    if (!KNOWN_COLUMN.test(last) && KNOWN_COLUMN.test(last + first)) return a + b.trimStart()
    return ANY_COLUMN.test(first) ? `${a} ${b.trimStart()}` : null
  },
}

/** Rows of the table of processes: as many numbers as the header has columns, then a name. */
function rowPattern(columns: readonly string[]): RegExp {
  return new RegExp(`^\\[\\s*\\d+\\](?:\\s+-?\\d+){${columns.length - 2}}\\s+(?!-?\\d+\\s)\\S`)
}

const ROW: Grammar = {
  done: (text, { columns, full }) => columns === null || (!full && rowPattern(columns).test(text)),
  join: (a, b, { columns, full, glue }) => {
    if (columns === null) return null
    const pattern = rowPattern(columns)
    if (pattern.test(a)) return full && glue === '' && /^\S{1,15}$/.test(b) ? a + b : null
    if (!/^[\s\d-]/.test(b) && !full && !/^\S{1,15}(?: \S+)?$/.test(b)) return null
    const pieces = full ? [a + b, `${a} ${b}`] : [`${a} ${b}`, a + b]
    return pieces.find(text => pattern.test(text)) ?? (/^[\s\d-]+$/.test(b) ? pieces[0]! : null)
  },
}

const NUMBERS: Grammar['join'] = (a, b, { glue }) => (/^\s*\d+(?:\s+\d+)*\s*$/.test(b) ? a + glue + b : null)

const GRAMMARS: Partial<Record<LineKind, Grammar>> = {
  zone: { done: text => /all_unreclaimable\? (?:yes|no)$|free_cma:\d+kB$/.test(text), join: joinTokens(SIZES) },
  node: { done: text => /all_unreclaimable\? (?:yes|no)$/.test(text), join: joinTokens(SIZES) },
  blocks: { done: text => /= \d+kB$|: empty$/.test(text), join: joinTokens(BLOCKS) },
  counters: {
    done: (_, { full }) => !full,
    join: (a, b, { glue }) => (/^\s*[\w:]*\d(?:\s+\w+:\d+)*$|^[\w:]*$/.test(b) ? a + glue + b : null),
  },
  reserve: { done: (_, { full }) => !full, join: NUMBERS },
  hugepages: { done: text => /hugepages_size=\d+kB$/.test(text), join: joinTokens(/^\w+=\d+(?:kB)?$/) },
  'oom-head': HEAD,
  'alloc-head': HEAD,
  'stall-head': HEAD,
  'vmalloc-head': {
    done: HEAD.done,
    join: (a, b, context) =>
      HEAD.join(a, b, context) ?? (/failed|pages|exceeds/.test(b) ? joinAtWord(a, b, context) : null),
  },
  'slab-head': { done: text => /gfp=0x[0-9a-f]+(?:\([^)]*\))?\)?$/.test(text), join: joinAtWord },
  'slab-cache': { done: text => /min order: \d+$|, order: \d+$/.test(text), join: joinAtWord },
  'oom-kill': { done: text => /,uid=\d+$/.test(text), join: (a, b) => (/^\S+$/.test(b) ? a + b : null) },
  kill: KILL,
  cpu: {
    done: text => /(?:tainted|Tainted:.*?)\s\d+\.\d+\S*/.test(text),
    join: (a, b) => (/\d+\.\d+|ainted|Comm/.test(b) && b.length < 120 ? `${a} ${b.trimStart()}` : null),
  },
  'task-header': HEADER,
  'task-row': ROW,
  'memcg-stat': { done: text => !/for \S*$/.test(text) && !/KB|:\s*\w+:/.test(text), join: joinTokens(SIZES) },
  'memcg-usage': {
    done: text => /limit \d+kB, failcnt \d+$/.test(text),
    join: (a, b, context) => (/kB|failcnt|limit/.test(b) ? joinAtWord(a, b, context) : null),
  },
}

/** The width at which a program cut the lines in the middle of words; 0 = none did. */
function cutWidth(lines: readonly LogLine[]): number {
  const longest = lines.reduce((width, line) => Math.max(width, line.width), 0)
  if (longest < 40 || longest > 250) return 0
  const near = lines.filter(({ width }) => width < longest && width >= longest - 8).length
  const at = lines.filter(({ width }) => width === longest).length
  return at >= 4 && at >= near ? longest : 0
}

class Assembler {
  readonly #lines: readonly LogLine[]
  readonly #kinds: (LineKind | null)[]
  readonly #used: Uint8Array
  readonly #width: number
  #columns: readonly string[] | null = null

  constructor(lines: readonly LogLine[]) {
    this.#lines = lines
    this.#kinds = lines.map(({ text }) => kindOf(text))
    this.#used = new Uint8Array(lines.length)
    this.#width = cutWidth(lines)
  }

  *all(): Generator<KernelLine> {
    for (let at = 0; at < this.#lines.length; at++) {
      if (this.#used[at]) continue
      const start = this.#start(at)
      if (start === null) continue
      const whole = this.#extend(start)
      if (whole.kind === 'task-header') this.#columns = headerColumns(whole.text)
      yield whole
    }
  }

  /** The line at `at`, or, where it says nothing by itself, the one that it begins together with the next. */
  #start(at: number): (KernelLine & { readonly end: number }) | null {
    const { text, number, caller } = this.#lines[at]!
    const kind = this.#kinds[at]!
    if (kind !== null) return { kind, text: text.trimStart(), line: number, lines: [number], caller, end: at }
    const next = this.#lines[at + 1]
    if (!next || next.stamped || text === '' || next.text === '') return null
    if (this.#kinds[at + 1] !== null && this.#kinds[at + 1] !== 'oom-head') return null
    for (const joined of [text + next.text, `${text} ${next.text.trimStart()}`]) {
      const together = kindOf(joined)
      if (together === null || together === 'stat-row' || together === 'frame' || together === 'registers') continue
      this.#used[at + 1] = 1
      const lines = [number, next.number]
      return { kind: together, text: joined.trimStart(), line: number, lines, caller, end: at + 1 }
    }
    return null
  }

  #extend(start: KernelLine & { readonly end: number }): KernelLine {
    const { kind, line, caller } = start
    const lines = [...start.lines]
    let { text, end } = start
    const grammar = GRAMMARS[kind]
    for (let pieces = 0; grammar && pieces < MOST_PIECES; pieces++) {
      const context = { ...this.#cutAt(end), columns: this.#columns }
      if (grammar.done(text, context)) break
      const found = this.#continuation(end, text, grammar, context)
      if (found === null) {
        if (context.full && context.glue === '') text = withoutLast(kind, text)
        break
      }
      text = found.text
      end = found.at
      lines.push(this.#lines[end]!.number)
    }
    return { kind, text, line, lines, caller }
  }

  #cutAt(at: number): { full: boolean; glue: string } {
    const { width, blankEnd } = this.#lines[at]!
    const most = this.#width
    // Mail drops a blank at a line's end.
    return { full: most > 0 && width >= most - 1, glue: width === most && !blankEnd ? '' : ' ' }
  }

  #continuation(
    after: number,
    text: string,
    grammar: Grammar,
    context: JoinContext,
  ): { text: string; at: number } | null {
    for (let at = after + 1; at <= after + 1 + MOST_BETWEEN && at < this.#lines.length; at++) {
      const next = this.#lines[at]!
      if (this.#used[at]) continue
      const kind = this.#kinds[at]
      if (kind !== null && kind !== 'stat-row') return null
      if (next.stamped || next.text === '') continue
      const joined = grammar.join(text, next.text, context)
      if (joined === null) continue
      this.#used[at] = 1
      return { text: joined, at }
    }
    return null
  }
}

/** A number at the place where every line was cut, with nothing behind it, may be half of one. */
function withoutLast(kind: LineKind, text: string): string {
  return kind === 'counters' || kind === 'reserve' ? text.replace(/\s*\S+$/, '') : text
}

/** Names in the header of the table of processes. */
export function headerColumns(text: string): string[] {
  const names = text.replace(/[[\]]/g, ' ').trim().split(/\s+/)
  return names.includes('name') ? names.slice(0, names.indexOf('name') + 1) : names
}

/** The kernel's lines in `lines`. */
export function assemble(lines: readonly LogLine[]): KernelLine[] {
  return [...new Assembler(lines).all()]
}
