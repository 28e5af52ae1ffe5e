// From a name of the kernel to our code: an index made of the `@kernel` tags in the sources, and the search in it.
// Law: a tag `@kernel mm/page_alloc.c:rmqueue` in a doc comment belongs to the declaration that follows, and to those
// that follow it without a blank line; a tag in a file's opening lines is the kernel file of every export of the file
// that has no tag of its own. A scenario names the kernel's functions that it passes through: `through: ['rmqueue']`.

/** One name and where it lives. */
export interface WhereEntry {
  /** Name in the kernel. */
  readonly name: string
  /** Our name for it. */
  readonly ours: string
  /** Our source file, from the package's root, and its 1-based line. */
  readonly file: string
  readonly line: number
  /** The kernel's source file; null where it is not told. */
  readonly kernelFile: string | null
  /** First sentence of our documentation, '' = none. */
  readonly about: string
}

/** What `dist/where.json` holds. */
export interface WhereIndex {
  readonly entries: readonly WhereEntry[]
  /** Scenarios by their names: the kernel names that they pass through. */
  readonly scenarios: Readonly<Record<string, readonly string[]>>
}

/** What was found for a name. */
export interface WhereAnswer {
  readonly name: string
  readonly matches: readonly (WhereEntry & { readonly scenarios: readonly string[] })[]
  /** The nearest names, where there is no match. */
  readonly suggestions: readonly string[]
}

/** One `@kernel` tag. */
export interface KernelTag {
  readonly file: string
  /** null where the tag names a file only. */
  readonly name: string | null
}

/** A declaration of a source file with the doc comment that belongs to it. */
export interface Declaration {
  readonly name: string
  /** 1-based. */
  readonly line: number
  readonly kind: 'function' | 'const' | 'type' | 'member'
  readonly exported: boolean
  readonly doc: string
}

const DECLARATION = /^(export )?(?:declare )?(?:async )?(function\*?|const|let|class|interface|type) ([\w$]+)/
const MEMBER = /^ +(?:readonly |static |async |override )*(#?[\w$]+)\??(?=[:(<])/
const TAG = /@kernel\s+([^@]*)/g
const TARGET = /([\w./-]+\.[chS])(?::((?:struct|enum|union) )?([\w$]+))?/g

/** The `@kernel` tags of a comment. */
export function kernelTags(comment: string): KernelTag[] {
  const tags: KernelTag[] = []
  for (const [, targets] of comment.matchAll(TAG))
    for (const [, file, , name] of targets!.matchAll(TARGET)) tags.push({ file: file!, name: name ?? null })
  return tags
}

/** The declarations of a TypeScript source file, top level and members with a doc comment. */
export function declarations(source: string): Declaration[] {
  const found: Declaration[] = []
  let doc = ''
  let comment: string[] | null = null
  source.split('\n').forEach((text, index) => {
    const trimmed = text.trim()
    if (comment === null && trimmed.startsWith('/**')) comment = []
    if (comment !== null) {
      comment.push(trimmed)
      if (trimmed.endsWith('*/')) [doc, comment] = [plainText(comment), null]
      return
    }
    if (trimmed === '') doc = ''
    const declaration = declarationAt(text, index + 1, doc)
    if (declaration !== null) found.push(declaration)
    // A member's comment is its own; exported constants in a row share one.
    if (declaration?.kind === 'member') doc = ''
  })
  return found
}

function declarationAt(text: string, line: number, doc: string): Declaration | null {
  const [, exported, word, name] = DECLARATION.exec(text) ?? []
  if (name !== undefined) return { name, line, kind: kindOf(word!, text), exported: exported !== undefined, doc }
  const member = doc === '' ? undefined : MEMBER.exec(text)?.[1]
  return member === undefined ? null : { name: member, line, kind: 'member', exported: false, doc }
}

function kindOf(word: string, text: string): Declaration['kind'] {
  if (word.startsWith('function')) return 'function'
  if (word !== 'const' && word !== 'let') return 'type'
  return /[=:] *(?:async )?(?:<[^>]*>)?\([^)]*\)[^=]*=>/.test(text) ? 'function' : 'const'
}

function plainText(lines: readonly string[]): string {
  const inner = lines.map(line =>
    line
      .replace(/^\/\*\*\s?/, '')
      .replace(/\*\/$/, '')
      .replace(/^\*\s?/, ''),
  )
  return inner.join('\n').trim()
}

