// Story: fork copies page tables, not pages; a page is copied when one of its owners writes.
import { get_current } from '../mm/mm_counter.ts'
import { addressText, mapAnonymous, pageOf } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const PAGES = 16

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  stage.do({ op: 'thp', mode: 'never' })
  stage.do({ op: 'spawn', comm: 'parent' })
  const page = mapAnonymous(stage, PAGES)
  const mapped = pageOf(sys, page).present
  const read = stage.do({ op: 'touch', page, pages: PAGES, access: 'read' })
  const zero = pageOf(sys, page).pfn
  yield {
    say: `A process maps ${PAGES} pages at ${addressText(sys, page)}: an area, and no page. It reads each once: ${read.minor} faults, and all of them show frame ${zero}, the page of zeros.`,
    expect: {
      'mapping gave no page': !mapped,
      'each page faulted once': read.minor === PAGES,
      'all are the page of zeros': pageOf(sys, page + PAGES - 1).pfn === zero,
    },
  }

  const write = stage.do({ op: 'touch', page, pages: PAGES, access: 'write' })
  const own = pageOf(sys, page)
  yield {
    say: `It writes each: the entry forbids it, do_wp_page() finds the page of zeros and gives a page. ${write.minor} faults more; page 0 is frame ${own.pfn} now, and this process has it alone.`,
    expect: { 'each write faulted': write.minor === PAGES, 'the page is exclusive': own.exclusive },
  }

  const parent = get_current(sys)
  const { pid } = stage.do({ op: 'fork' })
  const child = sys.task.pid.indexOf(pid!)
  const shared = pageOf(sys, page, child)
  yield {
    say: `fork(): the child ${pid} has the same frame ${shared.pfn} at the same address. Nothing was copied but page tables; both entries forbid writing now.`,
    expect: { 'both map one frame': shared.pfn === own.pfn, 'it is not exclusive any more': !shared.exclusive },
  }

  const copy = stage.do({ op: 'touch', page, pages: 4, access: 'write' })
  yield {
    say: `The parent writes 4 pages: ${copy.minor} faults, 4 copies. Page 0 is frame ${pageOf(sys, page, parent).pfn} for it, the child still sees frame ${pageOf(sys, page, child).pfn}.`,
    expect: {
      'the parent got a copy': pageOf(sys, page, parent).pfn !== own.pfn,
      'the child kept the page': pageOf(sys, page, child).pfn === own.pfn,
    },
  }

  const left = pageOf(sys, page + 8, parent).pfn
  stage.do({ op: 'exit', pid: pid! })
  const reuse = stage.do({ op: 'touch', page: page + 8, pages: 4, access: 'write' })
  yield {
    say: `The child ends. The parent writes 4 pages that were never copied: ${reuse.minor} faults once more, since the entries still forbid it, but nobody else has the pages: they are written in place, page 8 is frame ${pageOf(sys, page + 8).pfn} as before.`,
    expect: {
      'the faults came': reuse.minor === 4,
      'no copy was made': pageOf(sys, page + 8).pfn === left,
      'the page is exclusive again': pageOf(sys, page + 8).exclusive,
    },
  }
}

export const forkAndCow: Scenario = {
  name: 'fork_and_cow',
  title: 'Fork and copy-on-write',
  story:
    'A fork would be slow if it copied memory, and most children throw it away at once with exec(). So parent and child share every page, read-only, and who writes first pays with a fault and a copy. Who writes last finds itself alone and pays with the fault only: this difference is what page faults after a fork are about.',
  terms: {
    'zero page': 'one frame of zeros that every first read is answered with',
    exclusive: 'PageAnonExclusive: no other process can reach the page',
    _mapcount: 'page table entries that map a frame',
  },
  through: ['do_anonymous_page', 'copy_page_range', 'copy_present_pte', 'do_wp_page', 'wp_page_copy', 'wp_page_reuse'],
  machine: { memory: '256M' },
  processes: { nr_tasks: 4 },
  steps,
}
