// Story: swap puts the end off; when it is full, somebody must go.
import { SIGKILL } from '../mm/vm_flags.ts'
import { mapAnonymous } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'
import { freePages, swapArea } from './swap_area.ts'

const SLOTS = 2048

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const free = (): number => sys.swap_state.nr_swap_pages[0]!
  stage.do({ op: 'thp', mode: 'never' })
  // The first process is never killed.
  stage.do({ op: 'spawn', comm: 'init' })
  stage.do({ op: 'spawn', comm: 'small' })
  swapArea(stage, SLOTS)
  yield {
    say: `A swap area of ${SLOTS} pages: its first page is the header, ${free()} slots are free. ${freePages(stage)} pages of memory are free.`,
    expect: { 'all slots are free': free() === SLOTS - 1 },
  }

  const fits = freePages(stage) + SLOTS / 4
  const first = stage.do({ op: 'touch', page: mapAnonymous(stage, fits), pages: fits, access: 'write' })
  yield {
    say: `A process writes ${fits} pages, more than were free. Swap takes what does not fit: ${SLOTS - 1 - free()} of its ${SLOTS - 1} slots are used, and the process lives.`,
    expect: { 'it lives': first.signal === 0, 'swap is used': free() < SLOTS - 1, 'swap is not full': free() > 0 },
  }

  const fails = 2 * SLOTS
  const second = stage.do({ op: 'touch', page: mapAnonymous(stage, fails), pages: fails, access: 'write' })
  const said = stage.machine.log.map(({ line }) => line)
  const killed = said.find(line => line.includes('Killed process')) ?? ''
  const swap = said.find(line => line.startsWith('Free swap')) ?? ''
  yield {
    say: `It writes ${fails} pages more. When memory and swap are full ("${swap}"), the OOM killer ends it: "${killed.slice(0, 60)}…".`,
    expect: {
      'it was killed': second.signal === SIGKILL,
      'the kernel says so': killed.includes('(small)'),
      'and that swap was full': /Free swap {2}= \d{1,3}kB/.test(swap),
    },
  }

  stage.do({ op: 'tick', ticks: 10 })
  const off = stage.do({ op: 'swapoff', path: '/dev/vdb' })
  yield {
    say: `Its memory and its slots are free again, and swapoff finds nothing to bring back.`,
    expect: { 'swapoff succeeds': off.error === 0, 'no swap is left': sys.swap_state.total_swap_pages[0] === 0 },
  }
}

export const swapFull: Scenario = {
  name: 'swap_full',
  title: 'Swap is full',
  story:
    'With swap, anonymous pages can be thrown out as file pages can; without it, or when it is full, they cannot. Then reclaim has nothing left to take, and the OOM killer frees memory the hard way. Swap does not make memory larger for work that needs all its pages, but it makes the end come later.',
  terms: {
    slot: 'room for one page in a swap area',
    'OOM killer': 'ends a process when no memory can be freed otherwise',
    swapoff: 'brings back what lies in an area and ends it',
  },
  through: ['get_swap_pages', 'out_of_memory', 'try_to_unuse'],
  machine: { memory: '64M' },
  processes: { nr_tasks: 4, nr_swap_slots: SLOTS },
  steps,
}
