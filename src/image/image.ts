// The image: all state of a machine in one fixed-size buffer. What is not in the image does not exist.
// Buffer = header (magic, format, length of the plan) + plan (JSON: which tables with how many rows, and the words a
// machine needs to attach) + the columns one after another, each aligned to 64 bytes.
import type { Column, Columns, ColumnView, Views } from './table.ts'

const MAGIC = 0x6d6d7477
/** Format of the image; a buffer of another format is refused. */
export const IMAGE_FORMAT = 1
const HEADER_BYTES = 16
const ALIGN = 64

/** What a buffer must hold: tables by name with their rows, and `about` = facts needed to attach (JSON values). */
export interface Plan {
  readonly rows: Readonly<Record<string, number>>
  readonly about: Readonly<Record<string, unknown>>
}

export interface Image {
  readonly buffer: ArrayBufferLike
  readonly plan: Plan
  /** First byte of the columns: header and plan lie before it. */
  readonly start: number
  /** Views of every table: `tables.page.flags[pfn]`. */
  readonly tables: Readonly<Record<string, Readonly<Record<string, ColumnView>>>>
}

type Tables = Readonly<Record<string, Columns>>

const aligned = (offset: number): number => Math.ceil(offset / ALIGN) * ALIGN

/** Visits every column in the order in which it lies in the buffer; returns the end. */
function each_column(
  tables: Tables,
  plan: Plan,
  start: number,
  visit: (table: string, name: string, column: Column, offset: number, length: number) => void,
): number {
  let offset = start
  for (const [table, columns] of Object.entries(tables)) {
    const rows = plan.rows[table]
    if (rows === undefined) throw new RangeError(`image plan: no rows given for table ${table}`)
    for (const [name, column] of Object.entries(columns)) {
      offset = aligned(offset)
      visit(table, name, column, offset, rows * column.width)
      offset += rows * column.width * column.bytes
    }
  }
  return aligned(offset)
}

/** Bytes that a buffer for `plan` needs. */
export function image_size(tables: Tables, plan: Plan): number {
  return each_column(tables, plan, plan_end(plan), () => {})
}

const plan_bytes = (plan: Plan): Uint8Array => encode(JSON.stringify(plan))
const plan_end = (plan: Plan): number => aligned(HEADER_BYTES + plan_bytes(plan).length)

/** A new image of zeros. `shared` gives a SharedArrayBuffer, which other threads can attach to. */
export function create_image(tables: Tables, plan: Plan, shared = true): Image {
  const size = image_size(tables, plan)
  const buffer: ArrayBufferLike = shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
  const bytes = plan_bytes(plan)
  new Uint32Array(buffer, 0, 4).set([MAGIC, IMAGE_FORMAT, bytes.length, 0])
  new Uint8Array(buffer, HEADER_BYTES, bytes.length).set(bytes)
  return attach_image(tables, buffer)
}

/** Views over a buffer that `create_image` made, here or in another thread. */
export function attach_image(tables: Tables, buffer: ArrayBufferLike): Image {
  if (buffer.byteLength < HEADER_BYTES) throw new RangeError(`not an image: ${buffer.byteLength} bytes`)
  const [magic = 0, format = 0, length = 0] = new Uint32Array(buffer, 0, 4)
  if (magic !== MAGIC) throw new RangeError('not an image: the first four bytes are not its magic number')
  if (format !== IMAGE_FORMAT) throw new RangeError(`image format ${format}: this program reads format ${IMAGE_FORMAT}`)
  const plan = JSON.parse(decode(new Uint8Array(buffer, HEADER_BYTES, length))) as Plan
  const views: Record<string, Record<string, ColumnView>> = {}
  const start = plan_end(plan)
  const end = each_column(tables, plan, start, (table, name, column, offset, count) => {
    if (offset + count * column.bytes > buffer.byteLength)
      throw new RangeError(`image cut at ${buffer.byteLength} bytes`)
    const columns = (views[table] ??= {})
    columns[name] = new column.view(buffer, offset, count)
  })
  if (end > buffer.byteLength) throw new RangeError(`image cut: ${buffer.byteLength} of ${end} bytes`)
  // An object that was filled by computed names is a hash table to the engine; its copy has a shape, reads are 5× faster.
  for (const table of Object.keys(views)) views[table] = { ...views[table] }
  return { buffer, plan, start, tables: views }
}

/** The views of one declared table, typed. */
export function table_of<T extends Columns>(image: Image, name: string): Views<T> {
  return image.tables[name] as unknown as Views<T>
}

/** The core has no TextEncoder type (it is of the DOM and of Node): plans are ASCII by construction. */
function encode(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) throw new RangeError(`image plan: character ${code} is not ASCII`)
    bytes[i] = code
  }
  return bytes
}

function decode(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!)
  return text
}
