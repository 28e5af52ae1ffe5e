// Tasks on a machine, for stories of kernel stacks: call chains that run on them, and interrupts on top.
// Sizes of frames are those of a 32-bit kernel; where words are twice as large, frames are, too.
import { type KernelStackView, kernel_stack_view } from '../mm/kernel_stack.ts'
import type { Stage } from './scenario.ts'

/** Functions that call each other, and the bytes of their frames. */
export type Frames = readonly (readonly [name: string, bytes: number])[]

/** `sys_read 40 vfs_read 60` as frames. */
export function frames(...texts: readonly string[]): Frames {
  const words = texts.join(' ').split(' ')
  return words.flatMap((word, at) => (at % 2 === 0 ? [[word, Number(words[at + 1])] as const] : []))
}

/** Bytes of a chain on a 32-bit machine. */
export const bytesOf = (chain: Frames): number => chain.reduce((sum, [, size]) => sum + size, 0)

const HANDLER = frames('handle_irq_event 88 ahci_interrupt 260')
const NETWORK = frames('net_rx_action 160 ip_rcv 220 tcp_v4_rcv 260 tcp_rcv_established 180')

/** Eight tasks of a machine, of which one runs. */
export class StackTasks {
  readonly stage: Stage
  /** The task that runs, and one whose stack ends where that of the first begins, where there is one. */
  readonly task: number
  readonly below: number
  readonly #scale: number

  constructor(stage: Stage) {
    this.stage = stage
    this.#scale = stage.machine.sys.kernel.BITS_PER_LONG / 32
    const tasks = [...'abcdefgh'].map(name => stage.do({ op: 'kernel_stack_alloc', comm: `writer-${name}` }).stack!)
    const lower = (task: number): number | undefined =>
      tasks.find(other => this.view(other).pfns.at(-1) === this.view(task).pfns[0]! - 1)
    this.task = tasks.find(task => lower(task) !== undefined) ?? tasks[1]!
    this.below = lower(this.task) ?? tasks[0]!
    stage.do({ op: 'schedule', stack: this.task })
  }

  view(stack: number = this.task): KernelStackView {
    return kernel_stack_view(this.stage.machine.sys, stack)
  }

  /** Bytes of the stack that were needed at most. */
  need(): number {
    return this.view().size - this.view().lowest
  }

  /** What the kernel printed. */
  lines(): readonly string[] {
    return this.stage.machine.log.map(({ line }) => line)
  }

  /** Calls one function after the other; false = not all of them. */
  call(chain: Frames): boolean {
    const { stage } = this
    return chain.every(([name, size]) => stage.do({ op: 'call', name, size: size * this.#scale }).error === 0)
  }

  /** A disk's interrupt; at its end softirqs take packets from the network, and the disk interrupts again. */
  interrupts(): void {
    const { stage } = this
    this.#disk(() => {
      stage.do({ op: 'softirq_enter' })
      this.#run(NETWORK, () => this.#disk(() => {}))
      stage.do({ op: 'softirq_exit' })
    })
  }

  #disk(atEnd: () => void): void {
    this.stage.do({ op: 'irq_enter' })
    this.#run(HANDLER, () => {})
    atEnd()
    this.stage.do({ op: 'irq_exit' })
  }

  #run(chain: Frames, inside: () => void): void {
    this.call(chain)
    inside()
    for (const _ of chain) this.stage.do({ op: 'return' })
  }
}
