// The shell's words for memory pools over a cache, kmalloc or pages.
import { page_address } from '../../mm/page_address.ts'
import type { Command } from '../commands.ts'
import {
  act,
  addressText,
  failure,
  namedValue,
  onCpu,
  perform,
  told,
  virtual,
  wordCache,
  wordMask,
  wordObject,
} from './named.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, wholeNumber } from './words.ts'

function made(session: Session, command: Command, frames: boolean): string {
  const { result, printed } = perform(session, command)
  if (result.pool! < 0) throw failure(`${command.op}: NULL, there is no memory for the reserve`, printed)
  const name = session.name({ kind: 'pool', value: result.pool!, frames })
  return told(command.op, printed, `${name} = pool with ${reserve(session, result.pool!)}\n`)
}

function reserve({ machine: { sys } }: Session, pool: number): string {
  return `${sys.mempool.curr_nr[pool]} of ${sys.mempool.min_nr[pool]} elements in reserve`
}

const slabPool: Builtin['run'] = (session, [number, cache]) => {
  session.initAllocators()
  const min_nr = wholeNumber(number, 'number of elements')
  return made(session, { op: 'mempool_create_slab_pool', min_nr, cache: wordCache(session, cache!) }, false)
}

const kmallocPool: Builtin['run'] = (session, [number, bytes]) => {
  const [min_nr, size] = [wholeNumber(number, 'number of elements'), wholeNumber(bytes, 'size')]
  return made(session, { op: 'mempool_create_kmalloc_pool', min_nr, size }, false)
}

const pagePool: Builtin['run'] = (session, [number, word]) => {
  const [min_nr, order] = [wholeNumber(number, 'number of elements'), wholeNumber(word, 'order')]
  return made(session, { op: 'mempool_create_page_pool', min_nr, order }, true)
}

function alloc(session: Session, args: readonly string[]): string {
  const [[word, mask], named] = namedWords(args, ['cpu'])
  const { value: pool, frames = false } = namedValue(session, word!, 'pool')
  const gfp = wordMask(session, mask ?? '')
  const { result, printed } = perform(session, { op: 'mempool_alloc', pool, gfp, ...onCpu(named) })
  const element = result.element!
  if (result.waits) throw failure('mempool_alloc: the caller sleeps until an element comes back', printed)
  if (element === (frames ? -1 : 0)) throw failure('mempool_alloc: NULL, and the mask forbids to wait', printed)
  const text = frames ? frameText(session, pool, element) : objectText(session, element)
  return told('mempool_alloc', printed, `${text}; ${reserve(session, pool)}\n`)
}

function objectText(session: Session, object: number): string {
  const name = session.name({ kind: 'object', value: object })
  return `${name} = ${addressText(session, virtual(session, object))}`
}

function frameText(session: Session, pool: number, pfn: number): string {
  const { sys } = session.machine
  const block = { pfn, order: sys.mempool.pool_data[pool]!, address: page_address(sys, pfn) }
  return `${session.name(block)} = pfn ${pfn} order ${block.order}`
}

function free(session: Session, args: readonly string[]): string {
  const [[pool, word], named] = namedWords(args, ['cpu'])
  const { value, frames = false } = namedValue(session, pool!, 'pool')
  const element = frames ? session.block(word!).pfn : wordObject(session, word!)
  const { printed } = perform(session, { op: 'mempool_free', pool: value, element, ...onCpu(named) })
  return told('mempool_free', printed, `${reserve(session, value)}\n`)
}

function resize(session: Session, [word, number]: readonly string[]): string {
  const { value: pool } = namedValue(session, word!, 'pool')
  const { printed } = perform(session, {
    op: 'mempool_resize',
    pool,
    min_nr: wholeNumber(number, 'number of elements'),
  })
  return told('mempool_resize', printed, `${reserve(session, pool)}\n`)
}

const group = 'pool'

export const poolBuiltins: Readonly<Record<string, Builtin>> = {
  mempool_create_slab_pool: {
    usage: 'MIN_NR CACHE',
    about: 'keeps objects of a cache in reserve',
    group,
    arity: [2, 2],
    run: slabPool,
  },
  mempool_create_kmalloc_pool: {
    usage: 'MIN_NR BYTES',
    about: 'keeps memory of kmalloc in reserve',
    group,
    arity: [2, 2],
    run: kmallocPool,
  },
  mempool_create_page_pool: {
    usage: 'MIN_NR ORDER',
    about: 'keeps blocks of pages in reserve',
    group,
    arity: [2, 2],
    run: pagePool,
  },
  mempool_alloc: {
    usage: '$POOL GFP [cpu=N]',
    about: 'takes an element: of the allocator, else of the reserve',
    group,
    arity: [2, 3],
    run: alloc,
  },
  mempool_free: { usage: '$POOL $N [cpu=N]', about: 'fills the reserve first', group, arity: [2, 3], run: free },
  mempool_resize: { usage: '$POOL MIN_NR', about: 'changes the reserve', group, arity: [2, 2], run: resize },
  mempool_destroy: {
    usage: '$POOL',
    about: 'gives the reserve back, and the pool',
    group,
    arity: [1, 1],
    run: (session, [word]) => act(session, { op: 'mempool_destroy', pool: namedValue(session, word!, 'pool').value }),
  },
}
