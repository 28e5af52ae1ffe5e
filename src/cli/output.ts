// Results on stdout. Law: all of a text arrives or the command fails: a file takes it in as many writes as it needs, a
// pipe or a terminal by Node's stream; who stops reading (`| head`) has seen enough, which is no error.
import { fstatSync, writeSync } from 'node:fs'
import { UserError } from '../node/user_error.ts'
import { inAlphabet } from './text.ts'

const STDOUT = 1
let isFile: boolean | null = null

/** Prints a result for people. @throws UserError where stdout is a file that cannot take it */
export function print(text: string): void {
  write(inAlphabet(text))
}

/** Prints a result for programs: the one JSON object of a command. @throws UserError as `print` */
export function printJson(value: unknown): void {
  write(`${JSON.stringify(value, null, 2)}\n`)
}

function write(text: string): void {
  isFile ??= stdoutIsFile()
  if (!isFile) process.stdout.write(text)
  else writeAll(Buffer.from(text))
}

function stdoutIsFile(): boolean {
  try {
    return fstatSync(STDOUT).isFile()
  } catch {
    return false
  }
}

function writeAll(bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(STDOUT, bytes, done)
  } catch (error) {
    throw new UserError(cannotWrite(error as NodeJS.ErrnoException))
  }
}

function cannotWrite({ code, message }: NodeJS.ErrnoException): string {
  return `standard output: ${code === 'ENOSPC' ? 'no space left on the device' : message}`
}

/** Ends the process when stdout or stderr cannot be written: quietly where nobody reads on, else with a sentence. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit()
      if (stream === process.stdout) process.stderr.write(`mmtwin: ${cannotWrite(error)}\n`)
      process.exit(2)
    })
}
