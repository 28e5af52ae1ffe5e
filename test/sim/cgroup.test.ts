// Memory control groups: what is charged to whom, what happens at a limit, and that nothing is left over.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { swapon } from '../../src/mm/swapfile.ts'
import { explain } from '../../src/sim/explain.ts'
import { Machine } from '../../src/sim/machine.ts'
import { openShell } from '../../src/sim/shell/shell.ts'

const MB = 256
const SLOTS = 8192

/** A machine with an init, and processes as they are wanted. */
class World {
  readonly machine: Machine
  readonly lines: string[] = []

  constructor(kernel = '6.1-x86_64', swap = false, cpus = 1) {
    this.machine = Machine.boot(
      { kernel, memory: '96M', cpus },
      { processes: { nr_tasks: 12, nr_memcgs: 8, nr_swap_slots: SLOTS } },
    )
    this.machine.apply({ op: 'spawn', comm: 'init' })
    this.machine.apply({ op: 'thp', mode: 'never' })
    const header = { version: 1, last_page: SLOTS - 1, badpages: [] }
    if (swap) expect(swapon(this.machine.sys, { path: '/swap', header, pages: SLOTS })).toBe(0)
    this.machine.sys.printk = line => void this.lines.push(line)
  }

  group(path: string, files: Readonly<Record<string, string>> = {}): void {
    expect(this.machine.apply({ op: 'cgroup_mkdir', path }).error).toBe(0)
    for (const [name, value] of Object.entries(files)) this.write(path, name, value)
  }

  write(path: string, name: string, value: string): void {
    this.machine.write(`/sys/fs/cgroup${path}/${name}`, value)
  }

  read(path: string, name: string): string {
    return this.machine.proc(`/sys/fs/cgroup${path}/${name}`).trim()
  }

  pages(path: string, name = 'memory.current'): number {
    return Number(this.read(path, name)) / 4096
  }

  stat(path: string, name: string): number {
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(this.read(path, 'memory.stat'))![1])
  }

  event(path: string, name: string, file = 'memory.events'): number {
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(this.read(path, file))![1])
  }

  /** A process in a group. */
  spawn(path: string, comm: string): number {
    const { pid } = this.machine.apply({ op: 'spawn', comm })
    this.write(path, 'cgroup.procs', String(pid))
    return pid!
  }

  /** Lets a process write to so many new pages; the signal that it got, 0 = none. */
  fill(pid: number, pages: number, file?: string): number {
    const flags = file === undefined ? 0x4022 : 1
    const { page } = this.machine.apply({ op: 'mmap', pid, pages, prot: 3, flags, ...(file ? { file } : {}) })
    const access = file === undefined ? 'write' : 'read'
    return this.machine.apply({ op: 'touch', pid, page: page!, pages, access }).signal!
  }

  alive(): number[] {
    const { pid, state } = this.machine.sys.task
    return [...pid].filter((_, task) => state[task] === 1)
  }

  sound(): void {
    expect(this.machine.check()).toEqual([])
  }
}

