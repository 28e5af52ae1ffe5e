// The files below a folder as the readers of recordings take them.
import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { VerifyFile } from '../../src/verify/types.ts'

/** Files below `folder` whose path below it matches, in the order of their paths. */
export function verifyFiles(folder: string, wanted: RegExp): VerifyFile[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const paths = entries
    .map(entry => relative(folder, `${entry.parentPath}/${entry.name}`))
    .filter(path => wanted.test(path))
  return paths.sort().map(path => ({ path, text: () => textOf(`${folder}/${path}`) }))
}

function textOf(path: string): string {
  const bytes = readFileSync(path)
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
}
