// The Linux host that is recorded: where its files are, and what of them a recording needs.
// Tests give a folder of their own in place of each.
import { readFileSync } from 'node:fs'
import { UserError } from '../user_error.ts'

/** Roots of the host's files. */
export interface Host {
  readonly proc: string
  readonly sys: string
  /** Where tracefs may be mounted, in the order in which they are tried. */
  readonly tracefs: readonly string[]
  readonly platform: string
  readonly uid: number
}

/** The machine that runs this process. */
export function thisHost(): Host {
  return {
    proc: '/proc',
    sys: '/sys',
    tracefs: ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'],
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
  }
}

/** @throws UserError that names what a recording lacks: Linux, or the rights of root */
export function needsRoot({ platform, uid }: Host): void {
  if (platform !== 'linux') throw new UserError(`record needs a Linux host; this is ${platform}`)
  if (uid !== 0) throw new UserError('record needs root: tracefs and page frame numbers are closed to others')
}

/** The text of a file of the host; null where it is not there or cannot be read. */
export function hostText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
