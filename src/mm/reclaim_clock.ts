// Time of reclaim, in microseconds, and who has the CPU. What happens takes the time that reclaim_clock's columns say;
// at points where the kernel would let another thread run (after a fault, between batches of 32 pages, while it waits for
// a device), pages whose writeback is done leave it, and kswapd runs in steps while it is its turn. Chance has no part.
// The rule for turns is the fair scheduler's: who had less of the CPU is next, a woken thread gets a credit of half a
// period and preempts who is ahead of it by more than a millisecond, and turns change at ticks.
// Law: kswapd's steps run on the process's stack, never the other way round.
import { kcompactd_step } from './compaction_daemon.ts'
import { KSWAPD_SLEEPING, kswapd_step, kswapd_until } from './kswapd.ts'
import type { Sys } from './mmzone.ts'
import { oom_reaper_step } from './oom_reaper.ts'
import { end_page_writeback } from './page_writeback.ts'

/** Credit of a thread that slept. @kernel kernel/sched/fair.c:sysctl_sched_latency */
const SLEEPER_CREDIT = 3000
/** How far behind a woken thread must be to preempt. @kernel kernel/sched/fair.c:sysctl_sched_wakeup_granularity */
const WAKEUP_GRANULARITY = 1000
/** A tick of 250 Hz. */
const TICK = 4000

/** What operations take on a machine that nothing else is known of. @ours */
export function reclaim_clock_init(sys: Sys): void {
  const clock = sys.reclaim_clock
  if (clock.now.length === 0) return
  clock.access[0] = 2
  clock.fault[0] = 12
  clock.scan[0] = 1.5
  clock.write[0] = 15
  clock.free[0] = 2
  clock.read_latency[0] = 200
  clock.write_latency[0] = 1000
  clock.transfer[0] = 20
}

/** Time passes for who has the CPU. @ours */
export function spend(sys: Sys, us: number): void {
  const { now, running, vruntime } = sys.reclaim_clock
  now[0] = now[0]! + us
  const kswapd = running[0]!
  if (kswapd === 0) vruntime[0] = vruntime[0]! + us
  else sys.kswapd.vruntime[kswapd - 1] = sys.kswapd.vruntime[kswapd - 1]! + us
}

/** Ends the writeback of pages whose request is done. @kernel mm/page_io.c:end_swap_bio_write */
export function complete_io(sys: Sys): void {
  const { io_head, io_count, now } = sys.reclaim_clock
  const { pfn, done } = sys.reclaim_io
  while (io_count[0]! > 0 && done[io_head[0]!]! <= now[0]!) {
    const frame = pfn[io_head[0]!]!
    io_head[0] = (io_head[0]! + 1) % pfn.length
    io_count[0]! -= 1
    end_page_writeback(sys, frame)
  }
}

/** Sends a page to the device; its writeback ends later. @kernel mm/page_io.c:swap_writepage_bdev */
export function submit_write(sys: Sys, frame: number): void {
  const { io_head, io_count, now, write_latency, transfer, device_free } = sys.reclaim_clock
  const { pfn, done } = sys.reclaim_io
  if (io_count[0] === pfn.length) {
    // No free request: nothing else may run here, a batch of pages is at work.
    now[0] = Math.max(now[0]!, done[io_head[0]!]!)
    complete_io(sys)
  }
  const at = (io_head[0]! + io_count[0]!) % pfn.length
  const ready = Math.max(now[0]! + write_latency[0]!, device_free[0]! + transfer[0]!)
  device_free[0] = ready
  pfn[at] = frame
  done[at] = ready
  io_count[0]! += 1
}

/** Whether kswapd of a node wants the CPU now. */
function is_runnable(sys: Sys, node: number): boolean {
  if (sys.kswapd.state[node] === KSWAPD_SLEEPING) return false
  return kswapd_until(sys, node) <= sys.reclaim_clock.now[0]!
}

/** A woken kswapd is not punished for having slept. @kernel kernel/sched/fair.c:place_entity */
export function place_kswapd(sys: Sys, node: number): void {
  const { vruntime } = sys.kswapd
  vruntime[node] = Math.max(vruntime[node]!, sys.reclaim_clock.vruntime[0]! - SLEEPER_CREDIT)
}

