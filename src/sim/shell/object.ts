// The shell's words for caches and objects: kmem_cache_*, kmalloc and its kin, and the bytes of memory.
import { address_add } from '../../base/address.ts'
import { kmem_cache_name } from '../../mm/kmem_cache_rows.ts'
import { read_u8 } from '../../mm/physmem.ts'
import * as F from '../../mm/slab_flags.ts'
import type { Command } from '../commands.ts'
import {
  act,
  addressText,
  failure,
  onCpu,
  onNode,
  perform,
  told,
  virtual,
  wordCache,
  wordMask,
  wordObject,
} from './named.ts'
import { type Builtin, type Session, unknownWord } from './session.ts'
import { namedWords, ShellSyntaxError, wholeNumber } from './words.ts'

const FLAGS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(F).filter(
    (entry): entry is [string, number] =>
      /^SLAB_(?!CORE|DEBUG|NEVER|MERGE)/.test(entry[0]) && typeof entry[1] === 'number',
  ),
)

/** `SLAB_POISON|SLAB_RED_ZONE`, with or without the prefix, as bits. */
function flagsOf(text: string | undefined): number {
  let bits = 0
  for (const word of text?.split('|') ?? []) {
    const name = word.startsWith('SLAB_') ? word : `SLAB_${word}`
    if (!Object.hasOwn(FLAGS, name)) throw new ShellSyntaxError(unknownWord('flag', name, Object.keys(FLAGS)))
    bits |= FLAGS[name]!
  }
  return bits >>> 0
}

const number = (named: ReadonlyMap<string, string>, name: string): number =>
  named.has(name) ? wholeNumber(named.get(name), name) : 0

function create(session: Session, args: readonly string[]): string {
  const [[name, size], named] = namedWords(args, ['align', 'flags', 'cpu'])
  const [align, flags] = [number(named, 'align'), flagsOf(named.get('flags'))]
  const fields = { name: name!, size: wholeNumber(size, 'size'), align, flags, ...onCpu(named) }
  const { result, printed } = perform(session, { op: 'kmem_cache_create', ...fields })
  const cache = result.cache!
  if (cache < 0) throw failure(`kmem_cache_create: there can be no cache ${name}`, printed)
  const { sys } = session.machine
  const own = kmem_cache_name(sys, cache)
  const joined = own === name ? '' : `, which joined ${own}`
  const { size: whole, object_size } = sys.kmem_cache
  const text = `${session.name({ kind: 'cache', value: cache })} = cache ${name}${joined}: objects of ${object_size[cache]} bytes, ${whole[cache]} with all that belongs to them\n`
  return told('kmem_cache_create', printed, text)
}

/** A new object, with its name. */
function given(session: Session, command: Command): string {
  const { result, printed } = perform(session, command)
  const object = result.object!
  if (object === 0) throw failure(`${command.op}: NULL, there is no memory`, printed)
  return told(command.op, printed, objectText(session, object))
}

function objectText(session: Session, object: number): string {
  const name = session.name({ kind: 'object', value: object })
  if (object === 16) return `${name} = ZERO_SIZE_PTR\n`
  const pfn = Math.floor(object / session.machine.sys.page_bytes)
  return `${name} = ${addressText(session, virtual(session, object))} in frame ${pfn}\n`
}

const cached =
  (op: 'kmem_cache_alloc' | 'kmem_cache_zalloc'): Builtin['run'] =>
  (session, args) => {
    const [[cache, mask], named] = namedWords(args, ['node', 'cpu'])
    session.initAllocators()
    const gfp = wordMask(session, mask ?? '')
    return given(session, { op, cache: wordCache(session, cache!), gfp, ...onNode(named), ...onCpu(named) })
  }

const sized =
  (op: 'kmalloc' | 'kzalloc'): Builtin['run'] =>
  (session, args) => {
    const [[size, mask], named] = namedWords(args, ['node', 'cpu'])
    const gfp = wordMask(session, mask ?? '')
    return given(session, { op, size: wholeNumber(size, 'size'), gfp, ...onNode(named), ...onCpu(named) })
  }

function kcalloc(session: Session, args: readonly string[]): string {
  const [[count, size, mask], named] = namedWords(args, ['cpu'])
  const gfp = wordMask(session, mask ?? '')
  return given(session, {
    op: 'kcalloc',
    count: wholeNumber(count, 'count'),
    size: wholeNumber(size, 'size'),
    gfp,
    ...onCpu(named),
  })
}

function krealloc(session: Session, args: readonly string[]): string {
  const [[word, size, mask], named] = namedWords(args, ['cpu'])
  const gfp = wordMask(session, mask ?? '')
  const object = wordObject(session, word!)
  return given(session, { op: 'krealloc', object, size: wholeNumber(size, 'size'), gfp, ...onCpu(named) })
}

function bulk(session: Session, args: readonly string[]): string {
  const [[word, count, mask], named] = namedWords(args, ['cpu'])
  session.initAllocators()
  const cache = wordCache(session, word!)
  const gfp = wordMask(session, mask ?? '')
  const { result, printed } = perform(session, {
    op: 'kmem_cache_alloc_bulk',
    cache,
    gfp,
    count: wholeNumber(count, 'count'),
    ...onCpu(named),
  })
  if (result.objects!.length === 0) throw failure('kmem_cache_alloc_bulk: none, there is no memory for all', printed)
  return told('kmem_cache_alloc_bulk', printed, result.objects!.map(object => objectText(session, object)).join(''))
}

