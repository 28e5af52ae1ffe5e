// The words of a kernel command line that change memory: which are understood, and what they say.
// Sizes take the suffixes K, M, G, T as the kernel's memparse does. Unknown words are left alone, as the kernel does.
import type { MemmapOption } from '../arch/x86/e820.ts'
import type { NumaFake } from '../arch/x86/numa.ts'
import { type CmdlineFacts, readCmdline } from '../report/proc/cmdline.ts'

/** A size in bytes, or a share of all memory. */
export interface CoreSize {
  readonly bytes: number
  readonly percent: number
}

export interface CommandLine {
  /** Bytes, 0 = not given. */
  readonly mem: number
  readonly memmap: readonly MemmapOption[]
  readonly exactmap: boolean
  readonly numaOff: boolean
  readonly numaFake: NumaFake | null
  readonly kernelcore: CoreSize
  readonly movablecore: CoreSize
  /** Bytes, 0 = not given. */
  readonly vmalloc: number
  /** Bytes, -1 = not given. */
  readonly highmem: number
  /** Bytes that are taken for a crash kernel; 0 = none. */
  readonly crashkernel: number
  /** Huge pages to allocate at boot. */
  readonly hugepages: number
  /** CPUs that may come up, 0 = as many as there are. */
  readonly maxCpus: number
  /** `transparent_hugepage=never` was not said. */
  readonly transparentHugepage: boolean
  /** `sysctl.vm.NAME=VALUE` in order. */
  readonly sysctls: readonly { readonly name: string; readonly value: string }[]
}

const UNITS = 'KMGTPE'

/** Bytes of a number with a suffix, decimal or 0x…; the rest of the text; NaN where no number stands.
 * @kernel lib/cmdline.c:memparse */
export function memparse(text: string): { bytes: number; rest: string } {
  const match = /^(0x[0-9a-f]+|\d+)([kmgtpe]?)/i.exec(text)
  if (!match) return { bytes: Number.NaN, rest: text }
  const power = UNITS.indexOf(match[2]!.toUpperCase() || '-') + 1
  return { bytes: Number(match[1]) * 1024 ** power, rest: text.slice(match[0].length) }
}

const bytesOf = (text: string | undefined, otherwise: number): number => {
  const { bytes } = memparse(text ?? '')
  return Number.isNaN(bytes) ? otherwise : bytes
}

/** What a command line says about memory. */
export function parseCommandLine(line: string | CmdlineFacts): CommandLine {
  const { words } = typeof line === 'string' ? readCmdline(`${line}\n`).facts : line
  const all = (name: string): string[] =>
    words.filter(word => word.startsWith(`${name}=`)).map(word => word.slice(name.length + 1).replaceAll('"', ''))
  const last = (name: string): string | undefined => all(name).at(-1)
  const memmap = all('memmap').flatMap(value => value.split(','))
  const numa = all('numa')
  return {
    mem: bytesOf(last('mem'), 0),
    memmap: memmap.flatMap(memmapOption),
    exactmap: memmap.includes('exactmap'),
    numaOff: numa.includes('off'),
    numaFake: numaFake(numa.findLast(value => value.startsWith('fake='))?.slice(5)),
    kernelcore: coreSize(last('kernelcore')),
    movablecore: coreSize(last('movablecore')),
    vmalloc: bytesOf(last('vmalloc'), 0),
    highmem: bytesOf(last('highmem'), -1),
    crashkernel: bytesOf(last('crashkernel'), 0),
    hugepages: Number(last('hugepages') ?? 0) || 0,
    maxCpus: words.includes('nosmp') ? 1 : Number(last('maxcpus') ?? last('nr_cpus') ?? 0) || 0,
    transparentHugepage: last('transparent_hugepage') !== 'never',
    sysctls: words.flatMap(sysctlWord),
  }
}

function memmapOption(text: string): MemmapOption[] {
  const { bytes, rest } = memparse(text)
  if (Number.isNaN(bytes)) return []
  const kind = rest.slice(0, 1) as MemmapOption['kind']
  if (!['@', '#', '$', '!', ''].includes(kind)) return []
  const start = kind === '' ? 0 : memparse(rest.slice(1)).bytes
  return Number.isNaN(start) ? [] : [{ size: bytes, kind, start }]
}

function numaFake(text: string | undefined): NumaFake | null {
  const match = /^(\d+)([a-z]?)/i.exec(text ?? '')
  if (!match || Number(match[1]) === 0) return null
  const letter = match[2]!.toUpperCase()
  if (letter === 'U') return { per_node: Number(match[1]) }
  return letter === 'M' || letter === 'G' ? { size: memparse(text!).bytes } : { nodes: Number(match[1]) }
}

function coreSize(text: string | undefined): CoreSize {
  if (text !== undefined && /^\d+%$/.test(text)) return { bytes: 0, percent: Number(text.slice(0, -1)) }
  return { bytes: bytesOf(text, 0), percent: 0 }
}

/** Both `sysctl.vm.x=1` and `sysctl.vm/x=1` are known to the kernel. */
function sysctlWord(word: string): { name: string; value: string }[] {
  const match = /^sysctl\.vm[./]([a-z_]+)=(.*)$/.exec(word)
  return match ? [{ name: match[1]!, value: match[2]!.replaceAll('"', '') }] : []
}
