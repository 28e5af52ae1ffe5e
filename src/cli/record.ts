// `mmtwin record`: on a Linux host, as root, what `mmtwin replay` takes: the machine's files, its state before and after,
// and a trace of the page allocator in between.
import { type Command, InvalidArgumentError } from 'commander'
import { printJson } from './output.ts'

const EXAMPLES = `
Examples:
  $ mmtwin record -- tar xf linux.tar
  $ mmtwin record --out compile --slab -- make
  $ mmtwin record --seconds 10
  $ mmtwin replay compile/trace.txt --html compile.html

Without a command it records until Ctrl-C. Tracing happens in a buffer of its own, which is removed at the end: the
tracing of others is left as it was, also after Ctrl-C. The folder holds boot/, before/, after/, trace.txt, and
record.json: { "folder", "trace", "seconds", "lines", "lostEvents", "missing": [ … ], "command": { "words", "status",
"signal" } }, which --json prints. Exit 1 where events were lost.`

interface Options {
  readonly out?: string
  readonly seconds?: number
  readonly slab?: boolean
  readonly physmap: boolean
  readonly buffer: number
  readonly json?: boolean
}

/** Adds the command `record` to the program. */
export function registerRecord(program: Command): void {
  program
    .command('record')
    .description('on a Linux host, as root: state and trace of this machine, ready for replay')
    .argument('[command...]', 'what runs while the machine is recorded')
    .option('-o, --out <folder>', 'folder to make (mmtwin-record-N, the first that is free)')
    .option('--seconds <n>', 'without a command: record for so long', positive)
    .option('--slab', 'record kmalloc, kfree and their kin, too')
    .option('--no-physmap', 'leave the map of frames out, which large machines take seconds for')
    .option('--buffer <kB>', 'ring buffer of each CPU', positive, 32768)
    .option('--json', 'print one JSON object')
    .passThroughOptions()
    .addHelpText('after', EXAMPLES)
    .action((command: string[], options: Options) => run(command, options))
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 2 ** 31)) throw new InvalidArgumentError('a number above 0 is needed.')
  return value
}

async function run(command: string[], options: Options): Promise<void> {
  const { record } = await import('../node/record/record.ts')
  const { thisHost } = await import('../node/record/host.ts')
  const { onFirstSignal } = await import('../node/at_end.ts')
  const { freeFolder } = await import('../node/record/free_folder.ts')
  const { UserError } = await import('../node/user_error.ts')
  if (command.length > 0 && options.seconds !== undefined)
    throw new UserError('record takes a command or --seconds, not both: with a command it ends when the command does')
  const abort = new AbortController()
  // The first Ctrl-C ends the recording in order, the next one at once; tracing is put right both times.
  const stop = onFirstSignal(() => abort.abort())
  try {
    const recorded = await record(thisHost(), {
      folder: options.out ?? freeFolder('mmtwin-record'),
      command,
      ...(options.seconds === undefined ? {} : { seconds: options.seconds }),
      slab: options.slab ?? false,
      physmap: options.physmap,
      bufferKb: Math.ceil(options.buffer),
      signal: abort.signal,
    })
    if (options.json) printJson(recorded)
    tell(recorded)
  } finally {
    stop()
  }
}

function tell(recorded: Awaited<ReturnType<typeof import('../node/record/record.ts').record>>): void {
  const { lines, seconds, missing, trace, lostEvents, command } = recorded
  const say = (text: string): boolean => process.stderr.write(`mmtwin record: ${text}\n`)
  say(`${lines.toLocaleString('en')} events in ${seconds.toFixed(1)} s; mmtwin replay ${trace}`)
  if (missing.length > 0) say(`this host lacks ${missing.join(', ')}`)
  if (command.signal !== null) say(`${command.words[0]} was ended by ${command.signal}`)
  else if (command.status) say(`${command.words[0]} ended with exit code ${command.status}`)
  if (lostEvents === 0) return
  say(`${lostEvents.toLocaleString('en')} events were lost: a larger --buffer helps`)
  process.exitCode = 1
}
