// Files of the recordings, by the end of their path.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Paths below `folder` that match, sorted. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  const found: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...filesBelow(path, pattern))
    else if (pattern.test(path)) found.push(path)
  }
  return found.sort()
}
