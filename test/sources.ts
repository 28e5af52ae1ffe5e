// The project's files, and TypeScript sources with comments and strings blanked, for the tests that hold its laws.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The package's folder, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL('..', import.meta.url))

const FOREIGN = new Set(['node_modules', 'dist', '.git', 'coverage', 'build'])

/** Paths of all files of the project below `folder`, from the package's root, sorted. */
export function projectFiles(folder = ''): string[] {
  const found: string[] = []
  for (const entry of readdirSync(ROOT + folder, { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) found.push(...(FOREIGN.has(entry.name) ? [] : projectFiles(path)))
    else if (entry.isFile()) found.push(path)
  }
  return found.sort()
}

export function readText(path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

/** A source with comments blanked and, unless `keepStrings`, the insides of strings, templates and regular expressions.
 * Lines and columns stay. */
export function blanked(source: string, keepStrings = false): string {
  const out = [...source]
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' '
  }
  const depths: number[] = []
  let depth = 0
  let last = ''
  for (let at = 0; at < source.length; ) {
    const char = source[at]!
    const end = tokenEnd(source, at, last)
    const text = source.slice(at, end)
    if (text.startsWith('//') || text.startsWith('/*')) blank(at, end)
    else if (end - at > 1 && /['"`/]/.test(char) && !keepStrings) blank(at + 1, end - 1)
    if (char === '{') depth++
    if (text.endsWith('${')) depths.push(depth++)
    let next = end
    if (char === '}') {
      depth--
      if (depths.at(-1) === depth) {
        depths.pop()
        next = templateEnd(source, end)
        if (!keepStrings) blank(end, source[next - 1] === '`' ? next - 1 : next - 2)
        if (source[next - 1] === '{') depths.push(depth++)
      }
    }
    if (!/\s/.test(char) && !text.startsWith('//') && !text.startsWith('/*')) last = source[next - 1]!
    at = next
  }
  return out.join('')
}

function tokenEnd(source: string, at: number, last: string): number {
  const char = source[at]!
  const pair = source.slice(at, at + 2)
  if (pair === '//') return endOf(source, at, /\n|$/g)
  if (pair === '/*') return endOf(source, at + 2, /\*\/|$/g)
  if (char === "'" || char === '"') return endOf(source, at + 1, char === "'" ? /(?<!\\)(\\\\)*'/g : /(?<!\\)(\\\\)*"/g)
  if (char === '`') return templateEnd(source, at + 1)
  // A slash begins a regular expression where no value can stand before it.
  if (char === '/' && !/[\w$)\]}]/.test(last))
    return endOf(source, at + 1, /(?<=^|[^\\])(\\\\)*\/(?![^[\n]*\][^\n]*\/)|\n/g)
  return at + 1
}

function templateEnd(source: string, at: number): number {
  return endOf(source, at, /(?<!\\)(\\\\)*(`|\$\{)/g)
}

function endOf(source: string, at: number, end: RegExp): number {
  end.lastIndex = at
  const match = end.exec(source)
  if (match === null) return source.length
  return match[0] === '\n' ? match.index : match.index + match[0].length
}

/** Places where `pattern` (global) matches, as `file:line`. */
export function places(file: string, text: string, pattern: RegExp): { place: string; match: RegExpMatchArray }[] {
  return [...text.matchAll(pattern)].map(match => {
    const line = text.slice(0, match.index).split('\n').length
    return { place: `${file}:${line}`, match }
  })
}
