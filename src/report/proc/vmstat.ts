// /proc/vmstat, and the same in one line per counter for one node (/sys/devices/system/node/nodeN/vmstat, numastat).
// Gauges (nr_*) are pages unless the name says kB or bytes (nr_kernel_stack is kB); events are counts since boot.
import { type Counters, decimal, joinLines, LineReader, type Read, type Stray } from './lines.ts'

export interface VmstatFacts {
  counters: Counters
  strays: Stray[]
}

/** Reads `name value` lines. Never throws; damage is a diagnostic. */
export function readVmstat(text: string): Read<VmstatFacts> {
  const reader = new LineReader(text)
  const counters: Counters = new Map()
  for (let line = reader.next(); line !== null; line = reader.next()) {
    const blank = line.indexOf(' ')
    const name = line.slice(0, Math.max(0, blank))
    const value = decimal(line.slice(blank + 1))
    if (value === null || !/^[a-z]\w*$/i.test(name)) reader.stray('not a counter with a number')
    else if (counters.has(name)) reader.stray('this counter stands here a second time')
    else counters.set(name, value)
  }
  if (counters.size === 0) reader.complain('no counter in this file: it is no /proc/vmstat')
  return reader.done({ counters, strays: reader.strays })
}

/** `name value` lines of these facts, as the kernel lays them out. */
export function writeVmstat(facts: VmstatFacts): string {
  return joinLines(counterLines(facts.counters), facts.strays)
}

/** One `name value` line per counter, without line ends. */
export function counterLines(counters: Counters): string[] {
  return Array.from(counters, ([name, value]) => `${name} ${value}`)
}
