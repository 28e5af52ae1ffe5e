// The migrate type of pageblocks.
// Law: a zone's blocks lie behind one another from its `pageblock_offset` on; where mobility does not matter, all are
// unmovable.
import type { Sys } from './mmzone.ts'
import { MIGRATE_PCPTYPES, MIGRATE_UNMOVABLE } from './tables.ts'

/** Migrate type of the pageblock of a frame in `zone`. @kernel mm/page_alloc.c:get_pfnblock_flags_mask */
export function get_pageblock_migratetype(sys: Sys, zone: number, pfn: number): number {
  return sys.pageblock.migratetype[sys.zone.pageblock_offset[zone]! + (pfn >>> sys.pageblock_order)]!
}

/** @kernel mm/page_alloc.c:set_pageblock_migratetype */
export function set_pageblock_migratetype(sys: Sys, zone: number, pfn: number, migratetype: number): void {
  const type =
    sys.machine.page_group_by_mobility_disabled[0] !== 0 && migratetype < MIGRATE_PCPTYPES
      ? MIGRATE_UNMOVABLE
      : migratetype
  sys.pageblock.migratetype[sys.zone.pageblock_offset[zone]! + (pfn >>> sys.pageblock_order)] = type
}
