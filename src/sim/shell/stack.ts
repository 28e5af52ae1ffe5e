// The shell's words for kernel stacks: tasks, calls, interrupts and softirqs on them; and contexts in which nothing may sleep.
import { kernel_stack_view } from '../../mm/kernel_stack.ts'
import { stack_damage } from '../../mm/kernel_stack_report.ts'
import type { Command } from '../commands.ts'
import { failure, namedValue } from './named.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, ShellFailure, wholeNumber } from './words.ts'

/** Does something on a stack; it failed where that ended in a report. */
function onStack(session: Session, command: Command): string {
  const { result, printed } = session.do(command)
  if (result.error) throw failure(`${command.op}: ${printed === '' ? 'not now' : 'the kernel complains'}`, printed)
  return printed
}

function kthread(session: Session, args: readonly string[]): string {
  const [[comm], named] = namedWords(args, ['node'])
  const nid = named.has('node') ? { nid: wholeNumber(named.get('node'), 'node') } : {}
  const { result, printed } = session.do({ op: 'kernel_stack_alloc', comm: comm!, ...nid })
  if (result.stack === 0) throw failure('kthread_create: no memory for a stack', printed)
  return `${printed}${session.name({ kind: 'task', value: result.stack! })} = ${stackText(session, result.stack!)}`
}

function stackText({ machine: { sys } }: Session, stack: number): string {
  const { name, size, pfns, sp, lowest, floor, depth, end_is_there } = kernel_stack_view(sys, stack)
  const used = `${size - sp} of ${size} bytes in use, ${size - lowest} at most, ${depth} frames`
  const end = end_is_there ? '' : ', the word at its end is gone'
  const room = lowest < floor ? `, ${floor - lowest} more than it has` : ''
  return `${name}: frames ${pfns.join(' ')}; ${used}${room}${end}\n`
}

const taskRow = (session: Session, word: string): number => namedValue(session, word, 'task').value

function schedule(session: Session, [word]: readonly string[]): string {
  return onStack(session, { op: 'schedule', stack: word === 'idle' ? 0 : taskRow(session, word!) })
}

/** Of a task, or of the CPU that runs: its stack and what is wrong with others. */
function stack(session: Session, [word]: readonly string[]): string {
  const { sys } = session.machine
  const current = sys.stack_cpu.stack[sys.machine.this_cpu[0]!]!
  const row = word === undefined ? current : taskRow(session, word)
  if (row === 0) throw new ShellFailure('no task runs: kthread_create makes one, schedule runs it')
  const damage = stack_damage(sys).map(each => `damaged: ${JSON.stringify(each)}\n`)
  return `${stackText(session, row)}${damage.join('')}`
}

const plain =
  (op: 'return' | 'irq_exit' | 'softirq_enter' | 'softirq_exit'): Builtin['run'] =>
  session =>
    onStack(session, { op })

const context =
  (op: 'preempt_disable' | 'preempt_enable' | 'local_irq_disable' | 'local_irq_enable'): Builtin['run'] =>
  session => {
    session.initAllocators()
    const { printed } = session.do({ op })
    if (printed !== '') throw failure(`${op}: the kernel complains`, printed)
    return ''
  }

const group = 'stack'

export const stackBuiltins: Readonly<Record<string, Builtin>> = {
  kthread_create: { usage: 'NAME [node=N]', about: 'a task with its stack', group, arity: [1, 2], run: kthread },
  kthread_stop: {
    usage: '$TASK',
    about: 'it ends, its stack is free',
    group,
    arity: [1, 1],
    run: (session, [word]) => onStack(session, { op: 'kernel_stack_free', stack: taskRow(session, word!) }),
  },
  schedule: { usage: '$TASK|idle', about: 'the CPU goes on with a task', group, arity: [1, 1], run: schedule },
  call: {
    usage: 'FUNCTION BYTES',
    about: 'the task calls a function whose frame has so many bytes',
    group,
    arity: [2, 2],
    run: (session, [name, bytes]) => onStack(session, { op: 'call', name: name!, size: wholeNumber(bytes, 'size') }),
  },
  return: { usage: '', about: 'it returns', group, arity: [0, 0], run: plain('return') },
  irq_enter: {
    usage: '[NAME]',
    about: 'an interrupt comes',
    group,
    arity: [0, 1],
    run: (session, [name]) => onStack(session, { op: 'irq_enter', ...(name === undefined ? {} : { name }) }),
  },
  irq_exit: { usage: '', about: 'it ends', group, arity: [0, 0], run: plain('irq_exit') },
  softirq_enter: { usage: '', about: 'softirqs run', group, arity: [0, 0], run: plain('softirq_enter') },
  softirq_exit: { usage: '', about: 'they end', group, arity: [0, 0], run: plain('softirq_exit') },
  stack: { usage: '[$TASK]', about: 'what a stack holds', group, arity: [0, 1], run: stack },
  preempt_disable: {
    usage: '',
    about: 'from now on nothing may sleep',
    group,
    arity: [0, 0],
    run: context('preempt_disable'),
  },
  preempt_enable: { usage: '', about: 'it may again', group, arity: [0, 0], run: context('preempt_enable') },
  local_irq_disable: {
    usage: '',
    about: 'interrupts are off',
    group,
    arity: [0, 0],
    run: context('local_irq_disable'),
  },
  local_irq_enable: { usage: '', about: 'they are on again', group, arity: [0, 0], run: context('local_irq_enable') },
}
