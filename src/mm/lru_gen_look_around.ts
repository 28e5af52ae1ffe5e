// While eviction asks one entry whether it was used, its neighbours are asked, too: what is used together lies together.
import { folio_lru_gen, lru_gen_from_seq, lru_gen_update_size } from './lru_gen.ts'
import { folio_update_gen } from './lru_gen_access.ts'
import { update_bloom_filter } from './lru_gen_bloom.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { pte_pfn } from './pte.ts'
import { folio_activate } from './swap.ts'
import { pte_lookup } from './user_pgtable.ts'

/** Entries that are asked. @kernel mm/vmscan.c:MIN_LRU_BATCH */
const BATCH = 64
/** Young pages below which they are moved through the CPU's batch. @kernel include/linux/pagevec.h:PAGEVEC_SIZE */
const PRESENT = 1

const young_pages = new Int32Array(BATCH)

/** Takes the marks of the entries around a page's that were used, and puts their pages into the youngest generation.
 * @kernel mm/vmscan.c:lru_gen_look_around */
export function lru_gen_look_around(sys: Sys, pfn: number, vma: number, page: number): void {
  const { start: vma_start, end: vma_end, mm } = sys.vma
  const per_table = sys.page_bytes / sys.kernel.pgtable.entry_bytes
  const table = page - (page % per_table)
  let start = Math.max(table, vma_start[vma]!)
  let end = Math.min(table + per_table, vma_end[vma]!)
  if (end - start > BATCH) {
    if (page - start < BATCH / 2) end = start + BATCH
    else if (end - page < BATCH / 2) start = end - BATCH
    else {
      start = page - BATCH / 2
      end = page + BATCH / 2
    }
  }
  const first = pte_lookup(sys, sys.mm.pgd[mm[vma]!]! - 1, start)
  if (first === -1) return
  const node = sys.zone_to_nid[page_zone(sys, pfn)]!
  const found = take_young(sys, node, first, end - start)
  // Dense tables are worth a walk next time.
  if (found.young * (64 / sys.kernel.pgtable.entry_bytes) >= found.total)
    update_bloom_filter(sys, node, sys.lru_gen.max_seq[node]!, first >>> (sys.page_shift - 2))
  promote(sys, node, found.move)
}

const result = { total: 0, young: 0, move: 0 }

function take_young(sys: Sys, node: number, first: number, count: number): typeof result {
  const words = sys.physmem_words
  const { ACCESSED, DIRTY, entry_bytes } = sys.kernel.pgtable
  const { flags } = sys.page
  const youngest = lru_gen_from_seq(sys.lru_gen.max_seq[node]!)
  result.total = count
  result.young = 0
  result.move = 0
  for (let i = 0; i < count; i++) {
    const at = first + (i * entry_bytes) / 4
    const low = words[at]!
    if ((low & PRESENT) === 0 || (low & ACCESSED) === 0) continue
    const pfn = pte_pfn(sys, at)
    if ((flags[pfn]! & (PG.lru | PG.swapbacked)) === 0 && sys.page.mapping[pfn] === 0) continue
    words[at] = low & ~ACCESSED
    result.young++
    const memory_only = sys.page.mapping[pfn]! < 0 && (flags[pfn]! & PG.swapbacked) !== 0
    const swapcache = (flags[pfn]! & PG.owner_priv_1) !== 0
    if ((low & DIRTY) !== 0 && !(memory_only && !swapcache)) flags[pfn] = flags[pfn]! | PG.dirty
    const gen = folio_lru_gen(sys, pfn)
    if (gen < 0) flags[pfn] = flags[pfn]! | PG.referenced
    else if (gen !== youngest) young_pages[result.move++] = pfn
  }
  return result
}

function promote(sys: Sys, node: number, count: number): void {
  if (count < sys.kernel.reclaim.batch_size) {
    for (let i = 0; i < count; i++) folio_activate(sys, young_pages[i]!)
    return
  }
  const youngest = lru_gen_from_seq(sys.lru_gen.max_seq[node]!)
  for (let i = 0; i < count; i++) {
    const old = folio_update_gen(sys, young_pages[i]!, youngest)
    if (old >= 0 && old !== youngest) lru_gen_update_size(sys, young_pages[i]!, old, youngest)
  }
}
