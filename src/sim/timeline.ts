// Time: the commands done to a machine, and snapshots between them. Law: the state after n commands is the nearest
// snapshot before n and the commands from there; going back shortens nothing, a new command in the past replaces what
// came after it. Memory is bounded: when the snapshots grow too large, old ones are thinned out, so that the distance
// between two of them grows with their age.
import type { Probes } from '../trace/probes.ts'
import { type Command, checkCommand, type Result } from './commands.ts'
import type { Machine } from './machine.ts'
import type { Snapshot } from './state.ts'

interface Checkpoint {
  /** Number of commands done. */
  readonly at: number
  readonly snapshot: Snapshot
}

export interface TimelineOptions {
  /** Bytes that all snapshots together may have; 256 MiB by default. */
  readonly budget?: number
}

/** Commands between two snapshots: few where a copy is small, more where it costs as much as many commands. */
const BYTES_PER_COMMAND = 16384
const MIN_INTERVAL = 64
const MAX_INTERVAL = 1024

export class Timeline {
  readonly machine: Machine
  readonly #budget: number
  #commands: Command[] = []
  #checkpoints: Checkpoint[] = []
  #position = 0
  /** Value of machine.next_command at the beginning. */
  #origin: number

  /** The timeline of a machine from now on. While it is used, commands go through it alone. */
  constructor(machine: Machine, { budget = 256 * 2 ** 20 }: TimelineOptions = {}) {
    this.machine = machine
    this.#budget = budget
    this.#origin = machine.sys.machine.next_command[0]!
    this.#checkpoints.push({ at: 0, snapshot: machine.snapshot() })
  }

  /** Commands done up to the state that is shown. */
  get position(): number {
    return this.#position
  }

  /** Commands known, those undone included. */
  get length(): number {
    return this.#commands.length
  }

  /** The command that leads from state n to state n + 1. */
  command(n: number): Command | undefined {
    return this.#commands[n]
  }

  /** Snapshots kept, and their bytes. */
  get checkpoints(): { count: number; bytes: number } {
    const bytes = this.#checkpoints.reduce((sum, { snapshot }) => sum + snapshot.bytes.length, 0)
    return { count: this.#checkpoints.length, bytes }
  }

  /** Does a new command; what was undone before is forgotten. @throws RangeError where it is wrong */
  do(command: Command): Result {
    checkCommand(this.machine.sys, command)
    if (this.#position < this.#commands.length) this.#forgetFuture()
    const result = this.machine.apply(command)
    this.#commands.push(command)
    this.#position++
    this.#checkpoint()
    return result
  }

  #forgetFuture(): void {
    this.#commands.length = this.#position
    this.#checkpoints = this.#checkpoints.filter(({ at }) => at <= this.#position)
    this.machine.forgetAfter(this.#origin + this.#position)
  }

  /** Does up to `n` undone commands again, so that tracepoints are heard; returns how many. */
  step(n = 1): number {
    const steps = Math.min(n, this.#commands.length - this.#position)
    this.#silently(this.machine.sys.trace, () => this.#run(this.#position + steps))
    return steps
  }

  /** Goes `n` commands back, or to the beginning; returns how many. */
  back(n = 1): number {
    const steps = Math.min(n, this.#position)
    this.goto(this.#position - steps)
    return steps
  }

  /** Goes to the state after `target` commands; nobody hears what is done again on the way. */
  goto(target: number): void {
    if (!Number.isInteger(target) || target < 0 || target > this.length)
      throw new RangeError(`step ${target}: there are steps 0 to ${this.length}`)
    if (target === this.#position) return
    const base = this.#checkpoints.findLast(({ at }) => at <= target)!
    if (target < this.#position || base.at > this.#position) {
      this.machine.rewind(base.snapshot)
      this.#position = base.at
    }
    this.#silently({}, () => this.#run(target))
  }

  #run(end: number): void {
    while (this.#position < end) {
      this.machine.apply(this.#commands[this.#position]!)
      this.#position++
      this.#checkpoint()
    }
  }

  /** What is done again is in the log already, and heard by `listeners` alone. */
  #silently(listeners: Probes, action: () => void): void {
    const { sys } = this.machine
    const { trace, printk } = sys
    sys.trace = listeners
    sys.printk = null
    try {
      action()
    } finally {
      sys.trace = trace
      sys.printk = printk
    }
  }

  /** A second timeline over a fork of the machine: the same past, a future of its own. */
  fork(): Timeline {
    const fork = new Timeline(this.machine.fork(), { budget: this.#budget })
    fork.#origin = this.#origin
    fork.#commands = this.#commands.slice(0, this.#position)
    fork.#checkpoints = this.#checkpoints.filter(({ at }) => at <= this.#position)
    fork.#position = this.#position
    return fork
  }

  /** Keeps a snapshot of the present where the last one is far. */
  #checkpoint(): void {
    const index = this.#checkpoints.findLastIndex(({ at }) => at <= this.#position)
    const { at, snapshot } = this.#checkpoints[index]!
    const interval = Math.min(MAX_INTERVAL, Math.max(MIN_INTERVAL, snapshot.bytes.length / BYTES_PER_COMMAND))
    if (this.#position - at < interval) return
    this.#checkpoints.splice(index + 1, 0, { at: this.#position, snapshot: this.machine.snapshot() })
    this.#thinOut()
  }

  /** Drops the snapshots whose neighbours are nearest to each other for their distance from the present. */
  #thinOut(): void {
    while (this.#checkpoints.length > 3 && this.checkpoints.bytes > this.#budget) {
      let [victim, least] = [1, Number.POSITIVE_INFINITY]
      for (let i = 1; i < this.#checkpoints.length - 1; i++) {
        const gap = this.#checkpoints[i + 1]!.at - this.#checkpoints[i - 1]!.at
        const age = 1 + Math.abs(this.#position - this.#checkpoints[i]!.at)
        if (gap / age < least) [victim, least] = [i, gap / age]
      }
      this.#checkpoints.splice(victim, 1)
    }
  }
}
