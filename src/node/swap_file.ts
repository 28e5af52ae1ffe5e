// Swap areas in files of this computer: sparse, a page for each slot, read and written where they lie. What the kernel's
// tools do to them: mkswap writes the first page, swapon reads it.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { is_zero } from '../mm/swap_bytes.ts'
import { type PageFile, type PageLog, SwapHistory } from '../sim/swap_history.ts'
import type { SwapHost } from '../sim/swap_host.ts'
import { explainFileError, UserError } from './user_error.ts'

/** Bytes that tell for which page size an area was made. */
const HEAD_BYTES = 65536

/** Pages of an open file. A page that does not lie in the file as it is now cannot be read nor written. */
function pagesOf(fd: number, pageBytes: number): PageFile {
  const zeros = new Uint8Array(pageBytes)
  const now = new Uint8Array(pageBytes)
  const size = (): number => fstatSync(fd).size
  const moved = (move: (at: number) => number, page: number): boolean => {
    try {
      return (page + 1) * pageBytes <= size() && move(page * pageBytes) === pageBytes
    } catch {
      return false
    }
  }
  const read = (page: number, into: Uint8Array): boolean => moved(at => readSync(fd, into, 0, pageBytes, at), page)
  return {
    size,
    read,
    write(page, bytes) {
      // A hole stays a hole.
      if (bytes === null && read(page, now) && is_zero(now)) return true
      return moved(at => writeSync(fd, bytes ?? zeros, 0, pageBytes, at), page)
    },
  }
}

/** Pages in a file without a name, which goes with this process. */
function scratchLog(pageBytes: number): PageLog {
  const folder = mkdtempSync(join(tmpdir(), 'mmtwin-swap-'))
  const fd = openSync(join(folder, 'log'), 'wx+', 0o600)
  rmSync(folder, { recursive: true, force: true })
  let pages = 0
  return {
    append(bytes) {
      try {
        if (writeSync(fd, bytes, 0, pageBytes, pages * pageBytes) === pageBytes) return pages++
      } catch {
        // No space: the page counts as not written.
      }
      return -1
    },
    read(page, into) {
      readSync(fd, into, 0, pageBytes, page * pageBytes)
    },
  }
}

function told<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw explainFileError(path, error)
  }
}

function openRegular(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600)
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw new UserError(`${path}: not a file: swap areas of a twin lie in ordinary files`)
}

function headOf(fd: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  readSync(fd, head, 0, HEAD_BYTES, 0)
  return head
}

/** The files of this computer as the shell's mkswap and swapon take them. */
export const swapFiles: SwapHost = {
  identify: path => told(path, () => realpathSync(path)),
  inspect: path =>
    told(path, () => {
      const fd = openRegular(path, constants.O_RDONLY)
      const head = headOf(fd)
      const bytes = fstatSync(fd).size
      closeSync(fd)
      return { head, bytes }
    }),
  format: (path, bytes, first) =>
    told(path, () => {
      const fd = openRegular(path, constants.O_RDWR | constants.O_CREAT)
      try {
        if (bytes !== undefined) ftruncateSync(fd, bytes)
        writeSync(fd, first, 0, first.length, 0)
      } finally {
        closeSync(fd)
      }
    }),
  open: (path, pageBytes) =>
    told(path, () => {
      const fd = openRegular(path, constants.O_RDWR)
      return new SwapHistory(pagesOf(fd, pageBytes), scratchLog(pageBytes), pageBytes)
    }),
  uuid() {
    const bytes = new Uint8Array(randomBytes(16))
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    return bytes
  },
}
