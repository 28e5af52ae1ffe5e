// The shell's words for swap: mkswap, swapon and swapoff as the tools of that name, and bytes in pages. Files of the host
// are looked at here; what the machine does about them is a command.

import { frame_bytes } from '../../mm/physmem.ts'
import { MIN_SWAP_PAGES, parse_swap_header, SWAP_SIGNATURE, write_swap_header } from '../../mm/swap_header.ts'
import { swap_name } from '../../mm/swapfile.ts'
import { SWP_ZRAM } from '../../mm/swapfile_slots.ts'
import { pagemap_entry } from '../../mm/task_mmu.ts'
import { memparse } from '../command_line.ts'
import type { Content } from '../page_content.ts'
import { taskOf } from '../process_commands.ts'
import { swapAreas, swapsText } from '../swap_files.ts'
import type { SwapHost } from '../swap_host.ts'
import { freeText, sampleVm, VMSTAT_HEAD, vmstatRow } from '../vmstat_rows.ts'
import { act, pageOf, pidOf, signalled } from './process.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

const group = 'swap'

/** Page sizes that there are somewhere. */
const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536]

function hostOf(session: Session, word: string): SwapHost {
  const { swap } = session.surroundings
  if (!swap) throw new ShellFailure(`${word}: files cannot be used here`)
  return swap
}

/** Does something with a file; what is wrong with it is the user's mistake. */
function toFile<T>(word: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof Error) || (error.name !== 'UserError' && !(error instanceof RangeError))) throw error
    throw new ShellSyntaxError(`${word}: ${error.message}`)
  }
}

/** The size that a head's signature is for; 0 = there is none. */
function pageSizeOf(head: Uint8Array): number {
  const found = PAGE_SIZES.find(size => parse_swap_header(head.subarray(0, size), size).signature === SWAP_SIGNATURE)
  return found ?? 0
}

function checkFree(session: Session, word: string, file: string): void {
  for (const [name, { machine }] of session.timelines)
    if (swapAreas(machine.sys).some(area => swap_name(machine.sys, area) === file))
      throw new ShellSyntaxError(
        `${word}: ${file} is a swap area in use${name === session.current ? '' : ` in timeline ${name}`}`,
      )
}

function mkswap(session: Session, args: readonly string[]): string {
  const host = hostOf(session, 'mkswap')
  const { page_bytes } = session.machine.sys
  const [plain, named] = namedWords(args, ['label', 'uuid', 'bad'])
  const words = plain.filter(word => word !== 'force')
  const [path, size] = words
  if (path === undefined || words.length > 2) throw new ShellSyntaxError('usage: mkswap FILE [SIZE] [label=TEXT] …')
  const bytes = size === undefined ? undefined : sizeOf(size)
  const there = bytes === undefined ? toFile('mkswap', () => host.inspect(path)) : inspected(host, path)
  if (there !== null) checkFree(session, 'mkswap', host.identify(path))
  if (
    there !== null &&
    there.bytes > 0 &&
    pageSizeOf(there.head) === 0 &&
    there.head.some(byte => byte !== 0) &&
    !plain.includes('force')
  )
    throw new ShellSyntaxError(`mkswap: ${path} holds something that is no swap area: add force to overwrite it`)
  const pages = Math.floor((bytes ?? there!.bytes) / page_bytes)
  if (pages < MIN_SWAP_PAGES)
    throw new ShellSyntaxError(
      `mkswap: ${path}: swap area needs to be at least ${(MIN_SWAP_PAGES * page_bytes) / 1024} KiB`,
    )
  const uuid = uuidOf(named.get('uuid'), host)
  const label = named.get('label') ?? ''
  const badpages = (named.get('bad')?.split(',') ?? []).map(word => wholeNumber(word, 'bad page'))
  const first = toFile('mkswap', () => write_swap_header(page_bytes, pages, { label, uuid, badpages }))
  toFile('mkswap', () => host.format(path, bytes, first))
  const usable = (pages - 1) * page_bytes
  const size_text = `size = ${usable / 1024} KiB (${usable} bytes)`
  return `Setting up swapspace version 1, ${size_text}\n${label === '' ? 'no label' : `LABEL=${label}`}, UUID=${uuidText(uuid)}\n`
}

function sizeOf(word: string, who = 'mkswap'): number {
  const { bytes, rest } = memparse(word)
  if (rest !== '' || !(bytes > 0)) throw new ShellSyntaxError(`${who}: "${word}" is no size: as 64M`)
  return bytes
}

/** A file that may still be to be made. */
function inspected(host: SwapHost, path: string): ReturnType<SwapHost['inspect']> | null {
  try {
    return host.inspect(path)
  } catch {
    return null
  }
}

function uuidOf(word: string | undefined, host: SwapHost): Uint8Array {
  if (word === undefined) return host.uuid()
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(word))
    throw new ShellSyntaxError(`mkswap: "${word}" is no UUID`)
  return Uint8Array.from(word.replaceAll('-', '').match(/../g)!, pair => Number.parseInt(pair, 16))
}

