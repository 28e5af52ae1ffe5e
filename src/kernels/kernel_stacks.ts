// Kernel stacks of a profile: how large, where interrupts run, what lies on them, and how the kernel words the faults
// that follow when one was too small. Three generations: 2.6 (thread_info at the bottom of the stack), 6.1, 6.12.
import type { KernelConfig, KernelStacks } from '../mm/kernel.ts'

export type StackGeneration = '2.6' | '6.1' | '6.12'

/** What stacks follow from. */
export interface StackFacts {
  readonly arch: 'x86_64' | 'i386' | 'alpha'
  readonly config: KernelConfig
  readonly pgtable_levels: number
  readonly stack_generation: StackGeneration
}

/** Stacks of a profile. @kernel arch/x86/include/asm/page_64_types.h:THREAD_SIZE_ORDER */
export function kernel_stacks(facts: StackFacts): KernelStacks {
  if (facts.arch === 'x86_64') return x86_64(facts)
  return facts.arch === 'i386' ? i386(facts) : alpha
}

const smp = (config: KernelConfig): string => (config.SMP ? ' SMP' : '')

/** KASAN makes stacks twice as large. Interrupts and softirqs share a stack, on which the interrupt's end runs, too. */
function x86_64({ config, stack_generation }: StackFacts): KernelStacks {
  const order = 2 + Number(config.KASAN)
  // Since 6.10 every line of this kind begins alike.
  const oops = stack_generation === '6.12' ? 'Oops: ' : ''
  const tail = `: 0000 [#1] PREEMPT${smp(config)}${config.KASAN ? ' KASAN' : ''} NOPTI`
  return {
    THREAD_SIZE_ORDER: order,
    IRQ_STACK_ORDER: order,
    irq_stack_vmapped: config.VMAP_STACK,
    softirq_stack: false,
    irq_exit_on_irq_stack: true,
    saves_sp_at: 'top',
    sizeof_thread_info: 0,
    thread_info_task: 0,
    user_regs: 168,
    irq_regs: 168,
    irq_regs_ip: 128,
    irq_align: 16,
    TOP_OF_KERNEL_STACK_PADDING: 0,
    return_address: 'top',
    kernel_text: 0xffffffff81000000,
    guard_page_oops: `${oops}stack guard page${tail}`,
    bad_access: (address, reader, overran) => {
      if (!address.startsWith('0000'))
        return [`${oops}general protection fault, probably for non-canonical address 0x${address}${tail}`]
      const fetch = reader === null
      return page_fault_6_1(address, fetch, overran, `Oops: 00${Number(fetch)}0 [#1] PREEMPT${smp(config)} NOPTI`)
    },
  }
}

/** Since 2.6.37 interrupts and softirqs always have stacks of their own; before, only 4KSTACKS gave them. */
function i386({ config, pgtable_levels, stack_generation }: StackFacts): KernelStacks {
  const old = stack_generation === '2.6'
  const order = config['4KSTACKS'] ? 0 : 1
  const own = !old || config['4KSTACKS']
  const info = old ? 52 : 0
  const pae = pgtable_levels > 2
  return {
    THREAD_SIZE_ORDER: order,
    IRQ_STACK_ORDER: own ? order : -1,
    irq_stack_vmapped: false,
    softirq_stack: own,
    irq_exit_on_irq_stack: false,
    saves_sp_at: 'bottom',
    sizeof_thread_info: info,
    thread_info_task: 0,
    user_regs: old ? 60 : 68,
    // An interrupt of the kernel itself does not push esp and ss; later kernels make room for them all the same.
    irq_regs: old ? 52 : 68,
    irq_regs_ip: old ? 40 : 48,
    irq_align: 4,
    TOP_OF_KERNEL_STACK_PADDING: 8,
    return_address: 'top',
    kernel_text: null,
    guard_page_oops: null,
    bad_access: (address, reader, overran) => {
      if (old) return page_fault_2_6(address, reader, overran, `Oops: 0000 [#1]${smp(config)}`)
      // Without NX a fetch is a read to the processor, too.
      const fetch = pae && reader === null
      const oops = `Oops: 00${Number(fetch)}0 [#1] PREEMPT${smp(config)}${pae ? ' NOPTI' : ''}`
      return page_fault_6_1(address, fetch, overran, oops)
    },
  }
}

/** Two pages of 8 KiB; interrupts run on the stack of whom they interrupt. */
const alpha: KernelStacks = {
  THREAD_SIZE_ORDER: 1,
  IRQ_STACK_ORDER: -1,
  irq_stack_vmapped: false,
  softirq_stack: false,
  irq_exit_on_irq_stack: false,
  saves_sp_at: 'top',
  sizeof_thread_info: 176,
  thread_info_task: 64,
  user_regs: 232,
  irq_regs: 232,
  irq_regs_ip: 192,
  irq_align: 8,
  TOP_OF_KERNEL_STACK_PADDING: 0,
  return_address: 'bottom',
  kernel_text: null,
  guard_page_oops: null,
  bad_access: address => [`Unable to handle kernel paging request at virtual address ${address}`],
}

const OVERRAN = 'Thread overran stack, or stack corrupted'

/** @kernel arch/x86/mm/fault.c:show_fault_oops */
function page_fault_6_1(address: string, fetch: boolean, overran: boolean, oops: string): string[] {
  return [
    `BUG: unable to handle page fault for address: ${address}`,
    `#PF: supervisor ${fetch ? 'instruction fetch' : 'read access'} in kernel mode`,
    `#PF: error_code(0x00${Number(fetch)}0) - not-present page`,
    ...(overran ? [OVERRAN] : []),
    oops,
  ]
}

/** @kernel arch/x86/mm/fault.c:show_fault_oops */
function page_fault_2_6(address: string, reader: string | null, overran: boolean, oops: string): string[] {
  const what = /^0+[0-9a-f]{1,3}$/.test(address) ? 'NULL pointer dereference' : 'paging request'
  const lines = [
    `BUG: unable to handle kernel ${what} at ${address}`,
    reader === null ? `IP: [<${address}>] 0x${address}` : `IP: ${reader}`,
  ]
  return [...lines, ...(overran ? [OVERRAN] : []), oops]
}