describe.each(['6.1-x86_64', '6.12-x86_64', '6.1-i386'])('a group at its limit, without swap (%s)', kernel => {
  it('loses its largest process, and nobody else does', () => {
    const world = new World(kernel)
    world.group('/a', { 'memory.max': '8M' })
    const outside = world.spawn('', 'outside')
    expect(world.fill(outside, 20 * MB)).toBe(0)
    const small = world.spawn('/a', 'small')
    expect(world.fill(small, MB)).toBe(0)
    const hog = world.spawn('/a', 'hog')
    expect(world.fill(hog, 6 * MB)).toBe(0)
    expect(world.pages('/a')).toBeGreaterThan(7 * MB)
    world.sound()
    expect(world.fill(hog, 4 * MB)).toBe(9)
    expect(world.alive()).toEqual([1, outside, small])
    expect(world.event('/a', 'oom_kill')).toBe(1)
    expect(world.event('/a', 'oom')).toBeGreaterThan(0)
    expect(world.event('/a', 'max')).toBeGreaterThan(0)
    expect(world.pages('/a', 'memory.peak')).toBe(8 * MB)
    world.sound()
    world.machine.apply({ op: 'exit', pid: small })
    // CPUs keep what they charged ahead.
    expect(world.pages('/a')).toBeLessThanOrEqual(64)
    expect(world.machine.apply({ op: 'cgroup_rmdir', path: '/a' }).error).toBe(0)
    world.sound()
  })

  it('is reported in the words of the kernel, which explain reads', () => {
    const world = new World(kernel)
    world.group('/a', { 'memory.max': '8M' })
    const hog = world.spawn('/a', 'hog')
    expect(world.fill(hog, 9 * MB)).toBe(9)
    const { lines } = world
    expect(lines[0]).toBe('hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0')
    expect(lines[2]).toMatch(/^memory: usage 8192kB, limit 8192kB, failcnt \d+$/)
    const unlimited = kernel === '6.1-i386' ? '8589934588' : '9007199254740988'
    expect(lines[3]).toBe(`swap: usage 0kB, limit ${unlimited}kB, failcnt 0`)
    expect(lines[4]).toBe('Memory cgroup stats for /a:')
    const end = lines.indexOf('Tasks state (memory values in pages):')
    const names = lines.slice(5, end).map(line => line.split(' ')[0])
    const all = world.machine.sys.kernel.report_text.memcg_stats
    // The older kernels cut the list where the console's message is full.
    if (kernel === '6.12-x86_64') expect(names).toEqual(all)
    else expect([names, names.length < all.length]).toEqual([all.slice(0, names.length), true])
    const stats = new Map(lines.slice(5, end).map(line => line.split(' ') as [string, string]))
    expect(Number(stats.get('anon')) + Number(stats.get('kernel'))).toBe(8 * MB * 4096)
    expect(lines.slice(end + 2).filter(line => line.startsWith('['))).toHaveLength(1)
    expect(lines.at(-2)).toBe(
      `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=hog,pid=${hog},uid=0`,
    )
    expect(lines.at(-1)).toMatch(new RegExp(`^Memory cgroup out of memory: Killed process ${hog} \\(hog\\) total-vm:`))
    const [report] = explain(lines.join('\n')).reports
    expect(report).toMatchObject({ kind: 'oom-kill', order: 0, constraint: 'memcg', reason: 'memcg-limit' })
    expect(report!.failing).toMatchObject({ check: 'memcg-limit' })
    expect(report!.victim).toMatchObject({ pid: hog, predictedPid: hog, name: 'hog' })
  })
})

it('a victim that hangs is reaped, so that its group can go on', () => {
  const world = new World()
  world.group('/a', { 'memory.max': '8M' })
  const large = world.spawn('/a', 'large')
  expect(world.fill(large, 6 * MB)).toBe(0)
  const other = world.spawn('/a', 'other')
  world.machine.apply({ op: 'hang', pid: large })
  expect(world.fill(other, 5 * MB)).toBe(0)
  expect(world.alive()).toEqual([1, large, other])
  expect(world.lines.at(-1)).toMatch(/^oom_reaper: reaped process \d+ \(large\), now anon-rss:0kB/)
  world.write('/a', 'memory.max', '1M')
  expect(world.alive()).toEqual([1, large])
  world.machine.apply({ op: 'wake', pid: large })
  expect(world.alive()).toEqual([1])
  world.sound()
})

