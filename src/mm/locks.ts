// Spin locks, modelled: taken, counted, and checked for order. A machine has one owner, so nobody ever waits on a real
// lock; what is kept is which classes a CPU holds (cpu.held) and how often each lock was taken.
// Law: a CPU takes classes in rising order only (a per-CPU list's lock before its zone's), and never one twice.
import { BUG_ON } from '../base/bug.ts'
import type { Sys } from './mmzone.ts'

/** Lock classes as bits, in the order in which they may nest. @kernel mm/page_alloc.c */
export const LOCK_PCP = 1
export const LOCK_ZONE = 2

// The engine folds a file's own constants into its code; what is exported or imported it reads at every use.
const PCP_CLASS: number = LOCK_PCP
const ZONE_CLASS: number = LOCK_ZONE

function wrong_order(lock_class: number, held: number): void {
  BUG_ON(true, 'lock order: class taken while a later or the same one is held', lock_class, held)
}

function drop(sys: Sys, lock_class: number): void {
  const { held } = sys.cpu
  const cpu = sys.machine.this_cpu[0]!
  const before = held[cpu]!
  if ((before & lock_class) === 0) BUG_ON(true, 'lock order: class released that is not held', lock_class, before)
  held[cpu] = before & ~lock_class
}

/** Takes zone->lock. @ours */
export function zone_lock(sys: Sys, zone: number): void {
  const { held } = sys.cpu
  const { lock_acquired } = sys.zone
  const cpu = sys.machine.this_cpu[0]!
  const before = held[cpu]!
  if (before >= ZONE_CLASS) wrong_order(ZONE_CLASS, before)
  held[cpu] = before | ZONE_CLASS
  lock_acquired[zone] = lock_acquired[zone]! + 1
}

/** @ours */
export function zone_unlock(sys: Sys): void {
  drop(sys, ZONE_CLASS)
}

/** Takes pcp->lock. @kernel mm/page_alloc.c:pcp_spin_lock */
export function pcp_spin_lock(sys: Sys, pcp: number): void {
  const { held } = sys.cpu
  const { lock_acquired } = sys.pcp
  const cpu = sys.machine.this_cpu[0]!
  const before = held[cpu]!
  if (before >= PCP_CLASS) wrong_order(PCP_CLASS, before)
  held[cpu] = before | PCP_CLASS
  lock_acquired[pcp] = lock_acquired[pcp]! + 1
}

/** @kernel mm/page_alloc.c:pcp_spin_unlock */
export function pcp_spin_unlock(sys: Sys): void {
  drop(sys, PCP_CLASS)
}
