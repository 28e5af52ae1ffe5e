// Kernel stacks: where they lie, what lies on them, what runs on which, and what an overflow is in each set-up.
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernel_by_name, kernels, with_config } from '../../src/kernels/index.ts'
import type { KernelConfig } from '../../src/mm/kernel.ts'
import { kernel_stack_view } from '../../src/mm/kernel_stack.ts'
import { STACK_END_MAGIC, stack_address, stack_paddr, text_address } from '../../src/mm/kernel_stack_bytes.ts'
import { kernel_stack_check } from '../../src/mm/kernel_stack_check.ts'
import { stack_damage } from '../../src/mm/kernel_stack_report.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { read_u32 } from '../../src/mm/physmem.ts'
import { vmalloc_check } from '../../src/mm/vmalloc_check.ts'
import type { Command } from '../../src/sim/commands.ts'
import { Machine } from '../../src/sim/machine.ts'
import type { MachineDescription } from '../../src/sim/machine_description.ts'
import { describeShared, SHARED } from '../shared.ts'

const OLD = '2.6-i386-discontigmem'
const FOUR: MachineDescription = { kernel: OLD, config: { '4KSTACKS': true }, memory: '64M' }

const boot = (description: MachineDescription): Machine => Machine.boot(description, { shared: false })
const laws = (sys: Sys): string[] => [...kernel_stack_check(sys), ...vmalloc_check(sys)]
const said = (machine: Machine): string[] => machine.log.map(({ line }) => line)

/** Makes a task and runs it. */
function start(machine: Machine, comm = 'task', cpu = 0): number {
  const { stack } = machine.apply({ op: 'kernel_stack_alloc', comm, cpu })
  machine.apply({ op: 'schedule', stack: stack!, cpu })
  return stack!
}

/** Two tasks whose stacks lie side by side: the lower one, and the one above, which runs. */
function neighbours(machine: Machine): [low: number, high: number] {
  const tasks = Array.from({ length: 8 }, (_, at) => machine.apply({ op: 'kernel_stack_alloc', comm: `t${at}` }).stack!)
  const first = (stack: number): number => kernel_stack_view(machine.sys, stack).pfns[0]!
  for (const high of tasks)
    for (const low of tasks)
      if (kernel_stack_view(machine.sys, low).pfns.at(-1) === first(high) - 1) {
        machine.apply({ op: 'schedule', stack: high })
        return [low, high]
      }
  throw new Error('no neighbours')
}

const call = (machine: Machine, size: number, name = 'f'): number => machine.apply({ op: 'call', name, size }).error!
const sp = (machine: Machine, stack: number): number => machine.sys.kernel_stack.sp[stack]!
const word = (sys: Sys, stack: number, offset: number): number => read_u32(sys, stack_paddr(sys, stack, offset))

describe('a set-up', () => {
  it('is a fact of each kernel', () => {
    const rows = Object.values(kernels).map(({ name, stack, PAGE_SHIFT, config }) => {
      const irq = stack.IRQ_STACK_ORDER < 0 ? 'none' : 2 ** (PAGE_SHIFT + stack.IRQ_STACK_ORDER)
      const softirq = stack.softirq_stack ? ' and softirq' : ''
      return `${name} ${2 ** (PAGE_SHIFT + stack.THREAD_SIZE_ORDER)}${config.VMAP_STACK ? ' vmapped' : ''}, irq ${irq}${softirq}`
    })
    expect(rows).toEqual([
      '6.1-x86_64 16384 vmapped, irq 16384',
      '6.1-x86_64-la57 16384 vmapped, irq 16384',
      '6.12-x86_64 16384 vmapped, irq 16384',
      '6.1-i386 8192, irq 8192 and softirq',
      '6.1-i386-2g 8192, irq 8192 and softirq',
      '6.1-i386-pae 8192, irq 8192 and softirq',
      '2.6-i386-discontigmem 8192, irq none',
      '2.6-alpha 16384, irq none',
    ])
    const four = with_config(kernel_by_name(OLD), { '4KSTACKS': true }).stack
    expect([four.THREAD_SIZE_ORDER, four.IRQ_STACK_ORDER, four.softirq_stack]).toEqual([0, 0, true])
    expect(with_config(kernel_by_name('6.1-x86_64'), { KASAN: true }).stack.THREAD_SIZE_ORDER).toBe(3)
  })

  it('that never was is refused', () => {
    const wrong =
      (kernel: string, config: object): (() => unknown) =>
      () =>
        with_config(kernel_by_name(kernel), config)
    expect(wrong('6.1-x86_64', { '4KSTACKS': true })).toThrow('4KSTACKS belongs to i386')
    expect(wrong('6.1-i386', { '4KSTACKS': true })).toThrow('4KSTACKS ended with 2.6')
    expect(wrong('6.1-i386', { VMAP_STACK: true })).toThrow('VMAP_STACK belongs to 64-bit processors')
    expect(wrong('6.1-x86_64', { THREAD_INFO_IN_TASK: false })).toThrow('VMAP_STACK needs THREAD_INFO_IN_TASK')
    expect(wrong('2.6-alpha', { DEBUG_STACKOVERFLOW: true })).toThrow('DEBUG_STACKOVERFLOW belongs to i386')
  })
})

