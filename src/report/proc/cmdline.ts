// /proc/cmdline: the words of the kernel's command line. Quotes keep blanks inside a word and stay in its text.
import { LineReader, type Read } from './lines.ts'

export interface CmdlineFacts {
  /** In order; an empty word is a doubled blank. */
  words: string[]
}

/** Reads /proc/cmdline. Never throws. */
export function readCmdline(text: string): Read<CmdlineFacts> {
  const reader = new LineReader(text)
  const line = reader.next() ?? ''
  if (reader.next() !== null) reader.complain('a second line, which is ignored')
  return reader.done({ words: splitWords(line) })
}

function splitWords(line: string): string[] {
  const words: string[] = []
  let word = ''
  let quoted = false
  for (const letter of line) {
    if (letter === '"') quoted = !quoted
    if (letter !== ' ' || quoted) word += letter
    else {
      words.push(word)
      word = ''
    }
  }
  if (word !== '' || words.length > 0) words.push(word)
  return words
}

/** /proc/cmdline of these words. */
export function writeCmdline(facts: CmdlineFacts): string {
  return `${facts.words.join(' ')}\n`
}

/** The last value of `name=value`, '' for a bare `name`, null when it is not there. */
export function cmdlineValue(facts: CmdlineFacts, name: string): string | null {
  const word = facts.words.findLast(word => word === name || word.startsWith(`${name}=`))
  return word === undefined ? null : word.slice(name.length + 1).replace(/^"|"$/g, '')
}
