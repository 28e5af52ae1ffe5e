// Story: huge pages that nobody asked for, and how they come apart.
import { get_current } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { smaps_rollup } from '../mm/task_mmu.ts'
import { vm_event } from '../mm/vmstat_item.ts'
import { mapAnonymous, pageOf } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const event = (sys: Sys, name: Parameters<typeof vm_event>[0]): number => sys.vm_event.count[vm_event(name)]!
const huge = (sys: Sys): number => smaps_rollup(sys, sys.task.mm[get_current(sys)]!).anonymous_thp / 1024

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const n = 2 ** sys.kernel.huge_order
  stage.do({ op: 'thp', mode: 'always' })
  stage.do({ op: 'spawn', comm: 'demo' })
  const area = mapAnonymous(stage, 4 * n)
  const page = Math.ceil(area / n) * n
  const first = stage.do({ op: 'touch', page, pages: n, access: 'write' })
  yield {
    say: `4 x ${n} pages are mapped, and ${n} of them written: ${first.minor} fault. One entry of the pmd level maps a block of ${n} frames; smaps says AnonHugePages ${huge(sys)} kB.`,
    expect: { 'one fault for all': first.minor === 1, 'a huge page is mapped': huge(sys) === n * 4 },
  }

  const frame = pageOf(sys, page + 16).pfn
  stage.do({ op: 'madvise', page, pages: 16, advice: 'DONTNEED' })
  yield {
    say: `The first 16 pages are not needed: madvise(DONTNEED) splits the entry into a table of ${n} entries (thp_split_pmd ${event(sys, 'thp_split_pmd')}) and empties 16 of them. The block stays one: page 16 is frame ${pageOf(sys, page + 16).pfn} as before, and no memory came free. It waits for its split (thp_deferred_split_page ${event(sys, 'thp_deferred_split_page')}).`,
    expect: {
      'the entry was split': event(sys, 'thp_split_pmd') === 1,
      'the block was not': pageOf(sys, page + 16).pfn === frame,
      'nothing counts as huge any more': huge(sys) === 0,
    },
  }

  const again = stage.do({ op: 'touch', page, pages: 16, access: 'write' })
  yield {
    say: `Written again, the 16 pages take ${again.minor} faults: single pages from elsewhere.`,
    expect: { 'a fault each': again.minor === 16 },
  }

  const second = page + n
  const read = stage.do({ op: 'touch', page: second, pages: n, access: 'read' })
  const wrote = stage.do({ op: 'touch', page: second, pages: 1, access: 'write' })
  yield {
    say: `The next ${n} pages are only read: ${read.minor} fault maps the huge page of zeros. One byte is written: the entry is split, and one page of 4 kB is made; ${wrote.minor} fault, and ${n - 1} more would follow.`,
    expect: { 'one fault for reading all': read.minor === 1, 'a write copies one small page': wrote.minor === 1 },
  }

  stage.do({ op: 'touch', page: second, pages: n, access: 'write' })
  const gathered = stage.do({ op: 'khugepaged', pages: 8 * n })
  yield {
    say: `khugepaged looks through the process: ${gathered.count} runs of ${n} small pages are copied into huge ones. AnonHugePages ${huge(sys)} kB.`,
    expect: { 'huge pages came back': gathered.count! >= 1 && huge(sys) > 0 },
  }
}

export const hugePageSplit: Scenario = {
  name: 'huge_page_split',
  title: 'Transparent huge pages: gathered and split',
  story:
    'One entry for 2 MiB saves faults, tables and TLB entries, so the kernel gives huge pages where they fit. But programs work on small pages: they protect, unmap and fork parts. Then the entry is split at once, the block only later, and until then memory that nobody maps is not free.',
  terms: {
    thp_split_pmd: 'huge entries that became tables',
    thp_deferred_split_page: 'blocks of which a part is not mapped any more',
    khugepaged: 'the thread that gathers small pages into huge ones',
  },
  through: [
    'create_huge_pmd',
    'do_huge_pmd_anonymous_page',
    '__split_huge_pmd',
    'deferred_split_huge_page',
    'khugepaged_do_scan',
  ],
  machine: { memory: '1024M' },
  processes: { nr_tasks: 4 },
  steps,
}
