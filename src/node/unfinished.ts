// Files that are being written: what ends the process before they are whole (Ctrl-C, a failure) removes them.
import { rmSync } from 'node:fs'
import { atEnd } from './at_end.ts'

/** Remembers a file that is not whole yet; the returned function forgets it, when it is whole or removed. */
export function unfinished(path: string): () => void {
  return atEnd(() => rmSync(path, { force: true }))
}
