// Copies of an image that hold only what may be other than zero. Law: columns as long as memory are zeros where nobody
// wrote; whoever knows the tables says which bytes those are not (`Extents`), and everything else is never touched.
import type { Image } from './image.ts'

/** Byte ranges of a buffer as pairs of first byte and first byte behind; ascending, multiples of 4. */
export type Extents = Float64Array

/** The bytes of some extents, packed; plain data that can be sent to another thread. */
export interface Snapshot {
  readonly extents: Extents
  readonly bytes: Uint8Array
}

const view = (image: Image, start: number, end: number): Uint8Array => new Uint8Array(image.buffer, start, end - start)

/** Bytes that the extents cover. */
export function extents_size(extents: Extents): number {
  let size = 0
  for (let i = 0; i < extents.length; i += 2) size += extents[i + 1]! - extents[i]!
  return size
}

/** Packs the bytes of `extents`. */
export function take_snapshot(image: Image, extents: Extents): Snapshot {
  const bytes = new Uint8Array(extents_size(extents))
  let at = 0
  for (let i = 0; i < extents.length; i += 2) {
    const [start, end] = [extents[i]!, extents[i + 1]!]
    bytes.set(view(image, start, end), at)
    at += end - start
  }
  return { extents, bytes }
}

/** Puts packed bytes back where they were; bytes outside the snapshot's extents stay as they are. */
export function put_snapshot(image: Image, { extents, bytes }: Snapshot): void {
  let at = 0
  for (let i = 0; i < extents.length; i += 2) {
    const [start, end] = [extents[i]!, extents[i + 1]!]
    view(image, start, end).set(bytes.subarray(at, at + end - start))
    at += end - start
  }
}

/** Zeros every byte of `extents`. */
export function clear_extents(image: Image, extents: Extents): void {
  for (let i = 0; i < extents.length; i += 2) view(image, extents[i]!, extents[i + 1]!).fill(0)
}

/** A new buffer like the image's, of the same kind, with its header and plan and the bytes of `extents`. */
export function copy_buffer(image: Image, extents: Extents): ArrayBufferLike {
  const size = image.buffer.byteLength
  const shared = typeof SharedArrayBuffer !== 'undefined' && image.buffer instanceof SharedArrayBuffer
  const buffer: ArrayBufferLike = shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
  new Uint8Array(buffer, 0, image.start).set(view(image, 0, image.start))
  for (let i = 0; i < extents.length; i += 2) {
    const [start, end] = [extents[i]!, extents[i + 1]!]
    new Uint8Array(buffer, start, end - start).set(view(image, start, end))
  }
  return buffer
}
