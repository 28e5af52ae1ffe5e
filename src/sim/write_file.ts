// Writing a file of /proc or /sys: which command a path and a text are. Law: this knows paths; what a value may be, and
// what a write does, is the command's business.
import type { Command } from './commands.ts'

const SLAB_FILE = /^\/?sys\/kernel\/slab\/([^/]+)\/([^/]+)$/
const TASK_FILE = /^\/?proc\/(\d+)\/([^/]+)$/
const SYSCTL_FILE = /^\/?proc\/sys\/vm\/([^/]+)$/
const ZSWAP_FILE = /^\/?sys\/module\/zswap\/parameters\/([^/]+)$/
const KMEMLEAK_FILE = /^\/?sys\/kernel\/debug\/kmemleak$/
const CGROUP_FILE = /^\/?sys\/fs\/cgroup(\/.*)?\/([^/]+)$/
const SYSRQ_FILE = /^\/?proc\/sysrq-trigger$/

/** Files that can be written, as a hint. */
export const WRITABLE =
  '/proc/PID/oom_score_adj, /proc/PID/oom_adj, /proc/sys/vm/NAME, /proc/sysrq-trigger, /sys/fs/cgroup/GROUP/NAME, ' +
  '/sys/kernel/slab/CACHE/NAME, /sys/module/zswap/parameters/NAME'

/** The command that writing `value` to a file is; null where it cannot be written. */
export function writeCommand(path: string, value: string): Command | null {
  const [, folder, attribute] = SLAB_FILE.exec(path) ?? []
  if (folder !== undefined && attribute !== undefined) return { op: 'slab_attr_store', folder, name: attribute, value }
  const [, pid, name] = TASK_FILE.exec(path) ?? []
  if (pid !== undefined && name !== undefined) return { op: 'proc_write', pid: Number(pid), name, value }
  const [, group, file] = CGROUP_FILE.exec(path) ?? []
  if (file !== undefined) return { op: 'cgroup_write', path: group ?? '/', name: file, value }
  const setting = SYSCTL_FILE.exec(path)?.[1]
  if (setting !== undefined) return { op: 'sysctl', name: setting, value }
  const parameter = ZSWAP_FILE.exec(path)?.[1]
  if (parameter !== undefined) return { op: 'zswap', name: parameter as 'enabled', value }
  if (KMEMLEAK_FILE.test(path)) return { op: 'kmemleak', text: value }
  return SYSRQ_FILE.test(path) ? { op: 'sysrq', key: value.trim().slice(0, 1) } : null
}

/** What the kernel's refusal of a write is called. */
export const WRITE_REFUSALS: Readonly<Record<number, string>> = {
  [-1]: 'operation not permitted',
  [-2]: 'no such file',
  [-3]: 'no such process',
  [-5]: 'it can only be read',
  [-11]: 'try again',
  [-12]: 'out of memory',
  [-13]: 'permission denied',
  [-16]: 'device or resource busy',
  [-17]: 'it exists',
  [-22]: 'invalid argument',
  [-34]: 'numerical result out of range',
  [-39]: 'folder is not empty',
}
