// The files of a running machine: /proc and /sys/devices/system/node, each made afresh from the state when it is read.

import { kmemleak_text } from '../mm/kmemleak_debugfs.ts'
import type { Sys } from '../mm/mmzone.ts'
import { sysctl_names, sysctl_peek } from '../mm/sysctl.ts'
import { writeBuddyinfo } from '../report/proc/buddyinfo.ts'
import { writeMeminfo } from '../report/proc/meminfo.ts'
import { writePagetypeinfo } from '../report/proc/pagetypeinfo.ts'
import { writeSlabinfo } from '../report/proc/slabinfo.ts'
import { type SysNodePart, writeList, writeNodeAttribute } from '../report/proc/sys_node.ts'
import { formatVmallocinfo } from '../report/proc/vmallocinfo.ts'
import { writeVmstat } from '../report/proc/vmstat.ts'
import { writeZoneinfo } from '../report/proc/zoneinfo.ts'
import { cgroupFiles } from './cgroup_commands.ts'
import { meminfoOf, sysNodeOf, vmstatOf } from './inspect_memory.ts'
import { SLAB_FOLDER, slabFiles, slabinfoOf, slabLink } from './inspect_slab.ts'
import { buddyinfoOf, pagetypeinfoOf, zoneinfoOf } from './inspect_zones.ts'
import { processFiles } from './process_files.ts'
import { compressedFiles, swapsText } from './swap_files.ts'

type Reader = (sys: Sys) => string

const PROC: Readonly<Record<string, Reader>> = {
  buddyinfo: sys => writeBuddyinfo(buddyinfoOf(sys)),
  meminfo: sys => writeMeminfo(meminfoOf(sys)),
  pagetypeinfo: sys => writePagetypeinfo(pagetypeinfoOf(sys)),
  vmstat: sys => writeVmstat(vmstatOf(sys)),
  zoneinfo: sys => writeZoneinfo(zoneinfoOf(sys)),
}

/** Files that not every machine has: of the allocators (SLOB has no table of its caches), of swap. */
function allocatorFiles(sys: Sys): Readonly<Record<string, Reader>> {
  return {
    ...(sys.kernel.slab === 'SLOB' ? {} : { slabinfo: () => writeSlabinfo(slabinfoOf(sys)) }),
    ...(sys.kernel.config.SWAP ? { swaps: swapsText } : {}),
    ...(sys.vmalloc.end[0] === 0 ? {} : { vmallocinfo: () => formatVmallocinfo(sys) }),
  }
}

const KMEMLEAK = '/sys/kernel/debug/kmemleak'
const NODES = '/sys/devices/system/node'
const NODE_PARTS: readonly SysNodePart[] = ['cpulist', 'distance', 'meminfo', 'numastat', 'vmstat']

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)
const onlineNodes = (sys: Sys): number[] => range(sys.nr_nodes).filter(node => sys.node.online[node] !== 0)

/** The lists of nodes beside the nodes' folders. */
const NODE_LISTS: Readonly<Record<string, (sys: Sys) => number[]>> = {
  online: onlineNodes,
  possible: onlineNodes,
  has_cpu: sys => onlineNodes(sys).filter(node => range(sys.nr_cpus).some(cpu => sys.cpu.node[cpu] === node)),
  has_memory: sys => onlineNodes(sys).filter(node => sys.node.present_pages[node]! > 0),
}

type Constants = ReadonlyMap<string, string>
const NONE: Constants = new Map()

/** Every file of the machine, by its full path; `constants` are those that are not made of the state. */
function files(sys: Sys, constants: Constants): Map<string, Reader> {
  const all = new Map<string, Reader>()
  for (const [path, text] of constants) all.set(path, () => text)
  for (const [name, reader] of Object.entries({ ...PROC, ...allocatorFiles(sys) })) all.set(`/proc/${name}`, reader)
  if (sys.debug_kmemleak) all.set(KMEMLEAK, kmemleak_text)
  for (const name of sysctl_names(sys)) all.set(`/proc/sys/vm/${name}`, () => `${sysctl_peek(sys, name)}\n`)
  for (const [name, list] of Object.entries(NODE_LISTS)) all.set(`${NODES}/${name}`, () => `${writeList(list(sys))}\n`)
  for (const node of onlineNodes(sys))
    for (const part of NODE_PARTS)
      all.set(`${NODES}/node${node}/${part}`, () => `${writeNodeAttribute(sysNodeOf(sys, node), part)}\n`)
  for (const [path, reader] of slabFiles(sys)) all.set(path, reader)
  for (const [path, reader] of [...compressedFiles(sys), ...processFiles(sys), ...cgroupFiles(sys)])
    all.set(path, reader)
  return all
}

/** Paths of all files that can be read. */
export function procPaths(sys: Sys, constants: Constants = NONE): string[] {
  return [...files(sys, constants).keys()].sort()
}

/** The text of a file: a full path, or a short one as `buddyinfo`, `node0/meminfo`, `sys/vm/swappiness`;
 * null where there is none. */
export function procFile(sys: Sys, path: string, constants: Constants = NONE): string | null {
  const all = files(sys, constants)
  const full = [path, `/proc/${path}`, `${NODES}/${path}`].find(candidate => all.has(candidate))
  return full === undefined ? null : all.get(full)!(sys)
}

/** Names in a folder, folders with a slash; null where there is no such folder. */
export function procFolder(sys: Sys, path: string, constants: Constants = NONE): string[] | null {
  const folder = path.endsWith('/') ? path : `${path}/`
  const below = procPaths(sys, constants).filter(file => file.startsWith(folder))
  if (below.length === 0) return null
  const names = [...new Set(below.map(file => /^[^/]*\/?/.exec(file.slice(folder.length))![0]))]
  return folder === `${SLAB_FOLDER}/` ? names.map(name => linkOr(sys, name)) : names
}

/** A name with what it is a link to. */
function linkOr(sys: Sys, name: string): string {
  const target = slabLink(sys, name.replace(/\/$/, ''))
  return target === null ? name : `${name.slice(0, -1)} -> ${target}`
}
