// The shell over a machine: all its words, its help, and what a line could be completed to.

import { swap_name } from '../../mm/swapfile.ts'
import { sysctl_names } from '../../mm/sysctl.ts'
import { procPaths } from '../inspect.ts'
import type { Machine } from '../machine.ts'
import { CONTENTS } from '../page_content.ts'
import { swapAreas } from '../swap_files.ts'
import { WRITABLE, WRITE_REFUSALS, writeCommand } from '../write_file.ts'
import { allocateBuiltins } from './allocate.ts'
import { lookBuiltins } from './look.ts'
import { mappingBuiltins } from './mapping.ts'
import { objectBuiltins } from './object.ts'
import { oomBuiltins } from './oom.ts'
import { poolBuiltins } from './pool.ts'
import { processBuiltins } from './process.ts'
import { programBuiltins } from './program.ts'
import { segmentBuiltins } from './segment.ts'
import { type Builtin, Session, type Surroundings, unknownWord } from './session.ts'
import { stackBuiltins } from './stack.ts'
import { swapBuiltins } from './swap.ts'
import { timeBuiltins } from './time.ts'
import { ShellFailure, ShellSyntaxError } from './words.ts'

export type { Answer, Session, Surroundings } from './session.ts'

const TITLES: Readonly<Record<Builtin['group'], string>> = {
  allocate: 'allocate and free',
  object: 'caches and objects',
  mapping: 'vmalloc, vmap, kmap',
  pool: 'memory pools',
  stack: 'kernel stacks, and contexts that must not sleep',
  segment: 'segments of 32-bit x86',
  process: 'processes',
  swap: 'swap',
  look: 'look',
  time: 'time',
  settings: 'settings',
  shell: 'the shell itself',
}

const shellBuiltins: Readonly<Record<string, Builtin>> = {
  echo: {
    usage: 'WORD… [> FILE]',
    about: 'prints words, or writes them into a file of /proc or /sys',
    group: 'shell',
    arity: [0, 1024],
    run: echo,
  },
  source: {
    usage: 'FILE',
    about: 'does the lines of a file',
    group: 'shell',
    arity: [1, 1],
    run: (session, [path]) => session.source(path!),
  },
  help: { usage: '[COMMAND]', about: 'tells what there is', group: 'shell', arity: [0, 1], run: help },
  exit: { usage: '', about: 'ends the shell', group: 'shell', arity: [0, 0], run: end },
  quit: { usage: '', about: 'the same', group: 'shell', arity: [0, 0], run: end },
}

function echo(session: Session, words: readonly string[]): string {
  const at = words.findIndex(word => word.startsWith('>'))
  if (at < 0) return `${words.join(' ')}\n`
  const path = [words[at]!.replace(/^>+/, ''), ...words.slice(at + 1)].join('')
  const command = writeCommand(path, words.slice(0, at).join(' '))
  if (command === null) throw new ShellFailure(`${path}: it cannot be written; there are ${WRITABLE}`)
  if (command.op === 'slab_attr_store') session.initAllocators()
  const { result, printed } = session.do(command)
  if (result.error)
    throw Object.assign(new ShellFailure(`${path}: ${WRITE_REFUSALS[result.error] ?? `error ${result.error}`}`), {
      text: printed,
    })
  return printed
}

function end(session: Session): string {
  session.ended = true
  return ''
}

const BUILTINS: Readonly<Record<string, Builtin>> = {
  ...allocateBuiltins,
  ...objectBuiltins,
  ...mappingBuiltins,
  ...poolBuiltins,
  ...stackBuiltins,
  ...segmentBuiltins,
  ...processBuiltins,
  ...programBuiltins,
  ...oomBuiltins,
  ...swapBuiltins,
  ...lookBuiltins,
  ...timeBuiltins,
  ...shellBuiltins,
}

/** A session over a machine. */
export function openShell(machine: Machine, surroundings: Surroundings = {}): Session {
  return new Session(machine, BUILTINS, surroundings)
}

function help(_: Session, [name]: readonly string[]): string {
  if (name !== undefined) {
    const builtin = Object.hasOwn(BUILTINS, name) ? BUILTINS[name]! : null
    if (builtin === null) throw new ShellSyntaxError(unknownWord('command', name, Object.keys(BUILTINS)))
    return `${name} ${builtin.usage}`.trimEnd().concat(`\n  ${builtin.about}\n`)
  }
  const groups = Object.entries(TITLES).map(([group, title]) => {
    const members = Object.entries(BUILTINS).filter(([, builtin]) => builtin.group === group)
    return `${title}\n${members.map(([word, { usage, about }]) => `  ${`${word} ${usage}`.padEnd(42)} ${about}\n`).join('')}`
  })
  return `${groups.join('\n')}\nCommands of one line are separated by ;, a comment begins with #. Every change can be undone.\n`
}

/** What the last word of a line could become, and that word. */
export function completeLine(session: Session, line: string): [candidates: string[], word: string] {
  const words = /(?:^|;)\s*([^;]*)$/.exec(line)![1]!.split(/\s+/)
  const word = words.at(-1)!
  const candidates = words.length === 1 ? Object.keys(BUILTINS) : argumentsOf(session, words[0]!, words.length - 1)
  return [candidates.filter(candidate => candidate.startsWith(word)).sort(), word]
}

function argumentsOf(session: Session, command: string, position: number): string[] {
  const { sys } = session.machine
  const blocks = session.names.map((_, index) => `$${index + 1}`)
  if (command === 'cat' || command === 'ls') return procPaths(sys, session.machine.constants)
  if (command === 'sysctl') return sysctl_names(sys).map(name => `vm.${name}`)
  if (command === 'help') return Object.keys(BUILTINS)
  if (command === 'switch' || command === 'diff') return [...session.timelines.keys()]
  if (command === 'trace') return ['on', 'off', 'show', 'clear']
  if (command === 'transparent_hugepage') return ['always', 'madvise', 'never']
  if (command === 'vmstat') return ['every', 'off']
  if (command === 'free') return ['-k', '-m']
  if (command === 'swapon') return ['-p', '-s']
  if (command === 'swapoff') return ['-a', ...swapAreas(sys).map(area => swap_name(sys, area))]
  if (command === 'fill' && position === 3) return [...CONTENTS]
  if (command === 'buddy') return [...sys.kernel.zones]
  if (
    /free|page_address|^page$|^k?unmap|^vunmap|krealloc|ksize|^(memset|dump|schedule|stack)$/.test(command) &&
    position === 1 &&
    !command.startsWith('__get')
  )
    return blocks
  if (BUILTINS[command]?.usage.startsWith('GFP') && position === 1) return sys.kernel.gfp.names.map(([name]) => name)
  return []
}
