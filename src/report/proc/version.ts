// /proc/version: which kernel this is, who built it with what, and the build's own line.
import { LineReader, type Read } from './lines.ts'

export interface VersionFacts {
  /** uname -r: 6.1.0-50-amd64. */
  release: string
  /** user@host of the build. */
  builder: string
  /** Compiler and linker. */
  toolchain: string
  /** uname -v: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)". */
  build: string
  /** Built for more than one CPU. */
  smp: boolean
}

/** Reads /proc/version; the facts are null when it is none. */
export function readVersion(text: string): Read<VersionFacts | null> {
  const reader = new LineReader(text)
  const match = /^Linux version (\S+) \((\S+)\) \((.*)\) (#.*)$/.exec(reader.next() ?? '')
  if (reader.next() !== null) reader.complain('a second line, which is ignored')
  if (!match) {
    reader.complain('not the line of /proc/version', 1)
    return reader.done(null)
  }
  const [, release, builder, toolchain, build] = match
  return reader.done({ release, builder, toolchain, build, smp: / SMP(?: |$)/.test(build) })
}

/** /proc/version of these facts. */
export function writeVersion({ release, builder, toolchain, build }: VersionFacts): string {
  return `Linux version ${release} (${builder}) (${toolchain}) ${build}\n`
}
