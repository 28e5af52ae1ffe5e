// The OOM killer on machines with true processes: who goes, what comes back, what is printed, and when nobody goes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { fork, switch_to } from '../../src/mm/fork.ts'
import { __GFP_NORETRY, __GFP_THISNODE, GFP_KERNEL, GFP_NOFS } from '../../src/mm/gfp.ts'
import { get_mm_counter, get_mm_rss } from '../../src/mm/mm_counter.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { out_of_memory } from '../../src/mm/oom_kill.ts'
import { oom_reap_task } from '../../src/mm/oom_reaper.ts'
import { nodelist } from '../../src/mm/oom_report.ts'
import { LONG_MIN, type OomControl, oom_badness, proc_oom_score, totalram_pages } from '../../src/mm/oom_select.ts'
import { alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { attach_reclaim } from '../../src/mm/reclaim_room.ts'
import { sysctl_write } from '../../src/mm/sysctl.ts'
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MM_SWAPENTS,
  PF_TIF_MEMDIE,
  PROT_READ,
  PROT_WRITE,
  SIGKILL,
  TASK_RUNNING,
} from '../../src/mm/vm_flags.ts'
import { bootProcess } from './process_machine.ts'

const ANON = { prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS }
const GLOBAL: OomControl = { gfp_mask: GFP_KERNEL, order: 0, nodemask: null, mems_allowed: null, memcg: null }

interface World {
  readonly sys: Sys
  readonly said: string[]
  readonly tasks: readonly number[]
}

/** A process for each number of pages, children of an init that is never chosen. */
function world(pages: readonly number[], kernel = '6.1-x86_64'): World {
  const sys = bootProcess(kernel, '64M')
  sys.vm_state.thp_enabled[0] = 0
  sys.task.pid[sys.init] = 1
  sys.task.tgid[sys.init] = 1
  sys.vm_state.last_pid[0] = Math.max(1, sys.vm_state.last_pid[0]!)
  const said: string[] = []
  const tasks = pages.map(count => {
    const task = fork(sys, sys.init)
    touch(sys, task, count)
    return task
  })
  sys.printk = line => void said.push(line)
  return { sys, said, tasks }
}

/** Makes a process have pages of its own. */
function touch(sys: Sys, task: number, count: number): void {
  switch_to(sys, task)
  const page = do_mmap(sys, sys.task.mm[task]!, { pages: Math.max(1, count), ...ANON })
  for (let i = 0; i < count; i++) expect(access(sys, page + i, ACCESS_WRITE)).toBe(0)
}

/** Slow and obvious: the sum of what a process has, and its wish. */
function reference({ sys, tasks }: World): number {
  let [chosen, most] = [0, Number.NEGATIVE_INFINITY]
  for (const task of tasks) {
    const mm = sys.task.mm[task]!
    const adj = sys.task.oom_score_adj[task]!
    if (adj === -1000) continue
    const pages =
      get_mm_rss(sys, mm) + get_mm_counter(sys, mm, MM_SWAPENTS) + Math.floor(sys.mm.pgtables_bytes[mm]! / 4096)
    const points = pages + adj * Math.floor(totalram_pages(sys) / 1000)
    if (points >= most) [chosen, most] = [task, points]
  }
  return chosen
}

const alive = ({ sys, tasks }: World): number[] => tasks.filter(task => sys.task.state[task] === TASK_RUNNING)

