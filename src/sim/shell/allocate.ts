// The shell's words for the low-level API: the kernel's names; blocks get names that later words can use.
import { type Address, address_of, format_address, NULL_ADDRESS, parse_address } from '../../base/address.ts'
import { page_address, virt_to_page } from '../../mm/page_address.ts'
import type { Command } from '../commands.ts'
import { wordMask } from './named.ts'
import type { Builtin, NamedBlock, Session } from './session.ts'
import { namedWords, ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

type Alloc = Extract<Command, { gfp: number }>

const isNull = ({ hi, lo }: Address): boolean => hi === 0 && lo === 0

/** `pfn 0x1234 order 3 DMA32` and what else is known of a block. */
function blockText(session: Session, { pfn, order, address }: NamedBlock): string {
  const bits = session.machine.sys.kernel.BITS_PER_LONG
  const where = isNull(address) ? 'no address (high memory)' : `address 0x${format_address(address, bits)}`
  return `pfn ${pfn} (0x${pfn.toString(16)}) order ${order} ${where}`
}

function alloc(op: Alloc['op'], ordered: boolean): Builtin['run'] {
  return (session, args) => {
    const [[mask, second, third], named] = namedWords(args, ['cpu', 'node'])
    const gfp = wordMask(session, mask ?? '')
    const order = ordered ? wholeNumber(second, 'order') : 0
    const cpu = named.has('cpu') ? { cpu: wholeNumber(named.get('cpu'), 'cpu') } : {}
    const node = op === 'alloc_pages' ? (third ?? named.get('node')) : undefined
    const nid = node === undefined ? {} : { nid: wholeNumber(node, 'node') }
    const { result, printed } = session.do({ op, gfp, order, ...nid, ...cpu } as Alloc)
    const { pfn = -1, address = NULL_ADDRESS } = result
    if (pfn < 0)
      throw Object.assign(new ShellFailure(`${op}: no block of order ${order} for ${mask}`), { text: printed })
    const block = { pfn, order, address }
    return `${printed}${session.name(block)} = ${blockText(session, block)}\n`
  }
}

/** A block as a word names it: `$n`, a frame number, or with 0x and all digits an address. */
function blockOf(session: Session, word: string, order: string | undefined): NamedBlock {
  const { sys } = session.machine
  if (word.startsWith('$')) {
    const block = session.block(word)
    return order === undefined ? block : { ...block, order: wholeNumber(order, 'order') }
  }
  const wanted = order === undefined ? 0 : wholeNumber(order, 'order')
  const address = parse_address(word)
  const mapped = /^0x/i.test(word) && word.length > 9 ? address : null
  if (mapped) return { pfn: virt_to_page(sys, mapped), order: wanted, address: mapped }
  const pfn = wholeNumber(word, 'frame')
  return { pfn, order: wanted, address: page_address(sys, pfn) }
}

function free(byAddress: boolean, ordered: boolean): Builtin['run'] {
  return (session, args) => {
    const [[word, order], named] = namedWords(args, ['cpu'])
    const block = blockOf(session, word ?? '', ordered ? order : '0')
    const cpu = named.has('cpu') ? { cpu: wholeNumber(named.get('cpu'), 'cpu') } : {}
    const addressed = byAddress && !isNull(block.address)
    const command: Command = addressed
      ? { op: 'free_pages', address: block.address, order: block.order, ...cpu }
      : { op: '__free_pages', pfn: block.pfn, order: block.order, ...cpu }
    const { printed } = session.do(command)
    if (printed === '') return ''
    throw Object.assign(new ShellFailure(`${word}: nothing was freed, the kernel reports a bad page`), {
      text: printed,
    })
  }
}

function pageAddress(session: Session, [word]: readonly string[]): string {
  const { pfn } = blockOf(session, word!, undefined)
  const address = page_address(session.machine.sys, pfn)
  return `${isNull(address) ? 'NULL' : `0x${session.machine.formatAddress(address)}`}\n`
}

function virtToPage(session: Session, [word]: readonly string[]): string {
  const address = parse_address(word!)
  if (address === null) throw new ShellSyntaxError(`"${word}" is not an address in hexadecimal`)
  const pfn = virt_to_page(session.machine.sys, address)
  if (pfn >= 0) return `pfn ${pfn} (0x${pfn.toString(16)})\n`
  const base = session.machine.formatAddress(address_of(session.machine.sys.kernel.PAGE_OFFSET))
  throw new ShellFailure(`${word} is not in the direct map, which begins at 0x${base}`)
}

const drain =
  (op: 'drain_local_pages' | 'drain_all_pages'): Builtin['run'] =>
  session =>
    session.do({ op }).printed

const group = 'allocate'

export const allocateBuiltins: Readonly<Record<string, Builtin>> = {
  alloc_pages: {
    usage: 'GFP ORDER [NODE] [cpu=N]',
    about: 'allocates 2^ORDER frames and names the block $1, $2 …',
    group,
    arity: [2, 4],
    run: alloc('alloc_pages', true),
  },
  alloc_page: {
    usage: 'GFP [cpu=N]',
    about: 'allocates one frame',
    group,
    arity: [1, 2],
    run: alloc('alloc_page', false),
  },
  __get_free_pages: {
    usage: 'GFP ORDER [cpu=N]',
    about: 'allocates 2^ORDER frames that have an address',
    group,
    arity: [2, 3],
    run: alloc('__get_free_pages', true),
  },
  __get_free_page: {
    usage: 'GFP [cpu=N]',
    about: 'allocates one frame that has an address',
    group,
    arity: [1, 2],
    run: alloc('__get_free_page', false),
  },
  get_zeroed_page: {
    usage: 'GFP [cpu=N]',
    about: 'allocates one frame of zeros that has an address',
    group,
    arity: [1, 2],
    run: alloc('get_zeroed_page', false),
  },
  __free_pages: {
    usage: '$N|PFN [ORDER] [cpu=N]',
    about: 'frees a block by its first frame',
    group,
    arity: [1, 3],
    run: free(false, true),
  },
  __free_page: { usage: '$N|PFN [cpu=N]', about: 'frees one frame', group, arity: [1, 2], run: free(false, false) },
  free_pages: {
    usage: '$N|ADDRESS [ORDER] [cpu=N]',
    about: 'frees a block by its address',
    group,
    arity: [1, 3],
    run: free(true, true),
  },
  free_page: {
    usage: '$N|ADDRESS [cpu=N]',
    about: 'frees one frame by its address',
    group,
    arity: [1, 2],
    run: free(true, false),
  },
  page_address: {
    usage: '$N|PFN',
    about: 'the address of a frame in the direct map',
    group,
    arity: [1, 1],
    run: pageAddress,
  },
  virt_to_page: { usage: 'ADDRESS', about: 'the frame that an address lies in', group, arity: [1, 1], run: virtToPage },
  drain: {
    usage: '',
    about: "gives the running CPU's lists back to the zones",
    group,
    arity: [0, 0],
    run: drain('drain_local_pages'),
  },
  drain_local_pages: {
    usage: '',
    about: 'the same under its kernel name',
    group,
    arity: [0, 0],
    run: drain('drain_local_pages'),
  },
  drain_all_pages: {
    usage: '',
    about: "gives every CPU's lists back to the zones",
    group,
    arity: [0, 0],
    run: drain('drain_all_pages'),
  },
}