describe('a stack', () => {
  it.each([
    ['6.1-x86_64', {}, 4, 0, 16384 - 168],
    ['6.1-x86_64', { VMAP_STACK: false }, 4, 0, 16384 - 168],
    ['6.1-i386', {}, 2, 0, 8192 - 8 - 68],
    [OLD, {}, 2, 52, 8192 - 8 - 60],
    [OLD, { '4KSTACKS': true }, 1, 52, 4096 - 8 - 60],
    ['2.6-alpha', {}, 2, 176, 16384 - 232],
  ] as const)('%s %j: magic at its end, registers at its top', (kernel, config, pages, end, top) => {
    const machine = boot({ kernel, config, memory: '64M' })
    const { sys } = machine
    const stack = start(machine)
    const view = kernel_stack_view(sys, stack)
    expect([view.pfns.length, view.sp, view.end_is_there, view.depth]).toEqual([pages, top, true, 0])
    expect(word(sys, stack, end)).toBe(STACK_END_MAGIC)
    expect(word(sys, stack, top)).not.toBe(0)
    expect(word(sys, stack, top - 4)).toBe(0)
    expect(machine.proc('meminfo')).toMatch(new RegExp(`^KernelStack: +${view.size / 1024} kB$`, 'm'))
    if (!sys.kernel.config.VMAP_STACK) expect(view.pfns).toEqual(view.pfns.map((_, at) => view.pfns[0]! + at))
    expect(laws(sys)).toEqual([])
    machine.apply({ op: 'schedule', stack: 0 })
    machine.apply({ op: 'kernel_stack_free', stack })
    expect(machine.proc('meminfo')).toMatch(/^KernelStack: +0 kB$/m)
    expect([...laws(sys), ...machine.check()]).toEqual([])
  })

  it('of a freed task is kept by its CPU, two of them, and is empty when it is used again', () => {
    const machine = boot({ memory: '128M' })
    const { sys } = machine
    const stacks = Array.from({ length: 3 }, () => start(machine))
    for (const _ of stacks) call(machine, 500)
    machine.apply({ op: 'schedule', stack: 0 })
    const used = sys.vmalloc.nr_vmalloc_pages[0]!
    for (const stack of stacks) machine.apply({ op: 'kernel_stack_free', stack })
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(used - 4)
    const again = [start(machine), start(machine), start(machine)]
    expect(again.slice(0, 2)).toEqual(stacks.slice(0, 2))
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(used)
    expect(word(sys, again[1]!, sp(machine, again[1]!) - 400)).toBe(0)
    expect(laws(sys)).toEqual([])
  })

  it('lies where real ones lie: 16 KiB aligned to their size, a page behind them that is nobody’s', () => {
    const machine = boot({ memory: '128M' })
    start(machine)
    start(machine)
    const at = [1, 2, 3].map(stack => stack_address(machine.sys, stack, 0).lo.toString(16))
    expect(at).toEqual(['0', '8000', '10000'])
  })

  it('is not there without memory, and nothing is left behind', () => {
    const machine = boot({ ...FOUR, memory: '16M' })
    while (machine.apply({ op: 'alloc_pages', gfp: machine.gfp('GFP_ATOMIC|__GFP_NOWARN'), order: 0 }).pfn! >= 0);
    const before = machine.sys.stack_state.used_stacks[0]
    expect(machine.apply({ op: 'kernel_stack_alloc', comm: 'late' }).stack).toBe(0)
    expect(machine.sys.stack_state.used_stacks[0]).toBe(before)
    expect(laws(machine.sys)).toEqual([])
  })
})

