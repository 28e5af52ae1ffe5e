// Names of a session ($1, $2 …) beside blocks of pages: objects, caches, areas, pools and tasks. An address may be written as
// such a name with an offset ($3+8), or in hexadecimal.
import {
  type Address,
  address_add,
  address_distance,
  address_of,
  NULL_ADDRESS,
  parse_address,
} from '../../base/address.ts'
import { kmem_cache_named } from '../../mm/kmem_cache.ts'
import { cache_rows, kmem_cache_name } from '../../mm/kmem_cache_rows.ts'
import { slab_folders } from '../../mm/slub_sysfs.ts'
import type { Command, Result } from '../commands.ts'
import { isComplaint } from '../complaints.ts'
import { type NamedKind, type NamedValue, type Session, unknownWord } from './session.ts'
import { ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

const KINDS: Readonly<Record<NamedKind, string>> = {
  object: 'an object',
  cache: 'a cache',
  area: 'an area',
  pool: 'a pool',
  task: 'a task',
}

/** The thing of that kind that a name stands for. */
export function namedValue(session: Session, word: string, kind: NamedKind): NamedValue {
  const named = session.named(word)
  if ('kind' in named && named.kind === kind) return named
  throw new ShellFailure(`${word} is ${'kind' in named ? KINDS[named.kind] : 'a block of pages'}, not ${KINDS[kind]}`)
}

/** An address as the shell prints it. */
export function addressText({ machine }: Session, address: Address): string {
  return `0x${machine.formatAddress(address)}`
}

/** The kernel's address of a physical one; small numbers are no memory, and stay as they are. */
export function virtual({ machine: { sys } }: Session, paddr: number): Address {
  return paddr <= 16 ? address_of(paddr) : address_add(address_of(sys.kernel.PAGE_OFFSET), paddr)
}

/** The kernel's address of a page. */
export function pageAddress({ machine: { sys } }: Session, page: number): Address {
  return address_of(page * sys.page_bytes)
}

/** The kernel's address that a word stands for. */
export function wordAddress(session: Session, word: string): Address {
  const [, name, offset = '0'] = /^(\$\d+)(?:\+(\d+|0x[0-9a-f]+))?$/i.exec(word) ?? []
  if (name !== undefined) return address_add(startOf(session, name), Number(offset))
  if (word === 'NULL') return NULL_ADDRESS
  const address = parse_address(word)
  if (address === null) throw new ShellSyntaxError(`"${word}" is neither a name ($1) nor an address in hexadecimal`)
  return address
}

function startOf(session: Session, name: string): Address {
  const named = session.named(name)
  if (!('kind' in named)) return named.address
  if (named.kind === 'object') return virtual(session, named.value)
  if (named.kind === 'area') return pageAddress(session, named.value)
  throw new ShellFailure(`${name} is ${KINDS[named.kind]}, which has no address`)
}

/** Physical address that a word stands for: of the direct map, or NULL and its like. */
export function wordObject(session: Session, word: string): number {
  const { kernel, machine } = session.machine.sys
  const address = wordAddress(session, word)
  if (address.hi === 0 && address.lo <= 16) return address.lo
  const paddr = address_distance(address_of(kernel.PAGE_OFFSET), address)
  if (paddr >= 0 && paddr < machine.max_pfn[0]! * session.machine.sys.page_bytes) return paddr
  throw new ShellFailure(`${addressText(session, address)} is not in the direct map, where objects are`)
}

/** Page number of an address that is the first of a page. */
export function wordPage(session: Session, word: string): number {
  const { hi, lo } = wordAddress(session, word)
  const { PAGE_SHIFT } = session.machine.sys.kernel
  if (lo % 2 ** PAGE_SHIFT !== 0) throw new ShellFailure(`${word} is not the first address of a page`)
  return hi * 2 ** (32 - PAGE_SHIFT) + (lo >>> PAGE_SHIFT)
}

/** Frame of a block's name, or its number. */
export function wordFrame(session: Session, word: string): number {
  return word.startsWith('$') ? session.block(word).pfn : wholeNumber(word, 'frame')
}

/** Row of a cache by its name in the session or in the machine. */
export function wordCache(session: Session, word: string): number {
  if (word.startsWith('$')) return namedValue(session, word, 'cache').value
  const { sys } = session.machine
  const cache = kmem_cache_named(sys, word)
  if (cache >= 0) return cache
  const link = sys.kernel.slab === 'SLUB' ? slab_folders(sys).links.get(word) : undefined
  const joined = link === undefined ? undefined : slab_folders(sys).caches.get(link)
  if (joined !== undefined) return joined
  throw new ShellFailure(
    unknownWord(
      'cache',
      word,
      cache_rows(sys).map(row => kmem_cache_name(sys, row)),
    ),
  )
}

/** GFP words of the session's kernel. */
export function wordMask(session: Session, word: string): number {
  try {
    return session.machine.gfp(word)
  } catch (error) {
    throw new ShellSyntaxError((error as Error).message)
  }
}

/** Does a command of the allocators. */
export function perform(session: Session, command: Command): { result: Result; printed: string } {
  session.initAllocators()
  return session.do(command)
}

/** What the kernel printed and what came of it; where the kernel complained, the line has failed. */
export function told(op: string, printed: string, text = ''): string {
  if (printed.split('\n').some(isComplaint)) throw failure(`${op}: the kernel complains`, printed + text)
  return printed + text
}

/** Does what has nothing to show. */
export function act(session: Session, command: Command): string {
  return told(command.op, perform(session, command).printed)
}

/** A failure that comes with what the kernel printed. */
export function failure(sentence: string, text: string): ShellFailure {
  return Object.assign(new ShellFailure(sentence), { text })
}

/** The field `cpu` of a command, where the line has one. */
export function onCpu(named: ReadonlyMap<string, string>): { cpu?: number } {
  return named.has('cpu') ? { cpu: wholeNumber(named.get('cpu'), 'cpu') } : {}
}

/** The same of `node`. */
export function onNode(named: ReadonlyMap<string, string>): { nid?: number } {
  return named.has('node') ? { nid: wholeNumber(named.get('node'), 'node') } : {}
}
