// The shell's words around the end of memory: processes that hang, children that have ended.

import { CGROUP_FOLDER } from '../cgroup_commands.ts'
import { WRITE_REFUSALS } from '../write_file.ts'
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

const NOT_A_GROUP = 'only folders below /sys/fs/cgroup, which are control groups, are made and removed'

function folder(op: 'cgroup_mkdir' | 'cgroup_rmdir'): Builtin['run'] {
  return (session, [path]) => {
    const full = path!.startsWith('/') ? path! : `/${path}`
    if (!full.startsWith(`${CGROUP_FOLDER}/`)) throw new ShellFailure(`${path}: ${NOT_A_GROUP}`)
    const { result, printed } = session.do({ op, path: full.slice(CGROUP_FOLDER.length) })
    if (result.error) throw new ShellFailure(`${path}: ${WRITE_REFUSALS[result.error] ?? `error ${result.error}`}`)
    return printed
  }
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
  mkdir: {
    usage: '/sys/fs/cgroup/PATH',
    about: 'a memory control group; its files are read with cat and written with echo … > FILE',
    group,
    arity: [1, 1],
    run: folder('cgroup_mkdir'),
  },
  rmdir: {
    usage: '/sys/fs/cgroup/PATH',
    about: 'removes a control group that has no processes',
    group,
    arity: [1, 1],
    run: folder('cgroup_rmdir'),
  },
  wait: { usage: '[PID]', about: 'asks for a child that has ended', group, arity: [0, 1], run: wait },
}
