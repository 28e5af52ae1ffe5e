// A line of the shell into words: blanks separate, quotes keep together, `#` begins a comment, `;` ends a command.

/** A line that is no command: the user's mistake, known before anything is done. */
export class ShellSyntaxError extends Error {
  override readonly name: string = 'ShellSyntaxError'
}

/** A command that could not do what it should; the machine is in order. */
export class ShellFailure extends Error {
  override readonly name: string = 'ShellFailure'
}

/** The commands of a line, each as its words. */
export function splitLine(line: string): string[][] {
  const commands: string[][] = [[]]
  const token = /\s+|#.*$|;|((?:"[^"]*"|'[^']*'|[^\s"';])+)|(["'])/y
  for (let match = token.exec(line); match !== null; match = token.exec(line)) {
    if (match[2] !== undefined)
      throw new ShellSyntaxError(`the quote ${match[2]} at column ${match.index + 1} is not closed`)
    if (match[0] === ';') commands.push([])
    else if (match[1] !== undefined) commands.at(-1)!.push(match[1].replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'))
  }
  return commands.filter(words => words.length > 0)
}

/** Words of the form `name=value` apart from the others. */
export function namedWords(words: readonly string[], names: readonly string[]): [string[], Map<string, string>] {
  const named = new Map<string, string>()
  const plain = words.filter(word => {
    const at = word.indexOf('=')
    const known = at > 0 && names.includes(word.slice(0, at))
    if (known) named.set(word.slice(0, at), word.slice(at + 1))
    return !known
  })
  return [plain, named]
}

/** A whole number, decimal or 0x…; a syntax error names what it was meant for. */
export function wholeNumber(word: string | undefined, what: string): number {
  if (word === undefined) throw new ShellSyntaxError(`${what} is missing`)
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(word)) throw new ShellSyntaxError(`${what} "${word}" is not a whole number`)
  return Number(word)
}
