// Captured trees of small files (/proc/sys/vm, /sys/devices/system/node, /sys/firmware/memmap) in one text.
// Three forms: `path: value` (a value of several lines follows a bare `path:` and ends with a line `.`),
// `name = value`, and `path TAB value` (the lines of a value joined by blanks). In the rows, lines are joined by \n.
import { joinLines, type LineReader, type Stray } from './lines.ts'

/** How the capture wrote the tree down. */
export type AttributeForm = 'colon' | 'equals' | 'tab'

export interface Attribute {
  path: string
  value: string
}

/** An attribute with the line (from 1) on which it stood. */
export interface AttributeLine extends Attribute {
  line: number
}

export interface AttributeText {
  form: AttributeForm
  rows: AttributeLine[]
}

const FORMS: readonly [AttributeForm, RegExp][] = [
  ['tab', /^\S+\t/],
  ['equals', /^[^\s:=]+ = /],
  ['colon', /^\/\S*:(?: |$)/],
]

/** The attributes of a capture; what is none becomes a stray line of `reader`. An empty text is an empty tree. */
export function readAttributes(reader: LineReader): AttributeText {
  const form = formOf(reader.lines)
  const rows: AttributeLine[] = []
  const seen = new Set<string>()
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const row = parseAttribute(reader, form, line)
    if (!row) reader.stray('not a name with a value')
    else if (seen.has(row.path)) reader.complain(`${row.path} stands here a second time, which is ignored`, row.line)
    else rows.push(row)
    if (row) seen.add(row.path)
  }
  if (rows.length === 0 && reader.lines.length > 0) reader.complain('no name with a value in this file')
  return { form, rows }
}

function formOf(lines: readonly string[]): AttributeForm {
  const sample = lines.slice(0, 50)
  const votes = FORMS.map(([form, pattern]) => ({ form, votes: sample.filter(line => pattern.test(line)).length }))
  return votes.reduce((best, next) => (next.votes > best.votes ? next : best)).form
}

function parseAttribute(reader: LineReader, form: AttributeForm, text: string): AttributeLine | null {
  const line = reader.line
  const mark = form === 'tab' ? '\t' : form === 'equals' ? ' = ' : ': '
  const at = text.indexOf(mark)
  if (at > 0) return { path: text.slice(0, at), value: text.slice(at + mark.length), line }
  if (form !== 'colon' || !/^\/\S*:$/.test(text)) return null
  return { path: text.slice(0, -1), value: readBlock(reader), line }
}

/** The lines up to the one that is a single dot. */
function readBlock(reader: LineReader): string {
  const lines: string[] = []
  const start = reader.line
  for (let line = reader.next(); line !== null; line = reader.next()) {
    if (line === '.') return lines.join('\n')
    lines.push(line)
  }
  reader.complain('this value does not end with a line "."', start)
  return lines.join('\n')
}

/** The text of these attributes in the given form. */
export function writeAttributes(form: AttributeForm, rows: readonly Attribute[], strays: readonly Stray[]): string {
  return joinLines(
    rows.flatMap(({ path, value }) => {
      if (form === 'tab') return [`${path}\t${value.replaceAll('\n', ' ')}`]
      if (form === 'equals') return [`${path} = ${value}`]
      return value.includes('\n') ? [`${path}:`, ...value.split('\n'), '.'] : [`${path}: ${value}`]
    }),
    strays,
  )
}
