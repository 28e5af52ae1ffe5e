// The lines of a recording of page tables that are no walks: levels, areas, protections.
import type { Sys } from '../mm/mmzone.ts'
import { vm_get_page_prot, vma_page_prot } from '../mm/pgprot.ts'
import { massage_pgprot } from '../mm/pgtable_map.ts'
import type { LevelName, Pgprot, PgtableLevel } from '../mm/pgtable_types.ts'
import type { Row } from './vmalloc_state.ts'

/** A protection in hexadecimal. */
export function protText({ lo, hi }: Pgprot): string {
  return `0x${hi === 0 ? lo.toString(16) : hi.toString(16) + lo.toString(16).padStart(8, '0')}`
}

/** Levels that are folded have the shift of the one above, and one entry. */
export function constLine(sys: Sys): Row {
  const { levels, entry_bytes } = sys.kernel.pgtable
  const level = (name: LevelName): PgtableLevel | undefined => levels.find(one => one.name === name)
  const [top, pud, pmd, pte] = [levels[0]!, level('pud'), level('pmd'), level('pte')!]
  const { supported_nx, pge } = sys.pgtable_state
  const global = pge[0] === 1 ? 0 : sys.kernel.pgtable.GLOBAL
  const mask: Pgprot = {
    lo: ~global >>> 0,
    hi: entry_bytes === 4 ? 0 : supported_nx[0] === 1 ? 0xffffffff : 0x7fffffff,
  }
  return {
    PGDIR_SHIFT: top.shift,
    PTRS_PER_PGD: top.ptrs,
    PMD_SHIFT: (pmd ?? top).shift,
    PTRS_PER_PMD: pmd?.ptrs ?? 1,
    PUD_SHIFT: (pud ?? top).shift,
    PTRS_PER_PTE: pte.ptrs,
    la57: Number(levels.length === 5),
    supported_pte_mask: protText(mask),
  }
}

/** An area's protection; a shared writable one may be mapped as a private one at first. */
export function vmaLine(sys: Sys, row: Row): Row {
  const flags = Number(row.flags)
  const prot = (writenotify: boolean): string =>
    protText(massage_pgprot(sys, vma_page_prot(sys.kernel, flags, writenotify)))
  return { page_prot: row.page_prot === prot(true) ? prot(true) : prot(false) }
}

/** One of the 16 protections. */
export function protectionLine(sys: Sys, row: Row): Row {
  return { prot: protText(massage_pgprot(sys, vm_get_page_prot(sys.kernel, row.vm_flags as number))) }
}
