// Pointers in memory, as modules write and read them: static variables, words that hold an address, lists of the kernel's
// kind. Only these are found by who looks at the machine's bytes.
import type { Address } from '../../base/address.ts'
import type { BasicCalls } from './basic_calls.ts'
import type { ModuleContext } from './context.ts'
import { defineStatic } from './module_memory.ts'
import type { Pointer } from './pointer.ts'

export interface DataCalls {
  /** A static variable of the module: `bytes` zeros that are there until it is unloaded. @ours */
  static_data(bytes: number): Pointer
  /** The pointer that lies at an address. @ours */
  readp(address: Pointer): Pointer | null
  /** Writes a pointer to an address: a word of the machine, as writel does with numbers. @ours */
  writep(value: Pointer | null, address: Pointer): void
  /** Bytes of a struct list_head. @ours */
  readonly sizeof_list_head: number
  /** An empty list. @kernel include/linux/list.h:INIT_LIST_HEAD */
  INIT_LIST_HEAD(list: Pointer): void
  /** Puts an entry behind the head. @kernel include/linux/list.h:list_add */
  list_add(entry: Pointer, head: Pointer): void
  /** Puts an entry before the head, at the list's end. @kernel include/linux/list.h:list_add_tail */
  list_add_tail(entry: Pointer, head: Pointer): void
  /** Takes an entry out; its pointers are poisoned. @kernel include/linux/list.h:list_del */
  list_del(entry: Pointer): void
  /** @kernel include/linux/list.h:list_empty */
  list_empty(head: Pointer): boolean
}

/** What stands in an entry that was taken out. @kernel include/linux/poison.h:LIST_POISON1 */
const POISON_NEXT = 0x100
const POISON_PREV = 0x122
const POISON_DELTA = 0xdead0000

export function dataCalls(ctx: ModuleContext, { readl, writel }: BasicCalls): DataCalls {
  const wide = ctx.sys.kernel.BITS_PER_LONG === 64
  const word = wide ? 8 : 4
  const put = ({ hi, lo }: Address, to: Pointer): void => {
    writel(lo, to)
    if (wide) writel(hi, to.plus(4))
  }
  const get = (from: Pointer): Pointer | null =>
    ctx.pointer({ hi: wide ? readl(from.plus(4)) : 0, lo: readl(from) >>> 0 })
  const poison = (lo: number): Address => ({ hi: wide ? POISON_DELTA : 0, lo })
  /** Puts an entry between two that follow one another. */
  const insert = (entry: Pointer, prev: Pointer, next: Pointer): void => {
    put(entry.address, next.plus(word))
    put(next.address, entry)
    put(prev.address, entry.plus(word))
    put(entry.address, prev)
  }
  const linked = (at: Pointer): Pointer => get(at) ?? ctx.oops('BUG: kernel NULL pointer dereference: a list of zeros')
  return {
    sizeof_list_head: 2 * word,
    static_data: bytes => defineStatic(ctx, bytes) ?? ctx.oops('the module does not fit into memory'),
    readp: get,
    writep: (value, address) => put(value === null ? { hi: 0, lo: 0 } : value.address, address),
    INIT_LIST_HEAD: list => {
      put(list.address, list)
      put(list.address, list.plus(word))
    },
    list_add: (entry, head) => insert(entry, head, linked(head)),
    list_add_tail: (entry, head) => insert(entry, linked(head.plus(word)), head),
    list_del: entry => {
      const [next, prev] = [linked(entry), linked(entry.plus(word))]
      put(prev.address, next.plus(word))
      put(next.address, prev)
      put(poison(POISON_NEXT), entry)
      put(poison(POISON_PREV), entry.plus(word))
    },
    list_empty: head => linked(head).equals(head),
  }
}