/** Lets one node's kswapd do a step; the process's context is put aside. */
function run_step(sys: Sys, node: number): void {
  const cpu = sys.machine.this_cpu[0]!
  const { current, in_lru_fault } = sys.vm_cpu
  const [task, fault] = [current[cpu]!, in_lru_fault[cpu]!]
  current[cpu] = 0
  in_lru_fault[cpu] = 0
  sys.reclaim_clock.running[0] = node + 1
  kswapd_step(sys, node)
  sys.reclaim_clock.running[0] = 0
  current[cpu] = task
  in_lru_fault[cpu] = fault
}

/** A point where the process may lose the CPU; kswapd itself never does here. @kernel kernel/sched/core.c:__cond_resched */
export function cond_resched(sys: Sys): void {
  const clock = sys.reclaim_clock
  if (clock.running[0] !== 0) return
  if (clock.io_count[0]! > 0) complete_io(sys)
  if (clock.oom_reap[0] !== 0) wake_oom_reaper(sys)
  for (let node = 0; node < sys.nr_nodes; node++) {
    if (sys.kswapd.kcompactd_order[node] !== 0) run_kcompactd(sys, node)
    const ahead = clock.vruntime[0]! - sys.kswapd.vruntime[node]!
    if (ahead <= WAKEUP_GRANULARITY || !is_runnable(sys, node)) continue
    take_turn(sys, node)
  }
}

/** @kernel mm/oom_kill.c:wake_oom_reaper */
function wake_oom_reaper(sys: Sys): void {
  if (sys.reclaim_clock.oom_reap[0]! <= sys.reclaim_clock.now[0]!) oom_reaper_step(sys)
}

/** kcompactd is not stopped once it runs. It runs only where nobody reclaims. */
function run_kcompactd(sys: Sys, node: number): void {
  const clock = sys.reclaim_clock
  if (clock.reclaiming[0]! > 0) return
  clock.running[0] = node + 1
  kcompactd_step(sys, node)
  clock.running[0] = 0
}

/** kswapd runs until it sleeps or has had a tick more than the process. */
function take_turn(sys: Sys, node: number): void {
  const clock = sys.reclaim_clock
  while (is_runnable(sys, node) && sys.kswapd.vruntime[node]! < clock.vruntime[0]! + TICK) {
    run_step(sys, node)
    complete_io(sys)
  }
}

/** The process sleeps until a time: kswapd has the CPU. @kernel kernel/time/timer.c:schedule_timeout */
export function wait_until(sys: Sys, time: number): void {
  const clock = sys.reclaim_clock
  if (clock.running[0] !== 0) {
    clock.now[0] = Math.max(clock.now[0]!, time)
    complete_io(sys)
    return
  }
  while (clock.now[0]! < time) {
    complete_io(sys)
    if (clock.oom_reap[0] !== 0) wake_oom_reaper(sys)
    for (let each = 0; each < sys.nr_nodes; each++) if (sys.kswapd.kcompactd_order[each] !== 0) run_kcompactd(sys, each)
    const node = next_runnable(sys)
    if (node !== -1) run_step(sys, node)
    else clock.now[0] = Math.min(time, next_event(sys))
  }
  complete_io(sys)
  // Who slept is placed a little ahead.
  for (let node = 0; node < sys.nr_nodes; node++)
    if (sys.kswapd.state[node] !== KSWAPD_SLEEPING)
      clock.vruntime[0] = Math.max(clock.vruntime[0]!, sys.kswapd.vruntime[node]! - SLEEPER_CREDIT)
}

function next_runnable(sys: Sys): number {
  for (let node = 0; node < sys.nr_nodes; node++) if (is_runnable(sys, node)) return node
  return -1
}

/** When something happens by itself: a request is done, a kswapd's sleep ends. */
function next_event(sys: Sys): number {
  const clock = sys.reclaim_clock
  let next = Number.POSITIVE_INFINITY
  if (clock.io_count[0]! > 0) next = sys.reclaim_io.done[clock.io_head[0]!]!
  if (clock.oom_reap[0] !== 0) next = Math.min(next, clock.oom_reap[0]!)
  for (let node = 0; node < sys.nr_nodes; node++)
    if (sys.kswapd.state[node] !== KSWAPD_SLEEPING) next = Math.min(next, kswapd_until(sys, node))
  return next
}