describe('a chain', () => {
  it('writes return addresses that lead back', () => {
    const machine = boot({ memory: '128M' })
    const { sys } = machine
    const stack = start(machine)
    const top = sp(machine, stack)
    call(machine, 100, 'vfs_read')
    call(machine, 3, 'new_sync_read')
    expect(sp(machine, stack)).toBe(top - 104 - 8)
    const { lo, hi } = text_address(sys, 'vfs_read')
    expect([word(sys, stack, top - 112), word(sys, stack, top - 108)]).toEqual([lo + 10, hi])
    expect(machine.apply({ op: 'return' })).toEqual({ error: 0 })
    expect(machine.apply({ op: 'return' })).toEqual({ error: 0 })
    expect(sp(machine, stack)).toBe(top)
    expect(() => machine.apply({ op: 'return' })).toThrow('no call to return from')
    expect(laws(sys)).toEqual([])
  })

  /** The stacks that are in use, deepest first, as letters: task, hardirq, softirq. */
  const where = ({ sys }: Machine): string => {
    let text = ''
    for (let stack = sys.stack_cpu.stack[0]!; stack !== 0; stack = sys.kernel_stack.from[stack]!)
      text += `${'?thsc'[sys.kernel_stack.kind[stack]!]}${sys.kernel_stack.depth[stack]} `
    return text.trim()
  }

  const OWN = 'h0 t2|h1 t2|h2 t2|h1 t2|h0 t2|s0 t3|s1 t3|h0 s2 t3|s1 t3|s0 t3|t2|t1'
  const NONE = 't2|t3|t4|t3|t2|t3|t4|t5|t4|t3|t2|t1'
  it.each([
    [{ kernel: OLD }, NONE],
    [FOUR, OWN],
    [{ kernel: '6.1-i386' }, OWN],
    [{ kernel: '6.1-x86_64' }, 'h0 t2|h1 t2|h2 t2|h1 t2|h0 t2|h1 t2|h2 t2|h3 t2|h2 t2|h1 t2|h0 t2|t1'],
    [{ kernel: '2.6-alpha' }, NONE],
  ] as const)('%j: interrupts and softirqs run where they do', (machineOf, expected) => {
    const machine = boot({ memory: '64M', ...machineOf })
    const stack = start(machine)
    const top = sp(machine, stack)
    const seen: string[] = []
    const act = (op: Act, refused = 0): void => {
      const { error } = machine.apply(op === 'call' ? { op, name: 'handler', size: 200 } : { op })
      expect([error, ...laws(machine.sys)]).toEqual([refused])
      if (refused === 0) seen.push(where(machine))
    }
    call(machine, 64, 'sys_read')
    act('irq_enter')
    act('call')
    act('softirq_enter', -16)
    act('irq_enter')
    act('softirq_enter', -16)
    expect(() => act('return')).toThrow('no call to return from')
    act('irq_exit')
    expect(() => act('irq_exit')).toThrow('call handler: no interrupt to end')
    act('return')
    act('softirq_enter')
    act('call')
    act('irq_enter')
    act('softirq_enter', -16)
    act('irq_exit')
    expect(() => act('softirq_exit')).toThrow('call handler: no softirq to end')
    act('return')
    act('softirq_exit')
    act('irq_exit')
    expect(seen.join('|')).toBe(expected)
    machine.apply({ op: 'return' })
    expect([where(machine), sp(machine, stack)]).toEqual(['t0', top])
  })

  it('of a task does not go on in another one', () => {
    const machine = boot({ ...FOUR, cpus: 2 })
    const stack = start(machine, 'a', 1)
    expect(() => machine.apply({ op: 'schedule', stack })).toThrow('a/1 runs on CPU 1 already')
    expect(() => machine.apply({ op: 'kernel_stack_free', stack })).toThrow('a/1 runs')
    expect(() => machine.apply({ op: 'schedule', stack: 1 })).toThrow('stack 1 belongs to no task')
    expect(() => call(machine, 8)).toThrow('CPU 0 is idle')
    machine.apply({ op: 'irq_enter', cpu: 1 })
    expect(machine.apply({ op: 'schedule', stack: 0, cpu: 1 })).toEqual({ error: -14 })
    expect(said(machine)).toEqual(['BUG: scheduling while atomic: a/1/0x00010000'])
    machine.apply({ op: 'irq_exit', cpu: 1 })
    expect(machine.apply({ op: 'schedule', stack: 0, cpu: 1 })).toEqual({ error: 0 })
    expect(laws(machine.sys)).toEqual([])
  })

  it('a wrong command changes nothing', () => {
    const machine = boot(FOUR)
    start(machine)
    const before = machine.hash()
    const wrong: readonly Command[] = [
      { op: 'return' },
      { op: 'irq_exit' },
      { op: 'softirq_exit' },
      { op: 'call', name: 'f', size: -1 },
      { op: 'schedule', stack: 9999 },
      { op: 'kernel_stack_free', stack: 0 },
    ]
    for (const command of wrong) expect(() => machine.apply(command)).toThrow(RangeError)
    expect(machine.hash()).toBe(before)
  })
})

