// Story: the same call chain, with interrupts on top, on four kinds of kernel stacks; what too deep a chain does to each.
// The machine of the story has stacks of one page; the other three kinds are machines beside it.
import { kernel_stack_view } from '../mm/kernel_stack.ts'
import { stack_damage } from '../mm/kernel_stack_report.ts'
import { Machine } from '../sim/machine.ts'
import { frame } from './look.ts'
import { type Scenario, Stage, type Step } from './scenario.ts'
import { bytesOf, frames, StackTasks } from './stack_tasks.ts'

/** A write that finds no memory, frees some by writing pages of another file; and the RAID that this file lies on. */
const WRITE = frames(
  'sys_write 64 vfs_write 76 do_sync_write 220 xfs_file_aio_write 180 generic_file_buffered_write 180 __alloc_pages 140',
  'try_to_free_pages 152 shrink_zone 360 xfs_vm_writepage 240 xfs_bmapi 528 xfs_alloc_vextent 420',
)
const RAID = frames('submit_bio 140 raid5_make_request 460 scsi_request_fn 280 ahci_qc_issue 760')
const DEEP = [...WRITE, ...RAID]

const beside = (kernel: string): StackTasks => new StackTasks(new Stage(Machine.boot({ kernel, memory: '128M' })))

function* steps(stage: Stage): Generator<Step> {
  const four = new StackTasks(stage)
  const { sys } = stage.machine
  four.call(WRITE)
  const alone = four.need()
  four.interrupts()
  const own = kernel_stack_view(sys, sys.stack_cpu.hardirq_stack[0]!)
  yield {
    say: `4 KiB. A write needs ${alone} of ${four.view().size} bytes of its task's stack. A disk interrupts, packets come, the disk interrupts again: the task's stack pays ${four.need() - alone} bytes for it, since handlers run on stacks of the CPU's own; they took ${own.size - own.lowest} bytes there.`,
    expect: { 'the word at the end is there': four.view().end_is_there, 'little was added': four.need() - alone < 100 },
  }

  const quiet = four.call(RAID)
  const damage = stack_damage(sys)
  const hit = damage.at(-1)!
  yield {
    say: `The file lies on RAID: ${bytesOf(RAID)} bytes more, and the stack ends ${-four.view().sp} bytes too early. Nobody says anything. But ${hit.name}() wrote over ${hit.length} bytes of ${frame(hit.pfn)}, ${hit.owner}; and over ${damage[0]!.owner}.`,
    expect: {
      'all went on': quiet && four.lines().length === 0,
      'it was the neighbour': hit.pfn === four.view(four.below).pfns.at(-1),
      'the word at the end is lost': !four.view().end_is_there,
    },
  }

  const left = stage.do({ op: 'schedule', stack: four.below }).error
  yield {
    say: `Then the task goes to sleep, and the scheduler looks for it in thread_info, at the end of the stack: "${four.lines()[0]}". An oops, far from its cause.`,
    expect: { 'it ended here': left !== 0, 'the task was killed': sys.kernel_stack.killed[four.task] === 1 },
  }

  const eight = beside('2.6-i386-discontigmem')
  const fits = eight.call(DEEP)
  const chain = eight.need()
  eight.interrupts()
  yield {
    say: `8 KiB, the same kernel without 4KSTACKS. The chain needs ${chain} bytes; interrupts and softirqs have no stacks of their own and add ${eight.need() - chain}. It fits, and costs two pages behind each other for each task.`,
    expect: { 'it fits': fits && eight.view().end_is_there, 'handlers were on it': eight.need() - chain > 900 },
  }

  const magic = beside('6.1-i386')
  magic.call(DEEP)
  const twice = magic.call(DEEP)
  magic.stage.do({ op: 'schedule', stack: magic.below })
  yield {
    say: `8 KiB in 6.1, with stacks for interrupts again. Reclaim enters the file system a second time: ${magic.need()} bytes. It is as silent, until schedule() looks at the word STACK_END_MAGIC: "${magic.lines().at(-1)}".`,
    expect: { 'it went on': twice, 'it was noticed': magic.lines().at(-1)!.includes('corrupted stack end') },
  }

  const vmapped = beside('6.1-x86_64')
  vmapped.call(DEEP)
  vmapped.interrupts()
  const still = vmapped.lines().length === 0
  vmapped.call(DEEP)
  const [first = '', second] = vmapped.lines()
  yield {
    say: `16 KiB, vmapped, on x86_64, where frames are twice as large. The chain and its interrupts fit; entered twice, it hits the guard page, with the very write that is one too many: "${first}", "${second}". Nobody else's bytes were touched.`,
    expect: {
      'once it fits': still,
      'the guard page was hit': first.includes('TASK stack guard page was hit'),
      'nobody else was harmed': stack_damage(vmapped.stage.machine.sys).every(each => each.owner.startsWith('its own')),
    },
  }
}

export const kernelStackOverflow: Scenario = {
  name: 'kernel_stack_overflow',
  title: 'Kernel stacks: small, never growing, and what happens when they are too small',
  story:
    'Each task has a stack in the kernel that is as large as it was made. Calls and, where a CPU has no stack for them, interrupts share it, and no processor checks its end. One page is easy to allocate and soon too small; two pages need neighbours; pages in the vmalloc area need none, and behind them is a page that nobody maps.',
  terms: {
    THREAD_SIZE: 'bytes of a kernel stack',
    thread_info: 'what the kernel must know of a task quickly; in old kernels at the end of its stack',
    STACK_END_MAGIC: 'a known word at the end of the stack, 0x57ac6e9d',
    'guard page': 'a page of the address space without memory: who touches it faults',
    softirq: 'work that an interrupt leaves behind, done when its handler has returned',
  },
  through: [
    'dup_task_struct',
    'execute_on_irq_stack',
    'do_softirq',
    'task_stack_end_corrupted',
    '__schedule',
    'handle_stack_overflow',
  ],
  machine: { kernel: '2.6-i386-discontigmem', config: { '4KSTACKS': true }, memory: '64M' },
  steps,
}
