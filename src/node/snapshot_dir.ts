// Reads a captured folder into the map that `readSnapshot` takes: the files it knows, plain or gzip (told by the first
// two bytes, whatever the name says), keyed by their names without `.gz`.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readSnapshot, SNAPSHOT_FILES, type Snapshot } from '../report/snapshot.ts'

/** A folder that cannot be read as a snapshot; the message is one sentence for the user. */
export class SnapshotDirError extends Error {
  override readonly name = 'SnapshotDirError'
}

/** Larger than any file of /proc that a capture holds; a trace or an image under such a name is a mistake. */
const LARGEST_FILE = 256 * 2 ** 20

/**
 * The texts of the known files in the folder `path`.
 * @throws SnapshotDirError: no folder, none of the known files in it, or a file that cannot be read or unpacked.
 */
export function readSnapshotFiles(path: string): Map<string, string> {
  const known = new Set(Object.values(SNAPSHOT_FILES).flat())
  const files = new Map<string, string>()
  for (const entry of listFolder(path)) {
    const name = entry.replace(/\.gz$/, '')
    if (known.has(name) && (!files.has(name) || entry === name)) files.set(name, readText(join(path, entry)))
  }
  if (files.size > 0) return files
  const inside = ['boot', 'before'].map(name => join(path, name)).filter(name => holdsFile(name, 'zoneinfo'))
  const hint = inside.length > 0 ? `; there are some in ${inside.join(' and ')}` : ' (zoneinfo, buddyinfo, vmstat …)'
  throw new SnapshotDirError(`${path}: no file of a snapshot in this folder${hint}`)
}

/**
 * The snapshot in the folder `path`.
 * @throws SnapshotDirError as `readSnapshotFiles`; damage inside a file is a diagnostic of the snapshot.
 */
export function readSnapshotDir(path: string): Snapshot {
  return readSnapshot(readSnapshotFiles(path))
}

/** Files that say what one moment was like: those of another moment do not stand in for them. */
const OF_A_MOMENT = ['zoneinfo', 'buddyinfo', 'pagetypeinfo', 'meminfo', 'vmstat', 'slabinfo', 'physmap.tsv']
/** Files that make a machine what it is: with damage in one of them it would be another. */
const OF_THE_MACHINE = ['zoneinfo', 'buddyinfo', 'pagetypeinfo', 'physmap.tsv', 'version']

/** Folders at `folder` with files that belong to a whole recording (iomem, version …). */
export function sharedFolders(folder: string): string[] {
  return ['boot-full', 'boot', '../boot-full', '../boot']
    .map(name => join(folder, name))
    .filter(name => existsSync(name))
}

/**
 * The snapshot of a machine at one moment: files of the folders `own`, the first one's before the others', and what
 * never changes of the folders `shared`.
 * @throws SnapshotDirError as `readSnapshotFiles`, and where no machine can be made of it: file and line
 */
export function readMachineDirs(own: readonly string[], shared: readonly string[]): Snapshot {
  const files = new Map<string, string>()
  const from = new Map<string, string>()
  const take = (folder: string, wanted: (name: string) => boolean): void => {
    for (const [name, text] of readSnapshotFiles(folder))
      if (!files.has(name) && wanted(name)) {
        files.set(name, text)
        from.set(name, folder)
      }
  }
  for (const folder of own) if (folder === own[0] || holdsSnapshot(folder)) take(folder, () => true)
  for (const folder of shared) if (holdsSnapshot(folder)) take(folder, name => !OF_A_MOMENT.includes(name))
  const snapshot = readSnapshot(files)
  refuseDamage(snapshot, name => join(from.get(name)!, name))
  if (!snapshot.zoneinfo?.zones.length)
    throw new SnapshotDirError(`${join(own[0]!, 'zoneinfo')}: without this file there are no zones to boot from`)
  if (snapshot.buddyinfo === null && snapshot.physmap === null)
    throw new SnapshotDirError(`${join(own[0]!, 'buddyinfo')}: without this file nothing says which memory is free`)
  refuseShortMap(snapshot, () => join(from.get('physmap.tsv')!, 'physmap.tsv'))
  return snapshot
}

/** A map of frames that was cut would leave out free memory, and everything that follows would be wrong. */
function refuseShortMap({ physmap, zoneinfo }: Snapshot, path: () => string): void {
  if (!physmap) return
  const last = physmap.runs - 1
  const mapped = last < 0 ? 0 : physmap.pfn[last]! + physmap.length[last]!
  const memory = Math.max(...zoneinfo!.zones.map(({ startPfn, pages }) => startPfn + pages.spanned))
  if (mapped < memory)
    throw new SnapshotDirError(`${path()}: it ends at frame ${mapped}, but zoneinfo has zones up to frame ${memory}`)
}

/** Whether a folder has a file, plain or packed. */
export function holdsFile(folder: string, name: string): boolean {
  return existsSync(join(folder, name)) || existsSync(join(folder, `${name}.gz`))
}

function holdsSnapshot(folder: string): boolean {
  return Object.values(SNAPSHOT_FILES).some(names => names.some(name => holdsFile(folder, name)))
}

function refuseDamage({ diagnostics }: Snapshot, pathOf: (name: string) => string): void {
  const damage = diagnostics.find(({ file }) => OF_THE_MACHINE.includes(file))
  if (damage) throw new SnapshotDirError(`${pathOf(damage.file)}: line ${damage.line}: ${damage.message}`)
}

function listFolder(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) throw new SnapshotDirError(`${path}: not a folder`)
    return readdirSync(path).sort()
  } catch (error) {
    throw explained(path, error)
  }
}

function readText(path: string): string {
  try {
    const { size } = statSync(path)
    if (size > LARGEST_FILE) throw new SnapshotDirError(`${path}: ${size} bytes, too large for a file of /proc`)
    const bytes = readFileSync(path)
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b
    return (packed ? gunzipSync(bytes, { maxOutputLength: LARGEST_FILE }) : bytes).toString('utf8')
  } catch (error) {
    throw explained(path, error)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EISDIR: 'a folder where a file was expected',
  ERR_BUFFER_TOO_LARGE: 'unpacked it is too large for a file of /proc',
  Z_DATA_ERROR: 'damaged gzip data',
  Z_BUF_ERROR: 'gzip data that ends too early',
}

function explained(path: string, error: unknown): SnapshotDirError {
  if (error instanceof SnapshotDirError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  return new SnapshotDirError(`${path}: ${REASONS[code] ?? message}`)
}
