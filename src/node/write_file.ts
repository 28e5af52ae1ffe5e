// Files that appear whole or not at all: written beside their name and then renamed.
import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { unfinished } from './unfinished.ts'
import { explainFileError, UserError } from './user_error.ts'

/** Looks whether a file could be written, before long work is done for it. @throws UserError where it cannot */
export function checkWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK)
  } catch (error) {
    throw explainFileError(path, error)
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new UserError(`${path}: a folder, not a file`)
}

/** Writes a text. @throws UserError where that cannot be; what was there before stays */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}.tmp`
  const settled = unfinished(draft)
  try {
    writeFileSync(draft, text)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw explainFileError(path, error)
  } finally {
    settled()
  }
}