describe('the tree', () => {
  it('counts upwards: the limit above holds, and a process of any group below may go', () => {
    const world = new World()
    world.group('/p', { 'memory.max': '10M' })
    world.group('/p/c1')
    world.group('/p/c2')
    const one = world.spawn('/p/c1', 'one')
    expect(world.fill(one, 5 * MB)).toBe(0)
    const two = world.spawn('/p/c2', 'two')
    expect(world.fill(two, 6 * MB)).toBe(9)
    expect(world.alive()).toEqual([1, one])
    expect(world.lines.join('\n')).toContain('oom_memcg=/p,task_memcg=/p/c2,task=two')
    expect([world.event('/p', 'oom_kill'), world.event('/p', 'oom_kill', 'memory.events.local')]).toEqual([1, 0])
    expect(world.event('/p/c2', 'oom_kill')).toBe(1)
    expect(world.pages('/p')).toBe(world.pages('/p/c1') + world.pages('/p/c2'))
    world.sound()
  })

  it('kills processes together where they belong together', () => {
    const world = new World()
    world.group('/a', { 'memory.max': '8M', 'memory.oom.group': '1' })
    world.group('/a/b')
    const pids = [world.spawn('/a', 'one'), world.spawn('/a/b', 'two'), world.spawn('/a', 'safe')]
    world.machine.write(`/proc/${pids[2]}/oom_score_adj`, '-1000')
    expect(world.fill(pids[1]!, 2 * MB)).toBe(0)
    expect(world.fill(pids[0]!, 9 * MB)).toBe(9)
    expect(world.alive()).toEqual([1, pids[2]])
    expect(world.lines).toContain('Tasks in /a are going to be killed due to memory.oom.group set')
    expect(world.event('/a', 'oom_group_kill')).toBe(1)
    world.sound()
  })

  it('refuses what a kernel refuses', () => {
    const world = new World()
    world.group('/a')
    const pid = world.spawn('/a', 'a')
    const error = (path: string, op: 'cgroup_mkdir' | 'cgroup_rmdir'): number =>
      world.machine.apply({ op, path }).error!
    expect([error('/a', 'cgroup_mkdir'), error('/x/y', 'cgroup_mkdir')]).toEqual([-17, -2])
    expect([error('/a', 'cgroup_rmdir'), error('/x', 'cgroup_rmdir'), error('/', 'cgroup_rmdir')]).toEqual([
      -16, -2, -16,
    ])
    for (const [name, value, why] of [
      ['memory.max', '12x', 'invalid argument'],
      ['memory.current', '1', 'invalid argument'],
      ['memory.nothing', '1', 'no such file'],
      ['cgroup.procs', '99', 'no such process'],
      ['memory.oom.group', '2', 'invalid argument'],
    ] as const)
      expect(() => world.write('/a', name, value)).toThrow(why)
    expect(() => world.machine.apply({ op: 'cgroup_mkdir', path: `/${'x'.repeat(32)}` })).toThrow('1 to 31')
    for (let i = 0; i < 7; i++) world.group(`/g${i}`)
    expect(() => world.machine.apply({ op: 'cgroup_mkdir', path: '/more' })).toThrow('all 8 control groups are in use')
    world.machine.apply({ op: 'exit', pid })
    expect(error('/a', 'cgroup_rmdir')).toBe(0)
    const bare = Machine.boot({ memory: '64M' }, { processes: { nr_tasks: 4 } })
    expect(() => bare.apply({ op: 'cgroup_mkdir', path: '/a' })).toThrow('boot it with nr_memcgs')
    expect([bare.sys.memcg.used.length, bare.sys.page_memcg.id.length]).toEqual([0, 0])
  })

  it('keeps what a removed group left', () => {
    const world = new World()
    world.group('/a')
    world.group('/a/b')
    world.machine.apply({ op: 'create_file', name: '/f', pages: 300 })
    const pid = world.spawn('/a/b', 'reader')
    expect(world.fill(pid, 300, '/f')).toBe(0)
    world.machine.apply({ op: 'exit', pid })
    expect(world.stat('/a/b', 'file')).toBe(300 * 4096)
    expect(world.machine.apply({ op: 'cgroup_rmdir', path: '/a/b' }).error).toBe(0)
    expect(world.stat('/a', 'file')).toBe(300 * 4096)
    world.sound()
  })
})

describe.each([
  ['6.1-x86_64', '0'],
  ['6.12-x86_64', '7'],
])('reclaim within a group (%s)', kernel => {
  it('takes pages of its files, and of nobody else', () => {
    const world = new World(kernel)
    const freed: number[] = []
    world.machine.on('mm_vmscan_memcg_reclaim_end', pages => void freed.push(pages))
    for (const name of ['/f', '/g']) world.machine.apply({ op: 'create_file', name, pages: 4000 })
    const other = world.spawn('', 'other')
    expect(world.fill(other, 1000, '/g')).toBe(0)
    world.group('/a', { 'memory.max': '4M' })
    const pid = world.spawn('/a', 'reader')
    expect(world.fill(pid, 4000, '/f')).toBe(0)
    expect(world.alive()).toEqual([1, other, pid])
    expect(world.pages('/a')).toBeLessThanOrEqual(4 * MB)
    expect(world.stat('/a', 'pgsteal')).toBeGreaterThan(2000)
    expect(freed.reduce((sum, pages) => sum + pages, 0)).toBe(world.stat('/a', 'pgsteal'))
    expect(Number(/^Cached: +(\d+)/m.exec(world.machine.proc('meminfo'))![1]) / 4).toBeGreaterThan(1000 + 3 * MB)
    world.sound()
  })

  it('swaps, up to the limit of swap; what comes back is charged to whom it belonged', () => {
    const world = new World(kernel, true)
    world.group('/a', { 'memory.max': '4M' })
    const pid = world.spawn('/a', 'hog')
    expect(world.fill(pid, 10 * MB)).toBe(0)
    expect(world.pages('/a')).toBeLessThanOrEqual(4 * MB)
    expect(world.pages('/a', 'memory.swap.current')).toBeGreaterThan(5 * MB)
    expect(world.lines).toEqual([])
    world.sound()
    world.write('/a', 'memory.swap.max', '7M')
    expect(world.fill(pid, 4 * MB)).toBe(9)
    expect(world.lines.join('\n')).toContain('Memory cgroup out of memory: Killed process')
    expect(world.alive()).toEqual([1])
    // What is still on its way to the device stays in the swap cache.
    expect(world.pages('/a', 'memory.swap.current')).toBe(world.stat('/a', 'swapcached') / 4096)
    world.sound()
  })

  it('is done when a limit is lowered, when a mark is passed, and when somebody asks', () => {
    const world = new World(kernel, true)
    world.group('/a')
    const pid = world.spawn('/a', 'hog')
    expect(world.fill(pid, 6 * MB)).toBe(0)
    expect(world.pages('/a')).toBeGreaterThan(6 * MB)
    world.write('/a', 'memory.reclaim', '1M')
    expect(world.pages('/a')).toBeLessThan(5.5 * MB)
    world.write('/a', 'memory.max', '3M')
    expect(world.pages('/a')).toBeLessThanOrEqual(3 * MB)
    world.write('/a', 'memory.max', 'max')
    world.write('/a', 'memory.high', '2M')
    expect(world.fill(pid, 4 * MB)).toBe(0)
    expect(world.pages('/a')).toBeLessThan(2.5 * MB)
    expect(world.event('/a', 'high')).toBeGreaterThan(0)
    expect(world.alive()).toEqual([1, pid])
    world.sound()
  })

  it('kills where a lowered limit cannot be held', () => {
    const world = new World(kernel)
    world.group('/a')
    const pid = world.spawn('/a', 'hog')
    expect(world.fill(pid, 6 * MB)).toBe(0)
    world.write('/a', 'memory.max', '1M')
    expect(world.alive()).toEqual([1])
    world.sound()
  })
})

