// `mmtwin run SCENARIO`: a story on a twin, told step by step, with what it expects and whether that holds. A file is a
// kernel module instead (run_module.ts).
import { type Command, InvalidArgumentError } from 'commander'
import type { Scenario, ToldStep } from '../scenarios/scenario.ts'
import type { Machine } from '../sim/machine.ts'
import { print, printJson } from './output.ts'
import { type ModuleRunOptions, runModuleCommand } from './run_module.ts'
import { coloured, outputColumns, wrapped } from './text.ts'

const EXAMPLES = `
Examples:
  $ mmtwin run
  $ mmtwin run buddy_split_and_merge
  $ mmtwin run buddy_split_and_merge --trace
  $ mmtwin run buddy_split_and_merge --json
  $ mmtwin run examples/modules/own_cache.ts
  $ mmtwin run examples/modules/bytes_of_others.ts --kasan
  $ mmtwin run module.ts --kernel 6.1-i386 --memory 1536M --timeout 10
  $ mmtwin run examples/modules/kmemleak_orphans.ts --config DEBUG_KMEMLEAK=y

slab_compare runs one program on SLUB, SLAB and SLOB; --json then prints { "name", "title", "allocators" }.
Without a name, the scenarios are listed. --json prints { "name", "title", "steps": [ { "say", "commands",
"expectations": [ { "sentence", "holds" } ] } ], "hash" }. Exit 1 where an expectation does not hold.

A file that ends in .ts, .mts, .js or .mjs is a kernel module: it exports init(k) and perhaps exit(k), where k is the
kernel's API (type ModuleKernel). It runs on a twin of 64 MiB, or on the description that it exports as \`machine\`, or on
what the options say. --json prints { "module", "kernel", "returned", "finished", "error", "log", "unheard", "calls",
"leaks": [ { "kind", "call", "bytes", "at" } ], "caches", "pools", "kmemleak": null | { "loaded", "ended" },
"kasanReports", "complaints", "faults", "clean" }; kmemleak has the kernel's file of leaks, while the module was loaded and at the
end, on a kernel with DEBUG_KMEMLEAK; kasanReports has kind and place of what KASAN reported, on a kernel with KASAN; complaints the first lines of the
kernel's other reports of wrong use.
Exit 1 where it leaves anything behind, does not end well, or the kernel complained of it.`

interface Options extends ModuleRunOptions {
  readonly trace?: boolean
}

