// Every story is true: each expectation holds and every law of the machine after every step, on the story's machine and
// on larger ones (so no number is told by heart), forwards and back.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { scenarios } from '../src/scenarios/index.ts'
import { bootScenario, playScenario, repeatScenario, type Scenario, Stage } from '../src/scenarios/scenario.ts'
import type { MachineDescription } from '../src/sim/machine_description.ts'
import { Timeline } from '../src/sim/timeline.ts'
import { findName, indexSources } from '../src/sim/where.ts'
import { projectFiles, readText } from './sources.ts'

/** The sentences that are not true, and the laws that are broken, each with the number of its step. */
function faults(scenario: Scenario, stage: Stage = new Stage(bootScenario(scenario))): string[] {
  const found: string[] = []
  let number = 0
  for (const { say, expectations } of playScenario(scenario, stage)) {
    number++
    for (const { sentence, holds } of expectations) if (!holds) found.push(`${number}. ${sentence} (${say})`)
    for (const law of stage.machine.check()) found.push(`${number}. ${law}`)
  }
  return found
}

const larger = ({ memory, ...rest }: MachineDescription): MachineDescription => ({
  ...rest,
  memory: typeof memory === 'string' ? memory.replace(/\d+/, digits => String(Number(digits) * 1.5)) : memory,
})

describe.each(scenarios.map(scenario => [scenario.name, scenario] as const))('%s', (name, scenario) => {
  it('is true', () => expect(faults(scenario)).toEqual([]))

  it('is true on a larger machine', () => {
    const other = { ...scenario, machine: larger(scenario.machine) }
    expect(faults(other)).toEqual([])
  })

  it('goes back to its beginning, and forward to the same end', () => {
    const machine = bootScenario(scenario)
    const [begin, timeline] = [machine.hash(), new Timeline(machine)]
    for (const _ of playScenario(scenario, new Stage(machine, command => timeline.do(command))));
    const end = machine.hash()
    timeline.goto(0)
    expect(machine.hash()).toBe(begin)
    timeline.goto(timeline.length)
    expect(machine.hash()).toBe(end)
  })

  it('changes nothing but by commands', () => {
    const machine = bootScenario(scenario)
    const deaf = new Stage(machine, () => ({ pfn: -1 }))
    const before = machine.hash()
    try {
      for (const _ of playScenario(scenario, deaf));
    } catch {
      // A story that gets nothing may stumble; what counts is that the machine was left alone.
    }
    expect(machine.hash()).toBe(before)
  })

  it('is told in every step, and explains its words', () => {
    const steps = [...playScenario(scenario)]
    expect(steps.length).toBeGreaterThan(3)
    for (const { say } of steps) expect(say).not.toMatch(/undefined|NaN|(?<!\()null|pfn 0x-|\(\)\.|\n {2}\n/)
    expect(steps.flatMap(step => step.expectations).length).toBeGreaterThan(4)
    expect(Object.keys(scenario.terms).length).toBeGreaterThan(1)
  })

  it('is found by its name, is short, and names functions that there are', () => {
    const source = readFileSync(new URL(`../src/scenarios/${name}.ts`, import.meta.url), 'utf8')
    expect(source.split('\n').length).toBeLessThanOrEqual(121)
    const index = indexSources(
      projectFiles('src')
        .filter(path => path.endsWith('.ts'))
        .map(path => [path, readText(path)]),
    )
    expect(index.scenarios[name]).toEqual(scenario.through)
    expect(scenario.through.filter(each => findName(index, each).matches.length === 0)).toEqual([])
  })
})

it('a story can be repeated as a load, and does the same each time', () => {
  const [first] = scenarios
  expect(repeatScenario(first!, 3)).toBe(3 * repeatScenario(first!, 1))
})

it('a sentence that is not true is told as such', () => {
  const [first] = scenarios
  const lie: Scenario = {
    ...first!,
    *steps() {
      yield { say: 'Look.', expect: { 'the moon is free': false } }
    },
  }
  expect(faults(lie)).toEqual(['1. the moon is free (Look.)'])
})
