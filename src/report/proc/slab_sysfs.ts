// /sys/kernel/slab as captures write it down: a table with a row a cache (`#name TAB link TAB …`), or a line an
// attribute (`/sys/kernel/slab/NAME/ATTRIBUTE TAB value`, `/sys/kernel/slab/NAME TAB -> TARGET` for a link).
// A counter is a sum and its parts, as `340 N0=170 N1=170` or `84(3) C0=28(1) C1=56(2)`.
import { joinLines, LineReader, type Read, type Stray } from './lines.ts'

export interface SlabSysfsCache {
  /** The folder's name. */
  readonly name: string
  /** What the folder is a link to; null = it is a cache's own. */
  readonly link: string | null
  /** Texts by attribute, in the order of the capture; of a link in a table those of its cache. */
  readonly attributes: ReadonlyMap<string, string>
  /** Line on which it begins. */
  readonly line: number
}

export interface SlabSysfsFacts {
  readonly form: 'table' | 'tree'
  /** Attributes of a table's columns. */
  readonly columns: readonly string[]
  readonly caches: SlabSysfsCache[]
  readonly strays: Stray[]
}

const FOLDER = '/sys/kernel/slab/'
const TABLE = '#name\tlink\t'

/** Reads a capture of either form; an empty one is that of an allocator without such files. Never throws; damage is a
 * diagnostic. */
export function readSlabSysfs(text: string): Read<SlabSysfsFacts> {
  const reader = new LineReader(text)
  const facts = text.startsWith(TABLE) ? readTable(reader) : readTree(reader)
  if (facts.caches.length === 0 && text !== '')
    reader.complain('no cache in this file: it is no capture of /sys/kernel/slab')
  return reader.done(facts)
}

function readTable(reader: LineReader): SlabSysfsFacts {
  const columns = (reader.next() ?? '').split('\t').slice(2)
  const caches: SlabSysfsCache[] = []
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const [name = '', link = '', ...values] = line.split('\t')
    if (name === '' || link === '' || values.length !== columns.length) {
      reader.stray('not a row of the table')
      continue
    }
    const attributes = new Map(columns.map((column, at) => [column, values[at]!]))
    caches.push({ name, link: link === '-' ? null : link, attributes, line: reader.line })
  }
  return { form: 'table', columns, caches, strays: reader.strays }
}

function readTree(reader: LineReader): SlabSysfsFacts {
  const caches: SlabSysfsCache[] = []
  let [folder, attributes] = ['', new Map<string, string>()]
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const [path = '', value] = line.split('\t')
    const [name = '', attribute, beyond] = path.slice(FOLDER.length).split('/')
    const link = value?.startsWith('-> ') === true && attribute === undefined
    if (!path.startsWith(FOLDER) || name === '' || value === undefined || beyond !== undefined) reader.stray(NO_LINE)
    else if (link) caches.push({ name, link: value.slice(3), attributes: new Map(), line: reader.line })
    else if (attribute === undefined || attribute === '') reader.stray(NO_LINE)
    else {
      if (folder !== name) {
        folder = name
        attributes = new Map()
        caches.push({ name, link: null, attributes, line: reader.line })
      }
      attributes.set(attribute, value)
    }
  }
  return { form: 'tree', columns: [], caches, strays: reader.strays }
}

const NO_LINE = 'neither an attribute nor a link'

/** The capture of these facts. */
export function writeSlabSysfs({ form, columns, caches, strays }: SlabSysfsFacts): string {
  if (form === 'table') {
    const rows = caches.map(({ name, link, attributes }) =>
      [name, link ?? '-', ...columns.map(column => attributes.get(column) ?? '')].join('\t'),
    )
    return joinLines([TABLE + columns.join('\t'), ...rows], strays)
  }
  const lines = caches.flatMap(({ name, link, attributes }) =>
    link === null
      ? [...attributes].map(([attribute, value]) => `${FOLDER}${name}/${attribute}\t${value}`)
      : [`${FOLDER}${name}\t-> ${link}`],
  )
  return joinLines(lines, strays)
}

/** A counter's parts by number: `340 N0=170 N1=170` → { sum: 340, parts: { 0: 170, 1: 170 } }. What stands in brackets
 * behind a number (`28(1)`) is its count. */
export interface SysfsCounter {
  readonly sum: number
  readonly count: number
  readonly parts: ReadonlyMap<number, { readonly value: number; readonly count: number }>
}

/** Reads a counter; null where the text is none. */
export function readCounter(text: string): SysfsCounter | null {
  const [head = '', ...rest] = text.trim().split(' ')
  const sum = /^(\d+)(?:\((\d+)\))?$/.exec(head)
  if (!sum) return null
  const parts = new Map<number, { value: number; count: number }>()
  for (const part of rest) {
    const match = /^[NC](\d+)=(\d+)(?:\((\d+)\))?$/.exec(part)
    if (!match) return null
    parts.set(Number(match[1]), { value: Number(match[2]), count: Number(match[3] ?? 0) })
  }
  return { sum: Number(sum[1]), count: Number(sum[2] ?? 0), parts }
}