it('children are in the group of their parent, and a process that moves leaves its pages', () => {
  const world = new World()
  world.group('/a')
  world.group('/b')
  const pid = world.spawn('/a', 'parent')
  expect(world.fill(pid, 500)).toBe(0)
  const { pid: child } = world.machine.apply({ op: 'fork', pid })
  expect(world.machine.proc(`/proc/${child}/cgroup`)).toBe('0::/a\n')
  expect(world.read('/a', 'cgroup.procs')).toBe(`${pid}\n${child}`)
  const before = world.pages('/a')
  world.write('/b', 'cgroup.procs', String(pid))
  expect([world.pages('/a'), world.pages('/b')]).toEqual([before, 0])
  expect(world.fill(pid, 200)).toBe(0)
  expect(world.stat('/b', 'anon')).toBe(200 * 4096)
  world.sound()
})

it('the shell has words for it, and it can be undone', () => {
  const session = openShell(Machine.boot({ memory: '64M' }, { processes: { nr_tasks: 4, nr_memcgs: 2 } }))
  const done = (line: string): string => {
    const { text, error } = session.run(line)
    expect(error).toBeNull()
    return text
  }
  done('spawn init; mkdir /sys/fs/cgroup/a; echo 2M > /sys/fs/cgroup/a/memory.max')
  expect(done('cat /sys/fs/cgroup/a/memory.max')).toBe('2097152\n')
  const before = session.machine.hash()
  done('spawn b; echo 2 > /sys/fs/cgroup/a/cgroup.procs; back 2')
  expect(session.machine.hash()).toBe(before)
  done('rmdir /sys/fs/cgroup/a')
  expect(session.run('cat /sys/fs/cgroup/a/memory.max').status).toBe(1)
  expect(session.run('mkdir /etc/x').error).toBe(
    '/etc/x: only folders below /sys/fs/cgroup, which are control groups, are made and removed',
  )
})

it('whatever processes do, the counts are those of the frames', () => {
  const step = fc.record({
    what: fc.constantFrom('fill', 'file', 'fork', 'exit', 'move', 'limit', 'reclaim'),
    which: fc.nat(5),
    pages: fc.integer({ min: 1, max: 900 }),
  })
  fc.assert(
    fc.property(
      fc.constantFrom('6.1-x86_64', '6.12-x86_64'),
      fc.boolean(),
      fc.array(step, { minLength: 5, maxLength: 25, size: '+1' }),
      (kernel, swap, steps) => {
        const world = new World(kernel, swap, 2)
        for (const path of ['/a', '/a/b', '/c']) world.group(path)
        world.machine.apply({ op: 'create_file', name: '/f', pages: 900 })
        for (const path of ['/a', '/a/b', '/c']) world.spawn(path, 'p')
        for (const { what, which, pages } of steps) {
          const pids = world.alive().filter(pid => pid !== 1)
          const pid = pids[which % Math.max(1, pids.length)]
          const path = ['/a', '/a/b', '/c'][which % 3]!
          if (what === 'limit') world.write(path, 'memory.max', String(pages * 4096))
          else if (what === 'reclaim')
            world.machine.apply({ op: 'cgroup_write', path, name: 'memory.reclaim', value: '64K' })
          else if (pid === undefined) continue
          else if (what === 'fill') world.fill(pid, pages)
          else if (what === 'file') world.fill(pid, pages, '/f')
          else if (what === 'fork') {
            if (world.alive().length < 8) world.machine.apply({ op: 'fork', pid })
          } else if (what === 'exit') world.machine.apply({ op: 'exit', pid })
          else world.write(path, 'cgroup.procs', String(pid))
          expect(world.machine.check()).toEqual([])
        }
      },
    ),
    { numRuns: 20 },
  )
})
