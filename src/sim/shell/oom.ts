// The shell's words around the end of memory: processes that hang, children that have ended.

import type { Builtin, Session } from './session.ts'
import { ShellFailure, wholeNumber } from './words.ts'

const group = 'process'
const ECHILD = 10

/** A child that has ended: what ended it. */
function wait(session: Session, args: readonly string[]): string {
  const pid = args[0] === undefined ? {} : { pid: wholeNumber(args[0].replace(/^pid=/, ''), 'pid') }
  const { result } = session.do({ op: 'wait', ...pid })
  if (result.error === -ECHILD) throw new ShellFailure('wait: no child has ended')
  return `pid ${result.pid} ${result.signal === 0 ? 'ended' : `was killed by signal ${result.signal}`}\n`
}

export const oomBuiltins: Readonly<Record<string, Builtin>> = {
  hang: {
    usage: 'PID',
    about: 'lets a process wait for something that does not come; no signal reaches it',
    group,
    arity: [1, 1],
    run: (session, [pid]) => session.do({ op: 'hang', pid: wholeNumber(pid, 'pid') }).printed,
  },
  wake: {
    usage: 'PID',
    about: 'what it waited for has come',
    group,
    arity: [1, 1],
    run: (session, [pid]) => session.do({ op: 'wake', pid: wholeNumber(pid, 'pid') }).printed,
  },
  wait: { usage: '[PID]', about: 'asks for a child that has ended', group, arity: [0, 1], run: wait },
}