type Act = 'call' | 'return' | 'irq_enter' | 'irq_exit' | 'softirq_enter' | 'softirq_exit'

describe('an overflow', () => {
  it('of a stack in the direct map is silent, and is written over who lies below', () => {
    const machine = boot(FOUR)
    const { sys } = machine
    const [low, high] = neighbours(machine)
    const victim = kernel_stack_view(sys, low)
    const top = sp(machine, low)
    const before = [4096 - 16, 4096 - 12, 4096 - 8, 4096 - 4].map(at => word(sys, low, at))
    expect(call(machine, sp(machine, high) + 40, 'shrink_zone')).toBe(0)
    expect(said(machine)).toEqual([])
    expect(kernel_stack_view(sys, high)).toMatchObject({ sp: -40, lowest: -40, depth: 1, end_is_there: false })
    expect(stack_damage(sys)).toEqual([
      {
        ...{ stack: high, name: 'shrink_zone', pfn: victim.pfns[0]! + 1, offset: 0, length: 56 },
        ...{ was: [0, 0, 0, STACK_END_MAGIC], owner: 'its own STACK_END_MAGIC, thread_info' },
      },
      {
        ...{ stack: high, name: 'shrink_zone', pfn: victim.pfns[0], offset: 4056, length: 40, was: before },
        owner: `stack of t${low - 3}/${low - 2}: registers of user space`,
      },
    ])
    expect(word(sys, low, 4096 - 12)).not.toBe(before[1])
    expect(victim.sp).toBe(top)
    expect(laws(sys)).toEqual([])
  })

  it('is noticed by the scheduler, where that looks at the end of the stack', () => {
    const machine = boot({ kernel: '6.1-i386', memory: '64M' })
    const [low, high] = neighbours(machine)
    call(machine, sp(machine, high))
    expect(kernel_stack_view(machine.sys, high).end_is_there).toBe(false)
    expect(machine.apply({ op: 'schedule', stack: low })).toEqual({ error: -14 })
    expect(said(machine)).toEqual(['Kernel panic - not syncing: corrupted stack end detected inside scheduler'])
    expect(call(machine, 8)).toBe(-14)
    expect(laws(machine.sys)).toEqual([])
  })

  it('that ends just above the word is none, and one that jumps over it is not noticed', () => {
    const machine = boot({ kernel: '6.1-i386', memory: '64M' })
    const [low, high] = neighbours(machine)
    call(machine, sp(machine, high) - 4)
    expect(kernel_stack_view(machine.sys, high)).toMatchObject({ sp: 4, floor: 4, end_is_there: true })
    expect(stack_damage(machine.sys)).toEqual([])
    expect(machine.apply({ op: 'schedule', stack: low })).toEqual({ error: 0 })
  })

  it('takes thread_info with it: a kernel that finds its task there faults', () => {
    const machine = boot(FOUR)
    const [low, high] = neighbours(machine)
    call(machine, sp(machine, high), 'deep')
    expect(machine.apply({ op: 'schedule', stack: low })).toEqual({ error: -14 })
    const [bug, ip, overran, oops, who, ...rest] = said(machine)
    expect(bug).toMatch(/^BUG: unable to handle kernel paging request at [0-7][0-9a-f]{7}$/)
    expect([ip, overran, oops]).toEqual([
      'IP: schedule',
      'Thread overran stack, or stack corrupted',
      'Oops: 0000 [#1] SMP',
    ])
    expect(who).toMatch(/^CPU: 0 PID: \d Comm: t\d Not tainted 2\.6 $/)
    expect(rest).toEqual(['Call Trace:', ' <TASK>', ' deep', ' </TASK>', '---[ end trace 0000000000000000 ]---'])
    expect(() => machine.apply({ op: 'schedule', stack: high })).toThrow('was killed')
    expect(machine.apply({ op: 'schedule', stack: low })).toEqual({ error: 0 })
    machine.apply({ op: 'kernel_stack_free', stack: high })
    expect(laws(machine.sys)).toEqual([])
  })

  it('sends the neighbour to where it was never called from', () => {
    const machine = boot({ ...FOUR, cpus: 2 })
    const { sys } = machine
    const [low, high] = neighbours(machine)
    machine.apply({ op: 'schedule', stack: low, cpu: 1 })
    machine.apply({ op: 'call', name: 'sys_read', size: 128, cpu: 1 })
    call(machine, sp(machine, high) + 190, 'deep')
    expect(stack_damage(sys)[1]).toMatchObject({ owner: expect.stringMatching(/: registers of user space, sys_read$/) })
    expect(machine.apply({ op: 'return', cpu: 1 })).toEqual({ error: -14 })
    expect(said(machine)[0]).toMatch(/^BUG: unable to handle kernel paging request at [0-7][0-9a-f]{7}$/)
    expect(sys.kernel_stack.killed[low]).toBe(1)
    expect(laws(sys)).toEqual([])
  })

  it('that puts an address of the kernel there leads the processor astray, and more is not modelled', () => {
    const machine = boot({ ...FOUR, cpus: 2 })
    const { sys } = machine
    const [low, high] = neighbours(machine)
    machine.apply({ op: 'schedule', stack: low, cpu: 1 })
    machine.apply({ op: 'call', name: 'sys_read', size: 128, cpu: 1 })
    // The return address of `deeper` lies exactly on that of sys_read.
    call(machine, sp(machine, high) + 68, 'deep')
    call(machine, 64, 'deeper')
    expect(machine.apply({ op: 'return', cpu: 1 })).toEqual({ error: -14 })
    expect([said(machine), [...sys.stack_cpu.lost]]).toEqual([[], [0, 1]])
    expect(machine.apply({ op: 'irq_enter', cpu: 1 })).toEqual({ error: -14 })
    expect(call(machine, 8)).toBe(0)
  })

  it('hits the guard page of a vmapped stack at once', () => {
    const machine = boot({ memory: '128M' })
    const { sys } = machine
    start(machine, 'rmdir')
    for (let depth = 1; call(machine, 512, depth % 2 ? 'destroy_ns' : '__aa_remove_ns') === 0; ) depth++
    const begin = 'ffffc90000008000'
    const [bug, oops, who, ...rest] = said(machine)
    expect(bug).toBe(`BUG: TASK stack guard page was hit at ffffc90000007ff8 (stack is ${begin}..ffffc9000000c000)`)
    expect(oops).toBe('stack guard page: 0000 [#1] PREEMPT SMP NOPTI')
    expect(who).toBe('CPU: 0 PID: 1 Comm: rmdir Not tainted 6.1 ')
    expect(rest.slice(0, 5)).toEqual([
      ...['RIP: 0010:__aa_remove_ns', 'CR2: ffffc90000007ff8', 'Call Trace:', ' <TASK>', ' destroy_ns'],
    ])
    expect(rest.at(-1)).toBe('Kernel panic - not syncing: Fatal exception in interrupt')
    expect([sys.kernel_stack.depth[2], stack_damage(sys).map(({ owner }) => owner)]).toEqual([
      31,
      ['its own STACK_END_MAGIC'],
    ])
    expect(laws(sys)).toEqual([])
  })

  it('in an interrupt hits the guard page of the interrupt stack', () => {
    const machine = boot({ kernel: '6.12-x86_64', memory: '128M' })
    start(machine, 'rmdir')
    call(machine, 64, 'sys_rmdir')
    machine.apply({ op: 'irq_enter' })
    while (call(machine, 1024, 'handler') === 0);
    expect(said(machine)[0]).toMatch(
      /^BUG: IRQ stack guard page was hit at \w{16} \(stack is ffffc90000000000\.\.ffffc90000004000\)$/,
    )
    expect(said(machine)[1]).toBe('Oops: stack guard page: 0000 [#1] PREEMPT SMP NOPTI')
    expect(said(machine).filter(line => /^ <\w/.test(line))).toEqual([' <IRQ>', ' <TASK>'])
    expect(laws(machine.sys)).toEqual([])
  })

  it('without guard pages on x86_64 ends in an address that is none', () => {
    const machine = boot({ config: { VMAP_STACK: false, SCHED_STACK_END_CHECK: false }, memory: '128M' })
    const { sys } = machine
    const [low, high] = neighbours(machine)
    machine.apply({ op: 'schedule', stack: low })
    call(machine, 128, 'vfs_read')
    machine.apply({ op: 'schedule', stack: high })
    call(machine, sp(machine, high) + 300, 'deep')
    machine.apply({ op: 'schedule', stack: low })
    expect(machine.apply({ op: 'return' })).toEqual({ error: -14 })
    expect(said(machine)[0]).toMatch(
      /^general protection fault, probably for non-canonical address 0x([0-9a-f]{8})\1: 0000 \[#1\] PREEMPT SMP NOPTI$/,
    )
    expect(laws(sys)).toEqual([])
  })

  it('of an interrupt stack of i386 is silent, too', () => {
    const machine = boot(FOUR)
    const { sys } = machine
    start(machine)
    call(machine, 100, 'sys_read')
    machine.apply({ op: 'irq_enter' })
    expect(call(machine, 4096, 'handler')).toBe(0)
    expect(stack_damage(sys).at(-1)).toMatchObject({ stack: sys.stack_cpu.hardirq_stack[0], length: 52 })
    expect(said(machine)).toEqual([])
    expect(laws(sys)).toEqual([])
  })

  it('is announced by an interrupt where the kernel was built so, unless it has happened', () => {
    const machine = boot({ ...FOUR, config: { '4KSTACKS': true, DEBUG_STACKOVERFLOW: true } })
    const [, high] = neighbours(machine)
    const interrupt = (): number => {
      machine.apply({ op: 'irq_enter' })
      machine.apply({ op: 'irq_exit' })
      return said(machine).filter(line => line === 'low stack detected by irq handler').length
    }
    call(machine, sp(machine, high) - 52 - 512)
    expect(interrupt()).toBe(0)
    call(machine, 4)
    expect(interrupt()).toBe(1)
    call(machine, 1000)
    expect(interrupt()).toBe(1)
  })
})

const SWITCHES = [
  ...['4KSTACKS', 'VMAP_STACK', 'THREAD_INFO_IN_TASK', 'SCHED_STACK_END_CHECK', 'DEBUG_STACKOVERFLOW'],
] as readonly (keyof KernelConfig)[]

describeShared('recordings of real kernels', () => {
  /** Every captured /proc/vmallocinfo below a folder. */
  const recorded = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('/vmallocinfo'))
      .map(path => readFileSync(`${folder}/${path}`, 'utf8'))

  it.each([
    ['6.1.0-50-amd64', '6.1-x86_64'],
    ['6.12.117+deb12-amd64', '6.12-x86_64'],
  ])('%s: stacks of tasks and of interrupts have the sizes and places that ours have', (release, kernel) => {
    const machine = boot({ kernel, memory: '128M' })
    start(machine)
    const bytes = 2 ** (12 + machine.sys.kernel.stack.THREAD_SIZE_ORDER)
    const { lo, hi } = stack_address(machine.sys, machine.sys.stack_cpu.hardirq_stack[0]!, 0)
    const first = hi.toString(16) + lo.toString(16).padStart(8, '0')
    let [tasks, places, interrupts] = [0, 0, 0]
    for (const text of recorded(`${SHARED}/truth/stock/${release}`)) {
      // Kernels hide or hash addresses unless they are told not to; sizes are always there.
      const shown = text.startsWith('0xffffc900')
      for (const [, begin, size, frames] of text.matchAll(/^0x(\S+)-\S+ +(\d+) kernel_clone.* pages=(\d+) vmalloc/gm)) {
        expect([Number(size), Number(frames)]).toEqual([bytes + 4096, bytes / 4096])
        if (shown) expect(Number.parseInt(begin!.slice(8), 16) % bytes).toBe(0)
        tasks++
        places += Number(shown)
      }
      const irq = /^0x(\S+)-\S+ +(\d+) irq_init_percpu_irqstack.* vmap$/m.exec(text)
      if (irq === null) continue
      expect([shown ? irq[1] : first, Number(irq[2])]).toEqual([first, bytes + 4096])
      interrupts++
    }
    expect([tasks > 1000, places > 100, interrupts > 10]).toEqual([true, true, true])
  })

  it.each(['6.1.0-50-686', '6.1.0-50-686-pae'])('%s: there are no stacks in the vmalloc area', release => {
    const texts = recorded(`${SHARED}/truth/stock/${release}`)
    expect(texts.length).toBeGreaterThan(5)
    expect(texts.filter(text => /kernel_clone|irq_init_percpu_irqstack/.test(text))).toEqual([])
  })

  it.each([
    ['6.1.0-50-amd64', '6.1-x86_64'],
    ['6.12.117+deb12-amd64', '6.12-x86_64'],
    ['6.1.0-50-686', '6.1-i386'],
    ['6.1.0-50-686-pae', '6.1-i386-pae'],
  ])('%s: is configured as the profile says', (release, kernel) => {
    const text = gunzipSync(readFileSync(`${SHARED}/truth/stock/${release}/kernel-config.gz`)).toString()
    const { config } = kernel_by_name(kernel)
    for (const name of SWITCHES) expect([name, text.includes(`\nCONFIG_${name}=y\n`)]).toEqual([name, config[name]])
  })
})