const uuidText = (uuid: Uint8Array): string =>
  [...uuid]
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

function swapon(session: Session, args: readonly string[]): string {
  if (args.length === 0 || (args.length === 1 && args[0] === '-s')) return swapsText(session.machine.sys)
  const [prio, path] = prioOf(args)
  const host = hostOf(session, 'swapon')
  const { machine } = session
  const { page_bytes } = machine.sys
  const file = toFile('swapon', () => host.identify(path))
  const { head, bytes } = toFile('swapon', () => host.inspect(path))
  const made = pageSizeOf(head)
  if (made !== 0 && made !== page_bytes)
    throw new ShellSyntaxError(
      `swapon: ${path}: a swap area for pages of ${made} bytes, this machine has pages of ${page_bytes}: mkswap it anew`,
    )
  if (!machine.knowsSwapFile(file)) for (const other of session.timelines.values()) notKnown(other.machine, file)
  const store = machine.swapStore(file, () => toFile('swapon', () => host.open(file, page_bytes)))
  const header = parse_swap_header(head.subarray(0, page_bytes), page_bytes)
  const pages = Math.floor(bytes / page_bytes)
  const { result, printed } = session.do({ op: 'swapon', path: file, header, pages, store, rotational: false, ...prio })
  if (result.error === 0) return printed
  throw Object.assign(new ShellSyntaxError(`swapon: ${path}: ${refusal(result.error!, printed)}`), { text: printed })
}

function notKnown(machine: Session['machine'], file: string): void {
  if (machine.knowsSwapFile(file))
    throw new ShellSyntaxError(`swapon: ${file} belongs to another timeline, which a fork must not disturb`)
}

function prioOf(args: readonly string[], usage = 'swapon [-s] | [-p PRIO] FILE'): [{ prio?: number }, string] {
  const at = args.indexOf('-p')
  const paths = at < 0 ? args : args.filter((_, i) => i !== at && i !== at + 1)
  if (paths.length !== 1 || paths[0]!.startsWith('-')) throw new ShellSyntaxError(`usage: ${usage}`)
  return [at < 0 ? {} : { prio: wholeNumber(args[at + 1], 'priority') }, paths[0]!]
}

const EBUSY = -16
const ENOMEM = -12

/** Why the kernel refused, in one sentence. */
function refusal(error: number, printed: string): string {
  if (error === EBUSY) return 'it is in use already'
  const said = printed.trim().split('\n').at(-1)
  return said
    ? `the kernel refuses it: ${said}`
    : error === -1
      ? 'there are too many swap areas'
      : 'the kernel refuses it (EINVAL)'
}

function swapoff(session: Session, [path]: readonly string[]): string {
  const { sys } = session.machine
  const areas = swapAreas(sys).map(area => swap_name(sys, area))
  if (path === '-a') return areas.map(area => off(session, area)).join('')
  if (areas.includes(path!)) return off(session, path!)
  const file = toFile('swapoff', () => hostOf(session, 'swapoff').identify(path!))
  if (!areas.includes(file)) throw new ShellSyntaxError(`swapoff: ${path}: it is no swap area in use`)
  return off(session, file)
}

function off(session: Session, path: string): string {
  const { result, printed } = session.do({ op: 'swapoff', path })
  if (result.error === 0) return printed
  const why = result.error === ENOMEM ? 'there is not enough memory for what lies there' : `error ${result.error}`
  throw Object.assign(new ShellFailure(`swapoff: ${path}: ${why}`), { text: printed })
}

function fill(session: Session, args: readonly string[]): string {
  const [words, pid] = pidOf(args)
  const [[address, pages, content], named] = namedWords(words, ['seed'])
  const seed = named.has('seed') ? { seed: wholeNumber(named.get('seed'), 'seed') } : {}
  const page = pageOf(session, address)
  const { signal, minor, major, printed } = act(session, {
    op: 'fill',
    page,
    pages: wholeNumber(pages, 'pages'),
    content: (content ?? 'text') as Content,
    ...seed,
    ...pid,
  })
  return signalled(session, pid.pid, signal!, `${minor} minor, ${major} major faults\n${printed}`)
}

/** The first bytes of a page, as hexdump shows them. */
function peek(session: Session, args: readonly string[]): string {
  const [[address, count], { pid }] = pidOf(args)
  const { sys } = session.machine
  const task = taskOf(sys, pid)
  const bytes = count === undefined ? 32 : wholeNumber(count, 'bytes')
  if (bytes < 1 || bytes > sys.page_bytes)
    throw new ShellSyntaxError(`peek shows 1 to ${sys.page_bytes} bytes of a page`)
  const { present, swap, pfn } = pagemap_entry(sys, sys.task.mm[task]!, pageOf(session, address))
  if (!present) throw new ShellFailure(swap ? 'the page is in swap: read it first' : 'nothing is mapped there')
  const at = frame_bytes(sys, pfn)
  const page = at < 0 ? new Uint8Array(bytes) : sys.physmem.bytes.slice(at, at + bytes)
  let text = ''
  for (let from = 0; from < bytes; from += 16) {
    const part = [...page.slice(from, from + 16)]
    const hex = part.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = part.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    text += `${from.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  |${letters}|\n`
  }
  return text
}

