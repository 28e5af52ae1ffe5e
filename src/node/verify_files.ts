// The files below a folder as the readers of recordings take them: paths below the folder, texts on demand.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { VerifyFile } from '../verify/types.ts'
import { explainFileError } from './user_error.ts'

/** Longest text that a JavaScript string can hold, about. */
const LARGEST_TEXT = 512 * 2 ** 20

/**
 * Every file below `folder`, in the order of the paths; `onRead` hears when one is read.
 * @throws UserError for a folder that cannot be listed; a file's `text` throws it for one that cannot be read.
 */
export function verifyFiles(folder: string, onRead: (path: string) => void = () => {}): VerifyFile[] {
  return listFiles(folder).map(path => ({
    path,
    text() {
      onRead(path)
      return readText(join(folder, path))
    },
    bytes() {
      onRead(path)
      return readBytes(join(folder, path))
    },
  }))
}

function listFiles(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter(entry => entry.isFile())
    return files.map(entry => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/')).sort()
  } catch (error) {
    throw explainFileError(folder, error)
  }
}

/** A file's text; gzip is known by its first two bytes. */
export function readText(path: string): string {
  try {
    return readBytes(path).toString('utf8')
  } catch (error) {
    throw explainFileError(path, error)
  }
}

function readBytes(path: string): Buffer {
  try {
    const bytes = readFileSync(path)
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b
    return packed ? gunzipSync(bytes, { maxOutputLength: LARGEST_TEXT }) : bytes
  } catch (error) {
    throw explainFileError(path, error)
  }
}
