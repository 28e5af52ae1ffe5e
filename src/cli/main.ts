#!/usr/bin/env node
// The command line: finds the command's file, loads that one alone, and turns what happens into an exit code.
// Law: 0 success, 1 a negative finding, 2 usage or unreadable input; results on stdout, everything else on stderr; an
// error is one sentence (MMTWIN_DEBUG=1 adds where it came from). Ctrl-C ends the process by its signal: 130.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { watchOutput } from './output.ts'
import { oneLine } from './text.ts'

/** Each command in a file of its own, loaded when it is called, or when all are listed. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  boot: async () => (await import('./boot.ts')).registerBoot,
  explain: async () => (await import('./explain.ts')).registerExplain,
  replay: async () => (await import('./replay.ts')).registerReplay,
  record: async () => (await import('./record.ts')).registerRecord,
  run: async () => (await import('./run.ts')).registerRun,
  verify: async () => (await import('./verify.ts')).registerVerify,
  where: async () => (await import('./where.ts')).registerWhere,
}

const EXAMPLES = `
Examples:
  $ mmtwin boot -- cat /proc/buddyinfo
  $ dmesg | mmtwin explain -
  $ mmtwin replay trace.gz --machine captured/before
  $ mmtwin run
  $ mmtwin verify recordings/
  $ mmtwin where __rmqueue_smallest

\`mmtwin COMMAND --help\` tells more of each. Exit: 0 success, 1 a negative finding, 2 usage or unreadable input.`

async function createProgram(command: string | undefined): Promise<Command> {
  const program = new Command('mmtwin')
    .description('Linux memory management that can be run, looked into, stepped back through and questioned')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', EXAMPLES)
    .enablePositionalOptions()
    .exitOverride()
  const known = command !== undefined && Object.hasOwn(COMMANDS, command)
  for (const name of known ? [command] : Object.keys(COMMANDS)) (await COMMANDS[name]!())(program)
  return program
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  const ours = error instanceof Error && error.name === 'KernelBug' ? 'a fault of mmtwin itself: ' : ''
  process.stderr.write(`mmtwin: ${ours}${oneLine(message)}\n`)
  if (process.env.MMTWIN_DEBUG) process.stderr.write(`${stack}\n`)
  return 2
}

watchOutput()
try {
  const [command] = process.argv.slice(2)
  const program = await createProgram(command)
  if (command === undefined) program.outputHelp()
  else await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}
