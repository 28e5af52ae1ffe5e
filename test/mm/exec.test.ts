// A process gets a new program: what is mapped, what lies on its stack, what is refused, and that the old memory goes.
import { describe, expect, it } from 'vitest'
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { do_execve, new_program } from '../../src/mm/exec.ts'
import { new_inode } from '../../src/mm/files.ts'
import { do_exit, fork, release_task, switch_to } from '../../src/mm/fork.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import { get_user_text, get_user_word } from '../../src/mm/uaccess.ts'
import * as F from '../../src/mm/vm_flags.ts'
import { mapsText } from '../../src/sim/process_files.ts'
import { bootProcess } from './process_machine.ts'

const ANON = { prot: F.PROT_READ | F.PROT_WRITE, flags: F.MAP_PRIVATE | F.MAP_ANONYMOUS }

function boot(kernel: string) {
  const sys = bootProcess(kernel)
  const base = sys.kernel.BITS_PER_LONG === 64 ? 0x400 : 0x8048
  const part = { base, headers: 1, text: 20, rodata: 5, data: 3, bss: 7, data_pgoff: 26 }
  return { sys, base, program: new_program(sys, F.INODE_SHMEM, '/bin/prog', part) }
}

describe.each(['6.1-x86_64', '6.12-x86_64', '6.1-i386', '6.1-i386-pae', '6.1-x86_64-la57'])('exec, %s', kernel => {
  it('maps the segments, and each allows what it should', () => {
    const { sys, base, program } = boot(kernel)
    expect(do_execve(sys, sys.init, program, ['prog'])).toBe(0)
    const mm = sys.task.mm[sys.init]!
    const rows = mapsText(sys, mm)
      .split('\n')
      .map(line => line.split(/ +/))
    const [head, code, constants, data, bss] = rows.map(([, prot, offset]) => `${prot} ${offset}`)
    expect([head, code, constants]).toEqual(['r--p 00000000', 'r-xp 00001000', 'r--p 00015000'])
    expect([data, bss]).toEqual(['rw-p 0001a000', 'rw-p 00000000'])
    expect(rows.map(row => row[5]).filter(name => name?.startsWith('['))).toEqual(
      expect.arrayContaining(['[stack]', '[vvar]', '[vdso]']),
    )
    expect(access(sys, base + 1, ACCESS_EXEC)).toBe(0)
    expect(access(sys, base + 1, ACCESS_WRITE)).toBe(F.SIGSEGV)
    expect(access(sys, base + 26, ACCESS_WRITE)).toBe(0)
    expect(access(sys, base + 29, ACCESS_WRITE)).toBe(0)
    expect(sys.mm.brk[mm]).toBe((base + 36) * 4096)
    expect(check(sys)).toEqual([])
  })

  it('puts the arguments on the stack, over many pages where they are long', () => {
    const { sys, program } = boot(kernel)
    const argv = ['prog', 'x'.repeat(9000), '', 'größer']
    expect(do_execve(sys, sys.init, program, argv)).toBe(0)
    const mm = sys.task.mm[sys.init]!
    const word = sys.kernel.BITS_PER_LONG / 8
    const sp = sys.mm.start_stack[mm]!
    expect(sp % 16).toBe(0)
    expect(get_user_word(sys, mm, sp)).toBe(4)
    expect(argv.map((_, i) => get_user_text(sys, mm, get_user_word(sys, mm, sp + (i + 1) * word)))).toEqual(argv)
    expect(get_user_word(sys, mm, sp + 5 * word)).toBe(0)
    expect(sys.mm.stack_vm[mm]).toBe(35)
    expect(check(sys)).toEqual([])
  })

  it('leaves the process as it was where it is refused', () => {
    const { sys, program } = boot(kernel)
    const mm = sys.task.mm[sys.init]!
    const page = do_mmap(sys, mm, { pages: 4, ...ANON })
    access(sys, page, ACCESS_WRITE)
    const free = () => sys.mm.users.filter(users => users > 0).length
    const spaces = free()
    expect(do_execve(sys, sys.init, 0, [])).toBe(-F.ENOENT)
    expect(do_execve(sys, sys.init, new_inode(sys, F.INODE_REGULAR, '/etc/passwd', 4096), ['x'])).toBe(-F.ENOEXEC)
    expect(do_execve(sys, sys.init, program, ['x'.repeat(140_000)])).toBe(-F.E2BIG)
    sys.task.rlim[8 * sys.init + F.RLIMIT_STACK] = 64 * 1024
    expect(do_execve(sys, sys.init, program, ['x'.repeat(20_000)])).toBe(-F.E2BIG)
    expect([sys.task.mm[sys.init], free()]).toEqual([mm, spaces])
    expect(access(sys, page, ACCESS_READ)).toBe(0)
    expect(check(sys)).toEqual([])
  })

  it('after a fork lets go of everything shared; nothing is left at the end', () => {
    const { sys, program } = boot(kernel)
    const mm = sys.task.mm[sys.init]!
    const page = do_mmap(sys, mm, { pages: 64, ...ANON })
    for (let i = 0; i < 64; i++) access(sys, page + i, ACCESS_WRITE)
    const tables = sys.pgtable_state.tables[0]
    const child = fork(sys, sys.init)
    switch_to(sys, child)
    expect(do_execve(sys, child, program, ['prog'])).toBe(0)
    expect(sys.mm.users[mm]).toBe(1)
    expect(access(sys, page, ACCESS_READ)).toBe(F.SIGSEGV)
    expect(String.fromCharCode(...sys.task.comm.subarray(16 * child, 16 * child + 4))).toBe('prog')
    switch_to(sys, sys.init)
    do_exit(sys, child, 0)
    release_task(sys, child)
    expect(sys.pgtable_state.tables[0]).toBe(tables)
    expect(check(sys)).toEqual([])
  })

  it('gives the heap an area of its own behind the zeros', () => {
    const { sys, base, program } = boot(kernel)
    do_execve(sys, sys.init, program, ['prog'])
    const mm = sys.task.mm[sys.init]!
    const areas = sys.mm.map_count[mm]!
    // A fault in the zeros' last page, then a heap that begins behind it.
    access(sys, base + 35, ACCESS_WRITE)
    expect(mapsText(sys, mm).match(/\[heap\]/g)?.length ?? 0).toBe(sys.kernel.bss_is_heap ? 1 : 0)
    expect(sys.mm.map_count[mm]).toBe(areas)
  })
})
