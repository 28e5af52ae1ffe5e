// Ticks: machine.jiffies counts them from 0 at boot; the kernel's own counter begins five minutes before it wraps.
import type { Sys } from './mmzone.ts'

/** Ticks of a second. @kernel include/asm-generic/param.h:HZ */
export const HZ = 250

const FIRST = 2 ** 32 - 300 * HZ

/** The kernel's counter at a tick since boot. @kernel include/linux/jiffies.h:INITIAL_JIFFIES */
export function kernel_jiffies(sys: Sys, ticks: number): number {
  return sys.kernel.BITS_PER_LONG === 32 ? (FIRST + ticks) % 2 ** 32 : FIRST + ticks
}

/** Ticks of some milliseconds, rounded up. @kernel kernel/time/time.c:msecs_to_jiffies */
export function msecs_to_jiffies(milliseconds: number): number {
  return Math.ceil((milliseconds * HZ) / 1000)
}

/** A moment moved to a whole second of the kernel's counter, a little apart for each CPU, so that timers come together and
 * CPUs do not meet. What would be past by then stays. @kernel kernel/time/timer.c:round_jiffies */
export function round_jiffies(sys: Sys, at: number, cpu: number): number {
  const beyond = (kernel_jiffies(sys, at) + 3 * cpu) % HZ
  const rounded = at - beyond + (beyond < HZ / 4 ? 0 : HZ)
  return rounded <= sys.machine.jiffies[0]! ? at : rounded
}
