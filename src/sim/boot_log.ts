// What a kernel log tells about the boot: the firmware's memory map, the nodes of the firmware's table, the zonelists,
// and which memory was freed after the watermarks were computed. Addresses are bytes, `end` is the first byte behind.
import type { E820Entry, E820Type } from '../arch/x86/e820.ts'
import type { NumaMemblk } from '../arch/x86/numa.ts'

/** Memory that went back to the allocator late. */
export interface LateFree {
  /** `initrd`, or the name in brackets of a part of the kernel image, or `decrypted`. */
  readonly what: string
  readonly kilobytes: number
}

export interface BootLog {
  readonly firmware: E820Entry[]
  readonly nodes: NumaMemblk[]
  /** Node of each processor of the firmware's table, by ascending APIC number: the order in which CPUs are numbered. */
  readonly processors: { apic: number; node: number }[]
  /** Order of nodes in the fallback list, by node; empty where the kernel does not print it. */
  readonly fallback: Map<number, number[]>
  readonly lateFrees: LateFree[]
  /** The initial ramdisk where it was freed from; null = none. */
  readonly ramdisk: { start: number; end: number } | null
  /** CPUs that came up. */
  readonly cpus: number
}

const E820_TYPES: Readonly<Record<string, E820Type>> = {
  usable: 'usable',
  reserved: 'reserved',
  'ACPI data': 'acpi',
  'ACPI NVS': 'nvs',
  unusable: 'unusable',
}

/** The facts of a log, whatever stamps its lines have. */
export function readBootLog(text: string): BootLog {
  const log: BootLog & { cpus: number; ramdisk: BootLog['ramdisk'] } = {
    firmware: [],
    nodes: [],
    processors: [],
    fallback: new Map(),
    lateFrees: [],
    ramdisk: null,
    cpus: 1,
  }
  for (const line of text.split('\n')) readLine(log, line)
  log.processors.sort((a, b) => a.apic - b.apic)
  return log
}

const hex = (text: string): number => Number.parseInt(text, 16)

function readLine(log: BootLog & { cpus: number; ramdisk: BootLog['ramdisk'] }, line: string): void {
  const range = /\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]/.exec(line)
  const bounds = range ? { start: hex(range[1]!), end: hex(range[2]!) + 1 } : null
  const e820 = /BIOS-e820: \[mem [^\]]*\] (.*)$/.exec(line)
  if (e820 && bounds) log.firmware.push({ ...bounds, type: E820_TYPES[e820[1]!] ?? 'reserved' })
  const node = /SRAT: Node (\d+) PXM \d+ \[mem/.exec(line)
  if (node && bounds) log.nodes.push({ ...bounds, node: Number(node[1]) })
  const processor = /SRAT: PXM \d+ -> APIC 0x([0-9a-f]+) -> Node (\d+)/.exec(line)
  if (processor) log.processors.push({ apic: hex(processor[1]!), node: Number(processor[2]) })
  // A later line wins: i386 moves it into low memory.
  if (/RAMDISK: \[mem/.test(line)) log.ramdisk = bounds
  const order = /Fallback order for Node (\d+): ([\d ]+)$/.exec(line.trimEnd())
  if (order) log.fallback.set(Number(order[1]), order[2]!.trim().split(' ').map(Number))
  const freed = /Freeing (initrd|unused decrypted|unused kernel image \(([^)]*)\)) memory: (\d+)K/.exec(line)
  if (freed) log.lateFrees.push({ what: freed[2] ?? freed[1]!.replace('unused ', ''), kilobytes: Number(freed[3]) })
  const cpus = /smp: Brought up \d+ nodes?, (\d+) CPU/.exec(line)
  if (cpus) log.cpus = Number(cpus[1])
}
