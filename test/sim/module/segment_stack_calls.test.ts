// Modules that misuse segments, kernel stacks and addresses: a sentence each, and a sound machine.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Task } from '../../../src/sim/module/pointer.ts'
import { type ModuleReport, runModule } from '../../../src/sim/module/run_module.ts'

function run(init: (k: ModuleKernel) => unknown, kernel = '6.1-i386'): ModuleReport {
  const machine = Machine.boot({ kernel, memory: '64M' })
  const report = runModule(machine, { init: k => void init(k) }, { name: 'test' })
  expect([report.faults, machine.check()]).toEqual([[], []])
  return report
}

describe('segments', () => {
  it('are those of the GDT until modify_ldt adds some', () => {
    run(k => {
      const at = (selector: number) => k.get_cpu_gdt().find(each => each.selector === (selector & ~3))
      for (const selector of [k.__KERNEL_CS, k.__KERNEL_DS, k.__USER_CS, k.__USER_DS])
        expect(at(selector)).toMatchObject({ base: 0, limit: 0xffffffff, dpl: selector & 3, s: 1 })
      expect(k.read_ldt()).toEqual([])
      expect(k.modify_ldt(0x11, { entry_number: 1, base_addr: 0x5000, limit: 9, contents: 2 })).toBe(0)
      expect(k.read_ldt()[1]).toMatchObject({ selector: 15, base: 0x5000, limit: 9, dpl: 3 })
      expect(k.modify_ldt(5, {})).toBe(-38)
    })
  })

  it('bytes are read at the linear address', () => {
    run(k => {
      const buffer = k.kmalloc(64, k.GFP_KERNEL)!
      k.writel(0xcafe, buffer.plus(8))
      k.modify_ldt(0x11, { entry_number: 0, base_addr: buffer.minus(k.PAGE_OFFSET) + 0xc0000000, limit: 63 })
      expect(k.loadsegment('fs', 7)).toBeNull()
      const linear = k.linear_address('fs', 8, 4, 'read')
      if ('fault' in linear) throw new Error(linear.fault)
      expect(k.readl(linear)).toBe(0xcafe)
      expect(k.linear_address('fs', 61, 4, 'read')).toMatchObject({ fault: '#GP', error_code: 0 })
      k.kfree(buffer)
    })
  })

  it('end with the process: nothing of the LDT is left', () => {
    const machine = Machine.boot({ kernel: '6.1-i386', memory: '64M' })
    const module = {
      init: (k: ModuleKernel) => k.modify_ldt(0x11, { entry_number: 8191, limit: 1 }),
      exit: (k: ModuleKernel) => expect([k.read_ldt(), k.current_privilege_level()]).toEqual([[], 0]),
    }
    expect(runModule(machine, module, { name: 'test' })).toMatchObject({ error: null, faults: [], leaks: [] })
    expect([...machine.sys.segment.ldt_entries]).toEqual([0])
  })

  it.each<[string, (k: ModuleKernel) => unknown]>([
    ['RangeError: user_desc.limit: 1048576 is not a number of 20 bits', k => k.modify_ldt(0x11, { limit: 2 ** 20 })],
    ['RangeError: struct user_desc has no member "base"', k => k.modify_ldt(0x11, { base: 0 } as object)],
    ['RangeError: "xs" is none of cs, ds, es, fs, gs, ss', k => k.loadsegment('xs' as 'cs', 0)],
    ['RangeError: 65536 is not a number of 16 bits', k => k.loadsegment('ds', 65536)],
    ['RangeError: an access of 0 bytes', k => k.linear_address('ds', 0, 0, 'read')],
    [
      'TypeError: loadsegment takes 2 arguments, not 1',
      k => (k.loadsegment as unknown as (name: string) => void)('ds'),
    ],
  ])('%s', (sentence, init) => {
    expect(run(init).error).toBe(`init threw ${sentence}`)
  })

  it('are of 32-bit x86', () => {
    const { error } = run(k => k.get_cpu_gdt(), '6.1-x86_64')
    expect(error).toBe('init threw RangeError: 6.1-x86_64 does not use segments: 32-bit x86 does')
  })
})

