// The image: columns where the plan says, views of one buffer, and buffers that are no image.
import { describe, expect, it } from 'vitest'
import { attach_image, create_image, IMAGE_FORMAT, image_size, type Plan, table_of } from '../../src/image/image.ts'
import { f64, i32, u8, u16, u32 } from '../../src/image/table.ts'

const POINT = { x: i32('a'), y: f64('b'), near: u16('c', 3) } as const
const TABLES = { point: POINT, mark: { bit: u8('d'), word: u32('e') } }
const PLAN: Plan = { rows: { point: 5, mark: 100 }, about: { name: 'test' } }

describe('an image', () => {
  it('has each column once, aligned, in the order of the declaration, and nothing overlaps', () => {
    const image = create_image(TABLES, PLAN, false)
    const views = Object.values(image.tables).flatMap(table => Object.values(table))
    expect(views.map(view => view.length)).toEqual([5, 5, 15, 100, 100])
    let end = image.start
    for (const view of views) {
      expect(view.byteOffset % 64).toBe(0)
      expect(view.byteOffset).toBeGreaterThanOrEqual(end)
      end = view.byteOffset + view.byteLength
    }
    expect(image.buffer.byteLength).toBe(image_size(TABLES, PLAN))
    expect(image.buffer.byteLength).toBeGreaterThanOrEqual(end)
  })

  it('begins as zeros', () => {
    const image = create_image(TABLES, PLAN)
    for (const table of Object.values(image.tables))
      for (const view of Object.values(table)) expect(view.every(value => value === 0)).toBe(true)
  })

  it('is seen alike by all who attach, in shared and in own buffers', () => {
    for (const shared of [true, false]) {
      const image = create_image(TABLES, PLAN, shared)
      expect(image.buffer instanceof SharedArrayBuffer).toBe(shared)
      const other = attach_image(TABLES, image.buffer)
      table_of<typeof POINT>(image, 'point').y[3] = -2.5
      expect(table_of<typeof POINT>(other, 'point').y[3]).toBe(-2.5)
      expect(other.plan).toEqual(PLAN)
    }
  })

  it('with a table of no rows is an image, too', () => {
    const image = create_image(TABLES, { rows: { point: 0, mark: 1 }, about: {} })
    expect(table_of<typeof POINT>(image, 'point').x.length).toBe(0)
  })
})

describe('what is no image says so', () => {
  const buffer = (): ArrayBuffer => create_image(TABLES, PLAN, false).buffer as ArrayBuffer
  const cases: readonly (readonly [string, () => ArrayBufferLike, RegExp])[] = [
    ['empty', () => new ArrayBuffer(0), /not an image: 0 bytes/],
    ['zeros', () => new ArrayBuffer(4096), /not an image: the first four bytes/],
    ['cut', () => buffer().slice(0, buffer().byteLength - 64), /image cut/],
    ['another format', () => patched(buffer(), 1, IMAGE_FORMAT + 1), /image format 2: this program reads format 1/],
  ]
  it.each(cases)('%s', (_, make, message) => expect(() => attach_image(TABLES, make())).toThrow(message))

  it('a plan without a table, and one with letters that are not ASCII', () => {
    expect(() => create_image(TABLES, { rows: { point: 1 }, about: {} })).toThrow(/no rows given for table mark/)
    expect(() => create_image(TABLES, { ...PLAN, about: { name: 'ä' } })).toThrow(/character 228 is not ASCII/)
  })
})

function patched(buffer: ArrayBuffer, word: number, value: number): ArrayBuffer {
  new Uint32Array(buffer, 0, 4)[word] = value
  return buffer
}
