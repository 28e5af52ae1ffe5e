// The end of memory from the shell: wishes are written and read, victims end, those that hang lose their memory.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../src/sim/machine.ts'
import { openShell, type Session } from '../../src/sim/shell/shell.ts'

const booted = Machine.boot({ memory: '64M' }, { processes: { nr_tasks: 8 } })
booted.apply({ op: 'thp', mode: 'never' })

function open(kernel?: string): Session {
  const machine = kernel ? Machine.boot({ kernel, memory: '64M' }, { processes: { nr_tasks: 8 } }) : booted.fork()
  machine.apply({ op: 'thp', mode: 'never' })
  return openShell(machine)
}

/** The text of a line that must succeed. */
function done(session: Session, line: string): string {
  const { text, error } = session.run(line)
  expect(error).toBeNull()
  return text
}

/** Lets process `pid` write to so many pages; false = it was killed. */
function fill(session: Session, pid: number, pages: number): boolean {
  for (let at = 0; at < pages; at += 500) {
    const address = done(session, `mmap 500 rw noreserve pid=${pid}`).trim()
    const { error } = session.run(`write ${address} 500 pid=${pid}`)
    if (error === null) continue
    expect(error).toBe('SIGKILL')
    return false
  }
  return true
}

const states = (session: Session): string[] =>
  [...done(session, 'ps').matchAll(/^. (\d+) (\w)/gm)].map(([, pid, state]) => `${pid}${state}`)

describe('wishes', () => {
  it('are written and read in both forms, and move the score', () => {
    const session = open()
    done(session, 'spawn init; spawn a; spawn b')
    const read = (name: string): string => done(session, `cat /proc/2/${name}`).trim()
    expect([read('oom_score'), read('oom_score_adj'), read('oom_adj')]).toEqual(['666', '0', '0'])
    done(session, 'echo 500 > /proc/2/oom_score_adj')
    expect([read('oom_score'), read('oom_score_adj'), read('oom_adj')]).toEqual(['988', '500', '8'])
    expect(done(session, 'echo -17 > /proc/2/oom_adj')).toBe(
      'b (3): /proc/2/oom_adj is deprecated, please use /proc/2/oom_score_adj instead.\n',
    )
    expect([read('oom_score'), read('oom_score_adj'), read('oom_adj')]).toEqual(['0', '-1000', '-17'])
    // Told once.
    expect(done(session, 'echo 15 > /proc/2/oom_adj')).toBe('')
    expect([read('oom_score_adj'), read('oom_adj')]).toEqual(['1000', '15'])
    done(session, 'echo 0x10 >/proc/2/oom_score_adj')
    expect(read('oom_score_adj')).toBe('16')
    expect(done(session, 'cat /proc/3/oom_score_adj')).toBe('0\n')
  })

  it.each([
    ['echo 1001 > /proc/1/oom_score_adj', '/proc/1/oom_score_adj: invalid argument', 1],
    ['echo 1x > /proc/1/oom_score_adj', '/proc/1/oom_score_adj: invalid argument', 1],
    ['echo -18 > /proc/1/oom_adj', '/proc/1/oom_adj: invalid argument', 1],
    ['echo 1 > /proc/1/oom_score', '/proc/1/oom_score: permission denied', 1],
    ['echo 1 > /proc/9/oom_score_adj', 'no process 9', 2],
    ['echo 1 > /proc/1/maps', '/proc/1/maps: no such file', 1],
    ['echo x > /proc/sysrq-trigger', 'sysrq "x": the twin knows f (call the OOM killer) and m (show memory)', 2],
  ])('%s', (line, error, status) => {
    const session = open()
    done(session, 'spawn init')
    const before = session.machine.hash()
    expect(session.run(line)).toMatchObject({ error, status })
    if (status === 2) expect(session.machine.hash()).toBe(before)
    expect(done(session, 'cat /proc/1/oom_score_adj')).toBe('0\n')
  })

  it('go to children, and to who shares the memory', () => {
    const session = open()
    done(session, 'spawn init; spawn a; echo 7 > /proc/2/oom_score_adj; fork_process')
    expect(done(session, 'cat /proc/3/oom_score_adj')).toBe('7\n')
  })

  it('can be written by a program, too', () => {
    const machine = booted.fork()
    machine.apply({ op: 'spawn', comm: 'a' })
    machine.write('/proc/1/oom_score_adj', '-500')
    expect(machine.proc('/proc/1/oom_score_adj')).toBe('-500\n')
    machine.write('/proc/sys/vm/panic_on_oom', '2')
    expect(machine.sysctl('panic_on_oom')).toBe('2')
    expect(() => machine.write('/proc/meminfo', '1')).toThrow(/^\/proc\/meminfo: it cannot be written/)
    expect(() => machine.write('/proc/1/oom_score_adj', '')).toThrow('/proc/1/oom_score_adj: invalid argument')
  })
})

