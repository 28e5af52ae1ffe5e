// Every kind of file that is read and written: its names in a captured folder, its reader and its writer.
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { readBuddyinfo, writeBuddyinfo } from '../../../src/report/proc/buddyinfo.ts'
import { readCmdline, writeCmdline } from '../../../src/report/proc/cmdline.ts'
import { readFirmwareMemmap, writeFirmwareMemmap } from '../../../src/report/proc/firmware_memmap.ts'
import { readIomem, writeIomem } from '../../../src/report/proc/iomem.ts'
import type { Diagnostic } from '../../../src/report/proc/lines.ts'
import { readMeminfo, writeMeminfo } from '../../../src/report/proc/meminfo.ts'
import { readPagetypeinfo, writePagetypeinfo } from '../../../src/report/proc/pagetypeinfo.ts'
import { readPhysmap, writePhysmap } from '../../../src/report/proc/physmap.ts'
import { readSlabSysfs, writeSlabSysfs } from '../../../src/report/proc/slab_sysfs.ts'
import { readSlabinfo, writeSlabinfo } from '../../../src/report/proc/slabinfo.ts'
import { readSysNode, writeSysNode } from '../../../src/report/proc/sys_node.ts'
import { readSysVm, writeSysVm } from '../../../src/report/proc/sys_vm.ts'
import { readVersion, writeVersion } from '../../../src/report/proc/version.ts'
import { readVmstat, writeVmstat } from '../../../src/report/proc/vmstat.ts'
import { readZoneinfo, writeZoneinfo } from '../../../src/report/proc/zoneinfo.ts'

export interface Kind {
  names: readonly string[]
  read: (text: string) => { diagnostics: Diagnostic[] }
  roundTrip: (text: string) => string
}

function kind<T>(
  names: readonly string[],
  read: (text: string) => { facts: T; diagnostics: Diagnostic[] },
  write: (facts: T) => string,
): Kind {
  return { names, read, roundTrip: text => write(read(text).facts) }
}

export const KINDS: readonly Kind[] = [
  kind(['zoneinfo'], readZoneinfo, writeZoneinfo),
  kind(['buddyinfo'], readBuddyinfo, writeBuddyinfo),
  kind(['pagetypeinfo'], readPagetypeinfo, writePagetypeinfo),
  kind(['iomem'], readIomem, writeIomem),
  kind(['sys_firmware_memmap.txt'], readFirmwareMemmap, writeFirmwareMemmap),
  kind(['meminfo'], readMeminfo, writeMeminfo),
  kind(['vmstat'], readVmstat, writeVmstat),
  kind(['slabinfo'], readSlabinfo, writeSlabinfo),
  kind(['slab_sysfs.tsv', 'sys_kernel_slab.tsv'], readSlabSysfs, writeSlabSysfs),
  kind(['sys_vm.txt', 'sys_vm.tsv'], readSysVm, writeSysVm),
  kind(['sys_node.txt', 'sys_node.tsv'], readSysNode, writeSysNode),
  kind(['physmap.tsv'], readPhysmap, writePhysmap),
  kind(['version'], readVersion, facts => (facts ? writeVersion(facts) : '')),
  kind(['cmdline'], readCmdline, writeCmdline),
]

/** All files below `folder`, sorted, by their name without `.gz`. */
export function filesByName(folder: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const name = entry.name.replace(/\.gz$/, '')
    const list = found.get(name)
    const path = `${entry.parentPath}/${entry.name}`
    if (list) list.push(path)
    else found.set(name, [path])
  }
  for (const list of found.values()) list.sort()
  return found
}

export function textOf(path: string): string {
  const bytes = readFileSync(path)
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
}

/** The first line that differs, for a message worth reading. */
export function firstDifference(expected: string, got: string): string | null {
  if (expected === got) return null
  const [left, right] = [expected.split('\n'), got.split('\n')]
  const at = left.findIndex((line, index) => line !== right[index])
  return `line ${at + 1}: expected ${JSON.stringify(left[at])}, got ${JSON.stringify(right[at])}`
}
