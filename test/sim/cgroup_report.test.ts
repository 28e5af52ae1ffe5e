// The report of a group at its limit, line by line beside recorded ones: the same lines with the same words; the numbers are
// those of another machine.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Machine } from '../../src/sim/machine.ts'
import { describeShared, SHARED } from '../shared.ts'

/** From the group's counters to the kill, numbers left out. The recorder had cpusets and swap counted as here. */
function shape(lines: readonly string[]): string[] {
  const from = lines.findIndex(line => line.startsWith('memory: usage'))
  const to = lines.findIndex(line => line.startsWith('Memory cgroup out of memory: Killed process'))
  return lines.slice(from, to + 1).map(line =>
    line
      .replace(/cpuset=[^,]*/, 'cpuset=…')
      .replace(/\d+/g, '0')
      .replace(/ +/g, ' '),
  )
}

/** The limit that is none is printed as a number, which is the kernel's. */
const swapLimit = (lines: readonly string[]): string =>
  /limit (\d+)kB/.exec(lines.find(l => l.startsWith('swap:'))!)![1]!

function recorded(path: string): string[] {
  const text = readFileSync(join(SHARED!, 'truth/stock', path, 'report.txt'), 'utf8')
  return text.split('\n').map(line => line.replace(/^\[ *\d+\.\d+\] /, ''))
}

function twin(kernel: string, megabytes: number): string[] {
  const machine = Machine.boot({ kernel, memory: '256M' }, { processes: { nr_tasks: 4, nr_memcgs: 1 } })
  for (const comm of ['init', 'hog']) machine.apply({ op: 'spawn', comm })
  machine.apply({ op: 'thp', mode: 'never' })
  machine.apply({ op: 'cgroup_mkdir', path: '/a' })
  machine.write('/sys/fs/cgroup/a/memory.max', `${megabytes}M`)
  machine.write('/sys/fs/cgroup/a/cgroup.procs', '2')
  const lines: string[] = []
  machine.sys.printk = line => void lines.push(line)
  const pages = (megabytes + 2) * 256
  const { page } = machine.apply({ op: 'mmap', pid: 2, pages, prot: 3, flags: 0x4022 })
  expect(machine.apply({ op: 'touch', pid: 2, page: page!, pages, access: 'write' }).signal).toBe(9)
  return lines
}

describeShared('recorded kills in a control group', () => {
  it.each([
    ['6.1.0-50-amd64/fail/oom-memcg', '6.1-x86_64'],
    ['6.12.117+deb12-amd64/fail/oom-memcg', '6.12-x86_64'],
  ])('%s', (path, kernel) => {
    const [theirs, ours] = [recorded(path), twin(kernel, 64)]
    expect(shape(ours)).toEqual(shape(theirs))
    expect(swapLimit(ours)).toBe(swapLimit(theirs))
    expect(ours.find(line => line.startsWith('memory:'))).toMatch(/^memory: usage 65536kB, limit 65536kB, failcnt \d+$/)
    // Of 64 MiB all but the page tables is the process's own.
    const anon = (lines: readonly string[]): number => Number(lines.find(line => /^anon \d/.test(line))!.split(' ')[1])
    expect(Math.abs(anon(ours) - anon(theirs)) / 4096).toBeLessThan(16)
  })
})
