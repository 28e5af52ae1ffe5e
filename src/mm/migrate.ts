// Moving a page to another frame: its content, its flags, its place in caches and in all page tables.
// Law: afterwards nothing knows the old frame but who isolated it; a page that is not moved is as before.
import { mem_cgroup_migrate } from './memcg_charge.ts'
import { mlock_drain_local, mlock_folio } from './mlock_folio.ts'
import { PG, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { folio_test_swapcache } from './page_io.ts'
import { mod_node_page_state, page_to_nid, put_page } from './page_ref.ts'
import { move_mappings } from './rmap_walk.ts'
import { lru_add_drain, lru_putback } from './swap.ts'
import { slot_row } from './swapfile_slots.ts'
import { INODE_SHMEM } from './vm_flags.ts'
import { node_item } from './vmstat_item.ts'
import { xa_store } from './xarray.ts'

const NR_FILE_PAGES: number = node_item('nr_file_pages')
const NR_SWAPCACHE: number = node_item('nr_swapcached')
const NR_SHMEM: number = node_item('nr_shmem')
const NR_FILE_DIRTY: number = node_item('nr_dirty')

const KEPT: number =
  PG.referenced |
  PG.uptodate |
  PG.dirty |
  PG.active |
  PG.workingset |
  PG.swapbacked |
  PG.unevictable |
  PG_swapcache |
  PG.mappedtodisk |
  PG.private

/** Moves an isolated page into a frame that the caller owns, puts that on its list, and drops the old frame; false = the page
 * stays as it was. @kernel mm/migrate.c:unmap_and_move */
export function unmap_and_move(sys: Sys, from: number, to: number): boolean {
  const locked = migrate_folio(sys, from, to)
  if (locked < 0) return false
  lru_putback(sys, to)
  if (locked > 0) {
    // On its list before it is locked again, so that each area is counted.
    lru_add_drain(sys)
    for (let i = 0; i < locked; i++) mlock_folio(sys, to)
    mlock_drain_local(sys)
  }
  put_page(sys, from)
  return true
}

/** The page itself: how many areas lock it in memory; -1 = somebody uses it in another way, or it is being written.
 * @kernel mm/migrate.c:migrate_folio */
export function migrate_folio(sys: Sys, from: number, to: number): number {
  const { flags, _refcount, _mapcount, mapping, index } = sys.page
  if ((flags[from]! & (PG.locked | PG.writeback | PG.head | PG.tail)) !== 0) return -1
  const swapcache = folio_test_swapcache(sys, from)
  const cached = swapcache || mapping[from]! > 0 ? 1 : 0
  if (_refcount[from] !== 1 + cached + _mapcount[from]!) return -1
  const locked = move_mappings(sys, from, to)
  if (cached === 1) move_counters(sys, from, to, swapcache)
  if (swapcache) {
    sys.swap_map.folio[slot_row(sys, sys.page.private[from]!)] = to + 1
    sys.page.private[to] = sys.page.private[from]!
    sys.page.private[from] = 0
  } else if (cached === 1) xa_store(sys, mapping[from]!, index[from]!, to + 1)
  _refcount[to]! += cached
  _refcount[from]! -= cached
  mapping[to] = mapping[from]!
  index[to] = index[from]!
  mapping[from] = 0
  flags[to] = flags[to]! | (flags[from]! & KEPT)
  flags[from] = flags[from]! & ~KEPT
  move_bytes(sys, from, to)
  mem_cgroup_migrate(sys, from, to)
  return locked
}

/** A page of a cache is counted on the node that it is on now. @kernel mm/migrate.c:folio_migrate_mapping */
function move_counters(sys: Sys, from: number, to: number, swapcache: boolean): void {
  if (page_to_nid(sys, from) === page_to_nid(sys, to)) return
  const move = (item: number): void => {
    mod_node_page_state(sys, from, item, -1)
    mod_node_page_state(sys, to, item, 1)
  }
  move(NR_FILE_PAGES)
  if (swapcache) move(NR_SWAPCACHE)
  else if (sys.inode.kind[sys.page.mapping[from]!] === INODE_SHMEM) move(NR_SHMEM)
  else if ((sys.page.flags[from]! & PG.dirty) !== 0) move(NR_FILE_DIRTY)
}

function move_bytes(sys: Sys, from: number, to: number): void {
  const { data } = sys.page
  const [kept, old] = [data[from]!, data[to]!]
  data[to] = kept
  data[from] = old
  if (kept !== 0) sys.physmem_slot.pfn[kept - 1] = to
  if (old !== 0) sys.physmem_slot.pfn[old - 1] = from
}
