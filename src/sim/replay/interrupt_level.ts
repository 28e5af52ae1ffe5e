// Where an event comes from, by the kernel's trace flags.

/** @kernel include/linux/trace_events.h:TRACE_FLAG_HARDIRQ */
const HARD_INTERRUPT = 0x08
/** @kernel include/linux/trace_events.h:TRACE_FLAG_SOFTIRQ */
const SOFT_INTERRUPT = 0x10

/** 0 = a task, 1 = a soft, 2 = a hard interrupt. */
export function interruptLevel(flags: number): number {
  if ((flags & HARD_INTERRUPT) !== 0) return 2
  return (flags & SOFT_INTERRUPT) !== 0 ? 1 : 0
}
