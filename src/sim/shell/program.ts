// The shell's words for programs, for what a process locks, its limits, and where its memory lies.
import { POLICY_MODES } from '../../mm/mempolicy.ts'
import * as F from '../../mm/vm_flags.ts'
import { LIMITS, type LimitName } from '../program_commands.ts'
import { act, pidOf } from './process.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, ShellSyntaxError, wholeNumber } from './words.ts'

const group = 'process'

function createProgram(session: Session, args: readonly string[]): string {
  const [[name, memory], named] = namedWords(args, ['text', 'rodata', 'data', 'bss'])
  const part = (word: string, usual: number): number => (named.has(word) ? wholeNumber(named.get(word), word) : usual)
  return act(session, {
    op: 'create_program',
    name: name!,
    text: part('text', 16),
    rodata: part('rodata', 4),
    data: part('data', 2),
    bss: part('bss', 4),
    ...(memory === undefined ? {} : { memory: true }),
  }).printed
}

const WORDS: Readonly<Record<string, number>> = {
  current: F.MCL_CURRENT,
  future: F.MCL_FUTURE,
  onfault: F.MCL_ONFAULT,
}

function mlockall(session: Session, args: readonly string[]): string {
  const [words, pid] = pidOf(args)
  let flags = 0
  for (const word of words) {
    if (!Object.hasOwn(WORDS, word))
      throw new ShellSyntaxError(`no word "${word}": there are ${Object.keys(WORDS).join(', ')}`)
    flags |= WORDS[word]!
  }
  return act(session, { op: 'mlockall', flags, ...pid }).printed
}

/** Nodes as `0,2-3`. */
function nodesOf(text: string | undefined): number[] {
  const nodes: number[] = []
  for (const part of (text ?? '').split(',')) {
    const [first, last = first] = part.split('-')
    for (let node = wholeNumber(first, 'node'); node <= wholeNumber(last, 'node') && nodes.length < 64; node++)
      nodes.push(node)
  }
  return nodes
}

export const programBuiltins: Readonly<Record<string, Builtin>> = {
  create_program: {
    usage: 'NAME [memory] [text=PAGES] [rodata=PAGES] [data=PAGES] [bss=PAGES]',
    about: 'a file that exec can run',
    group,
    arity: [1, 6],
    run: createProgram,
  },
  exec: {
    usage: 'PID FILE [ARGUMENT …]',
    about: 'a process runs a program: a new address space, the old one goes',
    group,
    arity: [2, 64],
    run: (session, [pid, path, ...more]) =>
      act(session, { op: 'exec', pid: wholeNumber(pid, 'pid'), path: path!, argv: [path!, ...more] }).printed,
  },
  mlockall: {
    usage: 'current|future|onfault …',
    about: 'locks all that a process maps, or will map',
    group,
    arity: [1, 4],
    run: mlockall,
  },
  munlockall: {
    usage: '[pid=N]',
    about: 'lets all of it go again',
    group,
    arity: [0, 1],
    run: (session, args) => act(session, { op: 'munlockall', ...pidOf(args)[1] }).printed,
  },
  prlimit: {
    usage: `${Object.keys(LIMITS).join('|')} BYTES|unlimited [pid=N]`,
    about: 'limits what a process may have',
    group,
    arity: [2, 3],
    run: (session, args) => {
      const [[limit, value], pid] = pidOf(args)
      const bytes = value === 'unlimited' ? Number.MAX_SAFE_INTEGER : wholeNumber(value, 'bytes')
      return act(session, { op: 'prlimit', limit: limit as LimitName, bytes, ...pid }).printed
    },
  },
  set_mempolicy: {
    usage: 'default|prefer|bind|interleave|local|prefer-many [NODES]',
    about: 'on which nodes a process gets memory',
    group,
    arity: [1, 3],
    run: (session, args) => {
      const [[word, nodes], pid] = pidOf(args)
      const mode = word === 'prefer-many' ? 'prefer (many)' : word!
      if (!POLICY_MODES.includes(mode)) throw new ShellSyntaxError(`no policy "${word}"`)
      const list = nodes === undefined ? [] : nodesOf(nodes)
      return act(session, { op: 'set_mempolicy', mode, nodes: list, ...pid }).printed
    },
  },
  migrate_pages: {
    usage: 'PID FROM TO',
    about: 'moves the pages of a process from nodes to others',
    group,
    arity: [3, 3],
    run: (session, [pid, from, to]) =>
      `${act(session, { op: 'migrate_pages', pid: wholeNumber(pid, 'pid'), from: nodesOf(from), to: nodesOf(to) }).count} pages could not be moved\n`,
  },
}
