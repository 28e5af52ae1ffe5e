// A scenario: one story of the kernel's memory management, told by a machine that lives it. The same file is a test (its
// expectations), a command (`mmtwin run NAME`), a preset of the laboratory, and a load to measure (`repeatScenario`).
// Law: a scenario changes its machine through commands only, and every number that it tells is read from the machine.
import type { Order, Pfn } from '../base/units.ts'
import type { ReclaimShape } from '../mm/reclaim_tables.ts'
import type { VmShape } from '../mm/vm_tables.ts'
import type { ZsmallocShape } from '../mm/zsmalloc_tables.ts'
import { boot_from_description } from '../sim/boot.ts'
import type { Command, Result } from '../sim/commands.ts'
import { Machine } from '../sim/machine.ts'
import type { MachineDescription } from '../sim/machine_description.ts'
import type { ProbeName } from '../trace/probes.ts'

export interface Scenario {
  /** What `mmtwin run` calls it: the name of its file. */
  readonly name: string
  readonly title: string
  /** One paragraph: what happens, and why anyone should care. */
  readonly story: string
  /** Words of the kernel that the story needs, each explained in a line. */
  readonly terms: Readonly<Record<string, string>>
  /** Functions of the kernel that it passes through, for `mmtwin where`. */
  readonly through: readonly string[]
  readonly machine: MachineDescription
  /** Room for processes, where the story has any. */
  readonly processes?: VmShape & ReclaimShape & ZsmallocShape
  /** Does what is to be done, and tells it step by step. */
  steps(stage: Stage): Generator<Step, void>
}

/** What is told when something was done; `expect` holds sentences that must be true now. */
export interface Step {
  readonly say: string
  readonly expect?: Readonly<Record<string, boolean>>
}

/** A step with what came of it. */
export interface ToldStep {
  readonly say: string
  /** Commands done since the step before. */
  readonly commands: number
  readonly expectations: readonly { readonly sentence: string; readonly holds: boolean }[]
}

/** Where and for whom a request is made. */
interface Where {
  readonly cpu?: number
  readonly nid?: number
}

/** The machine of a story and what a story does with it. */
export class Stage {
  readonly machine: Machine
  readonly #perform: (command: Command) => Result
  #commands = 0

  /** `perform` does a command; default: on the machine itself. A timeline's `do` makes the story one to step through. */
  constructor(machine: Machine, perform: (command: Command) => Result = command => machine.apply(command)) {
    this.machine = machine
    this.#perform = perform
  }

  /** Commands done. */
  get commands(): number {
    return this.#commands
  }

  do(command: Command): Result {
    this.#commands++
    return this.#perform(command)
  }

  /** One request; -1 when it fails. */
  alloc(order: Order, gfp: string, where: Where = {}): Pfn {
    return this.do({ op: 'alloc_pages', order, gfp: this.machine.gfp(gfp), ...where }).pfn!
  }

  /** Requests until one fails, or until there are `most`; what they got. */
  allocMany(order: Order, gfp: string, most: number = Number.POSITIVE_INFINITY, where: Where = {}): Pfn[] {
    const pfns: Pfn[] = []
    while (pfns.length < most) {
      const pfn = this.alloc(order, gfp, where)
      if (pfn < 0) break
      pfns.push(pfn)
    }
    return pfns
  }

  free(pfns: Iterable<Pfn>, order: Order, where: Pick<Where, 'cpu'> = {}): void {
    for (const pfn of pfns) this.do({ op: '__free_pages', pfn, order, ...where })
  }

  /** How often a tracepoint was heard while `action` ran. */
  hear(tracepoint: ProbeName, action: () => void): number {
    let times = 0
    const end = this.machine.on(tracepoint, () => void times++)
    action()
    end()
    return times
  }
}

/** The machine of a scenario as it is before the story. */
export function bootScenario(scenario: Scenario): Machine {
  const { machine, processes } = scenario
  return new Machine(boot_from_description(machine, processes ? { processes } : {}))
}

/** Plays a scenario; each step comes when it was done, so that who listens can look at the machine. */
export function* playScenario(
  scenario: Scenario,
  stage: Stage = new Stage(bootScenario(scenario)),
): Generator<ToldStep> {
  let before = stage.commands
  for (const { say, expect = {} } of scenario.steps(stage)) {
    const expectations = Object.entries(expect).map(([sentence, holds]) => ({ sentence, holds }))
    yield { say, commands: stage.commands - before, expectations }
    before = stage.commands
  }
}

/** Plays a scenario `times` times, each on a fresh fork of one booted machine; returns the commands done. */
export function repeatScenario(scenario: Scenario, times: number): number {
  const booted = bootScenario(scenario)
  let commands = 0
  for (let i = 0; i < times; i++) {
    const stage = new Stage(booted.fork())
    for (const _ of scenario.steps(stage));
    commands += stage.commands
  }
  return commands
}
