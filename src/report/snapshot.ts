// A snapshot: all the facts of one captured folder. Law: any subset of the files is a snapshot; what is missing and
// what is damaged is said, and nothing is guessed but what several files agree on (architecture, page size).
import { type BuddyinfoFacts, readBuddyinfo } from './proc/buddyinfo.ts'
import { type CmdlineFacts, readCmdline } from './proc/cmdline.ts'
import { type FirmwareMemmapFacts, readFirmwareMemmap } from './proc/firmware_memmap.ts'
import { type IomemFacts, readIomem } from './proc/iomem.ts'
import type { Diagnostic, Read } from './proc/lines.ts'
import { type MeminfoFacts, readMeminfo } from './proc/meminfo.ts'
import { type PagetypeinfoFacts, readPagetypeinfo } from './proc/pagetypeinfo.ts'
import { type PhysmapFacts, readPhysmap } from './proc/physmap.ts'
import { readSlabSysfs, type SlabSysfsFacts } from './proc/slab_sysfs.ts'
import { readSlabinfo, type SlabinfoFacts } from './proc/slabinfo.ts'
import { readSysNode, type SysNodeFacts } from './proc/sys_node.ts'
import { readSysVm, type SysVmFacts } from './proc/sys_vm.ts'
import { readVersion, type VersionFacts } from './proc/version.ts'
import { readVmstat, type VmstatFacts } from './proc/vmstat.ts'
import { readZoneinfo, type ZoneinfoFacts } from './proc/zoneinfo.ts'

/** A diagnostic with the name of its file. */
export interface FileDiagnostic extends Diagnostic {
  file: string
}

export type Architecture = 'x86_64' | 'i386' | 'i386-pae' | 'alpha'

/** The facts of a captured folder; null: the file was not there. */
export interface SnapshotFacts {
  zoneinfo: ZoneinfoFacts | null
  buddyinfo: BuddyinfoFacts | null
  pagetypeinfo: PagetypeinfoFacts | null
  meminfo: MeminfoFacts | null
  vmstat: VmstatFacts | null
  slabinfo: SlabinfoFacts | null
  slabSysfs: SlabSysfsFacts | null
  iomem: IomemFacts | null
  firmwareMemmap: FirmwareMemmapFacts | null
  sysVm: SysVmFacts | null
  sysNode: SysNodeFacts | null
  physmap: PhysmapFacts | null
  version: VersionFacts | null
  cmdline: CmdlineFacts | null
  /** /proc/cpuinfo as it is. */
  cpuinfo: string | null
}

export interface Snapshot extends SnapshotFacts {
  /** uname -r, or null when no file tells it. */
  release: string | null
  /** Null when no file tells it. */
  arch: Architecture | null
  /** Bytes; 4096 when no file tells otherwise. */
  pageSize: number
  /** Kinds of files that were not there, by the name they have in a capture. */
  missing: string[]
  diagnostics: FileDiagnostic[]
}

/** Every kind of file that a snapshot knows, and the names it has in a capture (without `.gz`). */
export const SNAPSHOT_FILES: Readonly<Record<keyof SnapshotFacts, readonly string[]>> = {
  zoneinfo: ['zoneinfo'],
  buddyinfo: ['buddyinfo'],
  pagetypeinfo: ['pagetypeinfo'],
  meminfo: ['meminfo'],
  vmstat: ['vmstat'],
  slabinfo: ['slabinfo'],
  slabSysfs: ['slab_sysfs.tsv', 'sys_kernel_slab.tsv'],
  iomem: ['iomem'],
  firmwareMemmap: ['sys_firmware_memmap.txt'],
  sysVm: ['sys_vm.txt', 'sys_vm.tsv'],
  sysNode: ['sys_node.txt', 'sys_node.tsv'],
  physmap: ['physmap.tsv'],
  version: ['version'],
  cmdline: ['cmdline'],
  cpuinfo: ['cpuinfo'],
}

