// Files that are being written: what ends the process before they are whole (Ctrl-C, a failure) removes them.
// Law: signals are taken over only while there is such a file, and the process still ends by them.
import { rmSync } from 'node:fs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const files = new Set<string>()

function removeAll(): void {
  for (const path of files) rmSync(path, { force: true })
}

function end(signal: NodeJS.Signals): void {
  removeAll()
  stopListening()
  process.kill(process.pid, signal)
}

function stopListening(): void {
  process.removeListener('exit', removeAll)
  for (const signal of SIGNALS) process.removeListener(signal, end)
}

/** Remembers a file that is not whole yet; the returned function forgets it, when it is whole or removed. */
export function unfinished(path: string): () => void {
  if (files.size === 0) {
    process.once('exit', removeAll)
    for (const signal of SIGNALS) process.once(signal, end)
  }
  files.add(path)
  return () => {
    if (files.delete(path) && files.size === 0) stopListening()
  }
}