/** The entries of one source file. Exports without any tag are found by their own names. */
export function entriesOf(file: string, source: string): WhereEntry[] {
  const opening = /^(?:\/\/.*\n|\s*\n)*/.exec(source)![0]
  const usual = kernelTags(opening.replaceAll(/^\/\/ ?/gm, ''))[0]?.file ?? null
  return declarations(source).flatMap(({ name: ours, line, exported, doc }) => {
    const about = firstSentence(doc)
    const tags: readonly KernelTag[] = kernelTags(doc)
    const own = tags.length > 0 || !exported ? tags : [{ file: usual, name: null }]
    return own.map(tag => ({ name: tag.name ?? ours, ours, file, line, kernelFile: tag.file, about }))
  })
}

function firstSentence(doc: string): string {
  const text = doc.split(/@\w+/)[0]!.replaceAll(/\s+/g, ' ').trim()
  return /^.*?[.;](?= |$)/.exec(text)?.[0].replace(/;$/, '.') ?? text
}

/** Names that a scenario's source says it passes through; the scenario is called what its file is called. */
export function throughOf(source: string): string[] {
  const list = /\bthrough:\s*\[([^\]]*)\]/.exec(source)?.[1] ?? ''
  return [...list.matchAll(/['"]([\w$]+)['"]/g)].map(([, name]) => name!)
}

/** The index of many sources: paths from the package's root and their texts. */
export function indexSources(sources: Iterable<readonly [path: string, text: string]>): WhereIndex {
  const entries: WhereEntry[] = []
  const scenarios: Record<string, string[]> = {}
  for (const [path, text] of sources) {
    if (/^src\/(mm|arch|kernels|image|base)\//.test(path)) entries.push(...entriesOf(path, text))
    const scenario = /^src\/scenarios\/(.+)\.ts$/.exec(path)?.[1]
    const through = scenario === undefined ? [] : throughOf(text)
    // A story of another kind than the kernel's passes through none.
    if (through.length > 0 || (scenario !== undefined && /\bthrough: \[\],/.test(text))) scenarios[scenario!] = through
  }
  return { entries, scenarios }
}

/** Every entry of that name, in the kernel or with us; `struct page` is found as `page`, too. */
export function findName(index: WhereIndex, name: string): WhereAnswer {
  const wanted = name
    .trim()
    .replace(/^(struct|enum|union) /, '')
    .replace(/\(\)$/, '')
  const found = index.entries.filter(entry => entry.name === wanted || entry.ours === wanted)
  const matches = found.map(entry => ({ ...entry, scenarios: scenariosThrough(index, entry) }))
  return { name, matches, suggestions: found.length > 0 ? [] : nearest(index, wanted) }
}

function scenariosThrough(index: WhereIndex, { name, ours }: WhereEntry): string[] {
  const passes = ([, names]: readonly [string, readonly string[]]): boolean =>
    names.includes(name) || names.includes(ours)
  return Object.entries(index.scenarios)
    .filter(passes)
    .map(([scenario]) => scenario)
}

/** At most five names that are near: few letters differ, or one is a part of the other. */
function nearest(index: WhereIndex, wanted: string): string[] {
  const bare = (name: string): string => name.toLowerCase().replaceAll('_', '')
  const target = bare(wanted)
  const limit = Math.max(1, Math.floor(target.length / 3))
  const ranked: [number, string][] = []
  for (const name of new Set(index.entries.flatMap(entry => [entry.name, entry.ours]))) {
    const candidate = bare(name)
    const part =
      target.length > 2 && (candidate.includes(target) || (candidate.length > 2 && target.includes(candidate)))
    const whole = target.length > 3 && candidate.includes(target)
    const rank = whole
      ? 1
      : part
        ? Math.min(limit, Math.abs(candidate.length - target.length))
        : editDistance(target, candidate)
    if (rank <= limit) ranked.push([rank, name])
  }
  ranked.sort(([a, left], [b, right]) => a - b || left.length - right.length || (left < right ? -1 : 1))
  return ranked.slice(0, 5).map(([, name]) => name)
}

/** Letters to insert, remove, exchange, or swap with their neighbour, to get from one word to the other. */
export function editDistance(from: string, to: string): number {
  let [before, last] = [[] as number[], Array.from({ length: to.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same)
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    ;[before, last] = [last, row]
  }
  return last[to.length]!
}
