// The line of rooms: a file imports from its own room and from rooms to its left, nothing else; the core knows neither
// Node nor a browser, no clock, no chance, no run-time dependency. Every breach is shown as file:line.
import { dirname, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blanked, places, projectFiles, readText } from './sources.ts'

const LINE = ['base', 'image', 'trace', 'mm', 'arch', 'kernels', 'report', 'sim', 'scenarios', 'verify', 'node', 'cli']
const CORE = LINE.slice(0, LINE.indexOf('node'))
/** Rooms whose loops run per frame: no BigInt there, but where a setting changes and products pass 2^53, and where the
 * text of a report shows a word of 64 bits. */
const HOT = ['base', 'image', 'mm']
const COLD = ['src/mm/page_alloc/setup.ts', 'src/mm/slub_report.ts']
const LONGEST = 400

const files = projectFiles('src').filter(path => path.endsWith('.ts'))
const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> }

/** Room of a path; `src/index.ts` stands right of the core and left of `node`. */
function roomOf(path: string): string {
  const [, room, rest] = path.split('/')
  return rest === undefined ? 'index' : room!
}

const rank = (room: string): number => (room === 'index' ? CORE.length - 0.5 : LINE.indexOf(room))

const IMPORT = /(?<![.\w$])(?:from\s+|import\s*\(?\s*)(['"])([^'"\n]+)\1/g

/** What is wrong with an import of `target` in `file`; null = nothing. */
export function importFault(file: string, target: string): string | null {
  const room = roomOf(file)
  const inCore = rank(room) < LINE.indexOf('node')
  if (target.startsWith('.')) {
    const other = roomOf(posix.join(dirname(file), target))
    if (rank(other) < 0) return `imports ${target}, which is in no room`
    if (!target.endsWith('.ts')) return `imports ${target} without its .ts`
    return rank(other) > rank(room)
      ? `room ${room} imports ${target} from room ${other}, which stands to its right`
      : null
  }
  if (inCore) return `room ${room} imports ${target}: the core depends on nothing`
  const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!
  return target.startsWith('node:') || Object.hasOwn(dependencies, name) ? null : `imports ${target}, no dependency`
}

const GLOBALS =
  'process|Buffer|console|Date|performance|crypto|require|module|globalThis|global|window|document|navigator|self|' +
  'localStorage|fetch|XMLHttpRequest|WebSocket|Worker|setTimeout|setInterval|setImmediate|queueMicrotask|' +
  'URL|AbortController|structuredClone'
/** A name of Node, a browser, a clock or chance that is used as a value: no member, key, parameter or declaration.
 * TextEncoder and TextDecoder may be used: they are pure functions that every engine has. */
const FORBIDDEN = new RegExp(
  `(?<![.\\w$#])(?:(?:${GLOBALS})(?=\\s*[.([])|new (?:${GLOBALS})\\b|Math\\.random|import\\.meta)`,
  'g',
)
const BIGINT =
  /\bBigInt(?:64Array|U?int64Array)?\b|\bBigUint64Array\b|(?<![\w$.])\d[\d_]*n\b|(?<![\w$])0x[\da-fA-F_]+n\b/g

/** Breaches of one file's text. */
export function breaches(file: string, source: string): string[] {
  const room = roomOf(file)
  const found: string[] = []
  for (const { place, match } of places(file, blanked(source, true), IMPORT)) {
    const fault = importFault(file, match[2]!)
    if (fault !== null) found.push(`${place} ${fault}`)
  }
  const code = blanked(source)
  if (rank(room) < LINE.indexOf('node'))
    for (const { place, match } of places(file, code, FORBIDDEN)) found.push(`${place} uses ${match[0]} in the core`)
  if (HOT.includes(room) && !COLD.includes(file))
    for (const { place, match } of places(file, code, BIGINT)) found.push(`${place} uses ${match[0]} in room ${room}`)
  return found
}

describe('rooms', () => {
  it('every file is in a room', () => {
    expect(files.filter(path => rank(roomOf(path)) < 0)).toEqual([])
  })

  it('no file breaks the line', () => {
    expect(files.flatMap(path => breaches(path, readText(path)))).toEqual([])
  })

  it('every file is a chapter: it opens with what it is, and is not longer than a chapter', () => {
    const faults = files.flatMap(path => {
      const text = readText(path).replace(/^#!.*\n/, '')
      const lines = text.trimEnd().split('\n').length
      if (!/^\/[/*]/.test(text)) return [`${path}:1 does not say what it is`]
      return lines > LONGEST ? [`${path}:${lines} is longer than ${LONGEST} lines`] : []
    })
    expect(faults).toEqual([])
  })
})

describe('the test itself', () => {
  const faults = (file: string, source: string): string[] => breaches(file, source).map(text => text.split(' ')[0]!)

  it('finds breaches where they are', () => {
    expect(faults('src/mm/a.ts', "import { x } from '../arch/x.ts'")).toEqual(['src/mm/a.ts:1'])
    expect(faults('src/mm/a.ts', "\nexport type { X } from '../sim/x.ts'")).toEqual(['src/mm/a.ts:2'])
    expect(faults('src/report/proc/a.ts', "import { x } from '../../sim/x.ts'")).toHaveLength(1)
    expect(faults('src/sim/a.ts', "import { readFileSync } from 'node:fs'")).toHaveLength(1)
    expect(faults('src/sim/a.ts', "const x = await import('fzstd')")).toHaveLength(1)
    expect(faults('src/index.ts', "export { x } from './node/x.ts'")).toHaveLength(1)
    expect(faults('src/cli/a.ts', "import { x } from 'left-pad'")).toHaveLength(1)
    expect(faults('src/mm/a.ts', 'a\nlet t = Date.now() + Math.random()')).toEqual(['src/mm/a.ts:2', 'src/mm/a.ts:2'])
    expect(faults('src/sim/a.ts', 'x(`${process.pid}`, new Date())')).toHaveLength(2)
    expect(faults('src/mm/a.ts', 'let a = 1n + BigInt(2)')).toHaveLength(2)
  })

  it('lets pass what is allowed', () => {
    expect(faults('src/mm/a.ts', "import { x } from '../base/x.ts' // process.exit()")).toEqual([])
    expect(faults('src/mm/a.ts', "x('Date.now()'); y.process(1); z.Date.now(); const n = 0x1n2")).toEqual([])
    expect(faults('src/index.ts', "export { x } from './verify/x.ts'")).toEqual([])
    expect(faults('src/trace/a.ts', 'let a = 1n')).toEqual([])
    expect(faults('src/cli/a.ts', "import { x } from 'commander'\nimport 'node:fs'\nconsole.log(Date.now())")).toEqual(
      [],
    )
  })
})
