// Recorded files for the readers of src/verify, unpacked.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { VerifyFile } from '../src/verify/types.ts'

/** Every file below a folder, as `mmtwin verify` would hand it to a reader. */
export function filesBelow(root: string): VerifyFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(path => statSync(`${root}/${path}`).isFile())
    .map(path => ({
      path,
      text: () => bytesOf(`${root}/${path}`).toString('utf8'),
      bytes: () => bytesOf(`${root}/${path}`),
    }))
}

function bytesOf(path: string): Buffer {
  const bytes = readFileSync(path)
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes
}
