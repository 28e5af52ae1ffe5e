// The index of kernel names on disk: written beside the compiled package when it is built, because sources do not
// ship; made afresh where the program runs from its sources.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { indexSources, type WhereIndex } from '../sim/where.ts'

/** `dist` or `src`: the folder that the rooms lie in. */
const rooms: string = dirname(dirname(fileURLToPath(import.meta.url)))

/** The index of the sources below `root`/src. */
export function buildWhereIndex(root: string): WhereIndex {
  const paths = readdirSync(join(root, 'src'), { recursive: true })
    .map(path => `src/${String(path).replaceAll('\\', '/')}`)
    .filter(path => path.endsWith('.ts'))
  return indexSources(paths.sort().map(path => [path, readFileSync(join(root, path), 'utf8')] as const))
}

/** The index of this package. */
export function loadWhereIndex(): WhereIndex {
  if (rooms.endsWith('src')) return buildWhereIndex(dirname(rooms))
  return JSON.parse(readFileSync(join(rooms, 'where.json'), 'utf8')) as WhereIndex
}