/** Makes a device, or shows those there are. */
function zram(session: Session, args: readonly string[]): string {
  const { sys } = session.machine
  if (args.length === 0) return zramTable(session)
  const [prio, size] = args.includes('-p') ? prioOf(args, 'zram SIZE [-p PRIO]') : [{}, args[0]!]
  const pages = Math.floor(sizeOf(size, 'zram') / sys.page_bytes)
  const { result, printed } = session.do({ op: 'zram', pages, ...prio })
  if (result.error !== 0)
    throw Object.assign(new ShellFailure('zram: there are too many swap areas'), { text: printed })
  return printed
}

function zramTable({ machine: { sys } }: Session): string {
  const rows = swapAreas(sys).filter(area => (sys.swap_info.flags[area]! & SWP_ZRAM) !== 0)
  const kb = sys.page_bytes / 1024
  const { objects, bytes, pages } = sys.zs_pool
  const lines = rows.map(area => {
    const cells = [
      sys.swap_info.max[area]! * kb,
      objects[area]! * kb,
      Math.ceil(bytes[area]! / 1024),
      pages[area]! * kb,
    ]
    return `${swap_name(sys, area).padEnd(10)}${cells.map(cell => `${cell}K`.padStart(10)).join('')}\n`
  })
  return `${'NAME'.padEnd(10)}${['DISKSIZE', 'DATA', 'COMPR', 'TOTAL'].map(word => word.padStart(10)).join('')}\n${lines.join('')}`
}

/** Without arguments since boot; with a number a row for each of the last steps. */
function vmstat(session: Session, [what, word]: readonly string[]): string {
  const { timeline } = session
  if (what === undefined) return VMSTAT_HEAD + vmstatRow(null, sampleVm(session.machine.sys))
  if (what === 'off' && word === undefined) {
    session.vmstat = null
    return ''
  }
  if (what === 'every') {
    const every = wholeNumber(word, 'milliseconds')
    if (every === 0) throw new ShellSyntaxError('vmstat every needs 1 millisecond at least')
    session.vmstat = every
    return ''
  }
  if (word !== undefined || !/^\d+$/.test(what)) throw new ShellSyntaxError('usage: vmstat [STEPS | every MS | off]')
  const { position } = timeline
  timeline.goto(Math.max(0, position - Number(what)))
  let before = sampleVm(session.machine.sys)
  let text = VMSTAT_HEAD
  while (timeline.position < position) {
    timeline.goto(timeline.position + 1)
    const after = sampleVm(session.machine.sys)
    text += vmstatRow(before, after)
    before = after
  }
  return text
}

function free({ machine }: Session, [unit = '-k']: readonly string[]): string {
  if (unit !== '-k' && unit !== '-m') throw new ShellSyntaxError(`free takes -k or -m, not "${unit}"`)
  return freeText(sampleVm(machine.sys), unit === '-k' ? 1 : 1024)
}

export const swapBuiltins: Readonly<Record<string, Builtin>> = {
  mkswap: {
    usage: 'FILE [SIZE] [label=TEXT] [uuid=UUID] [bad=PAGE,…] [force]',
    about: 'makes a swap area in a file of this computer, sparse where SIZE makes it longer',
    group,
    arity: [1, 6],
    run: mkswap,
  },
  swapon: {
    usage: '[-s] | [-p PRIO] FILE',
    about: 'begins to use a swap area; -s shows those in use',
    group,
    arity: [0, 3],
    run: swapon,
  },
  swapoff: {
    usage: 'FILE|-a',
    about: 'brings everything back and ends a swap area',
    group,
    arity: [1, 1],
    run: swapoff,
  },
  zram: {
    usage: '[SIZE [-p PRIO]]',
    about: 'a swap area in compressed memory of the machine; without SIZE those there are',
    group,
    arity: [0, 3],
    run: zram,
  },
  vmstat: {
    usage: '[STEPS | every MS | off]',
    about: 'memory, swap and I/O per second of simulated time: since boot, of each of the last steps, or live',
    group: 'look',
    arity: [0, 2],
    run: vmstat,
  },
  free: { usage: '[-k|-m]', about: 'how much memory and swap is used', group: 'look', arity: [0, 1], run: free },
  fill: {
    usage: 'ADDRESS[+N] PAGES [zeros|same|count|text|random] [seed=N]',
    about: 'writes whole pages, which then have bytes',
    group,
    arity: [2, 5],
    run: fill,
  },
  peek: { usage: 'ADDRESS[+N] [BYTES]', about: 'the bytes of a page', group, arity: [1, 3], run: peek },
}