const OPS = [
  'call',
  'call',
  'return',
  'irq_enter',
  'irq_exit',
  'softirq_enter',
  'softirq_exit',
  'schedule',
  'task',
  'free',
]

it.each([
  ['4K', FOUR],
  ['8K', { kernel: OLD, memory: '64M' }],
  ['6.1-i386', { kernel: '6.1-i386', memory: '64M' }],
  ['6.1-x86_64', { memory: '64M' }],
  ['alpha', { kernel: '2.6-alpha', memory: '64M' }],
] as const)('%s: whatever runs, the laws hold, and undoing is exact', (_, description) => {
  const booted = boot({ ...description, cpus: 2 })
  const step = fc.record({
    op: fc.constantFrom(...OPS),
    cpu: fc.nat(1),
    size: fc.nat(900),
    pick: fc.nat(50),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const machine = booted.fork()
      for (const { op, cpu, size, pick } of steps) {
        const before = machine.hash()
        const stack = pick % 12
        const command = {
          ...{ call: { op, name: `f${pick}`, size, cpu }, schedule: { op, stack, cpu } }[op],
          ...{ task: { op: 'kernel_stack_alloc', comm: 'x', cpu }, free: { op: 'kernel_stack_free', stack, cpu } }[op],
        }
        try {
          machine.apply({ op, cpu, ...command } as Command)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
          expect(machine.hash()).toBe(before)
        }
        expect(laws(machine.sys)).toEqual([])
      }
      expect(machine.check()).toEqual([])
    }),
    { numRuns: 25 },
  )
})
