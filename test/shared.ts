// Where the recordings lie, when they are there. Tests that need them are skipped by name, never silently.
import { describe, it } from 'vitest'
import { SHARED_FOLDER } from './shared_folder.ts'

/** Folder of the recordings beside the repository, or null where it is absent. */
export const SHARED: string | null = SHARED_FOLDER

/** `describe` where the recordings are there; else a skipped test that says so: the body may list them, so it stays shut. */
export function describeShared(name: string, body: () => void): void {
  if (SHARED) describe(name, body)
  else describe(name, () => it.skip('needs the recordings at ../shared/truth, which are not there', () => {}))
}
