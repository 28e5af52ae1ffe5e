// The shell's words for programs, locked memory, limits and nodes: what they do, and what they refuse.
import { describe, expect, it } from 'vitest'
import { boot_from_description } from '../../../src/sim/boot.ts'
import { Machine } from '../../../src/sim/machine.ts'
import { openShell } from '../../../src/sim/shell/shell.ts'

const shell = (machine: Parameters<typeof boot_from_description>[0] = { memory: '64M' }) =>
  openShell(new Machine(boot_from_description(machine, { processes: { nr_tasks: 4 } })))

describe('exec', () => {
  it('runs a program in a process; maps shows it', () => {
    const session = shell()
    for (const line of ['create_program /bin/ls memory', 'spawn sh']) expect(session.run(line).status).toBe(0)
    expect(session.run('exec 1 /bin/ls -l').status).toBe(0)
    expect(session.run('cat /proc/1/maps').text).toMatch(/ r-xp 00001000 00:02 \d+ +\/bin\/ls\n/)
    expect(session.run('cat /proc/1/status').text).toContain('Name:\tls\n')
  })

  it('refuses a file that is not there or no program, and leaves the process', () => {
    const session = shell()
    for (const line of ['spawn sh', 'create_file /x 3']) session.run(line)
    const before = session.run('cat /proc/1/maps').text
    expect(session.run('exec 1 /nope').error).toContain('ENOENT')
    expect(session.run('exec 1 /x').error).toContain('ENOEXEC')
    expect(session.run('create_program /y text=0').error).toContain('a page of code at least')
    expect(session.run('cat /proc/1/maps').text).toBe(before)
  })
})

describe('locked memory', () => {
  it('is counted, and limited', () => {
    const session = shell()
    session.run('spawn sh')
    const address = session.run('mmap 16 rw').text.trim()
    expect(session.run(`mlock ${address} 4 onfault`).status).toBe(0)
    expect(session.run('cat /proc/1/status').text).toMatch(/VmLck:\s+16 kB/)
    expect(session.run('prlimit memlock 16384').status).toBe(0)
    expect(session.run(`mlock ${address}+4 1`).error).toContain('ENOMEM')
    expect(session.run('munlockall').status).toBe(0)
    expect(session.run('mlockall sometimes').error).toContain('current, future, onfault')
  })
})
