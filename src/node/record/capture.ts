// A moment of a host in files, in the layout that `replay` takes.
// Law: what changes while a machine runs is read back to back into memory that is there already, and written to files
// after the last of it was read, so that looking changes as little as it can.
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Attribute, writeAttributes } from '../../report/proc/attributes.ts'
import { explainFileError } from '../user_error.ts'
import { type Host, hostText } from './host.ts'
import { PhysmapCapture } from './physmap.ts'

/** What changes while the machine runs, in the order in which it is read. */
const MOMENT = ['buddyinfo', 'zoneinfo', 'vmstat', 'meminfo', 'pagetypeinfo', 'slabinfo'] as const
const LARGEST = 1 << 22

/** Files of one moment, prepared before it. */
export class MomentCapture {
  readonly #files: { readonly name: string; readonly fd: number; readonly buffer: Buffer; length: number }[] = []
  readonly missing: string[] = []
  readonly #physmap: PhysmapCapture | null

  /** @param physmap also the map of frames */
  constructor(host: Host, physmap: boolean) {
    this.#physmap = physmap ? PhysmapCapture.open(host) : null
    if (physmap && !this.#physmap) this.missing.push('physmap.tsv')
    for (const name of MOMENT) {
      try {
        const fd = openSync(join(host.proc, name), 'r')
        this.#files.push({ name, fd, buffer: Buffer.alloc(LARGEST, 1), length: 0 })
      } catch {
        this.missing.push(name)
      }
    }
  }

  /** Reads everything. */
  take(): void {
    for (const file of this.#files) file.length = readAll(file.fd, file.buffer)
    this.#physmap?.take()
  }

  /** Writes what was read into a folder, and gives the files back. */
  write(folder: string): void {
    mkdirSync(folder, { recursive: true })
    for (const { name, fd, buffer, length } of this.#files) {
      closeSync(fd)
      write(folder, name, buffer.subarray(0, length))
    }
    if (this.#physmap && !this.#physmap.write(join(folder, 'physmap.tsv'))) this.missing.push('physmap.tsv')
  }
}

function readAll(fd: number, buffer: Buffer): number {
  let length = 0
  while (length < buffer.length) {
    const bytes = readSync(fd, buffer, length, buffer.length - length, length)
    if (bytes === 0) break
    length += bytes
  }
  return length
}

/** What makes a machine what it is: files of /proc, and trees of small files in one text each. */
const OF_THE_MACHINE = ['version', 'cmdline', 'cpuinfo', 'iomem', 'swaps', 'vmallocinfo', ...MOMENT] as const
const TREES: readonly (readonly [file: string, root: 'proc' | 'sys', folder: string])[] = [
  ['sys_vm.txt', 'proc', 'sys/vm'],
  ['sys_node.txt', 'sys', 'devices/system/node'],
  ['sys_kernel_mm.txt', 'sys', 'kernel/mm'],
  ['sys_firmware_memmap.txt', 'sys', 'firmware/memmap'],
]

/** Captures what never changes. @returns the files that this host does not have */
export function captureMachine(host: Host, folder: string): string[] {
  mkdirSync(folder, { recursive: true })
  const missing: string[] = []
  for (const name of OF_THE_MACHINE) {
    const text = hostText(join(host.proc, name))
    if (text === null) missing.push(name)
    else write(folder, name, text)
  }
  for (const [file, root, below] of TREES) {
    const rows: Attribute[] = []
    readTree(join(host[root], below), join('/', root, below), rows)
    if (rows.length === 0) missing.push(file)
    else write(folder, file, writeAttributes('colon', rows, []))
  }
  return missing
}

/** The readable files below a folder, links left aside; their paths as they are on the host. */
function readTree(folder: string, path: string, rows: Attribute[]): void {
  for (const name of namesIn(folder)) {
    const file = join(folder, name)
    const state = lstatSync(file, { throwIfNoEntry: false })
    if (state?.isDirectory()) readTree(file, join(path, name), rows)
    else if (state?.isFile()) {
      const text = hostText(file)
      if (text !== null) rows.push({ path: join(path, name), value: text.replace(/\n$/, '') })
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

function write(folder: string, name: string, contents: string | Uint8Array): void {
  const path = join(folder, name)
  try {
    writeFileSync(path, contents)
  } catch (error) {
    throw explainFileError(path, error)
  }
}
