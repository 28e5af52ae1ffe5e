// What every module needs: the log, memory by its address, and the context that it runs in.
// Law: bytes are little endian, as the processors that are modelled have them; an address that nothing is mapped at ends
// the module, as it would end a task of the kernel.
import { kernel_jiffies, msecs_to_jiffies } from '../../mm/jiffies.ts'
import { might_sleep } from '../../mm/might_sleep.ts'
import { tick } from '../commands.ts'
import { copy, fill, load, store } from './access.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

export interface BasicCalls {
  /** Prints a line. @kernel kernel/printk/printk.c:printk */
  printk(text: string): void
  /** @kernel include/linux/printk.h:pr_info */
  pr_info(text: string): void
  /** @kernel include/linux/printk.h:pr_warn */
  pr_warn(text: string): void
  /** @kernel include/linux/printk.h:pr_err */
  pr_err(text: string): void

  /** @kernel include/asm-generic/io.h:readb */
  readb(address: Pointer): number
  /** Four bytes. @kernel include/asm-generic/io.h:readl */
  readl(address: Pointer): number
  /** The value comes first. @kernel include/asm-generic/io.h:writeb */
  writeb(value: number, address: Pointer): void
  /** @kernel include/asm-generic/io.h:writel */
  writel(value: number, address: Pointer): void
  /** @kernel lib/string.c:memset */
  memset(to: Pointer, value: number, bytes: number): Pointer
  /** @kernel lib/string.c:memcpy */
  memcpy(to: Pointer, from: Pointer, bytes: number): Pointer

  /** @kernel include/linux/preempt.h:preempt_disable */
  preempt_disable(): void
  /** @kernel include/linux/preempt.h:preempt_enable */
  preempt_enable(): void
  /** @kernel include/linux/irqflags.h:local_irq_disable */
  local_irq_disable(): void
  /** @kernel include/linux/irqflags.h:local_irq_enable */
  local_irq_enable(): void
  /** What follows is a handler of an interrupt. @kernel kernel/softirq.c:irq_enter */
  irq_enter(): void
  /** @kernel kernel/softirq.c:irq_exit */
  irq_exit(): void
  /** @kernel include/linux/preempt.h:in_interrupt */
  in_interrupt(): boolean
  /** @kernel include/linux/preempt.h:in_atomic */
  in_atomic(): boolean
  /** Reports a caller that must not sleep. @kernel include/linux/kernel.h:might_sleep */
  might_sleep(): void
  /** Sleeps, while time passes. @kernel kernel/time/timer.c:msleep */
  msleep(milliseconds: number): void
  /** Ticks, of which a second has 250. @kernel include/linux/jiffies.h:get_jiffies_64 */
  get_jiffies_64(): number
  /** The CPU that runs. @kernel include/linux/smp.h:smp_processor_id */
  smp_processor_id(): number
}

export function basicCalls(ctx: ModuleContext): BasicCalls {
  return { ...printCalls(ctx), ...memoryCalls(ctx), ...contextCalls(ctx) }
}

/** A line, without the level that may stand before it. */
const bare = (text: unknown): string =>
  String(text)
    .replace(/^<[0-7]>/, '')
    .replace(/\n$/, '')

function printCalls(ctx: ModuleContext): Pick<BasicCalls, 'printk' | `pr_${'info' | 'warn' | 'err'}`> {
  const print = (text: string): void => {
    for (const line of bare(text).split('\n')) ctx.print(line)
  }
  return { printk: print, pr_info: print, pr_warn: print, pr_err: print }
}

type Memory = `${'read' | 'write'}${'b' | 'l'}` | 'memset' | 'memcpy'

function memoryCalls(ctx: ModuleContext): Pick<BasicCalls, Memory> {
  return {
    readb: address => load(ctx, address, 1),
    readl: address => load(ctx, address, 4),
    writeb: (value, address) => store(ctx, address, 1, value),
    writel: (value, address) => store(ctx, address, 4, value),
    memset: (to, value, bytes) => {
      fill(ctx, to, value, bytes)
      return to
    },
    memcpy: (to, from, bytes) => {
      copy(ctx, to, from, bytes)
      return to
    },
  }
}

type Context = Exclude<keyof BasicCalls, Memory | 'printk' | `pr_${'info' | 'warn' | 'err'}`>

function contextCalls(ctx: ModuleContext): Pick<BasicCalls, Context> {
  const { sys } = ctx
  const { in_atomic, irqs_disabled, this_cpu, jiffies } = sys.machine
  const less = (count: Int32Array, what: string): void => {
    if (count[0] === 0) sys.printk?.(`BUG: ${what} without its counterpart`)
    else count[0]! -= 1
  }
  return {
    preempt_disable: () => void (in_atomic[0]! += 1),
    preempt_enable: () => less(in_atomic, 'preempt_enable'),
    // Interrupts are off or on: who disables them twice enables them once.
    local_irq_disable: () => void (irqs_disabled[0] = 1),
    local_irq_enable: () => void (irqs_disabled[0] = 0),
    irq_enter: () => {
      ctx.interrupts++
      in_atomic[0]! += 1
    },
    irq_exit: () => {
      if (ctx.interrupts > 0) ctx.interrupts--
      less(in_atomic, 'irq_exit')
    },
    in_interrupt: () => ctx.interrupts > 0,
    in_atomic: () => in_atomic[0]! > 0,
    might_sleep: () => void might_sleep(sys, `${ctx.module}.ts`),
    msleep: milliseconds => {
      might_sleep(sys, 'kernel/time/timer.c')
      tick(sys, msecs_to_jiffies(milliseconds) + 1)
    },
    get_jiffies_64: () => kernel_jiffies(sys, jiffies[0]!),
    smp_processor_id: () => this_cpu[0]!,
  }
}
