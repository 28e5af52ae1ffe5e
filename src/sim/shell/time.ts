// The shell's words for time and settings: undo, redo, forks, differences, sysctl, the CPU that runs.

import { kmemleak_text } from '../../mm/kmemleak_debugfs.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { sysctl_names, sysctl_peek } from '../../mm/sysctl.ts'
import type { Command } from '../commands.ts'
import { diffSys } from '../diff.ts'
import { sysctlComplaint } from '../machine.ts'
import { randomCommands } from '../random_commands.ts'
import type { Timeline } from '../timeline.ts'
import { type Builtin, type Session, unknownWord } from './session.ts'
import { ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

const place = ({ position, length }: Timeline): string => `step ${position} of ${length}\n`

const count = (word: string | undefined): number => (word === undefined ? 1 : wholeNumber(word, 'number of steps'))

function step(session: Session, [word]: readonly string[]): string {
  const done = session.timeline.step(count(word))
  if (done === 0) throw new ShellFailure('there is nothing to do again')
  return place(session.timeline)
}

function back({ timeline }: Session, [word]: readonly string[]): string {
  if (timeline.position === 0 && count(word) > 0) throw new ShellFailure('this is the beginning')
  timeline.back(count(word))
  return place(timeline)
}

function goto({ timeline }: Session, [word]: readonly string[]): string {
  const target = wholeNumber(word, 'step')
  if (target > timeline.length) throw new ShellFailure(`step ${target}: there are steps 0 to ${timeline.length}`)
  timeline.goto(target)
  return place(timeline)
}

function fork({ timelines, timeline, current }: Session, [name]: readonly string[]): string {
  if (name === undefined)
    return [...timelines]
      .map(([each, { position, length }]) => `${each === current ? '*' : ' '} ${each} step ${position} of ${length}\n`)
      .join('')
  if (!/^[a-z_]\w*$/i.test(name)) throw new ShellSyntaxError(`"${name}" is no name: letters, digits and _`)
  if (timelines.has(name)) throw new ShellFailure(`there is a timeline ${name} already`)
  timelines.set(name, timeline.fork())
  return ''
}

/** From another timeline's state, or from another step of this one, to the present. */
function diff(session: Session, [word]: readonly string[]): string {
  const lines = diffSys(otherState(session, word!), session.machine.sys)
  return lines.length === 0 ? 'no difference\n' : lines.map(line => `${line}\n`).join('')
}

function otherState({ timeline, timelines }: Session, word: string): Sys {
  const named = timelines.get(word)
  if (named) return named.machine.sys
  if (!/^\d+$/.test(word))
    throw new ShellFailure(`${unknownWord('timeline', word, [...timelines.keys()])}, and it is no step`)
  const { position } = timeline
  const target = Number(word)
  if (target > timeline.length) throw new ShellFailure(`step ${target}: there are steps 0 to ${timeline.length}`)
  timeline.goto(target)
  const then = timeline.machine.fork().sys
  timeline.goto(position)
  return then
}

function sysctl(session: Session, args: readonly string[]): string {
  const { sys } = session.machine
  const line = args.join(' ')
  const at = line.indexOf('=')
  const name = (at < 0 ? line : line.slice(0, at)).trim().replace(/^vm[./]/, '')
  if (line === '' || line === '-a')
    return sysctl_names(sys)
      .map(each => `vm.${each} = ${sysctl_peek(sys, each)}\n`)
      .join('')
  if (sysctl_peek(sys, name) === null)
    throw new ShellFailure(
      unknownWord(
        'setting',
        `vm.${name}`,
        sysctl_names(sys).map(each => `vm.${each}`),
      ),
    )
  if (at >= 0) {
    const value = line.slice(at + 1).trim()
    const { result, printed } = session.do({ op: 'sysctl', name, value })
    if (result.error)
      throw Object.assign(new ShellFailure(sysctlComplaint(name, value, result.error)), { text: printed })
  }
  return `vm.${name} = ${sysctl_peek(sys, name)}\n`
}

function setCpu(session: Session, [word]: readonly string[]): string {
  if (word === undefined) return `${session.machine.sys.machine.this_cpu[0]}\n`
  const cpu = wholeNumber(word, 'cpu')
  if (cpu >= session.machine.sys.nr_cpus)
    throw new ShellFailure(`cpu ${cpu}: there are CPUs 0 to ${session.machine.sys.nr_cpus - 1}`)
  return session.do({ op: 'set_cpu', cpu }).printed
}

/** Commands at a time: a few seconds, which nothing interrupts. */
const MOST_RANDOM = 1e6

/** Without a seed, another one at each step: the same line twice is not the same commands. */
function random(session: Session, [words, seedWord]: readonly string[]): string {
  const number = wholeNumber(words, 'number of commands')
  if (number > MOST_RANDOM) throw new ShellSyntaxError(`random does ${MOST_RANDOM} commands at a time, not ${number}`)
  const seed = seedWord === undefined ? session.timeline.position : wholeNumber(seedWord, 'seed')
  const act = (command: Command): ReturnType<Session['do']>['result'] => session.do(command).result
  const { allocated, failed, freed, live } = randomCommands(session.machine.sys, number, seed, act)
  return `seed ${seed}: ${allocated} allocated, ${failed} failed, ${freed} freed, ${live} live\n${place(session.timeline)}`
}

const hugepages: Builtin['run'] = (session, [word]) => {
  if (word !== 'always' && word !== 'madvise' && word !== 'never')
    throw new ShellSyntaxError(`transparent_hugepage takes always, madvise or never, not "${word}"`)
  return session.do({ op: 'transparent_hugepage', enabled: word !== 'never' }).printed
}

/** Without a word, what the file says; else the word is written to it. */
const kmemleak: Builtin['run'] = (session, [word]) => {
  if (!session.machine.sys.debug_kmemleak)
    throw new ShellFailure('this kernel has no kmemleak: give the machine "config": { "DEBUG_KMEMLEAK": true }')
  session.initAllocators()
  if (word === undefined) return kmemleak_text(session.machine.sys)
  const { result, printed } = session.do({ op: 'kmemleak', text: word })
  if (!result.error) return printed
  const reason = result.error === -1 ? 'kmemleak is off' : 'invalid argument'
  throw Object.assign(new ShellFailure(`kmemleak: ${word}: ${reason}`), { text: printed })
}

export const timeBuiltins: Readonly<Record<string, Builtin>> = {
  step: { usage: '[N]', about: 'does undone commands again', group: 'time', arity: [0, 1], run: step },
  back: { usage: '[N]', about: 'undoes commands', group: 'time', arity: [0, 1], run: back },
  goto: { usage: 'STEP', about: 'goes to the state after that many commands', group: 'time', arity: [1, 1], run: goto },
  fork: {
    usage: '[NAME]',
    about: 'begins a second timeline here, or lists all',
    group: 'time',
    arity: [0, 1],
    run: fork,
  },
  switch: {
    usage: 'NAME',
    about: 'goes on with another timeline',
    group: 'time',
    arity: [1, 1],
    run(session, [name]) {
      session.switchTo(name!)
      return place(session.timeline)
    },
  },
  diff: {
    usage: 'NAME|STEP',
    about: 'what changed from that state to this one',
    group: 'time',
    arity: [1, 1],
    run: diff,
  },
  random: { usage: 'N [SEED]', about: 'does N random commands', group: 'time', arity: [1, 2], run: random },
  sysctl: {
    usage: '[vm.NAME[=VALUE]]',
    about: 'reads or writes a setting',
    group: 'settings',
    arity: [0, 64],
    run: sysctl,
  },
  transparent_hugepage: {
    usage: 'always|madvise|never',
    about: 'as written to its file in /sys/kernel/mm',
    group: 'settings',
    arity: [1, 1],
    run: hugepages,
  },
  kmemleak: {
    usage: '[scan|clear|off|scan=on|scan=off|scan=SECONDS|stack=on|stack=off|dump=ADDRESS]',
    about: 'leaks that were found, or a word to kmemleak',
    group: 'settings',
    arity: [0, 1],
    run: kmemleak,
  },
  set_cpu: {
    usage: '[CPU]',
    about: 'the CPU that runs from now on, or which one does',
    group: 'settings',
    arity: [0, 1],
    run: setCpu,
  },
  tick: {
    usage: '[TICKS]',
    about: 'lets time pass; CPUs fold their counters',
    group: 'settings',
    arity: [0, 1],
    run: (session, [word]) => session.do({ op: 'tick', ticks: count(word) }).printed,
  },
}
