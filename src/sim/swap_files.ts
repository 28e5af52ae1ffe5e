// /proc/swaps: the areas in use, as the kernel lays it out.
import type { Sys } from '../mm/mmzone.ts'
import { swap_name } from '../mm/swapfile.ts'
import { SWP_BLKDEV, SWP_USED } from '../mm/swapfile_slots.ts'

/** Numbers of the areas in use. */
export function swapAreas(sys: Sys): number[] {
  return [...sys.swap_info.flags.keys()].filter(area => (sys.swap_info.flags[area]! & SWP_USED) !== 0)
}

/** A number in a column of tabs: short ones need one more. */
const column = (kb: number): string => `${kb}\t${kb < 10000000 ? '\t' : ''}`

/** @kernel mm/swapfile.c:swap_show */
export function swapsText(sys: Sys): string {
  const { flags, pages, inuse_pages, prio } = sys.swap_info
  const kb = sys.page_bytes / 1024
  const lines = swapAreas(sys).map(area => {
    const name = swap_name(sys, area)
    const kind = (flags[area]! & SWP_BLKDEV) !== 0 ? 'partition' : 'file\t'
    const sizes = column(pages[area]! * kb) + column(inuse_pages[area]! * kb)
    return `${name}${' '.repeat(name.length < 40 ? 40 - name.length : 1)}${kind}\t${sizes}${prio[area]}\n`
  })
  return `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${lines.join('')}`
}
