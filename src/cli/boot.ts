// `mmtwin boot`: a shell on a booted twin. On a terminal with history and completion; from a pipe line by line, each
// failing line told with its number; or for the one line behind `--`.
import { createInterface, type Interface } from 'node:readline'
import { type Command, InvalidArgumentError } from 'commander'
import type { MachineDescription } from '../sim/machine_description.ts'
import type { Answer, Session } from '../sim/shell/shell.ts'
import { print, printJson } from './output.ts'
import { parseSettings, type Settings } from './settings.ts'
import { oneLine } from './text.ts'

const EXAMPLES = `
Examples:
  $ mmtwin boot
  $ mmtwin boot --memory 4G --cpus 2 -- cat /proc/buddyinfo
  $ mmtwin boot -- 'alloc_pages GFP_KERNEL 3; page $1; free_pages $1; diff 0'
  $ mmtwin boot --slab slab -- cat /proc/slabinfo
  $ mmtwin boot --machine captured/before < script
  $ mmtwin boot -- 'mkswap swap.img 64M; swapon swap.img; swapon -s'
  $ mmtwin boot -- 'random 1000 7; hash; back 1000; hash; step 1000; hash'

\`help\` in the shell lists its commands. --json prints { "commands": [ { "line", "status", "text", "error" } ],
"step", "hash" }. Exit 1 where a command failed, 2 where one was not understood.`

interface Options {
  readonly machine?: string
  readonly memory?: string
  readonly cpus?: number
  readonly kernel?: string
  readonly slab?: NonNullable<MachineDescription['slab']>
  readonly append?: string
  readonly set?: readonly Settings[]
  readonly seed?: number
  readonly json?: boolean
}

/** Room for the slots of all swap areas together; it costs nothing before an area uses it. */
const SWAP_SLOTS = 2 ** 20
/** The same for zram and zswap. */
const ZSPAGES = 2 ** 16

/** Adds the command `boot` to the program. */
export function registerBoot(program: Command): void {
  program
    .command('boot')
    .description('a shell on a booted twin: look at it, allocate, undo')
    .argument('[command...]', 'a line for the shell; without, lines are read from standard input')
    .option('-m, --machine <path>', 'folder of files captured on a machine, or a machine description in JSON')
    .option('--memory <size>', 'memory of the machine (1G)')
    .option('--cpus <n>', 'number of CPUs (1)', positive)
    .option('--kernel <name>', 'kernel profile (6.1-x86_64)')
    .option('--slab <name>', "allocator of objects: slub, slab or slob (the kernel profile's)")
    .option('--append <line>', 'command line of the kernel, as numa=fake=2')
    .option('-s, --set <settings>', 'NAME=VALUE[,NAME=VALUE…] of vm.* to write after the boot', collect)
    .option('--seed <n>', "seed of the machine's chance (1)", positive)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .passThroughOptions()
    .action(boot)
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

function collect(text: string, before: readonly Settings[] | undefined): Settings[] {
  return [...(before ?? []), parseSettings(text)]
}

async function boot(words: readonly string[], options: Options): Promise<void> {
  const session = await openSession(options)
  if (options.json) await answerInJson(session, words)
  else if (words.length > 0) printAnswer(session.run(words.join(' ')), 'mmtwin boot')
  else if (process.stdin.isTTY) await talk(session)
  else await eachLine((line, number) => printAnswer(session.run(line), `mmtwin boot: line ${number}`), session)
}

async function openSession(options: Options): Promise<Session> {
  const { loadMachine } = await import('../node/machine_file.ts')
  const { readText } = await import('../node/verify_files.ts')
  const { swapFiles } = await import('../node/swap_file.ts')
  const { openShell } = await import('../sim/shell/shell.ts')
  const { machine: path, memory, cpus, kernel, slab, append: commandLine, seed } = options
  const choices = { memory, cpus, kernel, slab, commandLine, seed }
  const given = Object.entries(choices).filter(([, value]) => value !== undefined)
  const machine = loadMachine(path, Object.fromEntries(given), {
    processes: { nr_tasks: 64, nr_memcgs: 32, nr_swap_slots: SWAP_SLOTS, nr_zspages: ZSPAGES },
  })
  for (const group of options.set ?? []) for (const [name, value] of Object.entries(group)) machine.sysctl(name, value)
  return openShell(machine, { readFile: readText, swap: swapFiles })
}

/** The worst status of all lines is the exit code: a line that was not understood is worse than one that failed. */
function printAnswer({ text, status, error }: Answer, where: string): void {
  print(text)
  if (error !== null) process.stderr.write(`${where}: ${oneLine(error)}\n`)
  process.exitCode = Math.max(Number(process.exitCode ?? 0), status)
}

async function eachLine(act: (line: string, number: number) => void, session: Session): Promise<void> {
  const { inputLines } = await import('../node/lines.ts')
  let number = 0
  for await (const line of inputLines()) {
    act(line, ++number)
    if (session.ended) break
  }
}

async function answerInJson(session: Session, words: readonly string[]): Promise<void> {
  const commands: (Answer & { line: string })[] = []
  const act = (line: string): void => {
    const answer = session.run(line)
    commands.push({ line, ...answer })
    process.exitCode = Math.max(Number(process.exitCode ?? 0), answer.status)
  }
  if (words.length > 0) act(words.join(' '))
  else await eachLine(act, session)
  const { position: step } = session.timeline
  printJson({ commands, step, hash: session.machine.hash() })
}

/** The shell on a terminal; Ctrl-C takes a line back, on an empty one it ends with 130, Ctrl-D ends with 0. */
async function talk(session: Session): Promise<void> {
  const { completeLine } = await import('../sim/shell/shell.ts')
  const { sys } = session.machine
  const cpus = sys.nr_cpus === 1 ? '1 CPU' : `${sys.nr_cpus} CPUs`
  process.stderr.write(`${sys.kernel.name}, ${cpus}, ${sys.nr_frames} frames; help lists the commands\n`)
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    completer: (line: string) => completeLine(session, line),
    historySize: 1000,
    removeHistoryDuplicates: true,
  })
  await new Promise<void>(resolve => {
    terminal.on('close', () => {
      // Ctrl-D leaves the cursor behind the prompt.
      if (!session.ended && process.exitCode !== 130) print('\n')
      resolve()
    })
    terminal.on('SIGINT', () => interrupted(terminal))
    terminal.on('line', line => {
      const { text, error } = session.run(line)
      print(text)
      if (error !== null) print(`${oneLine(error)}\n`)
      if (session.ended) terminal.close()
      else prompt(terminal, session)
    })
    prompt(terminal, session)
  })
}

function prompt(terminal: Interface, { timeline, current }: Session): void {
  const name = current === 'main' ? '' : `${current} `
  terminal.setPrompt(`${name}${timeline.position}> `)
  terminal.prompt()
}

function interrupted(terminal: Interface): void {
  print('\n')
  if (terminal.line === '') {
    process.exitCode = 130
    terminal.close()
    return
  }
  terminal.write(null, { ctrl: true, name: 'e' })
  terminal.write(null, { ctrl: true, name: 'u' })
  terminal.prompt()
}
