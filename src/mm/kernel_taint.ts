// What went wrong in a machine so far (its taint) and the lines that end a report: who ran where, on what kernel.
// @differs without processor registers and the call trace: the model has no stack of its callers.
import type { Sys } from './mmzone.ts'

/** Bits of `slab_state.taint`. @kernel include/linux/panic.h */
export const TAINT_BAD_PAGE = 5
export const TAINT_WARN = 9
/** Letters of set bits, by number. @kernel kernel/panic.c:taint_flags */
const LETTERS = 'PFSRMBUDAWCIOELKXTN'

/** `Not tainted`, or a letter for each bit. @kernel kernel/panic.c:print_tainted */
export function print_tainted(sys: Sys): string {
  const taint = sys.slab_state.taint[0]!
  if (taint === 0) return 'Not tainted'
  const letters = Array.from(LETTERS, (letter, bit) => ((taint >>> bit) & 1 ? letter : bit === 0 ? 'G' : ' '))
  return `Tainted: ${letters.join('')}`
}

/** @kernel kernel/panic.c:add_taint */
export function add_taint(sys: Sys, bit: number): void {
  const { taint } = sys.slab_state
  const before = taint[0]!
  taint[0] = before | (1 << bit)
  if (bit === TAINT_BAD_PAGE && ((before >>> bit) & 1) === 0)
    sys.printk?.('Disabling lock debugging due to kernel taint')
}

/** Who ran where. @kernel lib/dump_stack.c:dump_stack_print_info */
export function dump_stack(sys: Sys): void {
  const cpu = sys.machine.this_cpu[0]!
  sys.printk?.(`CPU: ${cpu} PID: 0 Comm: swapper/${cpu} ${print_tainted(sys)} ${sys.kernel.release} `)
}

/** A warning of a function of the kernel. @kernel kernel/panic.c:__warn */
export function warn(sys: Sys, where: string, message: string): void {
  sys.printk?.('------------[ cut here ]------------')
  sys.printk?.(message)
  sys.printk?.(`WARNING: CPU: ${sys.machine.this_cpu[0]} PID: 0 at ${where}`)
  dump_stack(sys)
  sys.printk?.('---[ end trace 0000000000000000 ]---')
  add_taint(sys, TAINT_WARN)
}
