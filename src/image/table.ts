// Tables of columns × rows, each declared once. A declaration is data: a name, an element type, how many elements a
// row has, and in words the unit, the sentinel and the law. 0 is chosen as the value right after boot wherever a
// column is as long as memory, so that memory is used only for what was touched.

/** One column's declaration. */
export interface Column<View extends ColumnView = ColumnView> {
  readonly bytes: number
  readonly view: new (buffer: ArrayBufferLike, offset: number, length: number) => View
  /** Elements of a row. */
  readonly width: number
  /** Unit, sentinel, law. */
  readonly doc: string
}

export type ColumnView = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float64Array

export type Columns = Readonly<Record<string, Column>>
/** The views of a declared table. */
export type Views<T extends Columns> = { readonly [Name in keyof T]: T[Name] extends Column<infer V> ? V : never }

export const u8 = (doc: string, width = 1): Column<Uint8Array> => ({ bytes: 1, view: Uint8Array, width, doc })
export const u16 = (doc: string, width = 1): Column<Uint16Array> => ({ bytes: 2, view: Uint16Array, width, doc })
export const u32 = (doc: string, width = 1): Column<Uint32Array> => ({ bytes: 4, view: Uint32Array, width, doc })
export const i32 = (doc: string, width = 1): Column<Int32Array> => ({ bytes: 4, view: Int32Array, width, doc })
/** Counters and addresses that may pass 2^31: exact integers up to 2^53. */
export const f64 = (doc: string, width = 1): Column<Float64Array> => ({ bytes: 8, view: Float64Array, width, doc })
