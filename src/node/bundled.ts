// The recording that comes with the package: what `mmtwin replay --bundled` and `npm start` replay.
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UserError } from './user_error.ts'

const data: string = fileURLToPath(new URL('../../data', import.meta.url))

/** Names under which a recording keeps its trace, the one with the fewest bytes to read first. */
const TRACES = ['trace.dat', 'trace.dat.gz', 'trace.txt.gz', 'trace.txt', 'trace.gz', 'trace']

/** What the bundled trace at `path` is called in reports. */
export function bundledName(path: string): string {
  return `${basename(dirname(path))} (bundled)`
}

/** Path of the bundled trace; `before` and `after` lie beside it. @throws UserError where the package has none */
export function bundledTrace(): string {
  const folders = existsSync(data) ? readdirSync(data).sort() : []
  for (const folder of folders)
    for (const name of TRACES) if (existsSync(join(data, folder, name))) return join(data, folder, name)
  throw new UserError(`${data}: no recording is bundled here`)
}
