// /proc/PID/oom_score_adj and its older form oom_adj: how much a process would rather live or die than others.
import { get_current_or_none } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { task_comm } from './oom_report.ts'
import { OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN } from './oom_select.ts'
import { EINVAL, PF_KTHREAD, TASK_RUNNING } from './vm_flags.ts'

/** Values of oom_adj: never, and the largest. @kernel include/uapi/linux/oom.h */
const OOM_DISABLE = -17
const OOM_ADJUST_MIN = -16
const OOM_ADJUST_MAX = 15

/** A whole number as the kernel reads one from a file; NaN for others. @kernel lib/kstrtox.c:kstrtoint */
export function kstrtoint(text: string): number {
  const match = /^([+-]?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9]\d*))$/i.exec(text.trim())
  if (!match) return Number.NaN
  const [, sign, hex, octal, plain] = match
  const value = hex ? Number.parseInt(hex, 16) : octal ? Number.parseInt(octal, 8) : Number(plain)
  const signed = sign === '-' ? 0 - value : value
  return signed < -0x80000000 || signed > 0x7fffffff ? Number.NaN : signed
}

/** 0, or a negated errno. @kernel fs/proc/base.c:oom_score_adj_write */
export function oom_score_adj_write(sys: Sys, task: number, text: string): number {
  const value = kstrtoint(text)
  if (Number.isNaN(value) || value < OOM_SCORE_ADJ_MIN || value > OOM_SCORE_ADJ_MAX) return -EINVAL
  set_oom_adj(sys, task, value)
  return 0
}

/** 0, or a negated errno; seventeenths become thousandths. @kernel fs/proc/base.c:oom_adj_write */
export function oom_adj_write(sys: Sys, task: number, text: string): number {
  const value = kstrtoint(text)
  if (Number.isNaN(value) || ((value < OOM_ADJUST_MIN || value > OOM_ADJUST_MAX) && value !== OOM_DISABLE))
    return -EINVAL
  if (sys.vm_state.oom_adj_warned[0] === 0) {
    const [current, pid] = [get_current_or_none(sys), sys.task.pid[task]!]
    const who = `${task_comm(sys, current)} (${current === 0 ? 0 : sys.task.pid[current]})`
    sys.printk?.(`${who}: /proc/${pid}/oom_adj is deprecated, please use /proc/${pid}/oom_score_adj instead.`)
    sys.vm_state.oom_adj_warned[0] = 1
  }
  set_oom_adj(sys, task, value === OOM_ADJUST_MAX ? OOM_SCORE_ADJ_MAX : Math.trunc((value * OOM_SCORE_ADJ_MAX) / 17))
  return 0
}

/** @kernel fs/proc/base.c:oom_adj_read */
export function oom_adj_read(sys: Sys, task: number): number {
  const adj = sys.task.oom_score_adj[task]!
  if (adj === OOM_SCORE_ADJ_MAX) return OOM_ADJUST_MAX
  return Math.min(OOM_ADJUST_MAX, Math.trunc((adj * 17) / OOM_SCORE_ADJ_MAX))
}

/** Who shares the address space goes along: memory would not come back otherwise. @kernel fs/proc/base.c:__set_oom_adj */
function set_oom_adj(sys: Sys, task: number, adj: number): void {
  const { mm, oom_score_adj, state, pid, tgid, flags } = sys.task
  for (let other = 1; other < mm.length; other++) {
    const same = other === task || tgid[other] === tgid[task]
    const shares = mm[task] !== 0 && mm[other] === mm[task]
    if (state[other] !== TASK_RUNNING || (!same && !shares)) continue
    if (!same && (pid[other] === 1 || (flags[other]! & PF_KTHREAD) !== 0)) continue
    oom_score_adj[other] = adj
    if (other === task) sys.trace.oom_score_adj_update?.(pid[other]!, adj, other)
  }
}
