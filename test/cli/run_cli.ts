// The built command line as a user runs it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs `mmtwin` to its end; without a terminal, without colours unless asked. */
export function mmtwin(args: readonly string[], input = '', env: Readonly<Record<string, string>> = {}): Ran {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...rest } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    input,
    env: { ...rest, ...env },
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: stderr }
}
