// A folder captured right after a boot, and the machine that the model boots from the same memory map, nodes, command
// line and managed pages. What a boot computes is then compared; what it was given is not.

import { with_config } from '../kernels/index.ts'
import { type Kernel, zone_named } from '../mm/kernel.ts'
import type { Sys } from '../mm/mmzone.ts'
import { setup_zones } from '../mm/zone_setup.ts'
import { readSnapshot, SNAPSHOT_FILES, type Snapshot } from '../report/snapshot.ts'
import { type BootLog, readBootLog } from '../sim/boot_log.ts'
import { compute_at_boot } from '../sim/boot_sequence.ts'
import { type CommandLine, parseCommandLine } from '../sim/command_line.ts'
import { mapMachine } from '../sim/machine_map.ts'
import { kernelOfSnapshot } from '../sim/snapshot_kernel.ts'
import { jsonLines, type VerifyFile } from './types.ts'

export interface BootFolder {
  /** Path of the folder, with a `/` at the end. */
  readonly path: string
  /** Its files by their names without `.gz`. */
  readonly files: ReadonlyMap<string, VerifyFile>
}

/** Folders that hold the state right after a boot: zoneinfo and the kernel log of that moment. */
export function bootFolders(files: readonly VerifyFile[]): BootFolder[] {
  const folders = new Map<string, Map<string, VerifyFile>>()
  for (const file of files) {
    const slash = file.path.lastIndexOf('/') + 1
    const path = file.path.slice(0, slash)
    const folder = folders.get(path) ?? new Map<string, VerifyFile>()
    folder.set(file.path.slice(slash).replace(/\.gz$/, ''), file)
    folders.set(path, folder)
  }
  return [...folders]
    .filter(([, folder]) => folder.has('zoneinfo') && folder.has('dmesg') && folder.has('cmdline'))
    .map(([path, folder]) => ({ path, files: folder }))
}

/** The facts of a boot folder. */
export interface RecordedBoot {
  readonly snapshot: Snapshot
  readonly kernel: Kernel
  readonly log: BootLog
  readonly command: CommandLine
}

/** Reads a folder; throws a RangeError where no kernel profile fits. */
export function readBootFolder(folder: BootFolder): RecordedBoot {
  const known = new Set(Object.values(SNAPSHOT_FILES).flat())
  const texts = new Map<string, string>()
  for (const [name, file] of folder.files) if (known.has(name)) texts.set(name, file.text())
  const snapshot = readSnapshot(texts)
  return {
    snapshot,
    kernel: withConstants(kernelOfSnapshot(snapshot), folder.files.get('const.jsonl')),
    log: withFirmwareMap(readBootLog(folder.files.get('dmesg')!.text()), snapshot),
    command: parseCommandLine(snapshot.cmdline!),
  }
}

/** 32-bit kernels: the end of the vmalloc area depends on the number of CPUs that the kernel was built for. */
function withConstants(kernel: Kernel, file: VerifyFile | undefined): Kernel {
  if (!file || kernel.arch !== 'i386') return kernel
  const constants = new Map<string, number>()
  for (const { row } of jsonLines(file.text())) {
    const { c, v } = (row ?? {}) as { c?: string; v?: string }
    if (c !== undefined) constants.set(c, Number(v))
  }
  const { VMALLOC_END = kernel.VMALLOC_END, PAGE_OFFSET = kernel.PAGE_OFFSET } = Object.fromEntries(constants)
  return with_config(kernel, {}, { VMALLOC_END, PAGE_OFFSET })
}

/** A log whose first lines were lost has no map; /sys has the same one. */
function withFirmwareMap(log: BootLog, { firmwareMemmap }: Snapshot): BootLog {
  if (log.firmware.length > 0 || !firmwareMemmap) return log
  const firmware = firmwareMemmap.ranges.map(({ start, end, type }) => ({
    start,
    end: end + 1,
    type: type === 'System RAM' ? ('usable' as const) : ('reserved' as const),
  }))
  return { ...log, firmware }
}

/** The machine as the model boots it. */
export function bootRecorded(boot: RecordedBoot): Sys {
  const { snapshot, kernel, log, command } = boot
  const nodes = snapshot.sysNode?.nodes ?? []
  const nrNodes = Math.max(1, ...(command.numaFake ? log.nodes : nodes).map(({ node }) => node + 1))
  // With fake nodes /sys tells their CPUs and distances, not those of the nodes below them.
  const fake = command.numaFake !== null
  const nodeOf = (cpu: number): number =>
    (fake ? log.processors[cpu]?.node : nodes.find(node => node.cpus.includes(cpu))?.node) ?? 0
  const cpus = Array.from({ length: onlineCpus(snapshot) }, (_, cpu) => nodeOf(cpu))
  const distance = fake || nodes.length === 0 ? null : nodes.flatMap(node => node.distance)
  const firmware = { firmware: log.firmware, nodes: log.nodes, nrNodes, distance, cpus }
  const { layout } = mapMachine(kernel, firmware, { ...command, maxCpus: 0 })
  const sys = setup_zones(layout, false)
  compute_at_boot(sys, {
    managed: managedNow(sys, snapshot),
    late: lateFrees(sys, boot),
    transparentHugepage: command.transparentHugepage,
    sysctls: command.sysctls,
  })
  return sys
}

/** zoneinfo lists the per-CPU lists of all CPUs that are up. */
function onlineCpus({ zoneinfo }: Snapshot): number {
  return 1 + Math.max(0, ...(zoneinfo?.zones ?? []).flatMap(zone => zone.pagesets.map(({ cpu }) => cpu)))
}

function managedNow(sys: Sys, { zoneinfo }: Snapshot): Float64Array {
  const managed = new Float64Array(sys.nr_zones)
  for (const { node, name, pages } of zoneinfo?.zones ?? []) {
    const type = zone_named(sys.kernel, name)
    if (type >= 0 && node < sys.nr_nodes) managed[node * sys.nr_zone_types + type] = pages.managed
  }
  return managed
}

/** Pages per zone that the log says were freed late: the ramdisk where it lay, parts of the image where that lies. */
export function lateFrees(sys: Sys, { snapshot, log }: Pick<RecordedBoot, 'snapshot' | 'log'>): Float64Array {
  const late = new Float64Array(sys.nr_zones)
  const page = 2 ** sys.kernel.PAGE_SHIFT
  const code = snapshot.iomem?.ranges.find(({ name }) => name === 'Kernel code')?.start ?? 0x1000000
  for (const { what, kilobytes } of log.lateFrees) {
    const address = what === 'initrd' ? (log.ramdisk?.start ?? code) : code
    const own = zoneOf(sys, Math.floor(address / page))
    const zone = own >= 0 ? own : zoneOf(sys, Math.floor(code / page))
    if (zone >= 0) late[zone]! += (kilobytes * 1024) / page
  }
  return late
}

function zoneOf(sys: Sys, pfn: number): number {
  const { zone_start_pfn, spanned_pages } = sys.zone
  return zone_start_pfn.findIndex((start, zone) => pfn >= start && pfn < start + spanned_pages[zone]!)
}