/** Adds the command `run` to the program. */
export function registerRun(program: Command): void {
  program
    .command('run')
    .description('a scenario: a story on a twin, told and checked step by step; or a kernel module')
    .argument('[what]', 'name of a scenario, or file of a kernel module; without, all scenarios are listed')
    .option('--trace', "print the twin's trace as ftrace text, behind the story")
    .option('-m, --machine <path>', "a module's machine: folder of files captured, or a machine description in JSON")
    .option('--memory <size>', "memory of a module's machine (64M)")
    .option('--cpus <n>', "CPUs of a module's machine (1)", positive)
    .option('--kernel <name>', "kernel profile of a module's machine (6.1-x86_64)")
    .option('--slab <name>', "its allocator of objects: slub, slab or slob (the kernel profile's)")
    .option('--config <switches>', "switches of a module's kernel that differ, as DEBUG_KMEMLEAK=y,SWAP=n", switches)
    .option('--append <line>', "command line of a module's kernel, as slub_debug=FPZU")
    .option('--kasan', "a module's kernel is built with KASAN: every wrong access and free is reported")
    .option('--seed <n>', "seed of the chance of a module's machine (1)", positive)
    .option('--timeout <seconds>', 'seconds that a module may take (60)', positive)
    .option('--calls <n>', 'calls of the kernel that a module may make (1000000)', positive)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(run)
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

/** `KASAN,SMP=n` → KASAN on, SMP off; whether the kernel has such switches is the kernel's to say. */
function switches(text: string): Record<string, boolean> {
  const words = text.split(',').map(word => /^(?:CONFIG_)?(\w+)(?:=([yn]))?$/.exec(word.trim()))
  const wrong = words.indexOf(null)
  if (wrong >= 0) throw new InvalidArgumentError(`"${text.split(',')[wrong]}" is no switch: NAME, NAME=y or NAME=n.`)
  return Object.fromEntries(words.map(word => [word![1]!, word![2] !== 'n']))
}

async function run(name: string | undefined, options: Options): Promise<void> {
  if (name !== undefined && /\.m?[jt]s$/.test(name)) return runModuleCommand(name, options)
  const { scenarios } = await import('../scenarios/index.ts')
  if (name === undefined) {
    const list = [...scenarios.map(({ name: each, title }) => ({ name: each, title })), COMPARISON]
    if (options.json) printJson({ scenarios: list })
    else print(listText(list))
    return
  }
  if (name === COMPARISON.name) return compare(options)
  const scenario = scenarios.find(each => each.name === name)
  if (scenario !== undefined) return play(scenario, options)
  const { unknownWord } = await import('../sim/shell/session.ts')
  throw new RangeError(unknownWord('scenario', name, [...scenarios.map(each => each.name), COMPARISON.name]))
}

/** Not a story of one machine, but one program on three. */
const COMPARISON = { name: 'slab_compare', title: 'One program of kmem_cache and kmalloc calls on SLUB, SLAB and SLOB' }

async function compare({ json }: Options): Promise<void> {
  const { compareSlabAllocators, EXAMPLE_PROGRAM, slabComparisonText } = await import('../sim/slab_compare.ts')
  const allocators = compareSlabAllocators(EXAMPLE_PROGRAM)
  if (json) printJson({ ...COMPARISON, allocators })
  else
    print(
      `${COMPARISON.title}\n\n${slabComparisonText(allocators)}\npages taken; objects in use; bytes asked for, given beyond that, and in no object; objects beyond the first\nin each of 64 sets of the processor's cache, and in the fullest set\n`,
    )
}

async function play(scenario: Scenario, { trace, json }: Options): Promise<void> {
  const { bootScenario, playScenario, Stage } = await import('../scenarios/scenario.ts')
  const machine = bootScenario(scenario)
  const traceText = trace ? await record(machine) : () => ''
  const steps: ToldStep[] = []
  if (!json) print(headText(scenario))
  for (const step of playScenario(scenario, new Stage(machine))) {
    steps.push(step)
    if (!json) print(stepText(step, steps.length))
  }
  const { name, title } = scenario
  if (json) printJson({ name, title, steps, hash: machine.hash() })
  else if (trace) print(`\n${traceText()}`)
  if (steps.some(({ expectations }) => expectations.some(({ holds }) => !holds))) process.exitCode = 1
}

/** Tracepoints of a machine into a ring from now on; returns what gives them as text. */
async function record(machine: Machine): Promise<() => string> {
  const { RecordRing } = await import('../trace/record_ring.ts')
  const { traceText } = await import('../sim/trace_text.ts')
  const ring = new RecordRing(1 << 16)
  machine.listen(ring)
  return () => traceText(machine.sys, ring)
}

function listText(list: readonly { name: string; title: string }[]): string {
  const width = Math.max(...list.map(({ name }) => name.length))
  const columns = outputColumns()
  return list
    .map(({ name, title }) => {
      const line = `${name.padEnd(width)}  ${title}`
      return line.length <= columns
        ? `${line}\n`
        : `${name}\n  ${wrapped(title, columns - 2).replaceAll('\n', '\n  ')}\n`
    })
    .join('')
}

function headText({ title, story, terms }: Scenario): string {
  const columns = outputColumns()
  const words = Object.entries(terms).map(([term, meaning]) => {
    const text = wrapped(`${term}: ${meaning}`, columns - 4)
    return `  ${text.replaceAll('\n', '\n    ')}\n`
  })
  return `${coloured(wrapped(title, columns), 'bold')}\n\n${wrapped(story, columns)}\n\n${words.join('')}`
}

function stepText({ say, expectations }: ToldStep, number: number): string {
  const columns = outputColumns()
  const checked = expectations.map(({ sentence, holds }) => {
    const mark = holds ? coloured('holds', 'green') : coloured('FAILS', 'red')
    return `   ${mark}  ${wrapped(sentence, columns - 10).replaceAll('\n', `\n${' '.repeat(10)}`)}\n`
  })
  return `\n${`${number}. `.padEnd(3)}${wrapped(say, columns - 3).replaceAll('\n', '\n   ')}\n${checked.join('')}`
}