describe('who is killed', () => {
  it('ends, and its memory comes back; who it was the parent of asks for nobody', () => {
    const session = open()
    done(session, 'spawn init; spawn hog')
    const free = session.machine.proc('meminfo').match(/MemFree: +(\d+)/)![1]
    expect(fill(session, 2, 15000)).toBe(false)
    expect(states(session)).toEqual(['1R'])
    expect(Number(session.machine.proc('meminfo').match(/MemFree: +(\d+)/)![1])).toBeGreaterThan(Number(free) - 1000)
    expect(done(session, 'dmesg')).toContain('Out of memory: Killed process 2 (hog)')
    expect(session.run('ps; touch').status).toBe(2)
    expect(done(session, 'check')).toBe('all laws hold\n')
  })

  it('is the largest: not who asks, unless the setting says so', () => {
    const session = open()
    done(session, 'spawn init; spawn large; spawn small')
    expect(fill(session, 2, 8000)).toBe(true)
    expect(fill(session, 3, 5000)).toBe(true)
    expect(states(session)).toEqual(['1R', '3R'])
    const other = open()
    done(other, 'spawn init; spawn large; spawn small; echo 1 > /proc/sys/vm/oom_kill_allocating_task')
    expect(fill(other, 2, 8000)).toBe(true)
    expect(fill(other, 3, 5000)).toBe(false)
    expect(states(other)).toEqual(['1R', '2R'])
    expect(done(other, 'dmesg')).toContain('Out of memory (oom_kill_allocating_task): Killed process 3 (small)')
  })

  it('waits for its parent to ask', () => {
    const session = open()
    done(session, 'spawn init; spawn parent; fork_process')
    expect(fill(session, 3, 15000)).toBe(false)
    expect(states(session)).toEqual(['1R', '2R', '3Z'])
    expect(done(session, 'run 2; wait')).toBe('pid 3 was killed by signal 9\n')
    expect(session.run('wait').error).toBe('wait: no child has ended')
    expect(states(session)).toEqual(['1R', '2R'])
  })

  it('by SysRq is the same, without anybody asking', () => {
    const session = open()
    done(session, 'spawn init; spawn a; echo m > /proc/sysrq-trigger')
    expect(done(session, 'dmesg')).toMatch(/^sysrq: Show Memory\nMem-Info:\n/)
    expect(done(session, 'echo f > /proc/sysrq-trigger')).toContain('order=-1, oom_score_adj=0')
    expect(states(session)).toEqual(['1R'])
    expect(done(session, 'echo f > /proc/sysrq-trigger')).toContain('OOM request ignored. No task eligible')
  })

  it('is undone like everything else', () => {
    const session = open()
    done(session, 'spawn init; spawn a')
    const before = session.machine.hash()
    done(session, 'echo f > /proc/sysrq-trigger; back 1')
    expect(session.machine.hash()).toBe(before)
    expect(states(session)).toEqual(['1R', '2R'])
  })
})

describe.each(['6.1-x86_64', '6.12-x86_64'])('a victim that hangs (%s)', kernel => {
  it('keeps its memory for two seconds, then the reaper takes it, and others can go on', () => {
    const session = open(kernel)
    done(session, 'trace on; spawn init; spawn large; spawn small')
    expect(fill(session, 2, 8000)).toBe(true)
    done(session, 'hang 2')
    expect(session.run('write 0x1000 pid=2').error).toBe('process 2 hangs: wake it first')
    expect(fill(session, 3, 5000)).toBe(true)
    expect(states(session)).toEqual(['1R', '2D', '3R'])
    expect(done(session, 'cat /proc/2/status')).toContain('State:\tD (disk sleep)\n')
    expect(done(session, 'dmesg')).toMatch(
      /Killed process 2 [\s\S]*oom_reaper: reaped process 2 \(large\), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB/,
    )
    expect(session.machine.sys.reclaim_clock.now[0]).toBeGreaterThanOrEqual(2_000_000)
    const events = [...done(session, 'trace show').matchAll(/: (\w*(?:victim|reap)\w*): (.*)/g)].map(
      ([, name, text]) => `${name} ${text}`,
    )
    expect(events.map(event => event.split(' ').slice(0, 2).join(' '))).toEqual([
      'mark_victim pid=2',
      'wake_reaper pid=2',
      'start_task_reaping pid=2',
      'finish_task_reaping pid=2',
    ])
    if (kernel.startsWith('6.12'))
      expect(events[0]).toMatch(/^mark_victim pid=2 comm=large total-vm=\d+kB anon-rss=\d+kB file-rss:0kB .* uid=0 /)
    else expect(events[0]).toBe('mark_victim pid=2')
    expect(done(session, 'check')).toBe('all laws hold\n')
    // What it waited for comes: now it ends.
    done(session, 'wake 2')
    expect(states(session)).toEqual(['1R', '3R'])
    expect(done(session, 'check')).toBe('all laws hold\n')
  })

  it('and ends before is not reaped', () => {
    const session = open(kernel)
    done(session, 'spawn init; spawn a; spawn b; echo 9 > /proc/2/oom_score_adj; hang 2; echo f > /proc/sysrq-trigger')
    done(session, 'tick 400')
    expect(done(session, 'dmesg')).not.toContain('oom_reaper')
    done(session, 'wake 2; tick 400')
    expect(done(session, 'dmesg')).not.toContain('oom_reaper')
    expect(states(session)).toEqual(['1R', '3R'])
  })

  it('is taken when time passes, although nobody asks for memory', () => {
    const session = open(kernel)
    done(session, 'spawn init; spawn a; spawn b; run 1')
    done(session, 'hang 3; hang 2; echo 1000 > /proc/2/oom_score_adj; echo f > /proc/sysrq-trigger; tick 600')
    expect(done(session, 'dmesg')).toContain('oom_reaper: reaped process 2 (a)')
  })
})
