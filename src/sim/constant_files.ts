// Files of a machine that its state does not contain, because they never change: the memory map and the command line.
import type { E820Type } from '../arch/x86/e820.ts'
import { writeCmdline } from '../report/proc/cmdline.ts'
import { type IomemRange, writeIomem } from '../report/proc/iomem.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { type MachineDescription, mapOfDescription } from './machine_description.ts'

/** What /proc/iomem calls the firmware's types. @kernel arch/x86/kernel/e820.c:e820_type_to_string */
const NAMES: Readonly<Record<E820Type, string>> = {
  usable: 'System RAM',
  reserved: 'Reserved',
  acpi: 'ACPI Tables',
  nvs: 'ACPI Non-volatile Storage',
  unusable: 'Unusable memory',
  pmem: 'Persistent Memory',
}

/** The files of a described machine, by path. What devices and the kernel itself take is not in its memory map. */
export function filesOfDescription(description: MachineDescription): Map<string, string> {
  const { firmware } = mapOfDescription(description)
  const ranges = firmware.map(
    ({ start, end, type }): IomemRange => ({ start, end: end - 1, name: NAMES[type], depth: 0 }),
  )
  return new Map([
    ['/proc/iomem', writeIomem({ ranges: ranges.sort((a, b) => a.start - b.start), strays: [] })],
    ['/proc/cmdline', `${description.commandLine ?? ''}\n`],
  ])
}

/** The files of a captured machine, by path: those of them that were captured. */
export function filesOfSnapshot({ iomem, cmdline }: Snapshot): Map<string, string> {
  const files = new Map<string, string>()
  if (iomem) files.set('/proc/iomem', writeIomem(iomem))
  if (cmdline) files.set('/proc/cmdline', writeCmdline(cmdline))
  return files
}
