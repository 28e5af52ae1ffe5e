// What the user can put right: a path that is not there, a file that is not what it should be. The message is one
// sentence that begins with the file; who catches it prints that and nothing else.

/** A mistake of the user, told in one sentence. */
export class UserError extends Error {
  override readonly name: string = 'UserError'
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'not a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'a folder where a file was expected',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EMFILE: 'too many open files',
  ELOOP: 'too many symbolic links',
  ERR_FS_FILE_TOO_LARGE: 'too large for memory',
  ERR_STRING_TOO_LONG: 'too large for memory',
  ERR_BUFFER_TOO_LARGE: 'unpacked it is too large for memory',
  Z_DATA_ERROR: 'damaged gzip data',
  Z_BUF_ERROR: 'gzip data that ends too early',
}

/** The error of a file operation on `path` as a sentence; errors that are sentences already stay. */
export function explainFileError(path: string, error: unknown): Error {
  if (error instanceof UserError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  return new UserError(`${path}: ${REASONS[code] ?? message}`)
}

/** Does `action`; a machine that cannot be is a mistake in what it was made from: the name goes before the sentence. */
export function toldOf<T>(name: string | undefined, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const sentence = machineSentence(error.message)
    throw new UserError(name === undefined ? sentence : `${name}: ${sentence}`)
  }
}

/** The engine says only that it has no room for the tables of a machine. */
function machineSentence(message: string): string {
  const noRoom = /^(Array buffer allocation failed|Invalid (typed )?array (buffer )?length)/.test(message)
  return noRoom ? 'a machine of this size needs tables that are too large for this computer' : message
}
