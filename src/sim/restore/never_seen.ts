// Pages on per-CPU lists that a trace without drains never shows: they went back and were not handed out any more. Which
// frames they are does not matter; that they come free does. Law: they are on lists that hand out nothing of the start.
import { MIGRATE_PCPTYPES, MIGRATE_UNMOVABLE, PAGE_ALLOC_COSTLY_ORDER, page_zone, type Sys } from '../../mm/mmzone.ts'
import { REFILL_LISTS, TOUCH_NONE, type TraceScan } from '../replay/scan.ts'
import { FRAME_PCP, FRAME_USED, type Frames } from './frames.ts'
import type { Waiting } from './pcp_lists.ts'

/** Blocks for the pages that are missing from the lists; `is` and `room` change with them. */
export function neverSeen(sys: Sys, { is, handsOut }: Frames, scan: TraceScan, room: Int32Array): Waiting[] {
  const waiting: Waiting[] = []
  // Frames are only taken here, so a search goes on where the last one of its kind ended.
  const searched = new Map<number, number>()
  for (let pcp = 0; pcp < room.length; pcp++) {
    const zone = Math.floor(pcp / sys.nr_cpus)
    const cpu = pcp % sys.nr_cpus
    for (const [order, migratetype] of openLists(scan, handsOut, sys.zone.zone_start_pfn[zone]!, cpu))
      while (room[pcp]! >= 1 << order) {
        const kind = zone * sys.NR_PAGE_ORDERS + order
        const from = searched.get(kind) ?? sys.zone.zone_start_pfn[zone]!
        const pfn = unknownBlock(sys, is, scan, zone, order, from)
        searched.set(kind, pfn < 0 ? Number.MAX_SAFE_INTEGER : pfn)
        if (pfn < 0) break
        is.fill(FRAME_PCP, pfn, pfn + (1 << order))
        room[pcp]! -= 1 << order
        waiting.push({ pfn, order, migratetype, cpu, position: 0 })
      }
  }
  return waiting
}

/** Lists that hand out nothing, those of single pages first, then of the largest blocks. */
function openLists(
  scan: TraceScan,
  handsOut: ReadonlySet<number> | null,
  start: number,
  cpu: number,
): (readonly [number, number])[] {
  const lists: (readonly [number, number])[] = []
  const first = (scan.zoneStarts.indexOf(start) * scan.cpus + cpu) * REFILL_LISTS
  for (const order of [0, ...Array.from({ length: PAGE_ALLOC_COSTLY_ORDER }, (_, i) => PAGE_ALLOC_COSTLY_ORDER - i)])
    for (let type = MIGRATE_UNMOVABLE; type < MIGRATE_PCPTYPES; type++)
      if (!handsOut?.has(first + (order << 2) + type)) lists.push([order, type])
  return lists
}

/** The lowest aligned block of a zone from `from` on of which nothing is known but that it is not free; -1 = there is none. */
function unknownBlock(
  sys: Sys,
  is: Uint8Array,
  { touch }: TraceScan,
  zone: number,
  order: number,
  from: number,
): number {
  const size = 1 << order
  const end = sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]!
  for (let pfn = Math.ceil(from / size) * size; pfn + size <= end; pfn += size) {
    let frame = pfn
    while (frame < pfn + size && is[frame] === FRAME_USED && touch[frame] === TOUCH_NONE) frame++
    if (frame === pfn + size && page_zone(sys, pfn) === zone) return pfn
  }
  return -1
}
