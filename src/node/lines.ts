// Lines of standard input, for commands: each is short, so one without an end is not a script.
import { StringDecoder } from 'node:string_decoder'
import { UserError } from './user_error.ts'

/** Longest line, characters. */
const LONGEST = 1 << 16

/** The lines of standard input as they come. @throws UserError for one that is too long, with its number */
export async function* inputLines(input: AsyncIterable<Buffer> = process.stdin): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let number = 1
  let rest = ''
  for await (const piece of input) {
    const lines = (rest + decoder.write(piece)).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield short(line, number++)
    short(rest, number)
  }
  rest += decoder.end()
  if (rest !== '') yield short(rest, number)
}

function short(line: string, number: number): string {
  if (line.length > LONGEST)
    throw new UserError(`standard input: line ${number}: longer than ${LONGEST} characters, which is no command`)
  return line.replace(/\r$/, '')
}
