// The state of the machine that runs this process, as far as its user may read it.
import { join } from 'node:path'
import { readSnapshot, type Snapshot } from '../report/snapshot.ts'
import { type Host, hostText, thisHost } from './record/host.ts'
import { UserError } from './user_error.ts'

const FILES = ['zoneinfo', 'buddyinfo', 'pagetypeinfo', 'vmstat', 'meminfo', 'version', 'cpuinfo'] as const

/** A look at /proc. @throws UserError where this is no Linux host */
export function liveSnapshot(host: Host = thisHost()): Snapshot {
  if (host.platform !== 'linux') throw new UserError(`--live needs a Linux host; this is ${host.platform}`)
  const files = new Map<string, string>()
  for (const name of FILES) {
    const text = hostText(join(host.proc, name))
    if (text !== null) files.set(name, text)
  }
  if (!files.has('zoneinfo'))
    throw new UserError(`${join(host.proc, 'zoneinfo')}: cannot be read, and nothing can be told without it`)
  return readSnapshot(files)
}