describe('who is chosen', () => {
  it('as the model says, whatever sizes and wishes', () => {
    const processes = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: -1000, max: 1000 })), {
      minLength: 1,
      maxLength: 5,
    })
    fc.assert(
      fc.property(processes, list => {
        const all = world(list.map(([pages]) => pages))
        list.forEach(([, adj], i) => void (all.sys.task.oom_score_adj[all.tasks[i]!] = adj))
        switch_to(all.sys, 1)
        const wanted = reference(all)
        const killed = out_of_memory(all.sys, GLOBAL)
        expect(killed).toBe(wanted !== 0)
        expect(alive(all)).toEqual(all.tasks.filter(task => task !== wanted))
        expect(check(all.sys)).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  it('of equals the last; never -1000, the first process, a thread of the kernel', () => {
    const all = world([20, 20, 20])
    const { sys, tasks } = all
    switch_to(sys, 1)
    sys.task.oom_score_adj[tasks[2]!] = -1000
    expect(oom_badness(sys, tasks[2]!, totalram_pages(sys))).toBe(LONG_MIN)
    expect(oom_badness(sys, 1, totalram_pages(sys))).toBe(LONG_MIN)
    out_of_memory(sys, GLOBAL)
    expect(alive(all)).toEqual([tasks[0], tasks[2]])
  })

  it('/proc/PID/oom_score is two thirds of a thousandth above 1000', () => {
    const { sys, tasks } = world([0])
    const [task] = tasks as [number]
    const share = Math.trunc((oom_badness(sys, task, totalram_pages(sys)) * 1000) / totalram_pages(sys))
    expect(proc_oom_score(sys, task)).toBe(Math.trunc(((1000 + share) * 2) / 3))
    sys.task.oom_score_adj[task] = -1000
    expect(proc_oom_score(sys, task)).toBe(0)
    sys.task.oom_score_adj[task] = 1000
    expect(proc_oom_score(sys, task)).toBeGreaterThan(1300)
  })
})

describe('settings', () => {
  it('oom_kill_allocating_task: who asks goes, and may use reserves to go', () => {
    const all = world([50, 10])
    const { sys, tasks, said } = all
    sysctl_write(sys, 'oom_kill_allocating_task', '1')
    switch_to(sys, tasks[1]!)
    expect(out_of_memory(sys, GLOBAL)).toBe(true)
    expect(said.at(-1)).toMatch(/^Out of memory \(oom_kill_allocating_task\): Killed process \d+ \(init\) total-vm:/)
    expect(sys.task.signal[tasks[1]!]).toBe(SIGKILL)
    expect(sys.task.flags[tasks[1]!]! & PF_TIF_MEMDIE).not.toBe(0)
    // A second request of the dying one kills nobody.
    const told = said.length
    expect(out_of_memory(sys, GLOBAL)).toBe(true)
    expect([said.length, alive(all).length]).toEqual([told, 2])
  })

  it('panic_on_oom: nobody goes', () => {
    const all = world([50])
    sysctl_write(all.sys, 'panic_on_oom', '1')
    expect(out_of_memory(all.sys, GLOBAL)).toBe(false)
    expect(all.said.at(-1)).toBe('Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled')
    expect(alive(all)).toHaveLength(1)
    // A machine that has stopped says nothing more.
    const told = all.said.length
    expect([out_of_memory(all.sys, GLOBAL), all.said.length]).toEqual([false, told])
  })

  it('panic_on_oom does not forbid a kill by SysRq', () => {
    const all = world([50])
    sysctl_write(all.sys, 'panic_on_oom', '1')
    switch_to(all.sys, 1)
    expect(out_of_memory(all.sys, { ...GLOBAL, order: -1 })).toBe(true)
    expect(alive(all)).toEqual([])
  })

  it('oom_dump_tasks 0: no table', () => {
    const { sys, said } = world([50])
    sysctl_write(sys, 'oom_dump_tasks', '0')
    out_of_memory(sys, GLOBAL)
    expect(said.join('\n')).not.toContain('Tasks state')
    expect(said.join('\n')).toContain('Killed process')
  })
})

it('nobody to kill is a panic, by SysRq or in a control group it is not', () => {
  const { sys, said } = world([])
  expect(out_of_memory(sys, { ...GLOBAL, order: -1 })).toBe(false)
  expect(said.at(-1)).toBe('Out of memory and no killable processes...')
  expect(out_of_memory(sys, GLOBAL)).toBe(false)
  expect(said.at(-1)).toBe('Kernel panic - not syncing: System is deadlocked on memory')
})

it('a control group at its limit loses its own, all of them where they belong together', () => {
  const all = world([50, 10, 12])
  const { sys, tasks, said } = all
  switch_to(sys, 1)
  const own = tasks.slice(1)
  const memcg = { path: '/a', max: 100, tasks: own, group: { path: '/a', tasks: own }, counters: [], stats: [] }
  expect(out_of_memory(sys, { ...GLOBAL, memcg, task_memcg: '/a' })).toBe(true)
  expect(alive(all)).toEqual([tasks[0]])
  expect(said.filter(line => line.startsWith('Memory cgroup out of memory: Killed process'))).toHaveLength(3)
  expect(said).toContain('Tasks in /a are going to be killed due to memory.oom.group set')
  expect(said.join('\n')).toContain('constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a')
})

it('the reaper takes what a stuck victim has, and the next one may be chosen', () => {
  // More than a task keeps for itself before it adds its pages up.
  const all = world([300, 30])
  const { sys, tasks, said } = all
  switch_to(sys, tasks[0]!)
  out_of_memory(sys, GLOBAL)
  expect(alive(all)).toHaveLength(2)
  switch_to(sys, 1)
  expect(out_of_memory(sys, GLOBAL)).toBe(true)
  expect(alive(all)).toHaveLength(2)
  oom_reap_task(sys, tasks[0]!)
  expect(said.at(-1)).toMatch(
    /^oom_reaper: reaped process \d+ \(init\), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB$/,
  )
  expect(out_of_memory(sys, GLOBAL)).toBe(true)
  expect(alive(all)).toEqual([tasks[0]])
  expect(check(sys)).toEqual([])
})

describe('requests', () => {
  function full(): World {
    const all = world([200, 100])
    attach_reclaim(all.sys)
    switch_to(all.sys, 1)
    return all
  }

  it('that nothing else can serve kill until they are served', () => {
    const all = full()
    const { sys, said } = all
    while (said.length === 0) expect(alloc_pages(sys, GFP_KERNEL, 0)).toBeGreaterThanOrEqual(0)
    expect(alive(all)).toEqual([all.tasks[1]])
    expect(said[0]).toBe('init invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0')
    expect(check(sys)).toEqual([])
  })

  it.each([
    ['of a large order', 4, GFP_KERNEL],
    ['that can do without', 0, GFP_KERNEL | __GFP_NORETRY],
    ['for one node', 0, GFP_KERNEL | __GFP_THISNODE],
    ['that must not enter file systems are not killed for, either', 0, GFP_NOFS | __GFP_NORETRY],
  ])('%s fail instead', (_, order, gfp) => {
    const all = full()
    while (alloc_pages(all.sys, gfp, order) >= 0);
    expect(alive(all)).toHaveLength(2)
    expect(all.said[0]).toMatch(/: page allocation failure: order:/)
  })
})

it('nodes are printed as ranges', () => {
  expect(['', '0', '0-1', '1,3-5'].map(list => nodelist(bits(list)))).toEqual(['', '0', '0-1', '1,3-5'])
})

function bits(list: string): Uint8Array {
  const nodes = new Uint8Array(8)
  for (const part of list.split(',').filter(Boolean)) {
    const [first = 0, last = first] = part.split('-').map(Number)
    nodes.fill(1, first, last + 1)
  }
  return nodes
}