function cacheFree(session: Session, args: readonly string[]): string {
  const [[cache, ...words], named] = namedWords(args, ['cpu'])
  session.initAllocators()
  const row = wordCache(session, cache!)
  const objects = words.map(word => wordObject(session, word))
  const command: Command =
    objects.length === 1
      ? { op: 'kmem_cache_free', cache: row, object: objects[0]!, ...onCpu(named) }
      : { op: 'kmem_cache_free_bulk', cache: row, objects, ...onCpu(named) }
  return act(session, command)
}

function kfree(session: Session, args: readonly string[]): string {
  const [[word], named] = namedWords(args, ['cpu'])
  return act(session, { op: 'kfree', object: wordObject(session, word!), ...onCpu(named) })
}

function ksize(session: Session, [word]: readonly string[]): string {
  const { result, printed } = perform(session, { op: 'ksize', object: wordObject(session, word!) })
  return told('ksize', printed, `${result.bytes}\n`)
}

function shrink(session: Session, [word]: readonly string[]): string {
  session.initAllocators()
  const { result, printed } = perform(session, { op: 'kmem_cache_shrink', cache: wordCache(session, word!) })
  return told(
    'kmem_cache_shrink',
    printed,
    `${result.error === 0 ? 'no slab is left' : 'slabs with objects are left'}\n`,
  )
}

function destroy(session: Session, [word]: readonly string[]): string {
  session.initAllocators()
  return act(session, { op: 'kmem_cache_destroy', cache: wordCache(session, word!) })
}

function memset(session: Session, [word, byte, count]: readonly string[]): string {
  const object = wordObject(session, word!)
  const [value, bytes] = [wholeNumber(byte, 'byte'), wholeNumber(count, 'number of bytes')]
  return act(session, { op: 'memset', object, value, bytes })
}

const LINE = 16
const MOST_DUMPED = 4096

/** Bytes as SLUB prints them. */
function dump(session: Session, [word, count = '64']: readonly string[]): string {
  const start = wordObject(session, word!)
  const bytes = Math.min(wholeNumber(count, 'number of bytes'), MOST_DUMPED)
  let text = ''
  for (let at = 0; at < bytes; at += LINE) {
    const length = Math.min(LINE, bytes - at)
    const values = Array.from({ length }, (_, i) => read_u8(session.machine.sys, start + at + i))
    const hex = values.map(value => value.toString(16).padStart(2, '0')).join(' ')
    const ascii = values.map(value => (value >= 32 && value < 127 ? String.fromCharCode(value) : '.')).join('')
    text += `${addressText(session, address_add(virtual(session, start), at))}: ${hex.padEnd(3 * LINE)} ${ascii}\n`
  }
  return text
}

const group = 'object'

export const objectBuiltins: Readonly<Record<string, Builtin>> = {
  kmem_cache_create: {
    usage: 'NAME SIZE [align=N] [flags=SLAB_…|…]',
    about: 'makes a cache and names it $1, $2 …',
    group,
    arity: [2, 5],
    run: create,
  },
  kmem_cache_alloc: {
    usage: 'CACHE GFP [node=N] [cpu=N]',
    about: 'takes an object',
    group,
    arity: [2, 4],
    run: cached('kmem_cache_alloc'),
  },
  kmem_cache_zalloc: {
    usage: 'CACHE GFP [node=N] [cpu=N]',
    about: 'takes an object of zeros',
    group,
    arity: [2, 4],
    run: cached('kmem_cache_zalloc'),
  },
  kmem_cache_alloc_bulk: {
    usage: 'CACHE COUNT GFP [cpu=N]',
    about: 'takes so many objects, or none',
    group,
    arity: [3, 4],
    run: bulk,
  },
  kmem_cache_free: {
    usage: 'CACHE $N|ADDRESS… [cpu=N]',
    about: 'gives objects back; several as one bulk',
    group,
    arity: [2, 1024],
    run: cacheFree,
  },
  kmem_cache_shrink: { usage: 'CACHE', about: 'gives pages without objects back', group, arity: [1, 1], run: shrink },
  kmem_cache_destroy: {
    usage: 'CACHE',
    about: 'the cache goes, unless objects are left',
    group,
    arity: [1, 1],
    run: destroy,
  },
  kmalloc: {
    usage: 'BYTES GFP [node=N] [cpu=N]',
    about: 'at least so many bytes',
    group,
    arity: [2, 4],
    run: sized('kmalloc'),
  },
  kzalloc: {
    usage: 'BYTES GFP [node=N] [cpu=N]',
    about: 'the same, of zeros',
    group,
    arity: [2, 4],
    run: sized('kzalloc'),
  },
  kcalloc: { usage: 'COUNT BYTES GFP [cpu=N]', about: 'so many elements of zeros', group, arity: [3, 4], run: kcalloc },
  krealloc: {
    usage: '$N|ADDRESS|NULL BYTES GFP [cpu=N]',
    about: 'makes room for another number of bytes',
    group,
    arity: [3, 4],
    run: krealloc,
  },
  ksize: { usage: '$N|ADDRESS', about: 'bytes that the owner may use', group, arity: [1, 1], run: ksize },
  kfree: { usage: '$N|ADDRESS|NULL [cpu=N]', about: 'gives memory of kmalloc back', group, arity: [1, 2], run: kfree },
  memset: { usage: '$N[+OFFSET]|ADDRESS BYTE COUNT', about: 'writes bytes', group, arity: [3, 3], run: memset },
  dump: { usage: '$N[+OFFSET]|ADDRESS [COUNT]', about: 'shows bytes', group, arity: [1, 2], run: dump },
}
