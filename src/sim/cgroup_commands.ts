// Commands of control groups: folders below /sys/fs/cgroup are made, removed, and their files written. Law: as in commands.ts.
import { cgroup_files, cgroup_mkdir, cgroup_read, cgroup_rmdir, cgroup_write } from '../mm/memcg_files.ts'
import { CGROUP_NAME_LEN } from '../mm/memcg_tables.ts'
import { cgroup_of_path, cgroup_path, children, has_memcgs } from '../mm/memcg_tree.ts'
import type { Sys } from '../mm/mmzone.ts'
import { ENOENT } from '../mm/sysctl.ts'
import type { ProcessResult } from './process_commands.ts'

/** Commands of control groups; paths begin at the root group: `/a/b`. */
export type CgroupCommand =
  | { readonly op: 'cgroup_mkdir' | 'cgroup_rmdir'; readonly path: string }
  | { readonly op: 'cgroup_write'; readonly path: string; readonly name: string; readonly value: string }

type Handlers = {
  readonly [Name in CgroupCommand['op']]: (sys: Sys, command: CgroupCommand & { op: Name }) => ProcessResult
}

/** Folder of the root group. */
export const CGROUP_FOLDER = '/sys/fs/cgroup'

export const CGROUP_HANDLERS: Handlers = {
  cgroup_mkdir: (sys, { path }) => {
    const { above, name } = split(path)
    const parent = cgroup_of_path(sys, above)
    return { error: parent < 0 ? -ENOENT : cgroup_mkdir(sys, parent, name) }
  },
  cgroup_rmdir: (sys, { path }) => on(sys, path, memcg => cgroup_rmdir(sys, memcg)),
  cgroup_write: (sys, { path, name, value }) => on(sys, path, memcg => cgroup_write(sys, memcg, name, value)),
}

/** Fields that a command must have. */
export const CGROUP_REQUIRED: { readonly [Name in CgroupCommand['op']]: readonly string[] } = {
  cgroup_mkdir: ['path'],
  cgroup_rmdir: ['path'],
  cgroup_write: ['path', 'name', 'value'],
}

function on(sys: Sys, path: string, run: (memcg: number) => number): ProcessResult {
  const memcg = cgroup_of_path(sys, path)
  return { error: memcg < 0 ? -ENOENT : run(memcg) }
}

function split(path: string): { above: string; name: string } {
  const names = path.split('/').filter(word => word !== '')
  return { above: names.slice(0, -1).join('/'), name: names.at(-1) ?? '' }
}

/** Looks at a command's own fields. @throws RangeError with what is wrong */
export function checkCgroupCommand(sys: Sys, command: { readonly op: string; readonly path?: unknown }): void {
  if (!Object.hasOwn(CGROUP_HANDLERS, command.op)) return
  if (!has_memcgs(sys)) throw new RangeError('this machine has no room for control groups: boot it with nr_memcgs')
  if (typeof command.path !== 'string') throw new RangeError(`path ${String(command.path)} is no text`)
  if (command.op !== 'cgroup_mkdir') return
  const { above, name } = split(command.path)
  if (!/^[\x21-\x7e]+$/.test(name) || name.length >= CGROUP_NAME_LEN)
    throw new RangeError(
      `"${name}" is no name of a control group: 1 to ${CGROUP_NAME_LEN - 1} printable ASCII characters`,
    )
  const parent = cgroup_of_path(sys, above)
  if (parent >= 0 && sys.memcg.used.indexOf(0, 1) < 0)
    throw new RangeError(
      `all ${sys.memcg.used.length - 1} control groups are in use: boot the machine with a larger nr_memcgs`,
    )
}

/** Files of all groups that can be read, by path. */
export function cgroupFiles(sys: Sys): [path: string, read: (sys: Sys) => string][] {
  if (!has_memcgs(sys)) return []
  const files: [string, (sys: Sys) => string][] = []
  const visit = (memcg: number): void => {
    const folder = memcg === 0 ? CGROUP_FOLDER : CGROUP_FOLDER + cgroup_path(sys, memcg)
    for (const name of cgroup_files(memcg))
      if (cgroup_read(sys, memcg, name) !== null)
        files.push([`${folder}/${name}`, other => cgroup_read(other, memcg, name) ?? ''])
    for (const child of children(sys, memcg)) visit(child)
  }
  visit(0)
  return files
}