describe('addresses', () => {
  it('of fixed mappings count down, and kmap_atomic lies in them', () => {
    run(k => {
      expect(k.virt_to_fix(k.fix_to_virt(3))).toBe(3)
      expect(k.fix_to_virt(3).minus(k.fix_to_virt(4))).toBe(k.PAGE_SIZE)
      expect(() => k.fix_to_virt(100_000)).toThrow(/^fixed mapping 100000: there are 0 to \d+$/)
      expect([k.virt_addr_valid(k.PAGE_OFFSET.plus(4096)), k.virt_addr_valid(k.high_memory)]).toEqual([true, false])
      expect([k.is_vmalloc_addr(k.VMALLOC_START), k.is_vmalloc_addr(k.VMALLOC_END)]).toEqual([true, false])
    })
  })
})

describe('kernel stacks', () => {
  it('a task that another one replaces sleeps in its chain', () => {
    run(k => {
      const [a, b] = [k.kthread_create('a')!, k.kthread_create('b')!]
      k.schedule(a)
      expect(k.call('wait', 64, () => k.schedule(b))).toBe(false)
      expect([k.stack_used(a), k.stack_used(b)]).toEqual([64, 0])
      expect(k.call('work', 32)).toBe(true)
      k.schedule(null)
      for (const task of [a, b]) k.kthread_stop(task)
    })
  })

  it('a function that throws leaves its frames, and its interrupt', () => {
    const { log } = run(k => {
      const task = k.kthread_create('a')!
      k.schedule(task)
      const thrower = (): void => {
        throw new Error('on purpose')
      }
      expect(() => k.call('f', 64, () => k.common_interrupt(() => k.call('g', 32, thrower)))).toThrow('on purpose')
      expect([k.stack_used(task), k.in_interrupt(), k.in_atomic()]).toEqual([0, false, false])
      expect(k.schedule(null)).toBe(true)
      k.kthread_stop(task)
    })
    expect(log).toEqual([])
  })

  it('who schedules in an interrupt is told, and softirqs do not nest', () => {
    const { log } = run(k => {
      const task = k.kthread_create('a')!
      k.schedule(task)
      k.common_interrupt(() => {
        expect(k.schedule(null)).toBe(false)
        k.do_softirq(() => expect(k.do_softirq()).toBe(false))
      })
      k.schedule(null)
      k.kthread_stop(task)
    })
    expect(log).toEqual(['BUG: scheduling while atomic: a/1/0x00010000'])
  })

  it('a task that is not stopped is told as one that is left', () => {
    const { leaks } = run(k => k.schedule(k.kthread_create('lost')))
    expect(leaks).toMatchObject([{ kind: 'task', call: 'kthread_create(lost)', bytes: 8192 }])
  })

  it.each<[string, (k: ModuleKernel, task: Task) => unknown]>([
    ['task a has ended', (k, task) => [1, 2].map(() => k.kthread_stop(task))],
    ['a frame of 9000 bytes is larger than a stack, which has 8192', k => k.call('f', 9000)],
    ['a/1 runs: its stack is in use', (k, task) => k.schedule(task) && k.kthread_stop(task)],
    ["CPU 0 is idle, and the idle task's stack is not modelled: schedule a task", k => k.call('f', 8)],
  ])('%s', (sentence, init) => {
    expect(run(k => init(k, k.kthread_create('a')!)).error).toBe(`init threw RangeError: ${sentence}`)
  })

  it('tasks without end find an end', () => {
    const { error } = run(k => {
      while (k.kthread_create('many') !== null);
      throw new Error('no memory')
    })
    expect(error).toBe('init threw Error: no memory')
  })
})
