// What stories of swap need: an area in the machine's image, and counts.

import type { Sys } from '../mm/mmzone.ts'
import { vm_event } from '../mm/vmstat_item.ts'
import { pageOf } from './process.ts'
import type { Stage, Step } from './scenario.ts'

/** Begins to use an area of so many pages. */
export function swapArea(stage: Stage, pages: number): void {
  const header = { version: 1, last_page: pages - 1, badpages: [] }
  stage.do({ op: 'swapon', path: '/dev/vdb', header, pages })
}

/** How often something happened. */
export const events = (sys: Sys, name: Parameters<typeof vm_event>[0]): number => sys.vm_event.count[vm_event(name)]!

/** Pages of a range of the running process that are in memory. */
export function resident(sys: Sys, page: number, pages: number): number {
  let count = 0
  for (let at = page; at < page + pages; at++) if (pageOf(sys, at).present) count++
  return count
}

/** Free pages of all zones. */
export const freePages = (stage: Stage): number =>
  Number(/MemFree: +(\d+)/.exec(stage.machine.proc('meminfo'))![1]) / (stage.machine.sys.page_bytes / 1024)

/** The last step of a story: the running process ends, and its memory and slots are free. */
export function processEnds(stage: Stage): Step {
  const had = freePages(stage)
  stage.do({ op: 'exit' })
  return {
    say: `The process ends. Its pages are free, and its slots: ${freePages(stage)} pages instead of ${had}.`,
    expect: { 'memory is free again': freePages(stage) > had },
  }
}
