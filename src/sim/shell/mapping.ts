// The shell's words for mappings: vmalloc, vmap, vm_map_ram, kmap and its kin.
import { vmalloc_to_pfn } from '../../mm/pgtable_map.ts'
import type { Command } from '../commands.ts'
import {
  act,
  addressText,
  failure,
  namedValue,
  onCpu,
  pageAddress,
  perform,
  told,
  wordFrame,
  wordPage,
} from './named.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, ShellFailure, wholeNumber } from './words.ts'

/** A new mapping, with its name. */
function given(session: Session, command: Command, pages: number): string {
  const { result, printed } = perform(session, command)
  const page = result.page!
  if (page === 0) throw failure(`${command.op}: NULL`, printed)
  const name = session.name({ kind: 'area', value: page, pages })
  return told(command.op, printed, `${name} = ${addressText(session, pageAddress(session, page))}\n`)
}

const area =
  (op: 'vmalloc' | 'vzalloc'): Builtin['run'] =>
  (session, args) => {
    const [[word], named] = namedWords(args, ['cpu'])
    const size = wholeNumber(word, 'size')
    return given(session, { op, size, ...onCpu(named) }, Math.ceil(size / session.machine.sys.page_bytes))
  }

const mapped =
  (op: 'vmap' | 'vm_map_ram'): Builtin['run'] =>
  (session, args) => {
    const [words, named] = namedWords(args, ['cpu'])
    const pfns = words.flatMap(word => framesOf(session, word))
    return given(session, { op, pfns, ...onCpu(named) }, pfns.length)
  }

/** All frames of a block that has a name, or one frame. */
function framesOf(session: Session, word: string): number[] {
  if (!word.startsWith('$')) return [wholeNumber(word, 'frame')]
  const { pfn, order } = session.block(word)
  return Array.from({ length: 2 ** order }, (_, i) => pfn + i)
}

const unmapped =
  (op: 'vfree' | 'vunmap' | 'kunmap_atomic' | 'kunmap_local'): Builtin['run'] =>
  (session, args) => {
    const [[word], named] = namedWords(args, ['cpu'])
    return act(session, { op, page: wordPage(session, word!), ...onCpu(named) })
  }

function unmapRam(session: Session, args: readonly string[]): string {
  const [[word, pages], named] = namedWords(args, ['cpu'])
  const count = pages === undefined ? pagesOf(session, word!) : wholeNumber(pages, 'number of pages')
  return act(session, { op: 'vm_unmap_ram', page: wordPage(session, word!), count, ...onCpu(named) })
}

function pagesOf(session: Session, word: string): number {
  if (!word.startsWith('$')) throw new ShellFailure('vm_unmap_ram: how many pages?')
  return namedValue(session, word, 'area').pages!
}

const framed =
  (op: 'kmap' | 'kmap_atomic' | 'kmap_local_page'): Builtin['run'] =>
  (session, args) => {
    const [[word], named] = namedWords(args, ['cpu'])
    return given(session, { op, pfn: wordFrame(session, word!), ...onCpu(named) }, 1)
  }

function kunmap(session: Session, args: readonly string[]): string {
  const [[word], named] = namedWords(args, ['cpu'])
  return act(session, { op: 'kunmap', pfn: wordFrame(session, word!), ...onCpu(named) })
}

const plain =
  (op: 'vm_unmap_aliases' | 'kmap_flush_unused'): Builtin['run'] =>
  session =>
    act(session, { op })

function vmallocToPage(session: Session, [word]: readonly string[]): string {
  const page = wordPage(session, word!)
  const pfn = vmalloc_to_pfn(session.machine.sys, page)
  if (pfn < 0) throw new ShellFailure(`nothing is mapped at ${addressText(session, pageAddress(session, page))}`)
  return `pfn ${pfn} (0x${pfn.toString(16)})\n`
}

const group = 'mapping'

export const mappingBuiltins: Readonly<Record<string, Builtin>> = {
  vmalloc: {
    usage: 'BYTES [cpu=N]',
    about: 'memory whose frames lie anywhere, at addresses in a row',
    group,
    arity: [1, 2],
    run: area('vmalloc'),
  },
  vzalloc: { usage: 'BYTES [cpu=N]', about: 'the same, of zeros', group, arity: [1, 2], run: area('vzalloc') },
  vfree: { usage: '$N|ADDRESS [cpu=N]', about: 'gives it back', group, arity: [1, 2], run: unmapped('vfree') },
  vmap: { usage: '$N|PFN… [cpu=N]', about: 'maps frames in a row', group, arity: [1, 1024], run: mapped('vmap') },
  vunmap: { usage: '$N|ADDRESS [cpu=N]', about: 'undoes vmap', group, arity: [1, 2], run: unmapped('vunmap') },
  vm_map_ram: {
    usage: '$N|PFN… [cpu=N]',
    about: 'the same for a short time, out of blocks of each CPU',
    group,
    arity: [1, 1024],
    run: mapped('vm_map_ram'),
  },
  vm_unmap_ram: { usage: '$N|ADDRESS [PAGES]', about: 'undoes vm_map_ram', group, arity: [1, 3], run: unmapRam },
  vm_unmap_aliases: {
    usage: '',
    about: 'flushes what is mapped no more',
    group,
    arity: [0, 0],
    run: plain('vm_unmap_aliases'),
  },
  vmalloc_to_page: { usage: '$N|ADDRESS', about: 'the frame behind a page', group, arity: [1, 1], run: vmallocToPage },
  kmap: { usage: '$N|PFN [cpu=N]', about: 'shows a frame until kunmap', group, arity: [1, 2], run: framed('kmap') },
  kunmap: { usage: '$N|PFN [cpu=N]', about: 'undoes kmap', group, arity: [1, 2], run: kunmap },
  kmap_flush_unused: {
    usage: '',
    about: 'takes back slots that nobody uses',
    group,
    arity: [0, 0],
    run: plain('kmap_flush_unused'),
  },
  kmap_atomic: {
    usage: '$N|PFN [cpu=N]',
    about: 'shows a frame to this CPU, which must not sleep meanwhile',
    group,
    arity: [1, 2],
    run: framed('kmap_atomic'),
  },
  kunmap_atomic: {
    usage: '$N|ADDRESS [cpu=N]',
    about: 'undoes the last one',
    group,
    arity: [1, 2],
    run: unmapped('kunmap_atomic'),
  },
  kmap_local_page: {
    usage: '$N|PFN [cpu=N]',
    about: 'shows a frame to who runs',
    group,
    arity: [1, 2],
    run: framed('kmap_local_page'),
  },
  kunmap_local: {
    usage: '$N|ADDRESS [cpu=N]',
    about: 'undoes the last one',
    group,
    arity: [1, 2],
    run: unmapped('kunmap_local'),
  },
}
