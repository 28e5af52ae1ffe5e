// `mmtwin where NAME`: from a kernel name to our file and line, the kernel's file, and the scenarios that pass through.
import type { Command } from 'commander'
import { loadWhereIndex } from '../node/where.ts'
import { findName, type WhereAnswer } from '../sim/where.ts'
import { print, printJson } from './output.ts'
import { oneLine, outputColumns, wrapped } from './text.ts'

const EXAMPLES = `
Examples:
  $ mmtwin where __rmqueue_smallest
  $ mmtwin where "struct page"
  $ mmtwin where gfp_zone --json

--json prints { "name", "matches": [ { "name", "ours", "file", "line", "kernelFile", "about", "scenarios" } ],
"suggestions": [ … ] }. Exit 1 where the name is not known.`

/** Adds the command `where` to the program. */
export function registerWhere(program: Command): void {
  program
    .command('where')
    .description('kernel name → our file and line, kernel file, scenarios that pass through')
    .argument('<name>', 'name of a function, constant, structure or enumeration of the kernel')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((name: string, options: { json?: boolean }) => {
      const answer = findName(loadWhereIndex(), name)
      if (options.json) printJson(answer)
      else if (answer.matches.length > 0) print(answerText(answer))
      else process.stderr.write(`${oneLine(unknownText(answer))}\n`)
      if (answer.matches.length === 0) process.exitCode = 1
    })
}

/** The answer as lines for a person. */
export function answerText(answer: WhereAnswer): string {
  const blocks = answer.matches.map(({ name, ours, file, line, kernelFile, about, scenarios }) => {
    const rows: readonly (readonly [string, string])[] = [
      ['ours', `${file}:${line}${ours === name ? '' : `  ${ours}`}`],
      ['kernel', kernelFile ?? 'ours, or a part of something larger there'],
      ['about', about],
      ['scenarios', scenarios.join(', ')],
    ]
    const shown = rows
      .filter(([, value]) => value !== '')
      .map(([title, value]) => `  ${title.padEnd(9)} ${hanging(value)}`)
    return [name, ...shown].join('\n')
  })
  return `${blocks.join('\n\n')}\n`
}

const hanging = (text: string): string => wrapped(text, outputColumns() - 12).replaceAll('\n', `\n${' '.repeat(12)}`)

/** One sentence about a name that is not known. */
export function unknownText({ name, suggestions }: WhereAnswer): string {
  const near = suggestions.length > 0 ? `; did you mean ${suggestions.join(', ')}?` : ''
  return `mmtwin where: nothing here is called "${name}"${near}`
}
