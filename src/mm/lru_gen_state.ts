// The switch of the multi-generational LRU, /sys/kernel/mm/lru_gen/enabled: pages move from one kind of lists to the other.
import { list_del } from '../image/list.ts'
import { LRU_GEN_CORE, lru_gen_add_folio, lru_gen_del_folio, lru_gen_enabled, lru_gen_head } from './lru_gen.ts'
import { lru_head, lruvec_add_folio, update_lru_size } from './lruvec.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { MAX_NR_GENS, MIN_NR_GENS } from './reclaim_tables.ts'
import { lru_add_drain_all } from './swap.ts'

/** Generations at boot, and the switches that the kernel was built with. @kernel mm/vmscan.c:lru_gen_init_lruvec */
export function lru_gen_init(sys: Sys): void {
  for (let node = 0; node < sys.nr_nodes; node++) sys.lru_gen.max_seq[node] = MIN_NR_GENS + 1
  sys.lru_gen.enabled[0] = sys.kernel.reclaim.lru_gen_boot
}

/** Sets the switches. Throws a RangeError where the kernel has no such lists. @kernel mm/vmscan.c:lru_gen_change_state */
export function lru_gen_change_state(sys: Sys, enabled: number): void {
  if (!sys.kernel.reclaim.has_lru_gen) throw new RangeError(`kernel ${sys.kernel.name} has no multi-generational LRU`)
  const was = lru_gen_enabled(sys)
  lru_add_drain_all(sys)
  if (((enabled & LRU_GEN_CORE) !== 0) === was) {
    sys.lru_gen.enabled[0] = enabled
    return
  }
  for (let node = 0; node < sys.nr_nodes; node++)
    if (was) drain_evictable(sys, node, enabled)
    else fill_evictable(sys, node, enabled)
  sys.lru_gen.enabled[0] = enabled
}

/** All pages of the four lists go to generations. @kernel mm/vmscan.c:fill_evictable */
function fill_evictable(sys: Sys, node: number, enabled: number): void {
  const { link } = sys.link
  for (let lru = 0; lru < 4; lru++) {
    const head = lru_head(sys, node, lru)
    sys.lru_gen.enabled[0] = enabled
    while (link[2 * head] !== head) {
      const pfn = link[2 * head + 1]!
      list_del(link, pfn)
      update_lru_size(sys, page_zone(sys, pfn), lru, -1)
      lru_gen_add_folio(sys, pfn, false)
    }
  }
}

/** And back. @kernel mm/vmscan.c:drain_evictable */
function drain_evictable(sys: Sys, node: number, enabled: number): void {
  const { link } = sys.link
  for (let gen = 0; gen < MAX_NR_GENS; gen++)
    for (let type = 0; type < 2; type++)
      for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++) {
        const head = lru_gen_head(sys, node, gen, type, zone_type)
        while (link[2 * head] !== head) {
          const pfn = link[2 * head + 1]!
          lru_gen_del_folio(sys, pfn, false)
          const before = sys.lru_gen.enabled[0]!
          sys.lru_gen.enabled[0] = enabled
          lruvec_add_folio(sys, pfn)
          sys.lru_gen.enabled[0] = before
        }
      }
}