/** All facts of a captured folder: the texts of its files by their names. Never throws. */
export function readSnapshot(files: ReadonlyMap<string, string>): Snapshot {
  const missing: string[] = []
  const diagnostics: FileDiagnostic[] = []
  const read = <T>(kind: keyof SnapshotFacts, reader: (text: string) => Read<T>): T | null => {
    const file = SNAPSHOT_FILES[kind].find(name => files.has(name))
    if (file === undefined) {
      missing.push(SNAPSHOT_FILES[kind][0]!)
      return null
    }
    const result = reader(files.get(file)!)
    for (const { line, message } of result.diagnostics) diagnostics.push({ file, line, message })
    return result.facts
  }
  const facts: SnapshotFacts = {
    zoneinfo: read('zoneinfo', readZoneinfo),
    buddyinfo: read('buddyinfo', readBuddyinfo),
    pagetypeinfo: read('pagetypeinfo', readPagetypeinfo),
    meminfo: read('meminfo', readMeminfo),
    vmstat: read('vmstat', readVmstat),
    slabinfo: read('slabinfo', readSlabinfo),
    slabSysfs: read('slabSysfs', readSlabSysfs),
    iomem: read('iomem', readIomem),
    firmwareMemmap: read('firmwareMemmap', readFirmwareMemmap),
    sysVm: read('sysVm', readSysVm),
    sysNode: read('sysNode', readSysNode),
    physmap: read('physmap', readPhysmap),
    version: read('version', readVersion),
    cmdline: read('cmdline', readCmdline),
    cpuinfo: read('cpuinfo', text => ({ facts: text, diagnostics: [] })),
  }
  const arch = architectureOf(facts)
  return {
    ...facts,
    release: facts.version?.release ?? null,
    arch,
    pageSize: pageSizeOf(facts, arch),
    missing,
    diagnostics,
  }
}

/** From the zones a kernel was built with, then its CPU's description, then its release's suffix. */
function architectureOf(facts: SnapshotFacts): Architecture | null {
  const zones = new Set(facts.zoneinfo?.zones.map(({ name }) => name))
  const release = facts.version?.release ?? ''
  if (/^cpu\s*: Alpha$/m.test(facts.cpuinfo ?? '')) return 'alpha'
  if (zones.has('DMA32')) return 'x86_64'
  if (zones.has('HighMem') || /^fdiv_bug\s*:/m.test(facts.cpuinfo ?? ''))
    return hasPae(facts, release) ? 'i386-pae' : 'i386'
  const suffix = /-(amd64|x86_64|686-pae|[3-6]86|alpha)/.exec(release)?.[1]
  return suffix === undefined ? null : (SUFFIXES[suffix] ?? 'i386')
}

const SUFFIXES: Readonly<Record<string, Architecture>> = {
  amd64: 'x86_64',
  x86_64: 'x86_64',
  '686-pae': 'i386-pae',
  alpha: 'alpha',
}

/** A large page of the direct map is 2 MiB with PAE and 4 MiB without. */
function hasPae(facts: SnapshotFacts, release: string): boolean {
  return /-pae\b/.test(release) || (facts.meminfo?.values.has('DirectMap2M') ?? false)
}

/** Free memory stands in kB and in pages, which gives a page's size; else what the architecture has. (A guest whose
 * memory was ballooned away has fewer managed pages than MemTotal says.) */
function pageSizeOf({ zoneinfo, meminfo }: SnapshotFacts, arch: Architecture | null): number {
  const kB = meminfo?.values.get('MemFree') ?? 0
  const pages = zoneinfo?.zones.reduce((sum, zone) => sum + zone.pages.free, 0) ?? 0
  const measured = pages > 0 && kB > 0 ? 2 ** Math.round(Math.log2((kB * 1024) / pages)) : 0
  if (measured >= 4096 && measured <= 65536) return measured
  return arch === 'alpha' ? 8192 : 4096
}
