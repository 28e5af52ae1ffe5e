// The processor's walk through the page tables of a process: level by level through true entries, in one flat function.
// Laws: a walk that returns 0 leaves its entry with ACCESSED set, and with DIRTY after a write; others change nothing.
// The function is bound to its machine, as those of page_alloc/fast_path.ts are, and for the same reason.
import type { Sys } from './mmzone.ts'
import { X86_PF_INSTR, X86_PF_PROT, X86_PF_USER, X86_PF_WRITE } from './vm_flags.ts'

/** A walk from a top-level table, for a page and a kind of access (0 read, 1 write, 2 fetch): 0 = allowed and noted, else
 * the error code of the fault + 1. */
export type PageWalk = (pgd: number, page: number, kind: number) => number

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const [USER, PROT]: readonly [number, number] = [X86_PF_USER, X86_PF_PROT]
const [WRITE, INSTR]: readonly [number, number] = [X86_PF_WRITE, X86_PF_INSTR]
// Bits of an entry's low half.
const PRESENT = 1
const WRITABLE = 2
const USERS = 4
const ACCESSED = 0x20
const DIRTY = 0x40
/** PRESENT and no huge page: the entry points to a table. */
const POINTS = PRESENT | 0x80

/** The machine's walk, made at its first use. @ours */
export function page_walk(sys: Sys): PageWalk {
  return sys.page_walk ?? (sys.page_walk = bind_page_walk(sys))
}

function bind_page_walk(sys: Sys): PageWalk {
  const { levels, entry_bytes } = sys.kernel.pgtable
  const words = sys.physmem_words
  const { data } = sys.page
  const { supported_nx } = sys.pgtable_state
  const wide = entry_bytes === 8 ? 1 : 0
  // All levels have as many index bits as the lowest; the top one of PAE has fewer, and its addresses end there.
  const bits = Math.log2(levels.at(-1)!.ptrs)
  const mask = 2 ** bits - 1
  const top = bits * (levels.length - 1)
  // A page number has up to 45 bits: three fields fit into its low 32.
  const split = 3 * bits
  const above = 2 ** -split
  const slot_words = sys.page_shift - 2

  // The high half of an entry that is present says something only where there are frames for it.
  const far = wide === 1 && sys.nr_frames > 2 ** 20

  return function walk(pgd: number, page: number, kind: number): number {
    const low = page | 0
    const high = (page * above) | 0
    let word = 0
    let lo = 0
    let table = pgd
    for (let shift = top; ; shift -= bits) {
      const index = (shift >= split ? high >>> (shift - split) : low >>> shift) & mask
      word = ((data[table]! - 1) << slot_words) + (index << wide)
      lo = words[word]! | 0
      if (shift === 0 || (lo & POINTS) !== PRESENT) break
      table = far ? ((words[word + 1]! & 0x7ff) << 20) | (lo >>> 12) : lo >>> 12
    }
    // The kernel's own pages are not the user's.
    const needs = kind === 1 ? PRESENT | USERS | WRITABLE : PRESENT | USERS
    if ((lo & needs) !== needs || (kind === 2 && is_data(word))) return refused(lo, kind)
    const noted = kind === 1 ? lo | ACCESSED | DIRTY : lo | ACCESSED
    if (noted !== lo) words[word] = noted
    return 0
  }

  function is_data(word: number): boolean {
    return wide === 1 && words[word + 1]! >>> 31 !== 0
  }

  function refused(lo: number, kind: number): number {
    const how = kind === 1 ? WRITE : kind === 2 && supported_nx[0] === 1 ? INSTR : 0
    return (USER | how | ((lo & PRESENT) === 0 ? 0 : PROT)) + 1
  }
}
